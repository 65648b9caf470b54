"""What a server says of its own load: counts, and how they travel beside answers.

Who opens a stream with the metadata ``rilaas-load: 1`` hears the load with every answer and, between answers, when it
has changed; nobody else hears it, for it names every model of the server. It travels as a second ``infer_response``
of the same ModelStreamInferResponse, which any protobuf parser merges into the first. So it is no part of the answer
that is handed on, no model can forge it, and a message without an answer is simply one more report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rilaas.core import InvalidInput
from rilaas.wire.field import Buffer, scan, varint
from rilaas.wire.parameter import decode_parameters, encode_parameters

ASK = "rilaas-load"  # metadata of a call: its caller wants to hear the server's load
TELL_S = 0.1  # how often it is told between answers, where it has changed
QUIET_S = 1.0  # how often where it has not
TELLINGS_PER_S = 200.0  # to all callers together: with more than 20 of them each hears it less often

IN_FLIGHT, CLIENTS, MODELS = "rilaas_in_flight", "rilaas_clients", "rilaas_models"
_RESPONSE = b"\x12"  # tag of infer_response


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a server is.

    Attributes:
        in_flight: Requests that wait or are computed, of all models and whoever sent them.
        slots: How many inferences run at once, by model: ready replicas times what each computes at once.
        arrivals: Requests that ever came, by model.
        clients: Callers that hear this.
    """

    in_flight: int
    slots: Mapping[str, int] = field(default_factory=dict)
    arrivals: Mapping[str, int] = field(default_factory=dict)
    clients: int = 1


@runtime_checkable
class TellsLoad(Protocol):
    """A service that knows how busy its server is."""

    def load(self) -> Load:
        """How busy the server is now."""
        ...


def encode_load(load: Load) -> bytes:
    """Parameters that may be appended to a serialized ModelInferResponse.

    ``rilaas_models`` is ``NAME=SLOTS/ARRIVALS`` for each model, with blanks between.
    """
    arrivals = load.arrivals
    models = " ".join([f"{name}={slots}/{arrivals.get(name, 0)}" for name, slots in load.slots.items()])
    return encode_parameters({IN_FLIGHT: load.in_flight, CLIENTS: load.clients, MODELS: models})


def decode_load(fields: bytes) -> Load | None:
    """The inverse of ``encode_load``; None where it is not what ``encode_load`` writes."""
    try:
        told = decode_parameters(fields)
        in_flight, clients = int(told[IN_FLIGHT]), int(told[CLIENTS])
        slots, arrivals = {}, {}
        for part in str(told[MODELS]).split():
            name, _, numbers = part.rpartition("=")
            slot, _, arrived = numbers.partition("/")
            slots[name], arrivals[name] = int(slot), int(arrived)
    except (InvalidInput, KeyError, ValueError):
        return None
    return Load(max(0, in_flight), slots, arrivals, max(0, clients))


def with_load(message: bytes, load: Load) -> bytes:
    """A serialized ModelStreamInferResponse with the load behind it; an empty one says nothing else."""
    fields = encode_load(load)
    return b"".join((message or _RESPONSE + b"\x00", _RESPONSE, varint(len(fields)), fields))


def split_load(message: bytes) -> tuple[Buffer, Load | None]:
    """The inverse of ``with_load``: the message without the load, empty where there was nothing else.

    Args:
        message: What a server sent that was asked for its load; one that tells none is given back as it is.

    Raises:
        InvalidInput: It is not valid protobuf.
    """
    parts: Sequence[tuple[int, int, int, int]] = [each for each in scan(message) if each[0] == 2]
    if len(parts) < 2:
        return message, None
    _, tag, start, end = parts[-1]
    load = decode_load(message[start:end]) if end == len(message) else None
    if load is None:
        return message, None
    return (b"" if tag == 2 else memoryview(message)[:tag]), load


def every_s(clients: int) -> float:
    """How often so many callers are told between answers [s]."""
    return max(TELL_S, clients / TELLINGS_PER_S)
