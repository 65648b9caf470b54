"""The page of a variant: what it is made from, how, and what that did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_ROWS = (
    ("size", "size_bytes", 1e-6, ".3g", "MB"),
    ("gzip", "gzip_bytes", 1e-6, ".3g", "MB"),
    ("parameters", "parameters", 1.0, ",.0f", ""),
    ("multiplications", "macs", 1e-6, ".4g", "million a sample"),
    ("time of the weights, p50", "p50_s", 1e3, ".3g", "ms"),
    ("time of the weights, p99", "p99_s", 1e3, ".3g", "ms"),
    ("whole policy, p50", "total_p50_s", 1e3, ".3g", "ms"),
    ("speed", "speedup", 1.0, ".2f", "times the float model's"),
    ("size of the float model", "smaller", 1.0, ".2f", "times this one's"),
    ("mean squared error", "mse", 1.0, ".4g", ""),
    ("mean squared error against the float model's", "mse_ratio", 1.0, ".3f", "times"),
    ("largest difference from the float model", "largest_difference", 1.0, ".3g", ""),
)


def card_of(record: Mapping[str, Any], parent: str) -> str:
    """Markdown.

    Args:
        record: What ``variant.json`` says.
        parent: The original's page, which follows.
    """
    lines = [*_head(record), *_figures(record), *_gate(record["gate"])]
    if parent.strip():
        lines += ["---", "", "The page of the model that it was made from:", "", parent.strip(), ""]
    return "\n".join(lines)


def _head(record: Mapping[str, Any]) -> Iterator[str]:
    made, recipe = record["parent"], record["recipe"]
    ref = made["ref"] or made["name"]
    yield f"# {made['name']}@{record['variant']}"
    yield ""
    yield f"Made from `{ref}` (`{made['digest']}`) by the recipe `{recipe['name']}` for `{recipe['target']}`."
    if recipe["description"]:
        yield recipe["description"].rstrip(".") + "."
    if recipe["source"]:
        yield f"The recipe reproduces: {recipe['source'].rstrip('.')}."
    yield ""
    for number, row in enumerate(recipe["passes"], 1):
        fields = ", ".join(f"{key} = {value}" for key, value in row.items() if key not in ("name", "version"))
        yield f"{number}. `{row['name']}`{f': {fields}' if fields else ''}"
    if not recipe["passes"]:
        yield "No pass changes the weights: the runtime alone makes the difference."
    yield ""


def _figures(record: Mapping[str, Any]) -> Iterator[str]:
    measured = record["measured"]
    if not measured:
        return
    machine = record["machine"]
    features = f", {', '.join(machine['features'])}" if machine["features"] else ""
    yield f"Measured on {machine['cpu']}{features}, {record['recipe']['threads']} thread, one sample at a time:"
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    for title, key, factor, form, unit in _ROWS:
        value = measured.get(key)
        if value is not None:
            yield f"| {title} | {factor * value:{form}} {unit}".rstrip() + " |"
    yield ""


def _gate(gate: Mapping[str, Any]) -> Iterator[str]:
    if gate["passed"] is None:
        return
    limits = ", ".join(f"{key} = {value}" for key, value in gate["limits"].items())
    yield f"It {'passes' if gate['passed'] else 'does not pass'} its gate ({limits})."
    yield ""
    for each in gate["violations"]:
        yield f"- {each['words']}"
    if gate["violations"]:
        yield ""
