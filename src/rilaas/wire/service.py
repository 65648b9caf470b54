"""The gRPC service: its path and its methods, for generic handlers and for multicallables."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message

from rilaas.wire import inference_pb2 as pb

SERVICE = "inference.GRPCInferenceService"
MAX_MESSAGE_BYTES = 64 * 2**20  # on every connection, both ways


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the service.

    Attributes:
        name: Such as ``ModelInfer``.
        request: Message that is asked with.
        response: Message that is answered with.
        streaming: Whether both sides send any number of messages.
    """

    name: str
    request: type[Message]
    response: type[Message]
    streaming: bool = False

    @property
    def path(self) -> str:
        """What gRPC calls it: ``/inference.GRPCInferenceService/ModelInfer``."""
        return f"/{SERVICE}/{self.name}"


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("ServerLive", pb.ServerLiveRequest, pb.ServerLiveResponse),
        Method("ServerReady", pb.ServerReadyRequest, pb.ServerReadyResponse),
        Method("ModelReady", pb.ModelReadyRequest, pb.ModelReadyResponse),
        Method("ServerMetadata", pb.ServerMetadataRequest, pb.ServerMetadataResponse),
        Method("ModelMetadata", pb.ModelMetadataRequest, pb.ModelMetadataResponse),
        Method("ModelInfer", pb.ModelInferRequest, pb.ModelInferResponse),
        Method("ModelStreamInfer", pb.ModelInferRequest, pb.ModelStreamInferResponse, streaming=True),
        Method("RepositoryIndex", pb.RepositoryIndexRequest, pb.RepositoryIndexResponse),
    )
}
