"""How a client's bytes reach an interceptor."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol


class Transport(Protocol):
    """A way to an interceptor; safe to use from several threads.

    Requests and answers are a serialized ModelInferRequest and ModelInferResponse. What fails, fails with a
    ``RilaasError``; ``Unavailable`` means that nobody answered and that trying again may help.
    """

    def call(self, request_id: str, body: bytes, deadline_s: float | None) -> bytes:
        """Ask and wait.

        Args:
            request_id: That of the request; no other one in flight has it.
            body: The request.
            deadline_s: Seconds from now, above 0, after which ``DeadlineExceeded`` is raised; None waits.
        """
        ...

    def send(self, request_id: str, body: bytes, deadline_s: float | None) -> Future[bytes]:
        """Ask without waiting; the deadline is told to the other side, the future itself does not time out."""
        ...

    def metadata(self, model: str, version: str) -> bytes:
        """A serialized ModelMetadataResponse."""
        ...

    def close(self) -> None:
        """Hang up; calls in flight fail, later ones are refused."""
        ...
