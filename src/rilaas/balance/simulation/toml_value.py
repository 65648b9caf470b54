"""Values of the TOML files of clusters, loads and suites: checked, with errors that name the place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rilaas.balance.simulation.duration import Duration
from rilaas.core import InvalidInput, did_you_mean
from rilaas.core.toml import checked_table

_DURATION = ("mean_s", "std_s", "cv", "shape", "samples_s")


@contextmanager
def place(where: str) -> Iterator[None]:
    """Say where it is wrong: what is raised inside is raised again with the place before it."""
    try:
        yield
    except InvalidInput as error:
        if error.message.startswith(where):
            raise
        raise InvalidInput(f"{where}: {error.message}", error.hint) from None


def number(table: Mapping[str, Any], key: str, where: str, default: float | None = None) -> float:
    """A number, whole or not; one that has to be there where it has no default."""
    value = _value(table, key, where, default)
    if not _is_number(value):
        raise InvalidInput(f"{where}: {key} is {value!r}; it is a number.")
    return float(value)


def numbers(table: Mapping[str, Any], key: str, where: str) -> tuple[float, ...]:
    """A list of numbers that has to be there."""
    value = _value(table, key, where, None)
    if not isinstance(value, list) or any(
        isinstance(each, bool) or not isinstance(each, int | float) for each in value
    ):
        raise InvalidInput(f"{where}: {key} is {value!r}; it is a list of numbers.")
    return tuple(float(each) for each in value)


def text(table: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    """A text; one that has to be there where it has no default."""
    value = _value(table, key, where, default)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{where}: {key} is {value!r}; it is a text.")
    return value


def texts(table: Mapping[str, Any], key: str, where: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """A list of texts; one that has to be there where it has no default."""
    value = _value(table, key, where, default)
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
        raise InvalidInput(f"{where}: {key} is {value!r}; it is a list of texts.")
    return tuple(value)


def tables(table: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    """An array of tables; empty where there is none."""
    value = table.get(key, [])
    if not isinstance(value, list):
        raise InvalidInput(f"{where}: {key} is {value!r}; it is a list of tables, written [[{key}]].")
    return [checked_table(each, f"{where}: [[{key}]] {number}") for number, each in enumerate(value, 1)]


def duration(value: Any, where: str) -> Duration:
    """A ``Duration``: a number (always the same), or a table of mean_s and std_s or cv and shape, or of samples_s."""
    if _is_number(value):
        value = {"mean_s": value}
    table = checked_table(value, where, _DURATION)
    with place(where):
        if "samples_s" in table:
            if len(table) > 1:
                raise InvalidInput("samples_s stand alone: mean and shape are theirs.")
            return Duration.of(numbers(table, "samples_s", where))
        if "std_s" in table and "cv" in table:
            raise InvalidInput("std_s and cv say the same.", "Give one of them.")
        mean_s = number(table, "mean_s", where)
        cv = number(table, "cv", where, 0.0)
        if "std_s" in table:
            std_s = number(table, "std_s", where)
            if std_s and not mean_s > 0.0:
                raise InvalidInput(f"A duration of mean {mean_s:g} s does not vary.")
            cv = std_s / mean_s if std_s else 0.0
        shape = text(table, "shape", where, "normal" if cv else "constant")
        if shape == "samples":
            raise InvalidInput("The shape 'samples' is given by samples_s alone.")
        return Duration(mean_s, cv, shape)


def durations(value: Any, models: tuple[str, ...], where: str) -> dict[str, Duration]:
    """A ``Duration`` for each model: one for all, or a table by model."""
    if not isinstance(value, dict) or (value and set(value) <= set(_DURATION) and not set(value) & set(models)):
        return dict.fromkeys(models, duration(value, where))
    for model in value:
        if model not in models:
            known = (*models, *_DURATION)
            raise InvalidInput(f"{where}: unknown model {model!r}.", did_you_mean(model, known))
    return {model: duration(each, f"{where}.{model}") for model, each in value.items()}


def beside(path: Path, named: str) -> str | Path:
    """A file that another one names, which is meant to lie beside it; a name of ours stays as it is."""
    return path.parent / named if named.endswith((".toml", ".csv")) else named


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def _value(table: Mapping[str, Any], key: str, where: str, default: Any) -> Any:
    if key in table:
        return table[key]
    if default is None:
        raise InvalidInput(f"{where} has no {key}.")
    return default
