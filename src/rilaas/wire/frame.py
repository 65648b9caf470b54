"""Frames on a unix socket, between a front and its replicas.

::

    u32 bytes after this field | u8 kind | u64 call | f64 sent_at [s] | f64 deadline [s] | body

Little-endian; both times are CLOCK_MONOTONIC, which all processes of a machine share; the deadline is infinite where
there is none. Answers carry the call number of their request, in any order.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from enum import IntEnum

from rilaas.core import InvalidInput, RilaasError, error_from_code

_HEADER = struct.Struct("<IBQdd")
_AFTER_LENGTH = _HEADER.size - 4
HEADER_BYTES = _HEADER.size
MAX_BODY_BYTES = 256 * 2**20
NEVER = math.inf


class FrameKind(IntEnum):
    """What a frame is."""

    INFER = 1  # body: ModelInferRequest
    METADATA = 2  # no body; answered with a ModelMetadataResponse
    OK = 16  # body: the answer
    ERROR = 17  # body: see ``pack_error``


_KINDS = {int(kind): kind for kind in FrameKind}


@dataclass(frozen=True, slots=True)
class Frame:
    """One request or answer.

    Attributes:
        kind: What it is.
        call: Number of the call, chosen by the asking side.
        sent_at: Monotonic time at which it was sent [s].
        deadline: Monotonic time after which nobody waits for the answer [s]; infinite where there is none.
        body: The message.
    """

    kind: FrameKind
    call: int
    sent_at: float
    deadline: float = NEVER
    body: bytes = b""


def pack_header(kind: FrameKind, call: int, sent_at: float, deadline: float, body_bytes: int) -> bytes:
    """The header alone, for writing header and body without joining them (``writelines``, ``sendmsg``).

    Raises:
        InvalidInput: The body is larger than a frame can be.
    """
    if body_bytes > MAX_BODY_BYTES:
        raise InvalidInput(f"A message of {body_bytes} bytes is too large; at most {MAX_BODY_BYTES} are valid.")
    return _HEADER.pack(_AFTER_LENGTH + body_bytes, kind, call, sent_at, deadline)


def pack_frame(frame: Frame) -> bytes:
    """A frame as bytes.

    Raises:
        InvalidInput: The body is larger than a frame can be.
    """
    return pack_header(frame.kind, frame.call, frame.sent_at, frame.deadline, len(frame.body)) + frame.body


def pack_error(error: RilaasError) -> bytes:
    """Body of an ERROR frame: JSON with code, message and hint."""
    return json.dumps({"code": error.code, "message": error.message, "hint": error.hint}).encode()


def unpack_error(body: bytes) -> RilaasError:
    """The inverse of ``pack_error``; a body that is none becomes the base class, saying so."""
    try:
        fields = json.loads(body)
        return error_from_code(str(fields["code"]), str(fields["message"]), str(fields["hint"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return RilaasError("The replica failed and its answer is not readable.", "See the server's log.")


class FrameReader:
    """Cut a stream of bytes into frames, however it arrives; each body is copied once.

    Args:
        max_body_bytes: Bodies above it are refused before they are stored.
    """

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_body_bytes = max_body_bytes
        self._header = b""  # as far as it has come
        self._parts: list[memoryview] = []  # of the body
        self._missing = -1  # bytes of the body; -1 while the header is incomplete
        self._broken: InvalidInput | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """Take what came in and return the frames that are complete.

        Raises:
            InvalidInput: The bytes are no frames, or one is too large. The stream is out of step from then on: every
                later call raises the same.
        """
        if self._broken is not None:
            raise self._broken
        view = memoryview(data if isinstance(data, bytes) else bytes(data))
        frames: list[Frame] = []
        while True:
            if self._missing < 0:
                wanted = HEADER_BYTES - len(self._header)
                self._header += view[:wanted]
                view = view[wanted:]
                if len(self._header) < HEADER_BYTES:
                    return frames
                self._missing = self._body_bytes()
            part, view = view[: self._missing], view[self._missing :]
            self._missing -= len(part)
            self._parts.append(part)
            if self._missing:
                return frames
            frames.append(self._complete())

    def _body_bytes(self) -> int:
        length, kind, _, sent_at, deadline = _HEADER.unpack(self._header)
        size = int(length) - _AFTER_LENGTH
        if kind not in _KINDS or size < 0 or not math.isfinite(sent_at) or math.isnan(deadline):
            self._broken = InvalidInput("The bytes on the socket are no frames.")
        elif size > self._max_body_bytes:
            self._broken = InvalidInput(
                f"A frame of {size} bytes is too large; at most {self._max_body_bytes} are valid."
            )
        if self._broken is not None:
            self._parts.clear()
            raise self._broken
        return size

    def _complete(self) -> Frame:
        _, kind, call, sent_at, deadline = _HEADER.unpack(self._header)
        body = b"".join(self._parts)
        self._header, self._parts, self._missing = b"", [], -1
        return Frame(_KINDS[kind], call, sent_at, deadline, body)
