"""Evaluations: reports of closed-loop runs, with their episodes."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.model import Model, Variant
from rilaas.hub.models.person import Person


class Evaluation(models.Model):
    """A report as ``rilaas.report`` writes it, of a model where it says which; whoever sees the model sees it."""

    owner = models.ForeignKey(Person, models.PROTECT, related_name="evaluations")
    model = models.ForeignKey(Model, models.CASCADE, null=True, related_name="evaluations")
    variant = models.ForeignKey(Variant, models.SET_NULL, null=True, related_name="evaluations")
    kind = models.CharField(max_length=40)
    suite = models.CharField(max_length=100, default="", blank=True)
    verdict = models.CharField(max_length=10)
    summary = models.TextField(default="", blank=True)
    metrics = models.JSONField(default=dict)
    report = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = (models.Index(fields=["-created_at"]), models.Index(fields=["model", "-created_at"]))


class Episode(models.Model):
    """One run of an evaluation."""

    evaluation = models.ForeignKey(Evaluation, models.CASCADE, related_name="episodes")
    index = models.PositiveIntegerField()
    scenario = models.CharField(max_length=200)
    seed = models.BigIntegerField()
    status = models.CharField(max_length=200)
    failed = models.BooleanField(default=False)
    metrics = models.JSONField(default=dict)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["evaluation", "index"], name="episode_index"),)
