"""How a client's bytes reach an interceptor."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol


class Transport(Protocol):
    """A way to an interceptor; safe to use from several threads."""

    def send(self, request_id: str, body: bytes, deadline_s: float | None) -> Future[bytes]:
        """Send a serialized ModelInferRequest; the future holds the serialized ModelInferResponse.

        It fails with a ``RilaasError``; ``Unavailable`` means that nobody answered and that trying again may help.
        """
        ...

    def metadata(self, model: str, version: str) -> bytes:
        """A serialized ModelMetadataResponse."""
        ...

    def close(self) -> None:
        """Hang up; calls in flight fail."""
        ...
