"""One connection with one stream, shared by many threads: whoever waits for an answer may read for all.

Of the threads that wait one leads: it reads the socket and hands the others their answers. When it leaves, with its
own answer or without, the next one leads. So a lone caller reads its answer itself, with no thread in between, which
is what a round trip's time depends on. Futures, which nobody waits for, are read for by a thread ("pump") that is
there as long as there are any. The pattern is known as leader and followers (Schmidt et al., POSA 2).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from rilaas.client.line import Line
from rilaas.core import DeadlineExceeded, RilaasError, Unavailable
from rilaas.wire import unwrap_stream_response

PUMP_IDLE_S = 1.0  # then its thread ends
EXPLAIN_TIMEOUT_S = 10.0


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
    """A line with the calls on it. All methods are safe from any thread.

    Args:
        line: Fresh; the connection closes it.
        explain: Asked once, with a timeout [s], why the line ended before any answer came.
    """

    def __init__(self, line: Line, explain: Callable[[float], RilaasError]) -> None:
        self._line, self._explain = line, explain
        self._lock = threading.Lock()  # guards the line and what follows; nobody waits for bytes while it is held
        self._calls: dict[str, _Call] = {}
        self._leader: _Call | None = None
        self._is_fresh = True
        self._reason: RilaasError | None = None
        self._explaining = threading.Lock()
        self._pump = _Call()  # stands for the pump's thread as a leader; done when there are finished futures
        self._finished: list[_Call] = []
        self._has_pump = self._is_completing = False
        self._bell = threading.Event()

    @property
    def is_usable(self) -> bool:
        """Whether new requests may be sent, as far as is known."""
        return self._line.is_usable

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
            self._line.hang_up(Unavailable("The connection was closed on this side."))
            self._settle()

    def abandon(self) -> None:
        """Close the descriptors in a forked process, where the locks may be held by threads that do not exist."""
        self._line.release()

    def _start(self, request_id: str, call: _Call, parts: Sequence[bytes]) -> None:
        """Send a request, or queue it where the socket or the windows are full."""
        if not (self._leader or self._is_fresh or self._line.failure):
            self._deliver(self._line.read())  # what came while nobody was waiting: late answers, or the end
        self._is_fresh = False
        if not self._line.is_usable:
            self._settle()
            raise Stale("The connection to the server has just ended.", "Try again.")
        self._calls[request_id] = call
        try:
            call.ticket = self._line.send(parts)
        except BaseException:
            del self._calls[request_id]
            raise
        if self._leader is not None and (self._line.is_blocked or self._line.failure):
            self._line.wake()

    def _leave(self, request_id: str, call: _Call) -> None:
        if not call.is_done:
            self._calls.pop(request_id, None)
            self._line.withdraw(call.ticket)
        if self._leader is call:
            self._leader = None
            self._appoint()
        self._settle()

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

    def _settle(self) -> None:
        """Tell whoever waits on a line that has ended; close one that nobody reads any more."""
        if not (self._calls or self._line.is_usable):
            self._line.fail(Unavailable("The server is going away.", "Try again."))
        if (failure := self._line.failure) is None:
            return
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.error = failure
            self._finish(call)
        self._pump.is_done = True
        if self._leader is None:
            self._line.release()
        else:
            self._line.wake()

    def _lead(self, call: _Call, deadline: float) -> None:
        """Read until the call is done or its deadline has passed."""
        with self._lock:
            look_at = self._line.look_for_life()
        while not call.is_done and time.monotonic() < deadline:
            self._line.wait(min(deadline, look_at))
            with self._lock:
                if self._line.failure is None:
                    self._deliver(self._line.read())
                if not call.is_done:
                    self._line.flush()
                    look_at = self._line.look_for_life()
                if self._line.failure is not None:
                    self._settle()

    def _deliver(self, messages: Sequence[bytes]) -> None:
        for message in messages:
            try:
                error, reply, request_id = unwrap_stream_response(message)
            except RilaasError as broken:
                self._line.fail(broken)
                return
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

    def _explained(self, error: RilaasError, deadline: float) -> RilaasError:
        """The error, or why the stream was refused, which takes a question of its own."""
        if error is not self._line.failure or not self._line.is_refused:
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
            self._settle()
        for call in finished:
            assert call.future is not None
            if call.future.set_running_or_notify_cancel():
                if call.error is None:
                    call.future.set_result(call.reply)
                else:
                    call.future.set_exception(self._explained(call.error, math.inf))
        with self._lock:
            self._is_completing = False
            if self._line.failure is None and self._leader is None:
                self._appoint()
            if self._finished:
                self._bell.set()


def _timeout(deadline: float) -> float:
    """Seconds until then, as locks want them."""
    return min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
