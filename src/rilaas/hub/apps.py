"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig


class HubConfig(AppConfig):
    """All of the hub is one application."""

    name = "rilaas.hub"
    label = "hub"
    default_auto_field = "django.db.models.BigAutoField"
