"""Our errors as gRPC statuses, and any gRPC failure as one of our errors.

The status carries the message; trailing metadata carry what a status cannot: ``rilaas-code``, ``rilaas-message``,
``rilaas-hint`` and ``rilaas-request-id``, percent-encoded, since metadata are ASCII.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

import grpc

from rilaas.core import (
    ERROR_TABLE,
    DeadlineExceeded,
    InvalidInput,
    RilaasError,
    Unauthenticated,
    Unavailable,
    error_from_code,
)

_SAFE = " !#$&'()*+,-./:;<=>?@[]^_`{|}~\""
_MAX_BYTES = {"message": 2000, "hint": 1000, "request-id": 300}  # gRPC starts to refuse at 8 kB of metadata in all

_STATUS = {code: grpc.StatusCode[row.grpc_status] for code, row in ERROR_TABLE.items()}
_BY_STATUS: dict[grpc.StatusCode, type[RilaasError]] = {}
for _row in ERROR_TABLE.values():  # the more general class comes first and stays
    _BY_STATUS.setdefault(grpc.StatusCode[_row.grpc_status], _row.error)
_BY_STATUS[grpc.StatusCode.CANCELLED] = Unavailable

# What TLS says, in gRPC's words or Python's, what that means, what to do: in lower case, the first one found counts.
_TLS: tuple[tuple[str, type[RilaasError], str, str], ...] = (
    (
        "mismatch, certificate is not valid for",
        Unauthenticated,
        "The server's certificate is for another name or address than the one dialled.",
        "Dial a name that is in the certificate, or issue one with this name.",
    ),
    (
        "certificate has expired",
        Unauthenticated,
        "The server's certificate has expired.",
        "Issue a new one, or set this machine's clock.",
    ),
    (
        "certificate_verify_failed",
        Unauthenticated,
        "The server's certificate is not signed by the authority that you trust.",
        "Pass the ca.pem of the server's own authority.",
    ),
    (
        "hostname verification check failed",
        Unauthenticated,
        "The server's certificate is for another name or address than the one dialled.",
        "Dial a name that is in the certificate, or issue one with this name.",
    ),
    (
        "is not in peer certificate",
        Unauthenticated,
        "The server's certificate is for another name or address than the one dialled.",
        "Dial a name that is in the certificate, or issue one with this name.",
    ),
    (
        "wrong_version_number",
        Unavailable,
        "The server does not speak TLS.",
        "Connect without TLS (only on loopback), or start the server with a certificate.",
    ),
    (
        "alert_certificate_required",
        Unauthenticated,
        "The server wants a client certificate.",
        "Pass one issued by its authority.",
    ),
    (
        "alert_unknown_ca",
        Unauthenticated,
        "The other side does not know the authority of the certificate.",
        "Use a certificate issued by the same authority on both sides.",
    ),
    (
        "handshake",
        Unavailable,
        "The TLS handshake with the server failed.",
        "Does the address belong to a rilaas server, with TLS on both sides?",
    ),
)


def grpc_status(error: RilaasError) -> grpc.StatusCode:
    """The gRPC status of an error."""
    return _STATUS.get(error.code, grpc.StatusCode.INTERNAL)


def trailing_metadata(error: RilaasError, request_id: str = "") -> tuple[tuple[str, str], ...]:
    """Trailing metadata from which ``error_from_rpc`` rebuilds the error."""
    fields = {"code": error.code, "message": error.message, "hint": error.hint, "request-id": request_id}
    return tuple((f"rilaas-{key}", quote(_cut(key, value), safe=_SAFE)) for key, value in fields.items() if value)


def status_details(error: RilaasError) -> str:
    """The status's own words: the message, cut to what gRPC can carry (a longer one loses the status itself)."""
    return _cut("message", error.message)


def _cut(key: str, value: str) -> str:
    """The longest beginning whose percent-encoding fits; lone surrogates become question marks."""
    value = value[: _MAX_BYTES.get(key, 100)].encode(errors="replace").decode()
    while (size := len(quote(value, safe=_SAFE))) > (limit := _MAX_BYTES.get(key, 100)):
        value = value[: len(value) * limit // size]
    return value


def error_from_rpc(failure: grpc.RpcError | Any) -> RilaasError:
    """The error behind a failed RPC, of ``grpc`` or ``grpc.aio``.

    A server of ours is repeated word for word; of another server's status the words are kept and the class is the
    nearest one; failures of TLS, which gRPC tells in OpenSSL's words, say what to change.
    """
    if not hasattr(failure, "code"):
        return RilaasError(f"The call failed: {failure}.")
    pairs: Any = failure.trailing_metadata() or ()
    metadata = {str(key): value for key, value in pairs}
    details = str(failure.details() or "")
    if "rilaas-code" in metadata:
        told = {key: unquote(str(metadata.get(f"rilaas-{key}", ""))) for key in ("code", "message", "hint")}
        return error_from_code(told["code"], told["message"] or details, told["hint"])
    return _foreign(failure.code(), details)


def unreachable(details: str) -> RilaasError:
    """What it means that a connection failed, from gRPC's, OpenSSL's or the operating system's words."""
    lower = details.lower()
    for words, kind, message, hint in _TLS:
        if words in lower:
            return kind(message, hint)
    return Unavailable(f"The server cannot be reached: {details or 'no details'}.", "Is it running at this address?")


def _foreign(status: grpc.StatusCode, details: str) -> RilaasError:
    lower = details.lower()
    if status is grpc.StatusCode.UNAVAILABLE:
        return unreachable(details)
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("The answer did not come before the deadline.")
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in lower:
        return InvalidInput(f"The message is too large for the other side: {details}.")
    if status is grpc.StatusCode.UNIMPLEMENTED:
        return InvalidInput(
            f"The server does not know this method: {details or 'no details'}.", "Does it speak the protocol?"
        )
    return _BY_STATUS.get(status, RilaasError)(details or f"The call ended with {status.name}.")
