"""Prometheus' text format 0.0.4, read.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?")
_PAIR = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")
_SUFFIXES = ("_bucket", "_sum", "_count")
Pairs = tuple[tuple[str, str], ...]


class Reading(NamedTuple):
    """One line: a series and its value; ``grows`` where it is a counter or part of a histogram."""

    family: str
    labels: Pairs
    value: float
    grows: bool


def read_exposition(text: str) -> Iterator[Reading]:
    """The series of a page of metrics; lines that are none are left out, values that are no number too."""
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            words = line.split()
            if len(words) >= 4 and words[1] == "TYPE":
                kinds[words[2]] = words[3]
            continue
        head, value = _split(line)
        key = _read_key(head) if head else None
        if key is None or value != value:
            continue
        yield Reading(*key, value, _grows(key[0], kinds))


def _split(line: str) -> tuple[str, float]:
    """What stands before the value, and the value; a stamp behind it is left out."""
    end = line.rfind("}") + 1
    head, _, rest = (line[:end], "", line[end:]) if end else line.partition(" ")
    try:
        return head.strip(), float(rest.split()[0])
    except (ValueError, IndexError):
        return "", 0.0


@functools.lru_cache(maxsize=50_000)
def _read_key(head: str) -> tuple[str, Pairs] | None:
    found = _LINE.fullmatch(head)
    if found is None:
        return None
    name, inside = found.groups()
    pairs, at = [], 0
    inside = (inside or "").strip()
    while at < len(inside):
        pair = _PAIR.match(inside, at)
        if pair is None:
            return None
        pairs.append((pair.group(1), _ESCAPE.sub(_plain, pair.group(2))))
        at = pair.end()
    return name, tuple(pairs)


def _plain(escape: re.Match[str]) -> str:
    sign = escape.group(1)
    return "\n" if sign == "n" else sign


def _grows(name: str, kinds: dict[str, str]) -> bool:
    if name in kinds:
        return kinds[name] == "counter"
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and kinds.get(name.removesuffix(suffix)) in ("histogram", "summary"):
            return True
    return name.endswith("_total")
