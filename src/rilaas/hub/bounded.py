"""What may come in at all, decided before a byte of a body is read."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from types import SimpleNamespace
from typing import Any

from asgiref.sync import sync_to_async

from rilaas.core import RilaasError

MAX_BODY_BYTES = 4 * 2**30  # as store.ArchiveLimits; what is larger comes in parts of an upload anyway
STRANGERS_BODY_BYTES = 2**20  # a sign-in is small

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Bounded:
    """Refuses bodies that are too large: by their declared length, or as soon as they are longer.

    Django keeps a body on disk before it looks at who sends it; only those whom the hub knows may send a large one.

    Args:
        app: The application behind.
        max_bytes: The largest body.
    """

    def __init__(self, app: App, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return
        if b"%00" in scope.get("raw_path", b"") + scope.get("query_string", b""):
            await _refuse(send, 400, "invalid_input", "An address holds no NUL.", "Check the address.")
            return
        headers = dict(scope["headers"])
        said = headers.get(b"content-length", b"0")
        length = int(said) if said.isdigit() else self._max_bytes + 1
        bound = STRANGERS_BODY_BYTES
        if (length > bound or b"transfer-encoding" in headers) and await sync_to_async(_is_known)(headers):
            bound = self._max_bytes
        if length > bound:
            what = f"The request declares {said.decode(errors='replace')} bytes; at most {bound} are read"
            why = "." if bound == self._max_bytes else " from somebody whom the hub does not know."
            await _refuse(send, 413, "invalid_input", what + why, "Sign in, or send large files in parts.")
            return
        if length > STRANGERS_BODY_BYTES and (problem := await sync_to_async(_no_room)(length)):
            await _refuse(send, 503, problem.code, problem.message, problem.hint)
            return
        seen = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            return message if seen <= bound else {"type": "http.disconnect"}  # a body without a declared length

        await self._app(scope, counted, send)


def _is_known(headers: MutableMapping[bytes, bytes]) -> bool:
    """Whether a good token or a session comes with a request; what it may do is looked at later."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth import get_user
    from django.db import close_old_connections

    from rilaas.hub.actions.token import token_of

    close_old_connections()
    try:
        bearer = headers.get(b"authorization", b"").decode("latin-1").partition(" ")[2].strip()
        if bearer and token_of(bearer) is not None:
            return True
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
        if settings.SESSION_COOKIE_NAME not in cookies:
            return False
        store = import_module(settings.SESSION_ENGINE).SessionStore(cookies[settings.SESSION_COOKIE_NAME].value)
        return bool(get_user(SimpleNamespace(session=store)).is_authenticated)  # type: ignore[arg-type]
    except CookieError:
        return False
    finally:
        close_old_connections()


def _no_room(length: int) -> RilaasError | None:
    """Why a body of this length cannot be kept while it is read: it lies there twice, and what it becomes."""
    from rilaas.hub.blob_store import check_room

    try:
        check_room(3 * length)
    except RilaasError as error:
        return error
    return None


async def _refuse(send: Send, status: int, code: str, message: str, hint: str) -> None:
    body = json.dumps({"code": code, "message": message, "hint": hint, "request_id": ""}).encode()
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
