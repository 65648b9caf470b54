"""Tokens over REST: a program makes narrower ones for others, such as the servers of a fleet."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from rilaas.core import PermissionDenied
from rilaas.hub.actions.token import PERSON_SCOPES, make_token, revoke_token
from rilaas.hub.api.token import caller
from rilaas.hub.models import AccessToken
from rilaas.hub.queries.account import account

router = Router(tags=["tokens"])


class NewToken(Schema):
    """A token to be made."""

    name: str = Field(max_length=64, description="What it is for.")
    scopes: list[str] = Field(description="read, write, deploy, metrics; for machines: interceptor, server.")
    subject: str = Field("", max_length=64, description="The one machine that it is for.")
    days: int | None = Field(None, description="How long it lives; until revoked where left out.")


class Made(Schema):
    """A token that was made; its text is not kept."""

    token: str


@router.get("/me")
def me(request: HttpRequest) -> dict[str, Any]:
    """Who you are to the hub: the person, and what the token may do."""
    who = request.auth  # type: ignore[attr-defined]
    if isinstance(who, AccessToken):
        return {"person": who.person.username, "scopes": who.scopes, "subject": who.subject}
    return {"person": who.username, "scopes": list(PERSON_SCOPES), "subject": ""}


@router.get("/tokens")
def tokens(request: HttpRequest) -> dict[str, Any]:
    """Your tokens, without their texts."""
    return {"tokens": account(caller(request, "read"))["tokens"]}


@router.post("/tokens", response={201: Made})
def make(request: HttpRequest, wanted: NewToken) -> Status[dict[str, str]]:
    """Make a token; a token makes none that may do more than itself."""
    person = caller(request, "write")
    mine = request.auth  # type: ignore[attr-defined]
    if isinstance(mine, AccessToken):
        more = sorted(set(wanted.scopes) - set(mine.scopes))
        if more:
            raise PermissionDenied(
                f"Your token lacks the scope {', '.join(more)[:100]}.", "Make this one on the page Account."
            )
        if mine.subject and wanted.subject != mine.subject:
            raise PermissionDenied(
                f"Your token is for {mine.subject!r} alone.", "Make one for others on the page Account."
            )
    text = make_token(
        person,
        wanted.name,
        wanted.scopes,
        subject=wanted.subject,
        days=wanted.days,
        until=mine.expires_at if isinstance(mine, AccessToken) else None,
    )
    return Status(201, {"token": text})


@router.delete("/tokens/{token_id}", response={204: None})
def revoke(request: HttpRequest, token_id: int) -> Status[None]:
    """Revoke a token of yours."""
    revoke_token(caller(request, "write"), token_id)
    return Status(204, None)
