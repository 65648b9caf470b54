"""Deployments, and where their replicas are."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.model import Model, Variant
from rilaas.hub.models.name import name_field
from rilaas.hub.models.person import Person
from rilaas.hub.models.server import Server

STARTING, READY, FAILED, STOPPING = PLACEMENT_STATES = ("starting", "ready", "failed", "stopping")


class Deployment(models.Model):
    """A model on servers: what its alias points at, and a share of a canary.

    Attributes:
        follows: The alias whose variant is served.
        serving: The variant that traffic goes to: that of the alias once it is ready somewhere.
        previous: Kept running, so that a roll-back needs no start.
        canary: Gets ``canary_share`` of the queries that ask for no version, once it is ready.
        memory_bytes: None for the manifest's limit; so ``cpus``.
        is_stopped: Nothing of it runs; what it was is kept.
        generation: Tells two people apart who change it at once.
    """

    model = models.OneToOneField(Model, models.CASCADE, related_name="deployment")
    follows = name_field(default="prod")
    serving = models.ForeignKey(Variant, models.SET_NULL, null=True, related_name="+")
    previous = models.ForeignKey(Variant, models.SET_NULL, null=True, related_name="+")
    canary = models.ForeignKey(Variant, models.SET_NULL, null=True, related_name="+")
    canary_share = models.FloatField(default=0.0)
    servers = models.ManyToManyField(Server, related_name="deployments")
    replicas = models.PositiveIntegerField(default=1)
    threads = models.PositiveIntegerField(default=1)
    memory_bytes = models.BigIntegerField(null=True)
    cpus = models.PositiveIntegerField(null=True)
    balancer = models.CharField(max_length=40, default="least_connections")
    is_stopped = models.BooleanField(default=False)
    generation = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Person, models.PROTECT, related_name="+")


class Placement(models.Model):
    """A variant of a deployment on a server, as the server last reported it."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="placements")
    variant = models.ForeignKey(Variant, models.CASCADE, related_name="placements")
    server = models.ForeignKey(Server, models.CASCADE, related_name="placements")
    state = models.CharField(max_length=8, default=STARTING)
    reason = models.TextField(default="", blank=True)
    replicas_ready = models.PositiveIntegerField(default=0)
    restarts = models.PositiveIntegerField(default=0)
    isolation = models.TextField(default="", blank=True)
    log = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["deployment", "variant", "server"], name="placement"),)
