"""What the viewer asks, and whom it asks."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Values = tuple[str, ...]  # label values, in the order in which the labels were asked for
Where = Mapping[str, Collection[str]]  # label -> the values that are let through

KIND, NAME = "rilaas_kind", "rilaas_name"  # labels that a target's registration adds to its metrics


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time in equal steps.

    Attributes:
        start_s: Seconds since 1970 (UTC).
        end_s: As ``start_s``; a multiple of ``step_s`` later.
        step_s: Length of a step [s].
    """

    start_s: float
    end_s: float
    step_s: float

    @property
    def edges(self) -> NDArray[np.float64]:
        """(N + 1,) float64 [s]: where steps begin and end."""
        count = max(1, math.floor((self.end_s - self.start_s) / self.step_s + 1e-6))
        return self.end_s - self.step_s * np.arange(count, -1, -1, dtype=np.float64)


class MetricsSource(Protocol):
    """Counters and gauges of our services over time.

    Attributes:
        name: What the page calls it.
    """

    name: str

    def increases(
        self, family: str, by: Sequence[str], span: Span, where: Where | None = None
    ) -> dict[Values, NDArray[np.float64]]:
        """How much a counter (or ``..._bucket``, ``_sum``, ``_count``) grew in each step, restarts left out.

        Args:
            family: Its name.
            by: Labels to tell apart; series that differ in others are added up. A label that is not there is ''.
            span: Which steps.
            where: Only series whose labels have one of these values.

        Returns:
            (N,) float64 per label set; NaN for a step of which nothing is known.

        Raises:
            Unavailable: Nobody answers.
        """
        ...

    def latest(self, family: str, by: Sequence[str], where: Where | None = None) -> dict[Values, float]:
        """A gauge as it is now, of targets that answer; added up over labels that are not told apart.

        Raises:
            Unavailable: Nobody answers.
        """
        ...
