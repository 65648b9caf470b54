"""What runs a server's replicas: processes now, later containers or a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rilaas.core import ModelRef
from rilaas.deploy.placement import Placement


@dataclass(frozen=True, slots=True)
class Running:
    """How the replicas of one version are.

    Attributes:
        replicas_ready: How many can answer.
        restarts: How often one died and was started anew.
        reason: What is wrong with those that cannot; '' where nothing is.
        isolation: How they are confined, in words; '' before the first is ready.
        log: Their last words and what happened to them, oldest first; each line begins with a UTC stamp.
    """

    replicas_ready: int
    restarts: int
    reason: str
    isolation: str
    log: Sequence[str]


class Runtime(Protocol):
    """Starts replicas, watches them, starts those that die anew with growing pauses, and stops them.

    ``tests/deploy/test_runtime.py`` says what each has to keep.
    """

    async def start(self, placement: Placement, folder: Path) -> None:
        """Start a version and return when all its replicas are ready.

        One that runs already is replaced without a gap. Cancelling breaks the start off.

        Args:
            placement: What to run, how often, within which limits.
            folder: The model folder.

        Raises:
            RilaasError: It cannot be loaded: its own reason. What ran before still does, and ``running`` has the log.
        """
        ...

    async def stop(self, ref: ModelRef) -> None:
        """Answer what is in flight and end the replicas; one that does not run is forgotten with its log."""
        ...

    def running(self) -> Mapping[ModelRef, Running]:
        """Every version that runs, is starting or has failed to start."""
        ...
