"""A model folder as a policy whose code runs in a replica of its own: for jobs, which trust no model."""

from __future__ import annotations

import itertools
import math
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rilaas.core import (
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    Prediction,
    Signature,
    SignatureMismatch,
    Tensors,
    Timing,
)
from rilaas.serve.isolation import READY_S, Launched, launch
from rilaas.store import Limits, read_model_folder
from rilaas.wire import Frame, FrameKind, FrameReader, decode_response, encode_request, pack_header, unpack_error
from rilaas.wire.peek import RESET

_CHUNK = 2**18
_LAST_WORDS_S = 2.0
_LINES = 10  # of what a dead replica wrote


class ReplicaPolicy:
    """A ``Policy`` over one running replica; one call at a time, others wait for their turn.

    Args:
        launched: The replica; stopping it stays with the caller.
        signature: What its model takes and gives.
        answer_s: A replica that takes longer hangs, and is ended [s].
    """

    def __init__(self, launched: Launched, signature: Signature, answer_s: float) -> None:
        self.launched = launched
        self._signature, self._answer_s = signature, answer_s
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._socket: socket.socket | None = None
        self._reader = FrameReader()
        self._forget = False
        self._over = ""  # why there will be no more answers

    @property
    def signature(self) -> Signature:
        """What the model's manifest says."""
        return self._signature

    def predict(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        """See ``Policy.predict``.

        Raises:
            SignatureMismatch: The inputs do not fit; nothing was computed.
            DeadlineExceeded: The deadline passed; the next call may have to wait until the model is done with this.
            ModelFailed: The model failed, its process ended or was ended because it hung. After an end, every later
                call fails as well.
        """
        start = time.monotonic()
        self._signature.check_inputs(inputs)
        if deadline_s is not None and deadline_s <= 0.0:
            raise DeadlineExceeded("The deadline had passed before the model began.")
        until = math.inf if deadline_s is None else start + deadline_s
        with self._lock:
            body = encode_request("", "", inputs, parameters={RESET: True} if self._forget else None)
            reply = self._ask(body, until)
            self._forget = False
        outputs, parameters = self._read(reply)
        steps = ("queue", "batch", "preprocess", "compute", "postprocess")
        queue_s, batch_s, pre_s, compute_s, post_s = (_seconds(parameters, f"rilaas_{step}_s") for step in steps)
        timing = Timing(queue_s + batch_s, pre_s, compute_s, post_s, time.monotonic() - start)
        return Prediction(outputs, timing)

    def reset(self) -> None:
        """The model forgets everything before it computes the next answer."""
        self._forget = True

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _ask(self, body: bytes, until: float) -> bytes:
        if self._over:
            raise ModelFailed(self._over)
        now = time.monotonic()
        number, patience = next(self._numbers), now + self._answer_s
        header = pack_header(FrameKind.INFER, number, now, until, len(body))
        try:
            self._send(header, body)
            frame = self._receive(number, min(until, patience))
        except TimeoutError:
            self.close()  # so that a late answer is nobody's
            if time.monotonic() >= patience:
                raise self._ended(f"gave no answer within {self._answer_s:g} s and was ended", kill=True) from None
            raise DeadlineExceeded("The model did not answer within the deadline.") from None
        except OSError:
            raise self._ended("ended while it worked on a request") from None
        except InvalidInput as error:  # its own code can write to the socket what it likes
            raise self._ended(f"gave no readable answer ({error.message}) and was ended", kill=True) from None
        except BaseException:
            self.close()  # broken off in the middle: nobody knows what comes next
            raise
        if frame.kind is FrameKind.ERROR:
            raise unpack_error(frame.body)
        return frame.body

    def _send(self, header: bytes, body: bytes) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._reader = FrameReader()
            self._socket.connect(str(self.launched.socket_path))
        # Half a request would leave the replica waiting for the rest, so this has more time than the answer.
        self._socket.settimeout(self._answer_s)
        self._socket.sendall(header)
        self._socket.sendall(body)

    def _receive(self, number: int, until: float) -> Frame:
        assert self._socket is not None
        while (left_s := until - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            data = self._socket.recv(_CHUNK)
            if not data:
                raise ConnectionResetError
            for frame in self._reader.feed(data):
                if frame.call == number:
                    return frame
        raise TimeoutError

    def _read(self, reply: bytes) -> tuple[Tensors, Mapping[str, Any]]:
        try:
            response = decode_response(reply)
            self._signature.check_outputs(response.tensors)
        except SignatureMismatch as error:
            raise ModelFailed(
                f"The model {self.launched.model} broke its own signature: {error.message}", error.hint
            ) from None
        except InvalidInput as error:
            raise ModelFailed(
                f"The model {self.launched.model} gave an answer that is no message: {error.message}"
            ) from None
        return response.tensors, response.parameters

    def _ended(self, what: str, *, kill: bool = False) -> ModelFailed:
        self.close()
        code = self.launched.stop(0.0) if kill else _exit_code(self.launched.process)
        number = -code if code < 0 else code - 128
        by = f" (signal {signal.Signals(number).name})" if not kill and 0 < number < 64 else ""
        _wait_for_last_words(self.launched.process)
        lines = "".join(f"\n  {line}" for line in list(self.launched.log_tail)[-_LINES:])
        said = f" The last that it wrote:{lines}" if lines else " It wrote nothing."
        self._over = f"The replica of {self.launched.model} {what}{by}.{said}"
        return ModelFailed(self._over)


@contextmanager
def replica_policy(
    folder: Path | str,
    *,
    limits: Limits | None = None,
    threads: int = 1,
    isolation: str = "auto",
    timeout_s: float = READY_S,
) -> Iterator[ReplicaPolicy]:
    """Start a replica of a model for the time of a ``with``.

    Args:
        folder: The model folder.
        limits: What the replica may use; None takes the manifest's.
        threads: Threads that its backend computes with.
        isolation: One of ``isolation.KINDS``.
        timeout_s: How long loading may take [s].

    Raises:
        NotFound: There is no such folder.
        InvalidModelFolder: It is wrong.
        RilaasError: It cannot be loaded; see ``isolation.launch``.
    """
    model = read_model_folder(folder)
    limits = limits or model.manifest.limits
    sockets = Path(tempfile.mkdtemp(prefix="rilaas-"))  # mode 700
    try:
        launched = launch(
            model.path, sockets / "0.sock", limits=limits, threads=threads, isolation=isolation, timeout_s=timeout_s
        )
        policy = ReplicaPolicy(launched, model.manifest.signature, limits.answer_s)
        try:
            yield policy
        finally:
            policy.close()
            launched.stop()
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def _exit_code(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _wait_for_last_words(process: subprocess.Popen[bytes]) -> None:
    """Another thread reads what it wrote, and closes the pipe at its end; a child of it may hold that open."""
    until = time.monotonic() + _LAST_WORDS_S
    while process.stderr is not None and not process.stderr.closed and time.monotonic() < until:
        time.sleep(0.01)


def _seconds(parameters: Mapping[str, Any], name: str) -> float:
    value = parameters.get(name)
    return max(0.0, float(value)) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0
