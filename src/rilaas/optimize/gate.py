"""What stands between a variant and the robots: limits that fail loudly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rilaas.core import InvalidInput, did_you_mean


@dataclass(frozen=True, slots=True)
class Gate:
    """Limits of a variant; None does not limit.

    Attributes:
        max_mse_ratio: Mean squared error against the float model's, on the test part.
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
