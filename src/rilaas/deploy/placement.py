"""What the hub wants on a server, and what the server says of it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rilaas.core import InvalidInput, ModelRef
from rilaas.serve.isolation import KINDS
from rilaas.store import Limits

_DIGEST = re.compile("sha256:[0-9a-f]{64}")
STATES = ("starting", "ready", "failed", "stopping")


@dataclass(frozen=True, slots=True)
class Placement:
    """One version of a model on one server.

    Attributes:
        id: The hub's number for it.
        model: ``owner/name``.
        revision: Such as ``3`` or ``3@int8``.
        digest: Of the content: ``sha256:`` and 64 hexadecimal digits.
        replicas: How many processes hold it.
        threads: Threads of each replica's backend.
        memory_bytes: Limit of each replica; None for the model's own [bytes].
        cpus: Processors of each replica; None for the model's own.
        isolation: A kind that ``serve.isolation`` knows.
    """

    id: int
    model: str
    revision: str
    digest: str
    replicas: int = 1
    threads: int = 1
    memory_bytes: int | None = None
    cpus: int | None = None
    isolation: str = "auto"

    def __post_init__(self) -> None:
        numbers: dict[str, tuple[Any, int]] = {
            "id": (self.id, 0),
            "replicas": (self.replicas, 1),
            "threads": (self.threads, 1),
            "memory_bytes": (1 if self.memory_bytes is None else self.memory_bytes, 1),
            "cpus": (1 if self.cpus is None else self.cpus, 1),
        }
        for name, (value, least) in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidInput(f"A placement's {name} is {value!r}; it is a whole number from {least}.")
        if not _DIGEST.fullmatch(self.digest):
            raise InvalidInput(f"A placement's digest is {self.digest!r}; it is sha256: and 64 hexadecimal digits.")
        if self.isolation not in KINDS:
            raise InvalidInput(f"A placement's isolation is {self.isolation!r}; it is one of {', '.join(KINDS)}.")
        if not ModelRef.parse(f"{self.model}:{self.revision}").version:
            raise InvalidInput(f"A placement of {self.model} names no version.")

    @classmethod
    def read(cls, table: Any) -> Placement:
        """From the hub's JSON; what this version does not know is left out.

        Raises:
            InvalidInput: Something is missing or wrong.
        """
        try:
            known = {name: table[name] for name in cls.__slots__ if name in table}
            if isinstance(known.get("cpus"), float):
                known["cpus"] = max(1, math.ceil(known["cpus"]))
            return cls(**known)
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise InvalidInput(f"The hub sent a placement that cannot be read: {error}.") from None

    @property
    def ref(self) -> ModelRef:
        """The name and version under which it is served."""
        return ModelRef.parse(f"{self.model}:{self.revision}")

    def is_like(self, other: Placement) -> bool:
        """Whether both ask for the same, under whatever number."""
        return replace(self, id=other.id) == other

    def limits(self, own: Limits) -> Limits:
        """The limits of each replica.

        Args:
            own: What the model's manifest says.
        """
        return replace(own, memory_bytes=self.memory_bytes or own.memory_bytes, cpus=self.cpus or own.cpus)

    def to_json(self) -> dict[str, Any]:
        """As the hub sent it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PlacementReport:
    """How a placement stands.

    Attributes:
        id: The hub's number for it.
        state: One of ``STATES``.
        reason: Why it is not ready; '' where it is.
        replicas_ready: How many can answer.
        restarts: How often a replica died.
        isolation: What was reached, in words.
        log: The last lines of its replicas.
    """

    id: int
    state: str
    reason: str
    replicas_ready: int
    restarts: int
    isolation: str
    log: Sequence[str]
