"""Where a request's time went, read from the answer's parameters without parsing the answer.

A replica writes ``rilaas_queue_s``, ``rilaas_batch_s`` and so on into its answer, before the tensors. On the wire a
parameter is ``0a <length> name 12 09 21 <double>`` (see ``wire/parameter.py``), so that a search for the name with
what follows it finds the value; only the first bytes are searched.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_HEAD_BYTES = 1024
_DOUBLE = struct.Struct("<d")
_LONGEST_S = 3600.0  # a model may write what it likes; what is longer is not believed


def _needle(name: str) -> bytes:
    return name.encode() + b"\x12\x09\x21"


_QUEUE, _BATCH = _needle("rilaas_queue_s"), _needle("rilaas_batch_s")
_COMPUTE = tuple(map(_needle, ("rilaas_preprocess_s", "rilaas_compute_s", "rilaas_postprocess_s")))


@dataclass(frozen=True, slots=True)
class Stages:
    """The split of one round trip; ``wire_s`` is what the server does not account for.

    Attributes:
        wire_s: Network, forwarding, encoding [s].
        queue_s: Waiting for the model [s].
        batch_s: Waiting for others to be computed with [s]; None where the server does not batch.
        compute_s: In the model, its own steps before and after included [s].
    """

    wire_s: float
    queue_s: float
    batch_s: float | None
    compute_s: float


def read_stages(reply: bytes, latency_s: float) -> Stages | None:
    """The split of an answer's round trip; None where its server tells nothing.

    Args:
        reply: A serialized ModelInferResponse.
        latency_s: From sending the request to its answer [s].
    """
    head = reply[:_HEAD_BYTES]
    queue_s = _value(head, _QUEUE)
    if queue_s is None:
        return None
    batch_s = _value(head, _BATCH)
    compute_s = 0.0
    for needle in _COMPUTE:
        compute_s += _value(head, needle) or 0.0
    return Stages(max(0.0, latency_s - queue_s - (batch_s or 0.0) - compute_s), queue_s, batch_s, compute_s)


def _value(head: bytes, needle: bytes) -> float | None:
    start = head.find(needle)
    if start < 0 or start + len(needle) + 8 > len(head):
        return None
    value: float = _DOUBLE.unpack_from(head, start + len(needle))[0]
    return value if 0.0 <= value <= _LONGEST_S else None
