"""Datasets: frozen inputs, and expected outputs where there are some."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.model import PRIVATE
from rilaas.hub.models.name import name_field
from rilaas.hub.models.person import Person


class Dataset(models.Model):
    """A named set of inputs with an owner and a visibility."""

    owner = models.ForeignKey(Person, models.PROTECT, related_name="datasets")
    name = name_field()
    description = models.TextField(default="", blank=True)
    visibility = models.CharField(max_length=8, default=PRIVATE)
    collaborators = models.ManyToManyField(Person, related_name="shared_datasets")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["owner", "name"], name="dataset_ref"),)
        indexes = (models.Index(fields=["-updated_at"]),)

    def __str__(self) -> str:
        return f"{self.owner.username}/{self.name}"


class DatasetVersion(models.Model):
    """Its content at one moment, for ever.

    Attributes:
        info: ``DatasetInfo`` of the room store, as JSON.
        blob_sha256: The frozen file.
    """

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=71)
    blob_sha256 = models.CharField(max_length=64)
    samples = models.PositiveIntegerField()
    size_bytes = models.BigIntegerField()
    source_format = models.CharField(max_length=40)
    info = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["dataset", "number"], name="dataset_version_number"),
            models.UniqueConstraint(fields=["dataset", "digest"], name="dataset_version_digest"),
        )
