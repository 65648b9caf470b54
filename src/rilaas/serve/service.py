"""What stands behind a front: who may come in, and who answers."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rilaas.core import RilaasError

_log = logging.getLogger("rilaas.serve")

WARM_UP = "rilaas_warm_up"  # parameter of a request: compute and forget it; refused once others have asked

Metadata = Sequence[tuple[str, "str | bytes"]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: The robot's name; '' where the front asks for none.
        key_id: Fingerprint of the key that proved it; '' where none was asked for.
        peer: Network address it comes from, as gRPC prints it.
    """

    name: str = ""
    key_id: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class ModelState:
    """One line of the repository index."""

    name: str
    version: str
    ready: bool
    reason: str = ""


class Gate(Protocol):
    """Decides who may come in."""

    def glance(self, metadata: Metadata) -> None:
        """Refuse a stranger before a byte of the request's message is read.

        Raises:
            Unauthenticated: Nobody that is known.
        """
        ...

    def admit(self, metadata: Metadata, peer: str, *, opens_stream: bool) -> Caller:
        """The caller of an RPC, from its metadata.

        Raises:
            Unauthenticated: Nobody that is known, or a token that may not be used like this.
        """
        ...


class OpenGate:
    """Lets everybody in: TLS client certificates or loopback have decided before."""

    def glance(self, metadata: Metadata) -> None:
        """See ``Gate.glance``."""

    def admit(self, metadata: Metadata, peer: str, *, opens_stream: bool) -> Caller:
        """See ``Gate.admit``."""
        return Caller(peer=peer)


class Service(Protocol):
    """Answers requests; the bytes are protocol messages that it need not parse."""

    async def infer(self, body: bytes, caller: Caller, deadline: float | None) -> bytes:
        """Answer a serialized ModelInferRequest with a serialized ModelInferResponse.

        Args:
            body: The request.
            caller: Who asks.
            deadline: ``time.monotonic()`` after which nobody waits any more; None waits.

        Raises:
            RilaasError: By its code.
        """
        ...

    async def metadata(self, model: str, version: str, caller: Caller) -> bytes:
        """A serialized ModelMetadataResponse; NotFound where there is no such model for this caller."""
        ...

    def models(self, caller: Caller) -> Sequence[ModelState]:
        """The models that this caller may see, ready or not."""
        ...


def told(error: BaseException) -> RilaasError:
    """What the caller is told of an error: ours as it is, another one as a number that stands in the log."""
    if isinstance(error, RilaasError):
        return error
    number = uuid.uuid4().hex[:12]
    _log.error("unexpected error %s", number, exc_info=error)
    return RilaasError("The server failed.", f"Its log has the details under {number}.")
