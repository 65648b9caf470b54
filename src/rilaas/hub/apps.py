"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig

from rilaas.hub.log_filter import quiet_refusals


class HubConfig(AppConfig):
    """All of the hub is one application."""

    name = "rilaas.hub"
    label = "hub"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Django is set up."""
        quiet_refusals()
