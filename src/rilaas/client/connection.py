"""One connection with one stream, shared by many threads: whoever waits for an answer may read for all.

Of the threads that wait one leads: it reads the socket and hands the others their answers. When it leaves, with its
own answer or without, the next one leads. So a lone caller reads its answer itself, with no thread in between, which
is what a round trip's time depends on. Futures, which nobody waits for, are read for by a thread ("pump") that is
there as long as there are any. The pattern is known as leader and followers (Schmidt et al., POSA 2).
"""

from __future__ import annotations

import contextlib
import math
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from rilaas.client.dial import DEAD_AFTER_S
from rilaas.core import DeadlineExceeded, RilaasError, Unavailable
from rilaas.wire import unwrap_stream_response
from rilaas.wire.http2 import GrpcStream

PING_AFTER_S = 10.0  # of silence while somebody waits; DEAD_AFTER_S of silence end the connection
PUMP_IDLE_S = 1.0  # then its thread ends
EXPLAIN_TIMEOUT_S = 10.0
READ_BYTES = 256 * 2**10
_TLS_RECORD_BYTES = 16 * 2**10
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Stale(Unavailable):
    """The connection had ended before the request was sent: ask on a new one."""


class _Call:
    """A request in flight; ``wake`` is released once: for an answer, or for leading."""

    __slots__ = ("error", "future", "is_done", "reply", "ticket", "wake")

    def __init__(self, future: Future[bytes] | None = None) -> None:
        self.future = future
        self.is_done = False
        self.reply = b""
        self.error: RilaasError | None = None
        self.ticket = 0
        self.wake = threading.Lock()
        self.wake.acquire()


class Connection:
    """A connected socket with the state of its stream. All methods are safe from any thread.

    Args:
        sock: Does not block; the connection closes it.
        stream: Fresh.
        broken: What a failed system call means.
        explain: Asked once, with a timeout [s], why the stream ended before any answer came.
    """

    def __init__(
        self,
        sock: socket.socket,
        stream: GrpcStream,
        broken: Callable[[OSError], RilaasError],
        explain: Callable[[float], RilaasError],
    ) -> None:
        self._socket, self._stream, self._broken, self._explain = sock, stream, broken, explain
        self._lock = (
            threading.Lock()
        )  # guards all that follows, and the socket; nobody waits for bytes while it is held
        self._calls: dict[str, _Call] = {}
        self._leader: _Call | None = None
        self._failure: RilaasError | None = None
        self._is_fresh = True
        self._is_refused = False  # the stream ended before any answer
        self._reason: RilaasError | None = None
        self._explaining = threading.Lock()
        self._unsent = memoryview(b"")
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._heard = self._asked = time.monotonic()
        self._pinged = -math.inf
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._poll, self._events = select.poll(), select.POLLIN
        self._poll.register(self._socket, self._events)
        self._poll.register(self._wake_reader, select.POLLIN)
        self._pump = _Call()  # stands for the pump's thread as a leader; done when there are finished futures
        self._finished: list[_Call] = []
        self._has_pump = self._is_completing = False
        self._bell = threading.Event()

    @property
    def is_usable(self) -> bool:
        """Whether new requests may be sent, as far as is known."""
        return self._failure is None and not self._stream.going_away

    def call(self, request_id: str, parts: Sequence[bytes], deadline: float) -> bytes:
        """Send a request and wait for its answer.

        Args:
            request_id: That of the request.
            parts: The request's bytes, in order.
            deadline: On the monotonic clock [s]; ``inf`` waits.

        Raises:
            Stale: Nothing was sent.
            DeadlineExceeded: No answer came in time; the connection stays.
            RilaasError: The other side's answer, or that the connection broke.
        """
        call = _Call()
        with self._lock:
            self._start(request_id, call, parts)
            leads = self._leader is None
            if leads:
                self._leader = call
        try:
            if leads or (call.wake.acquire(timeout=_timeout(deadline)) and not call.is_done):
                self._lead(call, deadline)
        finally:
            with self._lock:
                self._leave(request_id, call)
        if call.error is not None:
            raise self._explained(call.error, deadline)
        if not call.is_done:
            raise DeadlineExceeded("No answer came before the deadline.")
        return call.reply

    def send(self, request_id: str, parts: Sequence[bytes]) -> Future[bytes]:
        """Send a request whose answer comes to a future; raises ``Stale`` as ``call`` does.

        Callbacks run in the pump's thread and may call.
        """
        call = _Call(Future())
        assert call.future is not None
        with self._lock:
            self._start(request_id, call, parts)
            if self._leader is None:
                self._appoint_pump()
            if not self._has_pump:
                self._has_pump = True
                threading.Thread(target=self._run_pump, name="rilaas-pump", daemon=True).start()
        call.future.add_done_callback(lambda future: self._withdraw(request_id, call) if future.cancelled() else None)
        return call.future

    def close(self) -> None:
        """Hang up; calls in flight fail with ``Unavailable``."""
        with self._lock:
            if self._failure is None:
                self._stream.close()
                self._flush()
                self._fail(Unavailable("The connection was closed on this side."))

    def abandon(self) -> None:
        """Close the descriptors in a forked process, where the locks may be held by threads that do not exist."""
        for each in (self._socket, self._wake_reader, self._wake_writer):
            each.close()

    def _start(self, request_id: str, call: _Call, parts: Sequence[bytes]) -> None:
        """Send a request, or queue it where the socket or the windows are full."""
        if self._leader is None and self._failure is None and not self._is_fresh:
            self._read()  # what came while nobody was waiting: late answers, or the end
        self._is_fresh = False
        if not self.is_usable:
            self._tidy()
            raise Stale("The connection to the server has just ended.", "Try again.")
        call.ticket = self._stream.send(*parts)
        if self._asked <= self._heard:
            self._asked = time.monotonic()
        self._calls[request_id] = call
        self._flush()
        if self._unsent and self._leader is not None:
            self._wake()

    def _leave(self, request_id: str, call: _Call) -> None:
        if not call.is_done:
            self._calls.pop(request_id, None)
            self._stream.withdraw(call.ticket)
        if self._leader is call:
            self._leader = None
            self._appoint()
        self._tidy()

    def _withdraw(self, request_id: str, call: _Call) -> None:
        with self._lock:
            self._leave(request_id, call)

    def _appoint(self) -> None:
        """Find a leader: a thread that waits, else the pump where futures are outstanding."""
        for other in self._calls.values():
            if other.future is None:
                self._leader = other
                other.wake.release()
                return
        if self._calls and not self._is_completing:
            self._appoint_pump()

    def _appoint_pump(self) -> None:
        if not self._is_completing:  # else it looks for itself when its callbacks are done
            self._leader = self._pump
            self._bell.set()

    def _tidy(self) -> None:
        """Close what nobody reads any more."""
        if self._stream.going_away and not self._calls:
            self._fail(Unavailable("The server is going away.", "Try again."))
        if self._failure is not None and self._leader is None:
            self.abandon()

    def _lead(self, call: _Call, deadline: float) -> None:
        """Read until the call is done or its deadline has passed."""
        with self._lock:
            look_at = self._look_for_life()
        while not call.is_done and (now := time.monotonic()) < deadline:
            ready = self._poll.poll(math.ceil(1e3 * max(0.0, min(deadline, look_at) - now)))
            with self._lock:
                if self._failure is None:
                    if any(descriptor == self._wake_reader.fileno() for descriptor, _ in ready):
                        self._wake_reader.recv(4096)
                    self._read()
                    look_at = self._look_for_life()
                    self._flush()

    def _read(self) -> None:
        """Take what has come."""
        try:
            size = _TLS_RECORD_BYTES
            while size >= _TLS_RECORD_BYTES:  # a short read is the last one
                size = self._socket.recv_into(self._buffer)
                self._heard = time.monotonic()
                if not size:
                    self._stream.end = self._stream.end or "the server closed it"
                    break
                for message in self._stream.receive(self._buffer[:size]):
                    self._deliver(message)
        except _NOT_NOW:
            pass
        except RilaasError as error:
            self._fail(error)
        except OSError as error:
            self._lost(self._broken(error))
        except BaseException:  # such as KeyboardInterrupt: bytes may be lost
            self._fail(Unavailable("The connection was interrupted while it was read."))
            raise
        if self._stream.end and self._failure is None:
            self._lost(Unavailable(f"The connection ended: {self._stream.end}.", "The server may be restarting."))

    def _flush(self) -> None:
        """Send what may be sent and what the socket takes."""
        if self._failure is not None:
            return
        try:
            while True:
                if not self._unsent:
                    self._unsent = memoryview(b"".join(self._stream.outgoing()))
                    if not self._unsent:
                        break
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except _NOT_NOW:
            pass
        except OSError as error:
            self._unsent = memoryview(b"")
            self._read()  # why, or answers that had been sent before
            self._lost(self._broken(error))
            return
        except BaseException:  # such as KeyboardInterrupt: it is not known how much was sent
            self._fail(Unavailable("The connection was interrupted while it was written."))
            raise
        events = select.POLLIN | select.POLLOUT if self._unsent else select.POLLIN
        if events != self._events:
            self._events = events
            self._poll.modify(self._socket, events)

    def _deliver(self, message: bytes) -> None:
        error, reply, request_id = unwrap_stream_response(message)
        if error is not None and not request_id and len(self._calls) == 1:
            request_id = next(iter(self._calls))  # of a server that does not say which request it refuses
        call = self._calls.pop(request_id, None)
        if call is not None:  # else it was given up: its deadline has passed
            call.reply, call.error = reply, error
            self._finish(call)

    def _finish(self, call: _Call) -> None:
        call.is_done = True
        if call.future is not None:
            self._finished.append(call)
            self._pump.is_done = True
            self._bell.set()
        elif call is not self._leader:
            call.wake.release()

    def _lost(self, failure: RilaasError) -> None:
        """The other side ended it."""
        if self._failure is None:
            self._is_refused = not self._stream.heard_messages
            self._fail(failure)

    def _fail(self, failure: RilaasError) -> None:
        """End the connection; whoever waits is told."""
        if self._failure is not None:
            return
        self._failure = failure
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.error = failure
            self._finish(call)
        self._pump.is_done = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._leader is not None:
            self._wake()
        self._tidy()

    def _look_for_life(self) -> float:
        """Ping a silent server, give up a dead one; returns when to look again."""
        now = time.monotonic()
        if self._heard >= self._pinged:
            due = max(self._heard, self._asked) + PING_AFTER_S
            if now < due:
                return due
            self._stream.ping()
            self._pinged = now
        dead_at = self._pinged + DEAD_AFTER_S - PING_AFTER_S
        if now >= dead_at:
            self._fail(Unavailable(f"The server has given no sign of life for {DEAD_AFTER_S} s.", "Try again."))
        return dead_at

    def _wake(self) -> None:
        with contextlib.suppress(*_NOT_NOW):
            self._wake_writer.send(b"\0")

    def _explained(self, error: RilaasError, deadline: float) -> RilaasError:
        """The error, or why the stream was refused, which takes a question of its own."""
        if error is not self._failure or not self._is_refused:
            return error
        if not self._explaining.acquire(timeout=_timeout(deadline)):
            return DeadlineExceeded("The deadline passed while the server was asked why it ended the stream.")
        try:
            if self._reason is None:
                left_s = max(0.0, deadline - time.monotonic())
                self._reason = self._explain(min(left_s, EXPLAIN_TIMEOUT_S))
            return self._reason
        except DeadlineExceeded as late:
            return late
        finally:
            self._explaining.release()

    def _run_pump(self) -> None:
        """Read while futures are outstanding, and complete them."""
        while True:
            is_called = self._bell.wait(PUMP_IDLE_S)
            with self._lock:
                self._bell.clear()
                leads = self._leader is self._pump
                if not (is_called or leads or self._finished):
                    self._has_pump = False
                    return
            if leads:
                self._lead(self._pump, math.inf)
            self._complete()

    def _complete(self) -> None:
        """Step down, so that callbacks may call; complete futures; lead again where any are left."""
        with self._lock:
            self._is_completing = True
            self._pump.is_done = False
            finished, self._finished = self._finished, []
            if self._leader is self._pump:
                self._leader = None
                self._appoint()
            self._tidy()
        for call in finished:
            assert call.future is not None
            if call.future.set_running_or_notify_cancel():
                if call.error is None:
                    call.future.set_result(call.reply)
                else:
                    call.future.set_exception(self._explained(call.error, math.inf))
        with self._lock:
            self._is_completing = False
            if self._failure is None and self._leader is None:
                self._appoint()
            if self._finished:
                self._bell.set()


def _timeout(deadline: float) -> float:
    """Seconds until then, as locks want them."""
    return min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
