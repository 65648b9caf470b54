"""The audit log."""

from __future__ import annotations

from rilaas.hub.models import AuditEvent, Person


def record(person: Person | None, act: str, subject: str, detail: str = "") -> None:
    """Write down who did what; call it inside the act's transaction."""
    AuditEvent.objects.create(person=person, act=act, subject=subject[:200], detail=detail)
