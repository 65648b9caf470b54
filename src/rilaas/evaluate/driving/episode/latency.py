"""How much simulated time passes while a policy thinks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, NotFound, RilaasError, did_you_mean
from rilaas.report import Report


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
        """Read ``none``, ``measured``, ``fixed:SECONDS`` or ``drawn:FILE``.

        The file is a report that ``--json`` wrote, whose round trips are drawn; or numbers of seconds, one a line or
        as an ``.npy`` array.

        Raises:
            InvalidInput: It is something else, or the file has no latencies.
            NotFound: There is no such file.
        """
        mode, _, value = text.partition(":")
        if mode == "fixed":
            try:
                return cls.fixed(float(value))
            except ValueError:
                raise InvalidInput(
                    f"{text!r} is not a latency.", "Write seconds after the colon: fixed:0.08."
                ) from None
        if mode == "drawn":
            return cls.drawn(_recorded(Path(value)))
        if text == "none":
            return cls.none()
        if text == "measured":
            return cls.measured()
        valid = ("none", "measured", "fixed:SECONDS", "drawn:FILE")
        raise InvalidInput(f"{text!r} is not a latency.", did_you_mean(text, valid))

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


def _recorded(path: Path) -> NDArray[np.float64]:
    """Recorded latencies [s]; see ``Latency.parse``."""
    if not path.is_file():
        raise NotFound(f"There is no file {str(path)!r} to draw latencies from.", "Write drawn:FILE.")
    try:
        if path.suffix == ".json":
            values = np.array(Report.from_json(path.read_text(encoding="utf-8")).samples.get("round_trip_s", ()))
        elif path.suffix == ".npy":
            with path.open("rb") as file:
                stored = np.lib.format.read_array(file, allow_pickle=False)
            if stored.dtype.kind not in "fiu":
                raise ValueError(f"its values are {stored.dtype}, not numbers of seconds")
            values = stored.astype(np.float64).ravel()
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of an empty file, which is told below
                values = np.loadtxt(path, ndmin=1).ravel()
    except RilaasError as error:
        raise InvalidInput(f"{path}: {error.message}", error.hint) from None
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise InvalidInput(
            f"{path} has no latencies: {error}.",
            "Give a report that --json wrote, or seconds, one a line or as .npy.",
        ) from None
    if not values.size:
        hint = "Reports of evaluations have them since they are kept." if path.suffix == ".json" else ""
        raise InvalidInput(f"{path} has no latencies in it.", hint)
    return values
