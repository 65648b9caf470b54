"""The gRPC front: Open Inference Protocol v2 in, unparsed bytes to a ``Service``.

It holds no model and computes nothing, so that its event loop stays free for health checks while a model works.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from rilaas import __version__
from rilaas.core import InvalidInput, RilaasError, Unavailable
from rilaas.serve.load import ASK, Load, TellsLoad, encode_load
from rilaas.serve.service import Caller, Gate, OpenGate, Service, told
from rilaas.serve.stream import Streams
from rilaas.wire import MAX_MESSAGE_BYTES, SERVICE, grpc_status, trailing_metadata
from rilaas.wire import inference_pb2 as pb
from rilaas.wire.status import status_details

_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"  # grpc.health.v1.HealthCheckResponse.status
_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
]
_Message = TypeVar("_Message", bound=Message)


class Front:
    """One listening gRPC server.

    Args:
        service: Who answers.
        gate: Who may come in.
        name: How the server calls itself in ServerMetadata.
    """

    def __init__(self, service: Service, gate: Gate, *, name: str = "rilaas") -> None:
        self._service, self._gate, self._name = service, gate, name
        self._load = service.load if isinstance(service, TellsLoad) else None
        self._streams = Streams()
        self._draining = False
        interceptors = () if isinstance(gate, OpenGate) else (_Doorman(gate),)
        self._server = grpc.aio.server(interceptors=interceptors, options=_OPTIONS)
        self._server.add_generic_rpc_handlers((self._oip(), self._health()))

    async def start(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Listen; without credentials in clear text.

        Returns:
            The port, chosen by the system where the address says 0.

        Raises:
            Unavailable: The address is taken or not ours.
        """
        try:
            if credentials is None:
                port: int = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError:
            raise Unavailable(f"Cannot listen on {address}.", "Is the port taken? Choose another one.") from None
        await self._server.start()
        return port

    async def drain(self, grace_s: float) -> None:
        """Take no new request, answer those in flight, then close; at most ``grace_s``."""
        self._draining = True
        self._streams.drain()
        await self._server.stop(grace_s)

    def _oip(self) -> grpc.GenericRpcHandler:
        unary: dict[str, Callable[[bytes, Any], Awaitable[bytes]]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
            "RepositoryIndex": self._repository_index,
        }
        handlers = {name: grpc.unary_unary_rpc_method_handler(_telling(function)) for name, function in unary.items()}
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._model_stream_infer)
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _health(self) -> grpc.GenericRpcHandler:
        async def check(body: bytes, context: Any) -> bytes:
            return _NOT_SERVING if self._draining else _SERVING

        handlers = {"Check": grpc.unary_unary_rpc_method_handler(check)}
        return grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers)

    async def _server_live(self, body: bytes, context: Any) -> bytes:
        return pb.ServerLiveResponse(live=True).SerializeToString()

    async def _server_ready(self, body: bytes, context: Any) -> bytes:
        return pb.ServerReadyResponse(ready=not self._draining).SerializeToString()

    async def _server_metadata(self, body: bytes, context: Any) -> bytes:
        reply = pb.ServerMetadataResponse(name=self._name, version=__version__, extensions=["model_repository"])
        return reply.SerializeToString()

    async def _model_ready(self, body: bytes, context: Any) -> bytes:
        caller = self._admit(context)
        request = _parsed(pb.ModelReadyRequest, body)
        ready = any(
            state.ready
            for state in self._service.models(caller)
            if state.name == request.name and request.version in ("", state.version)
        )
        return pb.ModelReadyResponse(ready=ready).SerializeToString()

    async def _model_metadata(self, body: bytes, context: Any) -> bytes:
        caller = self._admit(context)
        request = _parsed(pb.ModelMetadataRequest, body)
        return await self._service.metadata(request.name, request.version, caller)

    async def _repository_index(self, body: bytes, context: Any) -> bytes:
        caller = self._admit(context)
        only_ready = _parsed(pb.RepositoryIndexRequest, body).ready
        reply = pb.RepositoryIndexResponse()
        for state in self._service.models(caller):
            if state.ready or not only_ready:
                word = "READY" if state.ready else "UNAVAILABLE"
                reply.models.add(name=state.name, version=state.version, state=word, reason=state.reason)
        return reply.SerializeToString()

    async def _model_infer(self, body: bytes, context: Any) -> bytes:
        caller = self._admit(context)
        left_s, load = context.time_remaining(), self._load_for(context)
        reply = await self._service.infer(body, caller, None if left_s is None else time.monotonic() + left_s)
        return reply if load is None else reply + encode_load(load())

    async def _model_stream_infer(self, requests: Any, context: Any) -> None:
        try:
            caller = self._admit(context, opens_stream=True)
            await self._streams.answer(context, self._service, caller, self._load_for(context))
        except RilaasError as error:
            await _abort(context, error)

    def _load_for(self, context: Any) -> Callable[[], Load] | None:
        """How busy the server is, where it knows and the caller has asked to hear it."""
        if self._load is None:
            return None
        return self._load if any(key == ASK for key, _ in context.invocation_metadata() or ()) else None

    def _admit(self, context: Any, *, opens_stream: bool = False) -> Caller:
        return self._gate.admit(context.invocation_metadata() or (), context.peer(), opens_stream=opens_stream)


class _Doorman(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Turns strangers away before their message is read, so that they cannot fill the memory with it."""

    # Anybody may ask whether the server is alive.
    _OPEN = frozenset(
        {f"/{SERVICE}/ServerLive", f"/{SERVICE}/ServerReady", f"/{SERVICE}/ServerMetadata"}
        | {"/grpc.health.v1.Health/Check"}
    )

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        if details.method not in self._OPEN:
            try:
                self._gate.glance(details.invocation_metadata or ())
            except RilaasError as error:
                return _refusal(error)
        return await continuation(details)


def _refusal(error: RilaasError) -> grpc.RpcMethodHandler:
    """A handler that answers any kind of call with an error; as a stream's, it reads nothing first."""

    async def refuse(requests: Any, context: Any) -> None:
        await _abort(context, error)

    return grpc.stream_stream_rpc_method_handler(refuse)


def _telling(function: Callable[[bytes, Any], Awaitable[bytes]]) -> Callable[[bytes, Any], Awaitable[bytes]]:
    """Turn errors into gRPC statuses; what is not ours is logged with a number and told without details."""

    async def handler(body: bytes, context: Any) -> bytes:
        try:
            return await function(body, context)
        except Exception as error:
            await _abort(context, told(error))
            raise

    return handler


def _parsed(kind: type[_Message], body: bytes) -> _Message:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise InvalidInput(f"The request is not a {kind.DESCRIPTOR.name}.") from None


async def _abort(context: Any, error: RilaasError) -> None:
    await context.abort(grpc_status(error), status_details(error), trailing_metadata(error))
