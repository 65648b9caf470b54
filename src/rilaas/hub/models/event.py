"""Who did what."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.person import Person


class AuditEvent(models.Model):
    """One act of a person; kept when what it was about is gone."""

    at = models.DateTimeField(auto_now_add=True)
    person = models.ForeignKey(Person, models.SET_NULL, null=True, related_name="+")
    act = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    detail = models.TextField(default="", blank=True)

    class Meta:
        indexes = (models.Index(fields=["subject", "-at"]), models.Index(fields=["-at"]))
