"""How fast a variant was on one machine, once: what the shelf and the hub keep beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rilaas.core import InvalidInput

MAX_SECONDS = 3600.0
_MAX_WORDS = 20  # features of a processor, and versions
_STAMP = re.compile(r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\dZ")


@dataclass(frozen=True, slots=True)
class Times:
    """Percentiles of repeated predictions, each in seconds.

    Attributes:
        p50_s: Median [s].
        p90_s: 90th percentile [s].
        p95_s: 95th percentile [s].
        p99_s: 99th percentile [s].
        worst_s: The longest [s].
    """

    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float
    worst_s: float

    def __post_init__(self) -> None:
        values = [self.p50_s, self.p90_s, self.p95_s, self.p99_s, self.worst_s]
        if not all(math.isfinite(value) and 0.0 <= value <= MAX_SECONDS for value in values):
            raise InvalidInput(f"Latencies are from 0 to {MAX_SECONDS:g} s, not {values}.")
        if values != sorted(values):
            raise InvalidInput(f"The percentiles 50, 90, 95, 99 and the worst do not rise: {values}.")


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One measurement.

    Attributes:
        machine: The processor's name.
        cores: How many the process could use.
        features: What the processor has for small numbers, such as ``AVX-512 VNNI``.
        versions: Of the runtime and of rilaas, by package.
        threads: That the backend computed with.
        n: Predictions measured.
        compute: Of the weights alone.
        total: Of the whole policy, with its pre- and postprocessing.
        load_average: Of the machine over the last minute: other work makes times longer.
        stamp_utc: When, as ``2026-01-31T12:00:00Z``.

    Raises:
        InvalidInput: A value makes no sense, or is too long to be kept.
    """

    machine: str
    cores: int
    features: tuple[str, ...]
    versions: Mapping[str, str]
    threads: int
    n: int
    compute: Times
    total: Times
    load_average: float
    stamp_utc: str

    def __post_init__(self) -> None:
        words = [self.machine, *self.features, *self.versions, *self.versions.values()]
        if not all(0 < len(word) <= 200 and word.isprintable() for word in words):
            raise InvalidInput("Names of machines, features and versions have 1 to 200 printable characters.")
        if len(self.features) > _MAX_WORDS or len(self.versions) > _MAX_WORDS:
            raise InvalidInput(f"At most {_MAX_WORDS} features and {_MAX_WORDS} versions are kept.")
        for what, number in (("cores", self.cores), ("threads", self.threads), ("n", self.n)):
            if not 1 <= number <= 10**9:
                raise InvalidInput(f"{what} = {number}: at least 1, at most a billion.")
        if not (math.isfinite(self.load_average) and 0.0 <= self.load_average <= 1e6):
            raise InvalidInput(f"The load average is {self.load_average:g}; it is a number from 0.")
        if not _STAMP.fullmatch(self.stamp_utc):
            raise InvalidInput(f"{self.stamp_utc[:40]!r} is no time.", "Write 2026-01-31T12:00:00Z.")

    def as_json(self) -> dict[str, Any]:
        """As JSON takes it; ``of`` reads it."""
        return {**asdict(self), "features": list(self.features), "versions": dict(self.versions)}

    @classmethod
    def of(cls, value: Any) -> LatencyRow:
        """From what ``as_json`` gave, which a stranger may have written.

        Raises:
            InvalidInput: It is none.
        """
        try:
            compute, total = (
                Times(*(_number(value[part][f"{key}_s"]) for key in ("p50", "p90", "p95", "p99", "worst")))
                for part in ("compute", "total")
            )
            versions = {_text(key): _text(word) for key, word in dict(value["versions"]).items()}
            cores, threads, n = (_whole(value[key]) for key in ("cores", "threads", "n"))
            return cls(
                _text(value["machine"]),
                cores,
                tuple(_text(word) for word in value["features"]),
                versions,
                threads,
                n,
                compute,
                total,
                _number(value["load_average"]),
                _text(value["stamp_utc"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(
                f"This is no measurement: {error!s:.200}.", "`rilaas predict REF --profile` makes one."
            ) from None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        raise TypeError(f"{value!r:.60} is no number")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r:.60} is no whole number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value
