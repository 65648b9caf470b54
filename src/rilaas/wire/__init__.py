"""Bytes on the network: the Open Inference Protocol v2, socket frames, robots' keys and tokens, TLS.

Takes and returns bytes, arrays by name and errors of core; opens no connection but ``HubConnection``. Imports core
alone, and of others numpy, protobuf, grpc, cryptography and PyJWT.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rilaas.wire.claims import Claims, audience
from rilaas.wire.codec import (
    InferRequest,
    InferResponse,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from rilaas.wire.frame import Frame, FrameKind, FrameReader, pack_error, pack_frame, pack_header, unpack_error
from rilaas.wire.metadata import decode_metadata, encode_metadata
from rilaas.wire.peek import (
    Peek,
    peek,
    unwrap_stream_response,
    with_model,
    with_parameters,
    with_request_id,
    wrap_stream_response,
)
from rilaas.wire.service import MAX_MESSAGE_BYTES, METHODS, SERVICE, Method

if TYPE_CHECKING:
    from rilaas.wire.authority import Authority, Certificate, ensure_authority
    from rilaas.wire.hub import HubConnection
    from rilaas.wire.keys import PrivateKey, PublicKey, fingerprint, generate_key, load_private_key, load_public_key
    from rilaas.wire.status import error_from_rpc, grpc_status, status_details, trailing_metadata
    from rilaas.wire.tls import certificate_names, client_credentials, server_credentials
    from rilaas.wire.token import TokenVerifier, peer_host, sign_token

# Loaded when they are asked for: a replica, of which there is one per model, needs neither gRPC nor cryptography.
_LATER = {
    "authority": ("Authority", "Certificate", "ensure_authority"),
    "hub": ("HubConnection",),
    "keys": ("PrivateKey", "PublicKey", "fingerprint", "generate_key", "load_private_key", "load_public_key"),
    "status": ("error_from_rpc", "grpc_status", "status_details", "trailing_metadata"),
    "tls": ("certificate_names", "client_credentials", "server_credentials"),
    "token": ("TokenVerifier", "peer_host", "sign_token"),
}
_HOME = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


__all__ = [
    "MAX_MESSAGE_BYTES",
    "METHODS",
    "SERVICE",
    "Authority",
    "Certificate",
    "Claims",
    "Frame",
    "FrameKind",
    "FrameReader",
    "HubConnection",
    "InferRequest",
    "InferResponse",
    "Method",
    "Peek",
    "PrivateKey",
    "PublicKey",
    "TokenVerifier",
    "audience",
    "certificate_names",
    "client_credentials",
    "decode_metadata",
    "decode_request",
    "decode_response",
    "encode_metadata",
    "encode_request",
    "encode_response",
    "ensure_authority",
    "error_from_rpc",
    "fingerprint",
    "generate_key",
    "grpc_status",
    "load_private_key",
    "load_public_key",
    "pack_error",
    "pack_frame",
    "pack_header",
    "peek",
    "peer_host",
    "server_credentials",
    "sign_token",
    "status_details",
    "trailing_metadata",
    "unpack_error",
    "unwrap_stream_response",
    "with_model",
    "with_parameters",
    "with_request_id",
    "wrap_stream_response",
]
