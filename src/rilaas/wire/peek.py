"""Looking at a request, and adding to an answer, without touching its tensors.

An interceptor forwards bytes. It needs a model's name to decide, and the decision must hold for what the replica
will read: all fields are scanned and, as in a full parse, the last one of a kind wins. A request that names one model
at its beginning and another at its end is therefore judged by the one that would answer it.
"""

from __future__ import annotations

from dataclasses import dataclass

from rilaas.core import RilaasError, Unavailable, error_from_code
from rilaas.wire.field import Buffer, read_text, scan, text, varint
from rilaas.wire.parameter import FIELD as PARAMETERS
from rilaas.wire.parameter import Parameter, Parameters, decode_parameters, encode_parameters

DEADLINE = "rilaas_deadline_s"  # parameter of a request on a stream: seconds that the caller waits from now
RESET = "rilaas_reset"  # parameter of a request: the model forgets everything first (a truth value)
CODE, HINT, DIED = "rilaas_code", "rilaas_hint", "rilaas_died"  # parameters of a refusal on a stream


@dataclass(frozen=True, slots=True)
class Peek:
    """What a forwarder needs to know of a ModelInferRequest or ModelInferResponse.

    Attributes:
        model: The model's name.
        version: Its version, '' for the newest.
        request_id: Chosen by the caller, '' where it chose none.
        deadline_s: How long the caller waits from now on [s]; None where it did not say.
    """

    model: str
    version: str
    request_id: str
    deadline_s: float | None = None


def peek(body: Buffer) -> Peek:
    """Read the small fields of a serialized ModelInferRequest or ModelInferResponse.

    A deadline that is no number counts as none.

    Raises:
        InvalidInput: It is not valid protobuf, or a name is not UTF-8.
    """
    names = ["", "", ""]
    deadline_s: float | None = None
    for number, tag, start, end in scan(body):
        if number <= 3:
            names[number - 1] = read_text(body, start, end, ("model_name", "model_version", "id")[number - 1])
        elif number == PARAMETERS and _DEADLINE in (field := bytes(body[tag:end])):
            value = decode_parameters(field).get(DEADLINE)
            deadline_s = _seconds(value)
    return Peek(names[0], names[1], names[2], deadline_s)


_DEADLINE = DEADLINE.encode()


def _seconds(value: Parameter | None) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        return None
    return float(value)


def with_parameters(body: bytes, parameters: Parameters) -> bytes:
    """Add parameters to a serialized ModelInferRequest or ModelInferResponse; one of the same name is replaced.

    Raises:
        InvalidInput: A value is no text, number or truth value.
    """
    return body + encode_parameters(parameters)


def with_request_id(body: bytes, request_id: str) -> bytes:
    """Give a serialized ModelInferRequest or ModelInferResponse another id: as in a full parse, the last one wins."""
    return body + (text(b"\x1a", request_id) or b"\x1a\x00")


def with_model(body: bytes, model: str, revision: str) -> bytes:
    """Give a serialized ModelInferRequest or ModelInferResponse another model and version; the last ones win."""
    return b"".join((body, text(b"\x0a", model) or b"\x0a\x00", text(b"\x12", revision) or b"\x12\x00"))


def wrap_stream_response(response: bytes, error: RilaasError | None, request_id: str = "") -> bytes:
    """Make a ModelStreamInferResponse of a serialized ModelInferResponse, or of an error.

    Args:
        response: The answer; for an error usually empty.
        error: Why there is no answer. Its message becomes ``error_message``, its code and hint become the parameters
            ``rilaas_code`` and ``rilaas_hint`` of the response.
        request_id: Added to the response where it is not empty.
    """
    head = b""
    tail = text(b"\x1a", request_id)
    if error is not None:
        head = text(b"\x0a", error.message or error.code)
        tail += encode_parameters({CODE: error.code, HINT: error.hint})
        if isinstance(error, Unavailable) and error.died_with_request:
            tail += encode_parameters({DIED: True})
    return b"".join((head, b"\x12", varint(len(response) + len(tail)), response, tail))


def unwrap_stream_response(body: Buffer) -> tuple[RilaasError | None, bytes, str]:
    """The inverse of ``wrap_stream_response``: error or None, serialized ModelInferResponse, request id.

    An error of a server that knows no codes of ours becomes the base class with the server's own words.

    Raises:
        InvalidInput: It is not valid protobuf.
    """
    message, parts = "", []
    for number, _, start, end in scan(body):
        if number == 1:
            message = read_text(body, start, end, "error_message")
        elif number == 2:
            parts.append(bytes(body[start:end]))
    response = parts[0] if len(parts) == 1 else b"".join(parts)
    request_id, parameters = "", b""
    for number, tag, start, end in scan(response):
        if number == 3:
            request_id = read_text(response, start, end, "id")
        elif number == PARAMETERS and message:
            parameters += response[tag:end]
    if not message:
        return None, response, request_id
    values = decode_parameters(parameters)
    error = error_from_code(str(values.get(CODE, "")), message, str(values.get(HINT, "")))
    if isinstance(error, Unavailable):
        error.died_with_request = values.get(DIED) is True
    return error, response, request_id
