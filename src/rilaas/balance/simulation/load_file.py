"""Reading a load: one of ours by name, or a TOML file."""

from __future__ import annotations

import re
from pathlib import Path

from rilaas.balance.simulation import document
from rilaas.balance.simulation.load import Load
from rilaas.core import NotFound, did_you_mean

_PRESET = re.compile(r"(uniform|poisson|sinusoidal|robots)-(\d{1,6}(?:\.\d{1,6})?)")


def read_load(name_or_path: str | Path) -> Load:
    """Read a load."""
    text = str(name_or_path)
    if text in document.PROFILES:
        return document.PROFILES[text]
    found = _PRESET.fullmatch(text)
    if found is None:
        raise NotFound(f"There is no load {text!r}.", did_you_mean(text, document.PROFILES))
    kind, number = found.groups()
    if kind == "robots":
        return document.robots(int(number))
    return {"uniform": document.uniform, "poisson": document.poisson, "sinusoidal": document.sinusoidal}[kind](
        float(number)
    )
