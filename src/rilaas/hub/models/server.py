"""Machines: servers that hold replicas, interceptors that robots ask."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.name import name_field


class Server(models.Model):
    """A host that runs replicas: ``rilaas serve --hub``. ``generation`` grows when it has to do something else."""

    name = name_field(unique=True)
    kind = models.CharField(max_length=8, default="edge")
    address = models.CharField(max_length=200, default="", blank=True)
    metrics_address = models.CharField(max_length=200, default="", blank=True)
    insecure = models.BooleanField(default=False)
    added_delay_s = models.FloatField(default=0.0)
    generation = models.BigIntegerField(default=0)
    last_report_at = models.DateTimeField(null=True)


class Interceptor(models.Model):
    """A ``rilaas route --hub``, as it last reported."""

    name = name_field(unique=True)
    address = models.CharField(max_length=200, default="", blank=True)
    metrics_address = models.CharField(max_length=200, default="", blank=True)
    epoch = models.BigIntegerField(default=0)
    policy_age_s = models.FloatField(default=0.0)
    source = models.CharField(max_length=8, default="hub")
    source_ok = models.BooleanField(default=True)
    problem = models.TextField(default="", blank=True)
    decisions = models.JSONField(default=list, blank=True)
    last_report_at = models.DateTimeField(null=True)
