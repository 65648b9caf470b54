"""What it takes to run one episode of an evaluation again."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import rilaas
from rilaas.core import RilaasError
from rilaas.core.toml import read_toml

_SUITES = Path(rilaas.__file__).parent / "evaluate" / "driving" / "scenario" / "suites"
_NAME = re.compile(r"[a-z0-9_-]+")
_KEY = re.compile(r"[A-Za-z0-9_]+")
_WITH_VALUE = ("--suite", "--episodes", "--workers", "--report", "--json-file")


def rerun(command: str, suite: str, scenario: str, seed: int) -> dict[str, str]:
    """A suite file with one episode, and the command that drives it.

    Args:
        command: What made the whole report.
        suite: Name of its suite; one of ours is looked into for the world that its scenarios share.
        scenario: Of the episode.
        seed: Its seed.

    Returns:
        ``file`` and ``command``; ``note`` where the file has to be completed by hand.
    """
    known = _suite(suite)
    own = [row for row in known.get("scenarios", []) if scenario in (row.get("name"), row.get("map"))]
    row = {**(own[0] if own else {"map": scenario}), "seeds": [seed]}
    title = f"{suite or 'suite'}-{seed}"
    lines = [f"name = {json.dumps(title)}", ""]
    if world := known.get("world"):
        lines += ["[world]", *_pairs(world), ""]
    lines += ["[[scenarios]]", *_pairs(row)]
    note = "" if own else f"Add the [world] and the map of the suite {suite!r}: its file is not known here."
    return {"file": "\n".join(lines) + "\n", "command": _command(command), "note": note}


def _suite(name: str) -> dict[str, Any]:
    path = _SUITES / f"{name}.toml"
    if not _NAME.fullmatch(name) or not path.is_file():
        return {}
    try:
        return dict(read_toml(path))
    except RilaasError:
        return {}


def _pairs(table: dict[str, Any]) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in table.items() if _KEY.fullmatch(key)]


def _command(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if words[:2] != ["rilaas", "evaluate"]:
        return "rilaas evaluate MODEL --suite episode.toml --report episode.html"
    kept, skip = [], False
    for word in words:
        if skip or word.startswith(tuple(f"{flag}=" for flag in _WITH_VALUE)):
            skip = False
        elif word in _WITH_VALUE:
            skip = True
        elif word != "--json":
            kept.append(word if word.startswith("~/") else shlex.quote(word))
    return " ".join([*kept, "--suite", "episode.toml", "--report", "episode.html"])
