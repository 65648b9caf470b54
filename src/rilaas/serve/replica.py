"""The process that holds one model and answers on a unix socket: ``python -m rilaas.serve.replica``.

One thread, blocking: a model computes one thing at a time anyway, and nothing else runs that could delay it. It is
the only part of ``serve`` that loads ``infer``. ``isolation.launch`` starts it; by hand::

    python -m rilaas.serve.replica --folder models/lane-following --socket /tmp/lane.sock

On standard output it prints one line of JSON: ``{"ready": true, "model", "version", "isolation"}`` once it listens,
or ``{"ready": false, "code", "message", "hint"}``. Everything that the model prints goes to standard error.
SIGTERM: it answers the frames that it has received and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import json
import logging
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rilaas.core import ERROR_TABLE, RilaasError
from rilaas.infer import LoadedModel, example_inputs, load
from rilaas.observe import set_up_logs
from rilaas.serve.answer import Answerer, told
from rilaas.serve.batching import Batcher
from rilaas.serve.connection import Connection, Gone, Request
from rilaas.wire import FrameKind, encode_metadata
from rilaas.wire.frame import MAX_BODY_BYTES

_log = logging.getLogger("rilaas.serve.replica")

ISOLATION = "RILAAS_ISOLATION"  # environment variable in which ``confine`` says what it reached
_MAX_CONNECTIONS = 64
_DRAIN_S = 1.0  # how long SIGTERM waits for the rest of frames that have begun


class Replica:
    """The loop: receive, compute, answer.

    Args:
        listener: A bound and listening unix socket.
        model: What answers.
        isolation: How this process is confined, in words.
        predict_s: How long a prediction takes, roughly [s].
    """

    def __init__(self, listener: socket.socket, model: LoadedModel, isolation: str, predict_s: float = 0.0) -> None:
        manifest = model.folder.manifest
        answerer = Answerer(model, model.folder.version, _metadata(model, isolation))
        self._answerer = answerer
        self._batcher = Batcher(answerer, manifest.batching, predict_s) if manifest.batching else None
        self._max_body_bytes = _max_body_bytes()
        self._listener = listener
        self._connections: dict[int, Connection] = {}
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self._stopping = False
        self._wake, wake = socket.socketpair()
        for end in (self._wake, wake):
            end.setblocking(False)
        self._wake_writer = wake
        self._poll.register(self._wake, select.POLLIN)

    def stop_on_signals(self) -> None:
        """End properly on SIGTERM and SIGINT; only the main thread can do that."""
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    def stop(self) -> None:
        """Answer what has been received and return from ``run``."""
        self._stopping = True
        with contextlib.suppress(BlockingIOError):
            self._wake_writer.send(b"\0")

    def run(self) -> None:
        """Answer until stopped."""
        while not self._stopping:
            self._answer(self._receive(None))
        self._poll.unregister(self._listener)
        self._listener.close()
        until = time.monotonic() + _DRAIN_S
        while requests := self._receive(0.0) or self._unfinished(until):
            self._answer(requests)
        for connection in self._connections.values():
            connection.close()

    def _answer(self, requests: Sequence[Request]) -> None:
        if self._batcher is not None and requests:
            requests = self._batcher.gather(requests, self._receive)
            self._batcher.answer(requests)
        else:
            for request in requests:
                self._answerer.answer(request)
        for request in requests:
            request.connection.recycle(request)

    def _unfinished(self, until: float) -> Sequence[Request]:
        """The next frames of connections that are in the middle of one."""
        while any(each.is_inside_frame for each in self._connections.values()) and time.monotonic() < until:
            if requests := self._receive(0.05):
                return requests
        return ()

    def _receive(self, timeout_s: float | None) -> Sequence[Request]:
        """Wait until something comes, and read at most one frame of each connection."""
        requests = []
        for number in self._readable(timeout_s):
            connection = self._connections.get(number)
            if connection is not None:
                try:
                    request = connection.receive()
                except Gone:
                    self._drop(number)
                    continue
                if request is None:
                    continue
                if request.kind is FrameKind.METADATA:
                    self._answerer.answer(request)
                else:
                    requests.append(request)
            elif number == self._wake.fileno():
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(64)
            else:
                self._accept()
        return requests

    def _readable(self, timeout_s: float | None) -> Sequence[int]:
        """File descriptors on which something has come."""
        if timeout_s:  # poll rounds up to whole milliseconds, which is long for a batch
            sockets = [self._listener, self._wake, *(each.sock for each in self._connections.values())]
            numbers = [sock.fileno() for sock in sockets]
            return select.select([number for number in numbers if number >= 0], [], [], timeout_s)[0]
        return [number for number, _ in self._poll.poll(timeout_s)]

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= _MAX_CONNECTIONS:
            sock.close()
            return
        self._connections[sock.fileno()] = Connection(sock, self._max_body_bytes)
        self._poll.register(sock, select.POLLIN)

    def _drop(self, number: int) -> None:
        self._poll.unregister(number)
        self._connections.pop(number).close()


def _max_body_bytes() -> int:
    """A quarter of this process's memory limit, if it has one: a message, its arrays and the answer have to fit."""
    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
    return MAX_BODY_BYTES if limit_bytes == resource.RLIM_INFINITY else min(MAX_BODY_BYTES, limit_bytes // 4)


def _metadata(model: LoadedModel, isolation: str) -> bytes:
    folder, manifest = model.folder, model.folder.manifest
    batching = manifest.batching
    properties = {
        "version": folder.version,
        "digest": folder.digest,
        "task": manifest.task,
        "backend": manifest.backend,
        "isolation": isolation,
        "batching": f"max_size={batching.max_size} max_wait_s={batching.max_wait_s}" if batching else "off",
        "sensitivity": manifest.placement.sensitivity,
        "description": manifest.description,
    }
    return encode_metadata(manifest.name, [folder.version], manifest.signature, properties)


def _load(folder: Path, threads: int) -> tuple[LoadedModel, float]:
    """Load and compute, so that the first robot does not wait for caches and broken models are found now.

    Returns:
        The model, and how long its second prediction took [s].
    """
    model = load(folder, threads=threads)
    inputs = example_inputs(model.signature)
    model.predict(inputs)
    predict_s = model.predict(inputs).timing.total_s
    model.reset()
    return model, predict_s


def _listen(arguments: argparse.Namespace) -> socket.socket:
    if arguments.socket_fd is not None:
        listener = socket.socket(fileno=arguments.socket_fd)
    else:
        arguments.socket.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(arguments.socket))
        arguments.socket.chmod(0o600)
    listener.setblocking(False)
    listener.listen(_MAX_CONNECTIONS)
    return listener


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a replica; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m rilaas.serve.replica", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="the model folder")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--socket", type=Path, help="unix socket to make")
    place.add_argument("--socket-fd", type=int, help="number of a bound unix socket that was inherited")
    parser.add_argument("--threads", type=int, default=1, help="threads that the backend computes with")
    options = parser.parse_args(arguments)
    said = os.dup(1)
    os.dup2(2, 1)  # what the model prints is no protocol
    set_up_logs(as_json=False)
    faulthandler.enable()  # a crash of the weights says where
    isolation = os.environ.get(ISOLATION, "none: started by hand")
    try:
        model, predict_s = _load(options.folder, options.threads)
        replica = Replica(_listen(options), model, isolation, predict_s)
    except (Exception, SystemExit) as error:
        return _failed(said, error)
    replica.stop_on_signals()
    gc.freeze()
    folder, batching = model.folder, model.folder.manifest.batching
    ready = {"ready": True, "model": folder.manifest.name, "version": folder.version, "isolation": isolation}
    _say(said, {**ready, "at_once": batching.max_size if batching else 1})
    replica.run()
    return 0


def _failed(said: int, error: BaseException) -> int:
    shown = told(error) if isinstance(error, Exception) else RilaasError(f"The replica ended itself: {error!r}.")
    _say(said, {"ready": False, "code": shown.code, "message": shown.message, "hint": shown.hint})
    return ERROR_TABLE[shown.code].exit_code


def _say(said: int, line: dict[str, object]) -> None:
    with os.fdopen(said, "w", encoding="utf-8") as file:
        file.write(f"{json.dumps(line)}\n")


if __name__ == "__main__":
    sys.exit(main())
