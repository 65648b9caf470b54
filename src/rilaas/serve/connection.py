"""The replica's end of a unix socket: frames in without copying, answers out in one system call."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from rilaas.core import InvalidInput, RilaasError
from rilaas.wire import FrameKind, pack_error, pack_header
from rilaas.wire.frame import HEADER_BYTES, NEVER

_HEADER = struct.Struct("<IBQdd")  # as wire.frame draws it
_AFTER_LENGTH = HEADER_BYTES - 4
_REQUESTS = {int(FrameKind.INFER): FrameKind.INFER, int(FrameKind.METADATA): FrameKind.METADATA}
_STALL_S = 0.02  # how long one read waits for the rest of a body before others get their turn
_SEND_S = 5.0  # who does not read its answers for so long is disconnected
_SPARES = 4
_SKIP_BYTES = 2**16


class Gone(Exception):  # no error of ours: the other side hung up
    """The connection is over."""


@dataclass(slots=True)
class Request:
    """One frame that came in.

    Attributes:
        kind: INFER or METADATA.
        call: Number that the answer carries.
        sent_at: Monotonic time at which it was sent [s].
        deadline: Monotonic time after which nobody waits [s]; infinite where there is none.
        body: The message, in memory that is used again once ``Connection.recycle`` was called.
        connection: Where the answer goes.
    """

    kind: FrameKind
    call: int
    sent_at: float
    deadline: float
    body: memoryview
    connection: Connection
    buffer: bytearray


class Connection:
    """One front.

    Args:
        sock: Accepted; becomes blocking, with short time-outs.
        max_body_bytes: Larger bodies are answered with an error and skipped.
    """

    def __init__(self, sock: socket.socket, max_body_bytes: int) -> None:
        sock.setblocking(True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(_STALL_S))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(_SEND_S))
        self.sock = sock
        self._max_body_bytes = max_body_bytes
        self._header = bytearray(HEADER_BYTES)
        self._have = 0  # bytes of header, then of body
        self._body = memoryview(b"")
        self._buffer = bytearray()
        self._spares: list[bytearray] = []
        self._fields: tuple[FrameKind, int, float, float] | None = None  # set while a body is read
        self._skip = 0

    @property
    def is_inside_frame(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._have or self._fields or self._skip)

    def receive(self) -> Request | None:
        """Read what is there, until one frame is complete; call it when the socket is readable.

        Returns:
            None where the frame is not complete yet, or was refused and answered.

        Raises:
            Gone: The other side hung up, or does not speak our protocol.
        """
        if self._skip:
            self._skip -= self._read(memoryview(bytearray(min(self._skip, _SKIP_BYTES))))
            return None
        if self._fields is None:
            self._have += self._read(memoryview(self._header)[self._have :])
            if self._have < HEADER_BYTES or not self._begin():
                return None
        if self._have < len(self._body):
            self._have += self._read(self._body[self._have :], socket.MSG_WAITALL)
        if self._have < len(self._body):
            return None  # stalled: others get their turn
        return self._complete()

    def answer(self, call: int, body: bytes, kind: FrameKind = FrameKind.OK, sent_at: float = 0.0) -> None:
        """Send an answer.

        Raises:
            Gone: The other side hung up or does not read.
        """
        header = pack_header(kind, call, sent_at, NEVER, len(body))
        try:
            sent = self.sock.sendmsg((header, body))
            if sent < len(header) + len(body):
                self.sock.sendall((header + body)[sent:])
        except OSError as error:
            raise Gone from error

    def refuse(self, call: int, error: RilaasError) -> None:
        """Send an error; see ``answer``."""
        self.answer(call, pack_error(error), FrameKind.ERROR)

    def recycle(self, request: Request) -> None:
        """Take the memory of an answered request back, unless the model has kept an array that lies in it."""
        buffer = request.buffer
        try:
            request.body.release()
            if buffer:
                buffer.append(buffer.pop())  # refused while any array uses the memory
        except BufferError:
            return
        if len(self._spares) < _SPARES:
            self._spares.append(buffer)

    def close(self) -> None:
        """Hang up."""
        self.sock.close()

    def _read(self, into: memoryview, flags: int = 0) -> int:
        """Bytes that came; 0 where none came within the stall time."""
        try:
            count = self.sock.recv_into(into, 0, flags)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Gone from error
        if not count:
            raise Gone
        return count

    def _begin(self) -> bool:
        """Look at a complete header; whether a body follows that is wanted."""
        length, kind, call, sent_at, deadline = _HEADER.unpack(self._header)
        size, self._have = length - _AFTER_LENGTH, 0
        if size < 0:
            self.refuse(0, InvalidInput("The bytes on the socket are no frames."))
            raise Gone
        why = ""
        if kind not in _REQUESTS:
            why = f"A frame of the unknown kind {kind}; a replica answers INFER (1) and METADATA (2)."
        elif size > self._max_body_bytes:
            why = f"A message of {size} bytes is too large; this replica takes {self._max_body_bytes}."
        if not why:
            try:
                self._buffer = self._take(size)
            except MemoryError:
                why = f"There is no memory for a message of {size} bytes."
        if why:
            self._skip = size
            self.refuse(call, InvalidInput(why))
            return False
        self._body = memoryview(self._buffer)[:size]
        self._fields = (_REQUESTS[kind], call, sent_at, deadline)
        return True

    def _take(self, size: int) -> bytearray:
        for index, spare in enumerate(self._spares):
            if size <= len(spare) <= 4 * size + _SKIP_BYTES:
                return self._spares.pop(index)
        self._spares.clear()  # sizes have changed
        return bytearray(size)

    def _complete(self) -> Request:
        assert self._fields is not None
        kind, call, sent_at, deadline = self._fields
        request = Request(kind, call, sent_at, deadline, self._body, self, self._buffer)
        self._body, self._buffer, self._fields, self._have = memoryview(b""), bytearray(), None, 0
        return request


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("ll", whole, int((seconds - whole) * 1e6))
