"""Jobs: long work with progress, log, cancel; and the runs of a model over a dataset."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.dataset import DatasetVersion
from rilaas.hub.models.model import Variant
from rilaas.hub.models.person import Person

QUEUED, RUNNING, DONE, FAILED, CANCELLED = JOB_STATES = ("queued", "running", "done", "failed", "cancelled")


class Job(models.Model):
    """Work that the worker does.

    Attributes:
        kind: Which work: a name of ``hub.worker``'s table.
        parameters: What for; JSON that its kind understands.
        done: Steps done, of ``total`` (0 while it is not known).
        heartbeat_at: When the worker last said that it works on it; an old one means that the worker died, and the
            job is queued again.
        attempt: How often it was begun.
        error: ``{"code", "message", "hint"}`` of a failed one.
    """

    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=300)
    owner = models.ForeignKey(Person, models.PROTECT, related_name="jobs")
    state = models.CharField(max_length=10, default=QUEUED)
    parameters = models.JSONField(default=dict)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    log = models.TextField(default="", blank=True)
    error = models.JSONField(null=True)
    result = models.JSONField(null=True)
    attempt = models.PositiveIntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=["state", "id"]), models.Index(fields=["owner", "-id"]))


class Run(models.Model):
    """A variant over a dataset: outputs in the folder ``runs/<id>`` of the hub's home, numbers in ``summary``."""

    job = models.OneToOneField(Job, models.CASCADE, related_name="run")
    variant = models.ForeignKey(Variant, models.CASCADE, related_name="runs")
    dataset_version = models.ForeignKey(DatasetVersion, models.CASCADE, null=True, related_name="runs")
    is_trial = models.BooleanField(default=False)  # one input from the model's page, not a dataset
    summary = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
