"""People, their tokens for programs, their one-time links."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models

from rilaas.hub.models.name import LENGTH, name_field


class Person(AbstractUser):
    """Somebody who signs in; ``username`` is the owner part of references. ``is_staff`` runs the hub."""

    username = models.CharField(max_length=LENGTH, unique=True)
    first_name = last_name = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.username


class EntryLink(models.Model):
    """A link that signs a person in, once: for the first start and for people who were invited."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="links")
    sha256 = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class AccessToken(models.Model):
    """What a program presents; only its hash is kept."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="tokens")
    name = name_field()
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    subject = models.CharField(max_length=LENGTH, default="", blank=True)  # of a machine: the one name it may use
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
