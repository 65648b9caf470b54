"""How much simulated time passes while a policy thinks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rilaas.core import InvalidInput, did_you_mean


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the latency of each prediction comes from.

    Attributes:
        mode: ``none``, ``fixed``, ``drawn`` or ``measured``.
        samples_s: What is drawn from, each as likely as the others [s]; empty where it is measured.

    Example:
        >>> Latency.parse("fixed:0.08")
        Latency(mode='fixed', samples_s=(0.08,))
    """

    mode: str
    samples_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(math.isfinite(sample) and 0.0 <= sample <= 3600.0 for sample in self.samples_s):
            raise InvalidInput(f"A latency is from 0 to 3600 s; got {list(self.samples_s)[:8]}.")

    @property
    def text(self) -> str:
        """In words, as reports tell it."""
        if self.mode == "fixed":
            return f"fixed: {self.samples_s[0]:g} s"
        if self.mode == "drawn":
            return f"drawn from {len(self.samples_s)} samples, median {np.median(self.samples_s):.4g} s"
        return "none: the world waits" if self.mode == "none" else "measured"

    @classmethod
    def none(cls) -> Latency:
        """The world waits for the policy: lock-step."""
        return cls("none", (0.0,))

    @classmethod
    def fixed(cls, latency_s: float) -> Latency:
        """Always the same [s]."""
        return cls("fixed", (float(latency_s),))

    @classmethod
    def drawn(cls, samples_s: Sequence[float] | np.ndarray) -> Latency:
        """Drawn from recorded latencies [s] with the scenario's seed.

        Raises:
            InvalidInput: There is none, or one is not a time.
        """
        if not len(samples_s):
            raise InvalidInput("Latencies are drawn from at least one sample.")
        return cls("drawn", tuple(float(sample) for sample in samples_s))

    @classmethod
    def measured(cls) -> Latency:
        """What each prediction really takes: ``timing.total_s``. Not the same bytes twice."""
        return cls("measured", ())

    @classmethod
    def parse(cls, text: str) -> Latency:
        """Read ``none``, ``measured`` or ``fixed:SECONDS``.

        Raises:
            InvalidInput: It is something else.
        """
        mode, _, value = text.partition(":")
        if mode == "fixed":
            try:
                return cls.fixed(float(value))
            except ValueError:
                raise InvalidInput(
                    f"{text!r} is not a latency.", "Write seconds after the colon: fixed:0.08."
                ) from None
        if text == "none":
            return cls.none()
        if text == "measured":
            return cls.measured()
        raise InvalidInput(f"{text!r} is not a latency.", did_you_mean(text, ("none", "measured", "fixed:SECONDS")))

    def sample(self, measured_s: float, rng: np.random.Generator) -> float:
        """Latency of one prediction [s].

        Args:
            measured_s: What it really took [s].
            rng: Source of chance.
        """
        if not self.samples_s:
            return measured_s
        if len(self.samples_s) == 1:
            return self.samples_s[0]
        return self.samples_s[int(rng.integers(len(self.samples_s)))]
