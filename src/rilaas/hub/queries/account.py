"""A person's own settings."""

from __future__ import annotations

from typing import Any

from rilaas.hub.models import Person


def account(person: Person) -> dict[str, Any]:
    """Name, tokens that are not revoked."""
    tokens = person.tokens.filter(revoked_at=None).order_by("-created_at")[:100]
    rows = [
        {
            "id": token.pk,
            "name": token.name,
            "scopes": token.scopes,
            "subject": token.subject,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
        }
        for token in tokens
    ]
    return {"name": person.username, "has_password": person.has_usable_password(), "tokens": rows}
