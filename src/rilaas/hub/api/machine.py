"""Which machine calls."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest

from rilaas.core import PermissionDenied
from rilaas.hub.api.token import caller
from rilaas.hub.models import AccessToken


def machine(request: HttpRequest, scope: str, name: str) -> AccessToken:
    """The token of a machine; a session, and the token of somebody who does not run the hub, are none.

    Args:
        request: What came in.
        scope: ``interceptor`` or ``server``.
        name: The machine for which it speaks.

    Raises:
        PermissionDenied: The token is for something else.
    """
    if not caller(request, scope, name).is_staff:
        raise PermissionDenied("Machines act for people who run the hub.", "Ask one of them for a token.")
    return cast(AccessToken, request.auth)  # type: ignore[attr-defined]
