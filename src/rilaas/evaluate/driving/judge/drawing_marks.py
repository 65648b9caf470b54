"""Where rules were broken: marks on a map, and what their letters mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from rilaas.evaluate.driving.judge.stroke import n
from rilaas.evaluate.driving.objective.definition import Infraction
from rilaas.evaluate.driving.road.tile_map import TileMap

FAILED = "#ff3b3b"
NEAR_TILES = 0.14
"""Marks of one kind that are nearer to each other than this become one."""
_LETTERS = {
    "collision_vehicle": "V",
    "collision_duckie": "D",
    "collision_obstacle": "O",
    "left_lane": "L",
    "off_road": "X",
    "red_line": "S",
    "red_light": "R",
    "tailgating": "T",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Infractions of one kind at one place.

    Attributes:
        kind: Which rule.
        x: To the right [tiles].
        y: Upwards [tiles].
        words: One line for each infraction.
    """

    kind: str
    x: float
    y: float
    words: tuple[str, ...]


def marks_of(tile_map: TileMap, infractions: Sequence[tuple[str, Infraction]]) -> list[Mark]:
    """Infractions at one place as one mark.

    Args:
        tile_map: Where they happened.
        infractions: Each with what its drive is called.
    """
    marks: list[Mark] = []
    for drive, each in infractions:
        x, y = each.pose[0] / tile_map.tile_size_m, each.pose[1] / tile_map.tile_size_m
        words = f"{_words(each.kind)}{' ' + each.actor if each.actor else ''} at {each.t_s:.1f} s{_in(drive)}"
        for k, mark in enumerate(marks):
            if mark.kind == each.kind and math.dist((x, y), (mark.x, mark.y)) < NEAR_TILES:
                marks[k] = Mark(mark.kind, mark.x, mark.y, (*mark.words, words))
                break
        else:
            marks.append(Mark(each.kind, x, y, (words,)))
    return marks


def draw_marks(marks: Sequence[Mark], letters: Mapping[str, str]) -> Iterator[str]:
    """Red diamonds with the letter of their kind; the pointer shows what happened."""
    for mark in marks:
        many = len(mark.words)
        yield f'<g transform="translate({n(mark.x)} {n(mark.y)}) scale(1 -1)">'
        yield f"<title>{escape(chr(10).join(mark.words))}</title>"
        yield f'<path d="M0 -.105L.105 0L0 .105L-.105 0Z" fill="{FAILED}" stroke="#fff" stroke-width=".018"/>'
        yield _text(0.0, 0.038, letters[mark.kind], 0.11)
        if many > 1:
            yield _text(0.15, -0.06, f"×{many}", 0.1)
        yield "</g>"


def letters_of(marks: Sequence[Mark]) -> dict[str, str]:
    """A letter for each kind; kinds that nobody gave one get the first of their own that is free."""
    letters: dict[str, str] = {}
    for kind in sorted({mark.kind for mark in marks}, key=lambda kind: (kind not in _LETTERS, kind)):
        taken = set(letters.values())
        wanted = [_LETTERS.get(kind, ""), *kind.upper(), *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
        letters[kind] = next((letter for letter in wanted if letter.isalpha() and letter not in taken), "?")
    return letters


def _text(x: float, y: float, words: str, size: float) -> str:
    return (
        f'<text x="{n(x)}" y="{n(y)}" fill="#fff" text-anchor="middle" font-family="system-ui,sans-serif" '
        f'font-weight="700" font-size="{n(size)}">{escape(words)}</text>'
    )


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _in(drive: str) -> str:
    return f" ({drive})" if drive else ""
