"""Counters and gauges, in Prometheus' text format.

Names carry their base unit (``rilaas_request_seconds``), counters end in ``_total``. Every family has a bound on its
label sets: what a stranger can write into a label cannot fill the memory.

Source: Prometheus text exposition format 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence

MAX_SERIES = 1000  # label sets per family
OTHER = "other"  # the label value that takes what is above the bound

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
Labels = tuple[str, ...]


class Family:
    """One metric name with its label names; thread safe."""

    kind = ""

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, max_series: int = MAX_SERIES
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a metric name")
        for label in labels:
            if not _LABEL.fullmatch(label) or label == "le":
                raise ValueError(f"{label!r} is not a label name")
        self.name, self.help_text, self.labels = name, help_text, tuple(labels)
        self.overflowed = 0  # label sets that were folded into OTHER
        self._max_series = max_series
        self._lock = threading.Lock()

    def _key(self, known: dict[Labels, object], values: dict[str, str]) -> Labels:
        """The label set to count under; call it with the lock held."""
        try:
            key = tuple([str(values[label]) for label in self.labels])
        except KeyError as missing:
            raise ValueError(f"{self.name} needs the label {missing}") from None
        if len(values) != len(key):
            raise ValueError(f"{self.name} has the labels {self.labels}, got {tuple(values)}")
        if key not in known and len(known) >= self._max_series and key:
            self.overflowed += 1
            return (OTHER,) * len(key)
        return key

    def _head(self) -> Iterator[str]:
        text = self.help_text.replace("\\", r"\\").replace("\n", r"\n")
        yield f"# HELP {self.name} {text}\n"
        yield f"# TYPE {self.name} {self.kind}\n"

    def _label_text(self, key: Labels, *extra: str) -> str:
        pairs = [f'{label}="{_escape(value)}"' for label, value in zip(self.labels, key, strict=True)]
        pairs += extra
        return "{" + ",".join(pairs) + "}" if pairs else ""

    def lines(self) -> Iterator[str]:
        """The family in the text format, each line with its end."""
        raise NotImplementedError


class Counter(Family):
    """A number that only grows."""

    kind = "counter"

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, max_series: int = MAX_SERIES
    ) -> None:
        if not name.endswith("_total"):
            raise ValueError(f"counter {name!r} has to end in _total")
        super().__init__(name, help_text, labels, max_series=max_series)
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}

    def inc(self, amount: float = 1.0, **labels: str) -> None:
        """Add an amount that is not negative."""
        if not amount >= 0.0:
            raise ValueError(f"counter {self.name} cannot grow by {amount}")
        with self._lock:
            key = self._key(self._values, labels)  # type: ignore[arg-type]
            self._values[key] = self._values.get(key, 0.0) + amount

    def value(self, **labels: str) -> float:
        """The count so far; 0 where nothing was counted."""
        return self._values.get(tuple(str(labels[label]) for label in self.labels), 0.0)

    def items(self) -> list[tuple[Labels, float]]:
        """Label values, in the order of ``labels``, and counts; sorted."""
        with self._lock:
            return sorted(self._values.items())

    def lines(self) -> Iterator[str]:
        """See ``Family.lines``."""
        items = self.items()
        yield from self._head()
        for key, value in items:
            yield f"{self.name}{self._label_text(key)} {number_text(value)}\n"


class Gauge(Family):
    """A number that goes up and down."""

    kind = "gauge"

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, max_series: int = MAX_SERIES
    ) -> None:
        super().__init__(name, help_text, labels, max_series=max_series)
        self._values: dict[Labels, float | Callable[[], float]] = {}

    def set(self, value: float, **labels: str) -> None:
        """Replace the value."""
        with self._lock:
            self._values[self._key(self._values, labels)] = value  # type: ignore[arg-type]

    def follow(self, function: Callable[[], float], **labels: str) -> None:
        """Ask ``function`` whenever the metrics are read; it has to be quick and must not raise."""
        with self._lock:
            self._values[self._key(self._values, labels)] = function  # type: ignore[arg-type]

    def remove(self, **labels: str) -> None:
        """Forget one label set, such as a server that left."""
        with self._lock:
            self._values.pop(tuple(str(labels[label]) for label in self.labels), None)

    def lines(self) -> Iterator[str]:
        """See ``Family.lines``."""
        with self._lock:
            items = sorted(self._values.items(), key=lambda item: item[0])
        yield from self._head()
        for key, value in items:
            yield f"{self.name}{self._label_text(key)} {number_text(value() if callable(value) else value)}\n"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def number_text(value: float) -> str:
    """A number as the text format writes it."""
    if value != value:
        return "NaN"
    if value in (math.inf, -math.inf):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
