"""``RobotClient``: the policy that a robot holds.

Source: Tanwani et al., RILaaS, section IV-C, whose code snippet works word for word.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import re
import time
from concurrent.futures import Future
from numbers import Real
from pathlib import Path
from types import TracebackType

from rilaas.client.stream import StreamTransport
from rilaas.client.transport import Transport
from rilaas.core import (
    DeadlineExceeded,
    InvalidInput,
    ModelRef,
    Prediction,
    Signature,
    Tensors,
    Timing,
    Unavailable,
)
from rilaas.route.config import DEFAULT_PORT
from rilaas.wire import (
    audience,
    decode_metadata,
    decode_response,
    encode_request,
    load_private_key,
    sign_token,
)
from rilaas.wire.peek import RESET

PATIENCE_S = 5.0  # how long a call without a deadline tries to reach an interceptor that is away
FIRST_PAUSE_S = 0.02  # between two tries; doubles


class RobotClient:
    """Predicts with a model somewhere in the fleet's edge and cloud.

    Args:
        target_ip: The interceptor: IP address or host name, with ``:port`` where it is not 8443.
        model_name: ``[owner/]name``.
        model_version: A version, an alias, or '' for the one in use.
        private_ssh_key_path: The robot's OpenSSH private key (Ed25519, ECDSA or RSA).
        ssl_certificate_location: The certificate of the fleet's authority (PEM).
        passphrase: Of an encrypted key.
        deadline_s: Default of each call; None waits.

    Example:
        >>> from rilaas.client import RobotClient  # doctest: +SKIP
        >>> rc = RobotClient("10.0.0.5", "lane-following", "1", "~/.ssh/id_ed25519", "ca.pem")  # doctest: +SKIP
        >>> outputs = rc.predict({"image": image[None]})  # doctest: +SKIP
    """

    def __init__(
        self,
        target_ip: str,
        model_name: str,
        model_version: str,
        private_ssh_key_path: str | Path,
        ssl_certificate_location: str | Path,
        *,
        passphrase: str | None = None,
        deadline_s: float | None = None,
    ) -> None:
        key = load_private_key(Path(private_ssh_key_path).expanduser(), passphrase)
        host, address = address_of(target_ip)
        whom = audience(host)
        transport = StreamTransport(
            address,
            Path(ssl_certificate_location).expanduser(),
            lambda opens_stream: sign_token(key, whom, single_use=opens_stream),
        )
        self._bind(transport, model_name, model_version, deadline_s)

    @classmethod
    def over(
        cls, transport: Transport, model_name: str, model_version: str = "", *, deadline_s: float | None = None
    ) -> RobotClient:
        """A client over another way, such as an ``EmbeddedTransport``."""
        client = cls.__new__(cls)
        client._bind(transport, model_name, model_version, deadline_s)
        return client

    def _bind(self, transport: Transport, model: str, version: str, deadline_s: float | None) -> None:
        ModelRef.parse(model)
        self.model, self.version = model, version
        self._transport, self._deadline_s = transport, _budget(deadline_s, None)
        self._prefix, self._numbers = os.urandom(4).hex(), itertools.count(1)
        self._signature: Signature | None = None
        self._is_fresh = False

    @property
    def signature(self) -> Signature:
        """What the model takes and gives; asked for once."""
        if self._signature is None:
            _, _, self._signature, _ = decode_metadata(self._transport.metadata(self.model, self.version))
        return self._signature

    def predict(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        """Ask and wait; see ``Policy.predict``.

        An interceptor that is away is tried again, for as long as the deadline allows (5 s without one).
        """
        start = time.monotonic()
        limit_s = _budget(deadline_s, self._deadline_s)
        patience_s = PATIENCE_S if limit_s is None else limit_s
        pause_s = FIRST_PAUSE_S
        deaths = 0
        for attempt in itertools.count(1):
            left_s = None if limit_s is None else start + limit_s - time.monotonic()
            if left_s is not None and left_s <= 0.0:
                raise DeadlineExceeded("The deadline had passed before the request was sent.")
            request_id, body = self._encode(inputs)
            try:
                reply = self._transport.call(request_id, body, left_s)
                self._is_fresh = False
                return _prediction(reply, start, attempt)
            except Unavailable as error:
                deaths += error.died_with_request
                if deaths > 1 or time.monotonic() + pause_s >= start + patience_s:
                    raise
                time.sleep(pause_s)
                pause_s *= 2
        raise AssertionError("unreachable")

    def submit(self, inputs: Tensors, *, deadline_s: float | None = None) -> Future[Prediction]:
        """Ask without waiting: for the next frame while this one is on its way. Tries once.

        A deadline is kept by the interceptor and the server; the future itself does not time out.
        """
        start = time.monotonic()
        limit_s = _budget(deadline_s, self._deadline_s)
        request_id, body = self._encode(inputs)
        answer: Future[Prediction] = Future()

        def done(reply: Future[bytes]) -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(_prediction(reply.result(), start, 1))
                except Exception as error:
                    answer.set_exception(error)

        if limit_s is not None and limit_s <= 0.0:
            answer.set_exception(DeadlineExceeded("The deadline had passed before the request was sent."))
            return answer
        reply = self._transport.send(request_id, body, limit_s)
        self._is_fresh = False
        reply.add_done_callback(done)
        answer.add_done_callback(lambda answer: reply.cancel() if answer.cancelled() else None)
        return answer

    async def predict_async(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        """``predict`` for asyncio; raises ``DeadlineExceeded`` like it, and tries once."""
        limit_s = _budget(deadline_s, self._deadline_s)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self.submit(inputs, deadline_s=limit_s)), limit_s)
        except asyncio.TimeoutError:
            raise DeadlineExceeded(f"No answer within {limit_s:g} s.") from None

    def reset(self) -> None:
        """Let the model forget everything before the next request.

        A model that keeps a state between requests is served right by one replica; others do not hear of it.
        """
        self._is_fresh = True

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def __enter__(self) -> RobotClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _encode(self, inputs: Tensors) -> tuple[str, bytes]:
        request_id = f"{self._prefix}-{next(self._numbers):x}"
        parameters = {RESET: True} if self._is_fresh else None
        body = encode_request(self.model, self.version, inputs, request_id=request_id, parameters=parameters)
        return request_id, body


_TARGET = re.compile(
    r"\[(?P<bracketed>[^\[\]\s]+)\](:(?P<port>\d+))?"
    r"|(?P<bare>[^\[\]\s:]*:[^\[\]\s:]*:[^\[\]\s]*)"  # IPv6 without brackets
    r"|(?P<host>[^\[\]\s:]+)(:(?P<its_port>\d+))?"
)


def address_of(target: str) -> tuple[str, str]:
    """``host`` and ``host:port`` of a target as a person writes it; IPv6 in brackets where a port follows.

    Raises:
        InvalidInput: It is no address.
    """
    found = _TARGET.fullmatch(target)
    if found is None:
        raise InvalidInput(f"{target!r} is no address.", "Write a host or host:port, such as 10.0.0.5 or [::1]:9000.")
    host = found["bracketed"] or found["bare"] or found["host"]
    port = found["port"] or found["its_port"] or DEFAULT_PORT
    return host, f"{host}:{port}" if found["host"] else f"[{host}]:{port}"


def _budget(deadline_s: float | None, default_s: float | None) -> float | None:
    """The seconds that a call may take; None for any number of them, 0 or less for a deadline that has passed."""
    if deadline_s is None:
        return default_s
    if isinstance(deadline_s, bool) or not isinstance(deadline_s, Real) or math.isnan(deadline_s):
        raise InvalidInput(f"The deadline is {deadline_s!r}; it is a number of seconds, or None.")
    return None if deadline_s == math.inf else float(deadline_s)


def _number(told: object, default: float) -> float:
    """A number that a server told, which may be any server; what is none, or below 0, is not believed."""
    return told if isinstance(told, (int, float)) and 0 <= told < math.inf else default


def _prediction(reply: bytes, start: float, attempt: int) -> Prediction:
    response = decode_response(reply)
    told = response.parameters
    steps = ("queue", "batch", "preprocess", "compute", "postprocess")
    queue_s, batch_s, pre_s, compute_s, post_s = (_number(told.get(f"rilaas_{step}_s"), 0.0) for step in steps)
    timing = Timing(
        queue_s + batch_s,
        pre_s,
        compute_s,
        post_s,
        total_s=time.monotonic() - start,
        server=str(told.get("rilaas_server", "")),
        attempts=int(_number(told.get("rilaas_attempts"), 1)) + attempt - 1,
        request_id=response.request_id,
    )
    return Prediction(response.tensors, timing)
