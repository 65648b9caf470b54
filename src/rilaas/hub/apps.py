"""The Django application."""

from __future__ import annotations

from importlib import import_module

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
        import_module("rilaas.hub.actions.recording")  # it frees the files of rows that go
