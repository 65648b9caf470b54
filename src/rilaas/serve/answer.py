"""What a replica does with one request: decode, compute, encode, with every error as an answer."""

from __future__ import annotations

import logging
import math
import time

from rilaas.core import (
    Conflict,
    DeadlineExceeded,
    ModelFailed,
    Policy,
    Prediction,
    RilaasError,
    Signature,
    SignatureMismatch,
    did_you_mean,
)
from rilaas.serve.connection import Gone, Request
from rilaas.serve.service import WARM_UP
from rilaas.wire import FrameKind, InferRequest, decode_request, encode_response
from rilaas.wire.peek import RESET

_log = logging.getLogger("rilaas.serve.replica")


class Answerer:
    """Answers requests with one policy, one by one.

    Args:
        policy: What computes.
        version: Version that responses name.
        metadata: The serialized ModelMetadataResponse.
    """

    def __init__(self, policy: Policy, version: str, metadata: bytes) -> None:
        self.policy, self.version, self._metadata = policy, version, metadata
        self._signature: Signature = policy.signature
        self._was_asked = self._is_warm = False

    def answer(self, request: Request) -> None:
        """Compute and send the answer, whatever it is; a caller that is gone gets none."""
        self.send(request, self._metadata if request.kind is FrameKind.METADATA else self._result(request))

    def _result(self, request: Request) -> bytes | RilaasError:
        start = time.monotonic()
        try:
            read = self.read(request, start)
            left_s = None if request.deadline == math.inf else request.deadline - start
            return self.encode(request, read, self.policy.predict(read.tensors, deadline_s=left_s), start)
        except Exception as error:
            return told(error)

    def read(self, request: Request, now: float) -> InferRequest:
        """Decode a request whose deadline has not passed, and reset where it asks for that.

        Raises:
            RilaasError: Too late, not decodable, it wants outputs that there are not, or it is a warm-up that comes
                after others have asked.
        """
        if now >= request.deadline:
            raise DeadlineExceeded(
                f"The deadline passed while the request waited {1e3 * (now - request.sent_at):.1f} ms for the model."
            )
        read = decode_request(request.body)
        for name in read.outputs:
            if name not in self._signature.outputs:
                raise SignatureMismatch(
                    f"The model has no output {name!r}.", did_you_mean(name, self._signature.outputs)
                )
        is_warm_up = read.parameters.get(WARM_UP) is True
        if is_warm_up and self._was_asked:
            raise Conflict("The model has been asked already; a warm-up would change what it remembers.")
        if read.parameters.get(RESET) is True or self._is_warm:
            self.policy.reset()
        self._was_asked, self._is_warm = self._was_asked or not is_warm_up, is_warm_up
        return read

    def encode(
        self,
        request: Request,
        read: InferRequest,
        prediction: Prediction,
        start: float,
        gathering_at: float | None = None,
    ) -> bytes:
        """The serialized ModelInferResponse with its timings.

        Args:
            request: What is answered.
            read: The same, decoded.
            prediction: What the model gave.
            start: When the model began with it.
            gathering_at: When the model was free and began to wait for others to compute together; None where it
                does not batch.
        """
        timing = prediction.timing
        free_at = start if gathering_at is None else min(start, max(gathering_at, request.sent_at))
        batch = {} if gathering_at is None else {"rilaas_batch_s": start - free_at}
        outputs = prediction.tensors
        if read.outputs:
            outputs = {name: outputs[name] for name in read.outputs}
        return encode_response(
            read.model,
            self.version,
            outputs,
            request_id=read.request_id,
            parameters={
                "rilaas_queue_s": max(0.0, free_at - request.sent_at),
                **batch,
                "rilaas_preprocess_s": timing.preprocess_s,
                "rilaas_compute_s": timing.compute_s,
                "rilaas_postprocess_s": timing.postprocess_s,
            },
        )

    def send(self, request: Request, answer: bytes | RilaasError) -> None:
        """Send an answer, if anybody is there."""
        try:
            if isinstance(answer, RilaasError):
                request.connection.refuse(request.call, answer)
            else:
                request.connection.answer(request.call, answer, sent_at=time.monotonic())
        except Gone:
            _log.warning("nobody was there to take an answer")


def told(error: Exception) -> RilaasError:
    """The error that a robot is told; one of ours stays as it is, a bug goes to the log."""
    if isinstance(error, RilaasError):
        return error
    if isinstance(error, MemoryError):
        return ModelFailed("The replica has not enough memory for this request.", "See [limits] in model.toml.")
    _log.error("A bug in the replica.", exc_info=error)
    return RilaasError(f"The replica failed: {type(error).__name__}.", "The traceback is in the server's log.")
