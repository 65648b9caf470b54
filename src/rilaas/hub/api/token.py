"""Who calls: a scoped token, or the session of a person in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer

from rilaas.core import PermissionDenied
from rilaas.hub.actions.token import token_of
from rilaas.hub.models import AccessToken, Person


class Bearer(HttpBearer):
    """``Authorization: Bearer rilaas_...``."""

    def authenticate(self, request: HttpRequest, token: str) -> AccessToken | None:
        """The token, where it is valid now."""
        return token_of(token)


class Session(APIKeyCookie):
    """The session cookie of a person who has signed in; writing needs the page's CSRF token too."""

    param_name = "rilaas_session"

    def __init__(self) -> None:
        super().__init__(csrf=True)

    def authenticate(self, request: HttpRequest, key: str | None) -> Person | None:
        """The person."""
        return request.user if isinstance(request.user, Person) else None


ALL: list[Callable[[HttpRequest], Any]] = [Bearer(), Session()]


def caller(request: HttpRequest, scope: str, subject: str = "") -> Person:
    """The person on whose behalf the call is.

    Args:
        request: What came in.
        scope: What a token needs for this.
        subject: The machine that the call speaks for; a token of a machine is good for that one alone.

    Raises:
        PermissionDenied: The token is for something else.
    """
    who = cast("AccessToken | Person", request.auth)  # type: ignore[attr-defined]
    if isinstance(who, Person):
        return who
    if scope not in who.scopes:
        raise PermissionDenied(
            f"The token {who.name!r} has the scopes {', '.join(who.scopes)}; this needs {scope!r}.",
            "Make a token with this scope on the page Account.",
        )
    if subject and who.subject and subject != who.subject:
        raise PermissionDenied(f"The token {who.name!r} is for {who.subject!r}, not for {subject!r}.")
    return who.person
