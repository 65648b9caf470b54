"""A user's own metrics."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.model import Model
from rilaas.hub.models.person import Person
from rilaas.hub.models.robot import Robot


class MetricSample(models.Model):
    """A named number with a unit, at a time, from a robot or from a person's program, perhaps about a model."""

    name = models.CharField(max_length=100)
    unit = models.CharField(max_length=20, default="", blank=True)
    value = models.FloatField()
    at = models.DateTimeField()
    robot = models.ForeignKey(Robot, models.CASCADE, null=True, related_name="samples")
    person = models.ForeignKey(Person, models.CASCADE, related_name="samples")  # or the robot's owner
    model = models.ForeignKey(Model, models.CASCADE, null=True, related_name="samples")

    class Meta:
        indexes = (
            # All that is added up by series: read in order, and without a look at the rows.
            models.Index(fields=["name", "unit", "robot", "person", "model", "at", "value"], name="sample_series"),
            models.Index(fields=["person", "-at"]),
        )
