"""What stands between a variant and the robots: limits that fail loudly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, did_you_mean
from rilaas.optimize.bootstrap import Interval, mean_interval, ratio_interval
from rilaas.optimize.measured import Driven, Measured

SCORE = "driving_score"
UNEXPLAINED = 0.05
"""Without targets nobody knows the float model's own error. It is then taken as 5 % of the variance of its answers,
as a regression has it that explains 95 % of its targets: an assumption, and a limit on differences all the same."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Limits of a variant; None does not limit.

    Attributes:
        max_mse_ratio: Mean squared error against the float model's, on the test part; see ``mse_ratio``.
        max_difference: Largest difference of any output from the float model's, in the output's unit.
        max_p99_s: 99th percentile of the time of the weights [s].
        max_size_bytes: Size of the weights [bytes].
        min_speedup: Median time of the float model on its own runtime against this one's.
        max_score_loss: Points of driving score that it may lose against the float model, in pairs of the same seed;
            it fails where the whole 95 % interval of the loss lies above.
        integer: Whether a variant whose target is int8 has to compute with integers; one that does not only looks
            quantized.
    """

    max_mse_ratio: float | None = None
    max_difference: float | None = None
    max_p99_s: float | None = None
    max_size_bytes: int | None = None
    min_speedup: float | None = None
    max_score_loss: float | None = None
    integer: bool = True

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Gate:
        """From TOML.

        Raises:
            InvalidInput: An unknown limit, or one that is no number above 0.
        """
        valid = [each.name for each in fields(cls)]
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in valid:
                raise InvalidInput(f"A gate has no limit {key!r}.", did_you_mean(key, valid))
            if key == "integer":
                if type(value) is not bool:
                    raise InvalidInput(f"gate.integer = {value!r}; it is true or false.")
            elif type(value) not in (int, float) or not value > 0:
                raise InvalidInput(f"gate.{key} = {value!r}; it is a number above 0.")
            values[key] = value
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit that a variant does not keep.

    Attributes:
        limit: Name of the limit: a field of ``Gate``, or ``finite`` or ``knows_something``, which always hold.
        allowed: What is allowed, in the limit's unit.
        got: What it has; NaN where that cannot be told.
        words: One sentence for people.
    """

    limit: str
    allowed: float
    got: float
    words: str


def check(
    gate: Gate,
    measured: Measured,
    reference: Measured,
    driven: Driven | None = None,
    reference_driven: Driven | None = None,
) -> list[Violation]:
    """Hold a variant against its limits.

    Two limits hold whatever the gate says: answers are finite, and closer to the float model's than one answer for
    all samples would be. An integer output that nobody dequantized breaks the second.

    Args:
        gate: The limits.
        measured: The variant.
        reference: The float model, measured in the same run.
        driven: The variant in closed loop; a limit on the score that nobody drove for is not kept.
        reference_driven: The float model on the same episodes.

    Returns:
        What is not kept; empty where all is.
    """
    found = list(_of_answers(gate, measured, reference))
    for limit, got, unit in (
        ("max_p99_s", measured.p99_s, 1e3),
        ("max_size_bytes", measured.weight.size_bytes, 1.0),
    ):
        allowed = getattr(gate, limit)
        if allowed is not None and not got <= allowed:
            words = (
                f"its 99th percentile is {unit * got:.3g} ms, allowed are {unit * allowed:.3g} ms"
                if limit == "max_p99_s"
                else f"its weights have {got:,} bytes, allowed are {allowed:,}"
            )
            found.append(Violation(limit, float(allowed), float(got), f"{measured.name}: {words}."))
    if gate.min_speedup is not None:
        got = reference.p50_s / measured.p50_s
        if not got >= gate.min_speedup:
            words = f"it is {got:.2f} times as fast as the float model, at least {gate.min_speedup:g} times is wanted"
            found.append(Violation("min_speedup", gate.min_speedup, got, f"{measured.name}: {words}."))
    if gate.integer and measured.is_really_integer is False:
        total = measured.kernels.total if measured.kernels is not None else 0
        words = (
            f"it only looks quantized: none of its {total} convolutions and matrix products computes with integers"
        )
        found.append(Violation("integer", 1.0, 0.0, f"{measured.name}: {words} on {measured.target}."))
    if gate.max_score_loss is not None:
        found += _of_score(gate.max_score_loss, measured.name, driven, reference_driven)
    return found


def mse_ratio(measured: Measured, reference: Measured) -> Interval:
    """Mean squared error of a variant against the float model's, with a 95 % interval over paired recordings.

    Where nobody knows the right answers, the error against the float model is added to an error that the float model
    is taken to have itself: ``1 + mse / (UNEXPLAINED * variance of its answers)``.
    """
    if measured.has_targets:
        return ratio_interval(measured.squared_error, reference.squared_error, measured.recordings)
    own = UNEXPLAINED * reference.answer_variance
    return ratio_interval(
        measured.squared_error + own, np.full_like(measured.squared_error, own), measured.recordings
    )


def score_loss(driven: Driven, reference: Driven, metric: str = SCORE) -> Interval:
    """Points of score lost against the float model, in pairs of the same episode, with a 95 % interval.

    Raises:
        InvalidInput: They did not drive the same episodes.
    """
    if metric not in driven.scores or metric not in reference.scores:
        raise InvalidInput(f"{driven.name} and {reference.name} have no {metric} in common.")
    own, base = driven.scores[metric], reference.scores[metric]
    if len(own) != len(base) or driven.suite != reference.suite:
        raise InvalidInput(
            f"{driven.name} drove {len(own)} episodes of {driven.suite or 'a suite'}, {reference.name} {len(base)} "
            f"of {reference.suite or 'a suite'}.",
            "Drive both through the same suite.",
        )
    lost = base - own
    return mean_interval(lost[np.isfinite(lost)])


def _of_answers(gate: Gate, measured: Measured, reference: Measured) -> Iterator[Violation]:
    name = measured.name
    broken = ~np.isfinite(np.asarray(measured.difference)).all(axis=1)
    if broken.any() or not np.isfinite(measured.squared_error).all():
        count = int(np.count_nonzero(broken))
        yield Violation("finite", 0.0, float(count), f"{name}: {count} of {broken.size} answers are not finite.")
    variance = reference.answer_variance
    apart = measured.mse - (reference.mse if measured.has_targets else 0.0)
    if variance > 0.0 and not apart <= variance:
        words = (
            f"{name}: it is further from the float model (mean square {apart:.3g}) than one answer for all samples "
            f"would be ({variance:.3g}). Are integer outputs turned back into numbers, the "
            "input scaled, and did training go well?"
        )
        yield Violation("knows_something", variance, apart, words)
    if gate.max_mse_ratio is not None:
        ratio = mse_ratio(measured, reference)
        if not ratio.mean <= gate.max_mse_ratio:
            words = (
                f"{name}: its mean squared error is {ratio.mean:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] times the "
                f"float model's, allowed is {gate.max_mse_ratio:g}."
            )
            yield Violation("max_mse_ratio", gate.max_mse_ratio, ratio.mean, words)
    if gate.max_difference is not None:
        largest = np.abs(measured.difference).max(axis=0)
        at = int(np.argmax(np.nan_to_num(largest, nan=np.inf)))
        got = float(largest[at])
        if not got <= gate.max_difference:
            words = f"{measured.elements[at]} differs by up to {got:.3g}, allowed is {gate.max_difference:g}"
            yield Violation("max_difference", gate.max_difference, got, f"{name}: {words}.")


def _of_score(allowed: float, name: str, driven: Driven | None, reference: Driven | None) -> list[Violation]:
    if driven is None or reference is None:
        words = f"{name}: nobody drove it, so a loss of score cannot be told."
        return [Violation("max_score_loss", allowed, float("nan"), words)]
    lost = score_loss(driven, reference)
    if not lost.n:
        words = f"{name}: no episode gave both a score, so a loss cannot be told."
        return [Violation("max_score_loss", allowed, float("nan"), words)]
    if lost.low <= allowed:
        return []
    words = (
        f"{name}: it loses {lost.mean:.2f} [{lost.low:.2f}, {lost.high:.2f}] points of driving score over {lost.n} "
        f"episodes, allowed are {allowed:g}."
    )
    return [Violation("max_score_loss", allowed, lost.mean, words)]
