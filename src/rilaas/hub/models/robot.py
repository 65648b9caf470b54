"""Robots, their keys, what they subscribe to."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.model import Model
from rilaas.hub.models.name import name_field
from rilaas.hub.models.person import Person


class Robot(models.Model):
    """Who asks. The public limits hold for public models that it has no subscription to; no rate is unlimited."""

    owner = models.ForeignKey(Person, models.PROTECT, related_name="robots")
    name = name_field()
    note = models.TextField(default="", blank=True)
    public_rate_per_s = models.FloatField(null=True, default=50.0)
    public_burst = models.PositiveIntegerField(default=100)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["owner", "name"], name="robot_ref"),)
        indexes = (models.Index(fields=["-last_seen_at"]),)

    def __str__(self) -> str:
        return f"{self.owner.username}/{self.name}"


class RobotKey(models.Model):
    """A public SSH key; ``kid`` is its fingerprint. A revoked key stays listed and works no more."""

    robot = models.ForeignKey(Robot, models.CASCADE, related_name="keys")
    kid = models.CharField(max_length=64, unique=True)
    line = models.TextField()
    kind = models.CharField(max_length=40)
    comment = models.CharField(max_length=200, default="", blank=True)
    added_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)


class Subscription(models.Model):
    """A robot may use a model, so often."""

    robot = models.ForeignKey(Robot, models.CASCADE, related_name="subscriptions")
    model = models.ForeignKey(Model, models.CASCADE, related_name="subscriptions")
    rate_per_s = models.FloatField(null=True)
    burst = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["robot", "model"], name="subscription"),)
