"""Evaluations: reports of closed-loop runs, with their episodes."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.job import Job
from rilaas.hub.models.model import Model, Variant
from rilaas.hub.models.person import Person

EVALUATION = "evaluation"  # the kind of such a report, and of the job that drives it
OPTIMIZATION = "optimization"  # so too


class Evaluation(models.Model):
    """A report as ``rilaas.report`` writes it, of a model where it says which; whoever sees the model sees it.

    Attributes:
        job: The job that drives it; None where the report came from elsewhere.
        plan: What the job is to do, see ``actions.evaluation_run``; {} where there is none.
        verdict: '' as long as there is no report.
        report: '' as long as there is none.
    """

    owner = models.ForeignKey(Person, models.PROTECT, related_name="evaluations")
    model = models.ForeignKey(Model, models.CASCADE, null=True, related_name="evaluations")
    variant = models.ForeignKey(Variant, models.SET_NULL, null=True, related_name="evaluations")
    job = models.OneToOneField(Job, models.SET_NULL, null=True, related_name="evaluation")
    plan = models.JSONField(default=dict, blank=True)
    kind = models.CharField(max_length=40)
    suite = models.CharField(max_length=100, default="", blank=True)
    verdict = models.CharField(max_length=10, default="", blank=True)
    summary = models.TextField(default="", blank=True)
    metrics = models.JSONField(default=dict)
    report = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = (models.Index(fields=["-created_at"]), models.Index(fields=["model", "-created_at"]))


class Episode(models.Model):
    """One run of an evaluation.

    Attributes:
        metrics: Values by metric name.
        absent: Why a metric is not among them, by name.
    """

    evaluation = models.ForeignKey(Evaluation, models.CASCADE, related_name="episodes")
    index = models.PositiveIntegerField()
    scenario = models.CharField(max_length=200)
    seed = models.BigIntegerField()
    status = models.CharField(max_length=200)
    failed = models.BooleanField(default=False)
    metrics = models.JSONField(default=dict)
    absent = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["evaluation", "index"], name="episode_index"),)
