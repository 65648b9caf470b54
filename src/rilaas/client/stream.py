"""The network transport: one persistent ModelStreamInfer call over TLS, opened again when it breaks.

A stream authenticates once. The thread that waits for an answer reads the socket itself, see ``connection.py``.
"""

from __future__ import annotations

import math
import os
import ssl
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import grpc

from rilaas.client.connection import Connection, Stale
from rilaas.client.dial import broken, dial, split_address, trust
from rilaas.client.line import Line
from rilaas.core import DeadlineExceeded, InvalidInput, RilaasError, Unavailable
from rilaas.wire import MAX_MESSAGE_BYTES, METHODS, client_credentials, error_from_rpc, peek
from rilaas.wire import inference_pb2 as pb
from rilaas.wire.http2 import GrpcStream
from rilaas.wire.parameter import encode_parameters
from rilaas.wire.peek import DEADLINE

METADATA_TIMEOUT_S = 10.0

_transports: weakref.WeakSet[StreamTransport] = weakref.WeakSet()


class StreamTransport:
    """A connection to an interceptor, or to any server with ModelStreamInfer; see ``Transport``.

    Safe to use from several threads, and after a fork in both processes.

    Args:
        address: ``host:port``.
        ca: Certificate of the authority that signs servers (PEM); None talks in clear text.
        sign: Makes a token; the argument says whether it opens a stream. None sends no token.

    Raises:
        NotFound: There is no such certificate.
        InvalidInput: It is none, or the address is none.
    """

    def __init__(self, address: str, ca: Path | str | None = None, sign: Callable[[bool], str] | None = None) -> None:
        split_address(address)
        self.address, self._sign = address, sign
        self._credentials = None if ca is None else client_credentials(ca)
        self._context: ssl.SSLContext | None = None if ca is None else trust(Path(ca).expanduser())
        self._connection: Connection | None = None
        self._opening = threading.Lock()
        self._closed = False
        _transports.add(self)

    def call(self, request_id: str, body: bytes, deadline_s: float | None) -> bytes:
        """See ``Transport.call``."""
        deadline = math.inf if deadline_s is None else time.monotonic() + deadline_s
        while True:
            connection, is_new = self._connected(body, deadline)
            try:
                return connection.call(request_id, _parts(body, deadline), deadline)
            except Stale:
                if is_new:
                    raise

    def send(self, request_id: str, body: bytes, deadline_s: float | None) -> Future[bytes]:
        """See ``Transport.send``; a connection that is not there yet is made by a thread of its own."""
        deadline = math.inf if deadline_s is None else time.monotonic() + deadline_s
        connection = self._connection
        if connection is not None and connection.is_usable:
            try:
                return connection.send(request_id, _parts(body, deadline))
            except Stale:
                pass
        answer: Future[bytes] = Future()
        threading.Thread(
            target=self._send_later, args=(answer, request_id, body, deadline), name="rilaas-dial", daemon=True
        ).start()
        return answer

    def metadata(self, model: str, version: str) -> bytes:
        """See ``Transport.metadata``; a unary call on a channel of its own."""
        return self._ask_metadata(model, version, METADATA_TIMEOUT_S)

    def close(self) -> None:
        """See ``Transport.close``."""
        with self._opening:
            self._closed = True
            if self._connection is not None:
                self._connection.close()

    def _send_later(self, answer: Future[bytes], request_id: str, body: bytes, deadline: float) -> None:
        def done(reply: Future[bytes]) -> None:
            if answer.set_running_or_notify_cancel():
                error = reply.exception()
                if error is None:
                    answer.set_result(reply.result())
                else:
                    answer.set_exception(error)

        try:
            connection, _ = self._connected(body, deadline)
            connection.send(request_id, _parts(body, deadline)).add_done_callback(done)
        except Exception as error:
            if answer.set_running_or_notify_cancel():
                answer.set_exception(error)

    def _connected(self, body: bytes, deadline: float) -> tuple[Connection, bool]:
        """A usable connection, and whether it was made for this call."""
        connection = self._connection
        if connection is not None and connection.is_usable:
            return connection, False
        left_s = deadline - time.monotonic()
        if not self._opening.acquire(timeout=min(max(0.0, left_s), threading.TIMEOUT_MAX)):
            raise DeadlineExceeded(f"The deadline passed while {self.address} was dialled.")
        try:
            if self._closed:
                raise InvalidInput("This client is closed.", "Make a new one.")
            connection = self._connection
            if connection is not None and connection.is_usable:
                return connection, False
            self._connection = self._open(body, deadline)
            return self._connection, True
        finally:
            self._opening.release()

    def _open(self, body: bytes, deadline: float) -> Connection:
        asked = peek(body)
        token = self._sign(True) if self._sign else ""
        scheme = "http" if self._context is None else "https"
        stream = GrpcStream(self.address, METHODS["ModelStreamInfer"].path, scheme=scheme, token=token)
        line = Line(dial(self.address, self._context, deadline), stream, lambda error: broken(error, self.address))

        def explain(timeout_s: float) -> RilaasError:
            return self._why(asked.model, asked.version, timeout_s)

        return Connection(line, explain)

    def _why(self, model: str, version: str, timeout_s: float) -> RilaasError:
        """Why a stream ended without an answer: what a unary call with a token of the same key is told."""
        try:
            self._ask_metadata(model, version, timeout_s)
        except DeadlineExceeded:
            raise
        except Unavailable as error:
            if self._context is None:
                return error
            return Unavailable(
                error.message,
                "Does the server want a client certificate? Robots dial the interceptor (rilaas route).",
            )
        except RilaasError as error:
            return error
        return Unavailable(
            "The server ended the stream without an answer.",
            "It may be restarting; a server of another kind must offer ModelStreamInfer.",
        )

    def _ask_metadata(self, model: str, version: str, timeout_s: float) -> bytes:
        request = pb.ModelMetadataRequest(name=model, version=version).SerializeToString()
        token = (("authorization", f"Bearer {self._sign(False)}"),) if self._sign else ()
        options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.use_local_subchannel_pool", 1)]
        if self._credentials is None:
            channel = grpc.insecure_channel(self.address, options)
        else:
            channel = grpc.secure_channel(self.address, self._credentials, options)
        with channel:
            try:
                call = channel.unary_unary(METHODS["ModelMetadata"].path)
                reply: bytes = call(request, metadata=token, timeout=timeout_s)
            except grpc.RpcError as error:
                raise error_from_rpc(error) from None
        return reply

    def _forget(self) -> None:
        """In a process that was forked off: leave the parent's connection to the parent."""
        self._opening = threading.Lock()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()


def _parts(body: bytes, deadline: float) -> tuple[bytes, ...]:
    """A request with the seconds that are left to answer it; protobuf messages are extended by concatenation."""
    if deadline == math.inf:
        return (body,)
    return body, encode_parameters({DEADLINE: max(0.0, deadline - time.monotonic())})


def _forget_all() -> None:
    for transport in _transports:
        transport._forget()


os.register_at_fork(after_in_child=_forget_all)
