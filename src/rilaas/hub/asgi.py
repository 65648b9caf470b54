"""The hub as an ASGI application."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rilaas.hub.settings")

from django.core.asgi import get_asgi_application

MAX_BODY_BYTES = 4 * 2**30  # as store.ArchiveLimits; what is larger comes in parts of an upload anyway

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Bounded:
    """Refuses a body that is too large by its declared length, before a byte of it is read.

    Args:
        app: The application behind.
        max_bytes: The largest body.
    """

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], max_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._max_bytes:
            await _refuse(
                send,
                f"The request declares {length.decode(errors='replace')} bytes; at most {self._max_bytes} are read.",
            )
            return
        seen = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:  # a body without a declared length
                return {"type": "http.disconnect"}
            return message

        await self._app(scope, counted, send)


async def _refuse(send: Send, message: str) -> None:
    body = json.dumps(
        {"code": "invalid_input", "message": message, "hint": "Send large files in parts.", "request_id": ""}
    ).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})


application = Bounded(cast(App, get_asgi_application()))
