"""Reading a load: one of ours by name, or a TOML file that a person can write.

Ours are the document's 13 (``PROFILES``), their like at other rates (``uniform-16``, ``poisson-0.5``,
``sinusoidal-0.02``) and ``robots-N``: N robots that declutter, in closed loop. See ``document``.

::

    name = "afternoon"                   # for tables; the file's name where it is not said
    kind = "spike"                       # one of those below
    duration_s = 120                     # 120 where it is not said
    models = ["detector", "segmenter"]   # they alternate; those of shares, chain or trace, or the document's two
    shares = { detector = 0.8, segmenter = 0.2 }    # drawn instead: they sum to 1
    process = "poisson"                  # or "even": as evenly as the rate allows; of step, spike and sinusoidal

    # and of each kind:
    rate_per_s = 8                       # uniform, poisson; spike: between the spikes
    extra_per_s = 13                     # spike: what it adds
    length_s = 2                         # spike: how long each is
    at_s = [15, 45]                      # spike: when they begin; trace: when each request comes
    from_s = [0, 30]                     # step: when each rate begins
    rates_per_s = [1, 2]                 # step: the rates
    mean_per_s = 4.5                     # sinusoidal
    amplitude_per_s = 3.5
    frequency_hz = 0.05
    of = ["detector", "segmenter"]       # trace: the model of each request; they alternate where it is not said
    file = "requests.csv"                # trace: instead of at_s and of, columns at_s and model under that heading
    count = 100                          # robots: how many
    chain = ["detector", "segmenter"]    # robots: the models of one cycle in order; all where it is not said
    think = { mean_s = 8.3, std_s = 0.8 }    # robots: from the last answer to the next query; any duration
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rilaas.balance.simulation import document
from rilaas.balance.simulation.load import Load, Profile, Robots, Trace
from rilaas.balance.simulation.rate import Rate, Sinusoid, Steps, constant, with_spikes
from rilaas.balance.simulation.toml_value import duration, number, numbers, place, text, texts
from rilaas.core import InvalidInput, NotFound, did_you_mean
from rilaas.core.toml import checked_table, read_toml

_PRESET = re.compile(r"(uniform|poisson|sinusoidal|robots)-(\d{1,6}(?:\.\d{1,6})?)")
_ALL = ("name", "kind", "duration_s", "models")
_KINDS: Mapping[str, tuple[str, ...]] = {
    "uniform": ("shares", "rate_per_s"),
    "poisson": ("shares", "rate_per_s"),
    "step": ("shares", "process", "from_s", "rates_per_s"),
    "spike": ("shares", "process", "rate_per_s", "extra_per_s", "length_s", "at_s"),
    "sinusoidal": ("shares", "process", "mean_per_s", "amplitude_per_s", "frequency_hz"),
    "trace": ("at_s", "of", "file"),
    "robots": ("count", "chain", "think"),
}
"""Kinds, with the keys that each has besides ``_ALL``."""


def read_load(name_or_path: str | Path) -> Load:
    """Read a load.

    Args:
        name_or_path: A name of ours, or a path that ends in ``.toml``.

    Raises:
        NotFound: There is no such load or file.
        InvalidInput: The file is not one of a load; the message names file, place and what would have been valid.
    """
    name = str(name_or_path)
    if name in document.PROFILES:
        return document.PROFILES[name]
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return _read(path)
    preset = _PRESET.fullmatch(name)
    made = None if preset is None else _preset(*preset.groups())
    if made is None:
        raise NotFound(
            f"There is no load {name!r}. {did_you_mean(name, [*document.PROFILES, 'robots-100'])}",
            "A load of your own is given as a path that ends in .toml.",
        )
    return made


def _preset(kind: str, told: str) -> Load | None:
    if float(told) <= 0.0:
        return None
    if kind == "robots":
        return document.robots(int(told)) if told.isdigit() else None
    makers: Mapping[str, Callable[[float], Profile]] = {
        "uniform": document.uniform,
        "poisson": document.poisson,
        "sinusoidal": document.sinusoidal,
    }
    return makers[kind](float(told))


def _read(path: Path) -> Load:
    where = str(path)
    table = checked_table(read_toml(path), where)
    kind = text(table, "kind", where)
    if kind not in _KINDS:
        raise InvalidInput(f"{where}: there is no load of kind {kind!r}.", did_you_mean(kind, _KINDS))
    for key in table:
        if key not in _ALL + _KINDS[kind]:
            hint = did_you_mean(key, _ALL + _KINDS[kind])
            raise InvalidInput(f"{where}: unknown key {key!r} in a load of kind {kind!r}.", hint)
    name = text(table, "name", where, path.stem)
    models = texts(table, "models", where, _named_elsewhere(table, path))
    if not models:
        raise InvalidInput(f"{where}: models is []; it is one or more.")
    duration_s = number(table, "duration_s", where, document.SECONDS)
    with place(where):
        if kind == "robots":
            return _robots(table, name, models, duration_s, where)
        if kind == "trace":
            return _trace(table, name, models, duration_s, path)
        default = "poisson" if kind == "poisson" else "even"
        process = text(table, "process", where, default)
        shares = _shares(table, models, where)
        return Profile(name, models, _rate(kind, table, where), process, duration_s, shares)


def _named_elsewhere(table: dict[str, Any], path: Path) -> tuple[str, ...]:
    """The models of a load that does not list them: those that its other keys name, else the document's."""
    where = str(path)
    named: tuple[str, ...] = ()
    if isinstance(table.get("shares"), dict):
        named = tuple(table["shares"])
    elif "chain" in table:
        named = texts(table, "chain", where)
    elif "of" in table:
        named = texts(table, "of", where)
    elif "file" in table and "models" not in table:
        with place(where):
            named = _read_csv(path.parent / text(table, "file", where))[1]
    return tuple(dict.fromkeys(named)) or document.MODELS


def _rate(kind: str, table: dict[str, Any], where: str) -> Rate:
    if kind == "step":
        return Steps(numbers(table, "from_s", where), numbers(table, "rates_per_s", where))
    if kind == "sinusoidal":
        keys = ("mean_per_s", "amplitude_per_s", "frequency_hz")
        return Sinusoid(*(number(table, key, where) for key in keys))
    per_s = number(table, "rate_per_s", where)
    if kind == "spike":
        extra_per_s, length_s = (number(table, key, where) for key in ("extra_per_s", "length_s"))
        return with_spikes(per_s, extra_per_s, length_s, numbers(table, "at_s", where))
    return constant(per_s)


def _shares(table: dict[str, Any], models: tuple[str, ...], where: str) -> tuple[float, ...]:
    if "shares" not in table:
        return ()
    shares = checked_table(table["shares"], f"{where}: shares", models)
    return tuple(number(shares, model, f"{where}: shares") for model in models)


def _robots(table: dict[str, Any], name: str, models: tuple[str, ...], duration_s: float, where: str) -> Robots:
    if "count" not in table:
        raise InvalidInput("Robots have no count.")
    think = duration(table["think"], f"{where}: think") if "think" in table else document.THINK
    return Robots(name, models, table["count"], texts(table, "chain", where, models), think, duration_s)


def _trace(table: dict[str, Any], name: str, models: tuple[str, ...], duration_s: float, path: Path) -> Trace:
    where = str(path)
    if ("file" in table) == ("at_s" in table):
        raise InvalidInput("A trace has no requests, or has them twice.", "Give at_s, or file.")
    if "file" in table:
        if "of" in table:
            raise InvalidInput("The file of a trace says the models.", "Leave 'of' out.")
        at_s, of = _read_csv(path.parent / text(table, "file", where))
    else:
        at_s = numbers(table, "at_s", where)
        of = texts(table, "of", where, tuple(models[k % len(models)] for k in range(len(at_s))))
    for model in of:
        if model not in models:
            raise InvalidInput(f"A trace asks for an unknown model {model!r}.", did_you_mean(model, models))
    if "duration_s" not in table and at_s:
        duration_s = max(at_s[-1], 1e-9)
    return Trace(name, models, at_s, tuple(models.index(model) for model in of), duration_s)


def _read_csv(path: Path) -> tuple[tuple[float, ...], tuple[str, ...]]:
    line = 1
    at_s, of = [], []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            for row in rows:
                line = rows.line_num
                at_s.append(float(row["at_s"]))
                of.append(row["model"].strip())
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error):  # of cells that are missing or no numbers
        raise InvalidInput(
            f"{path}, line {line}, is not of a trace.", "The first line is 'at_s,model'; each other one a request."
        ) from None
    return tuple(at_s), tuple(of)
