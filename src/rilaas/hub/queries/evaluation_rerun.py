"""What it takes to run one episode of an evaluation again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from rilaas.core import RilaasError
from rilaas.core.toml import parse_toml
from rilaas.hub.models import Model, Variant

_OWN = ("name", "description", "scenarios", "thresholds")  # of the whole suite; the rest is the scenarios' world
_KEY = re.compile(r"[A-Za-z0-9_]+")
_WITH_VALUE = ("--suite", "--episodes", "--workers", "--report", "--json-file")


def rerun(command: str, suite: str, scenario: str, seed: int) -> dict[str, str]:
    """A suite file with one episode, and the command that drives it.

    Args:
        command: What made the whole report.
        suite: Text of its suite, for the world that its scenarios share; '' where it is not known.
        scenario: Of the episode.
        seed: Its seed.

    Returns:
        ``file`` and ``command``; ``note`` where the file has to be completed by hand.
    """
    known = _parsed(suite)
    named = [row for row in known.get("scenarios", []) if scenario in (row.get("name"), row.get("map"))]
    own = [row for row in named if seed in row["seeds"]] or named
    row = {**(own[0] if own else {"map": scenario}), "seeds": [seed]}
    lines = [f"name = {_toml(f'episode-{seed}')}", ""]
    for key, table in known.items():
        if key in _OWN or not _KEY.fullmatch(key):
            continue
        if isinstance(table, list):
            for each in table:
                lines += [f"[[{key}]]", *_pairs(each), ""]
        else:
            lines += [f"[{key}]", *_pairs(table), ""]
    lines += ["[[scenarios]]", *_pairs(row)]
    note = "" if own else "Add the [world] and the map: the suite's file is not known here."
    return {"file": "\n".join(lines) + "\n", "command": _command(command), "note": note}


def folder_of(model: Model, variant: Variant) -> str:
    """What a variant's folder is called on another machine: ``lane-following-2-int8``."""
    return f"{model.name}-{variant.revision.replace('@', '-')}"


def planned_command(plan: Mapping[str, Any], folder: str) -> list[str]:
    """The command that drives what the hub drove; its suite is beside it where it is none of ours.

    Args:
        plan: Of the evaluation.
        folder: The model's.
    """
    suite = "suite.toml" if plan.get("suite_toml") else str(plan["suite"])
    words = ["rilaas", "evaluate", folder, "--suite", suite]
    episodes = ["--episodes", str(plan["episodes"])] if plan.get("episodes") else []
    return [*words, *episodes, "--latency", str(plan["latency"])]


def optimized_command(plan: Mapping[str, Any], folder: str) -> list[str]:
    """The command that makes what the hub made; a data set or recipe of a person's own is beside it.

    Args:
        plan: Of the optimization.
        folder: The model's.
    """
    words = ["rilaas", "optimize", folder]
    for name in plan.get("recipes", []):
        words += ["--recipe", str(name)]
    words += ["--recipe", "recipe.toml"] if plan.get("recipe_toml") else []
    words += ["--dataset", "dataset"] if plan.get("dataset") else ["--samples", str(plan.get("frames"))]
    suite = plan.get("drives")
    words += ["--suite", str(suite), "--episodes", str(plan["episodes"])] if suite else ["--suite", "none"]
    return words


def _parsed(text: str) -> dict[str, Any]:
    try:
        return parse_toml(text, "the suite")
    except (RilaasError, RecursionError):
        return {}


def _pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in table.items() if _KEY.fullmatch(key)]


def _toml(value: Any) -> str:
    """A value on one line of TOML; its strings and numbers are those of JSON, but for characters as they are."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(_pairs(value))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, default=str, ensure_ascii=False).replace("\x7f", "\\u007f")


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
