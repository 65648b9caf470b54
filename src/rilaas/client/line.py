"""A socket that does not block, with the gRPC stream on it."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence

from rilaas.client.dial import DEAD_AFTER_S
from rilaas.core import RilaasError, Unavailable
from rilaas.wire.http2 import GrpcStream

PING_AFTER_S = 10.0  # of silence while somebody waits; DEAD_AFTER_S of silence end the connection
READ_BYTES = 256 * 2**10
_TLS_RECORD_BYTES = 16 * 2**10
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Line:
    """Messages out and in. Not thread-safe but for ``wait``: OpenSSL, too, wants one thread at a time.

    Args:
        sock: Does not block; closed by ``release``.
        stream: Fresh.
        broken: What a failed system call means.

    Attributes:
        failure: Why it has ended; None while it has not.
        is_refused: Whether the other side ended it before it answered anything.
    """

    def __init__(self, sock: socket.socket, stream: GrpcStream, broken: Callable[[OSError], RilaasError]) -> None:
        self.failure: RilaasError | None = None
        self.is_refused = False
        self._socket, self._stream, self._broken = sock, stream, broken
        self._unsent = memoryview(b"")
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._heard = self._asked = time.monotonic()
        self._pinged = -math.inf
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._is_woken = False
        self._poll, self._events = select.poll(), select.POLLIN
        self._poll.register(self._socket, self._events)
        self._poll.register(self._wake_reader, select.POLLIN)

    @property
    def is_usable(self) -> bool:
        """Whether new messages may be sent, as far as is known."""
        return self.failure is None and not self._stream.going_away

    @property
    def is_blocked(self) -> bool:
        """Whether the socket has not taken all that it was given."""
        return bool(self._unsent)

    def send(self, parts: Sequence[bytes]) -> int:
        """Send a message, or queue what does not go out now; returns a ticket for ``withdraw``.

        Raises:
            InvalidInput: It is too large.
        """
        ticket = self._stream.send(*parts)
        if self._asked <= self._heard:
            self._asked = time.monotonic()
        self.flush()
        return ticket

    def withdraw(self, ticket: int) -> None:
        """Take back a message of which nothing has gone out yet, if that is so."""
        self._stream.withdraw(ticket)

    def wait(self, until: float) -> None:
        """Wait until there is something to read, to write or to look at; one thread at a time, beside the others."""
        self._poll.poll(math.ceil(1e3 * max(0.0, until - time.monotonic())))

    def wake(self) -> None:
        """End the ``wait`` of another thread."""
        self._is_woken = True
        with contextlib.suppress(*_NOT_NOW):
            self._wake_writer.send(b"\0")

    def read(self) -> list[bytes]:
        """The messages that have come; ``failure`` may be there afterwards."""
        messages: list[bytes] = []
        if self._is_woken:
            self._is_woken = False
            self._wake_reader.recv(4096)
        try:
            size = _TLS_RECORD_BYTES
            while size >= _TLS_RECORD_BYTES:  # a short read is the last one
                size = self._socket.recv_into(self._buffer)
                if not size:
                    self._stream.end = self._stream.end or "the server closed it"
                    break
                self._heard = time.monotonic()
                messages += self._stream.receive(self._buffer[:size])
        except _NOT_NOW:
            pass
        except RilaasError as error:
            self.fail(error)
        except OSError as error:
            self._lost(self._broken(error))
        except BaseException:  # such as KeyboardInterrupt: bytes may be lost
            self.fail(Unavailable("The connection was interrupted while it was read."))
            raise
        if self._stream.end:
            self._lost(Unavailable(f"The connection ended: {self._stream.end}.", "The server may be restarting."))
        if self._stream.has_outgoing:
            self.flush()
        return messages

    def flush(self) -> None:
        """Send what may be sent and what the socket takes."""
        if self.failure is not None:
            return
        try:
            while self._unsent or self._stream.has_outgoing:
                if not self._unsent:
                    self._unsent = memoryview(b"".join(self._stream.outgoing()))
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except _NOT_NOW:
            pass
        except OSError as error:
            self._unsent = memoryview(b"")
            self._lost(self._broken(error))
        except BaseException:  # such as KeyboardInterrupt: it is not known how much was sent
            self.fail(Unavailable("The connection was interrupted while it was written."))
            raise
        events = select.POLLIN | select.POLLOUT if self._unsent else select.POLLIN
        if events != self._events:
            self._events = events
            self._poll.modify(self._socket, events)

    def look_for_life(self) -> float:
        """Ping a silent server, give up a dead one; returns when to look again on the monotonic clock [s]."""
        now = time.monotonic()
        if self._heard >= self._pinged:
            due = max(self._heard, self._asked) + PING_AFTER_S
            if now < due:
                return due
            self._stream.ping()
            self.flush()
            self._pinged = now
        dead_at = self._pinged + DEAD_AFTER_S - PING_AFTER_S
        if now >= dead_at:
            self.fail(Unavailable(f"The server has given no sign of life for {DEAD_AFTER_S} s.", "Try again."))
        return dead_at

    def hang_up(self, reason: RilaasError) -> None:
        """Say farewell as far as the socket takes it, and end."""
        if self.failure is None:
            self._stream.close()
            self.flush()
        self.fail(reason)

    def fail(self, failure: RilaasError) -> None:
        """End; the first reason stays."""
        if self.failure is None:
            self.failure = failure
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Close the descriptors, which nobody may be waiting on."""
        for each in (self._socket, self._wake_reader, self._wake_writer):
            each.close()

    def _lost(self, failure: RilaasError) -> None:
        if self.failure is None:
            self.is_refused = not self._stream.heard_messages
            self.fail(failure)
