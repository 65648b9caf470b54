"""What colours and letters of a map mean, in rows below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from rilaas.evaluate.driving.judge.drawing_actors import KINDS
from rilaas.evaluate.driving.judge.drawing_marks import FAILED, Mark
from rilaas.evaluate.driving.judge.stroke import n
from rilaas.evaluate.driving.road.actor import ActorTrack

ROW_PX = 20.0
_SIZE_PX = 12.5
_LETTER_PX = 7.0  # what a letter takes, on average and a little more
_SIGN_PX, _GAP_PX = 18.0, 14.0
_WORDS = "#768390"  # legible on white and on black


@dataclass(frozen=True, slots=True)
class Entry:
    """A sign and what it means.

    Attributes:
        colour: Of the sign.
        words: What it means.
        letter: On the sign, which then is a diamond; '' for a square.
    """

    colour: str
    words: str
    letter: str = ""

    @property
    def width_px(self) -> float:
        """Room for sign and words."""
        return _SIGN_PX + _LETTER_PX * len(self.words) + _GAP_PX


def entries_of(actors: Sequence[ActorTrack], marks: Sequence[Mark], letters: Mapping[str, str]) -> list[Entry]:
    """Kinds of actors that are there, and kinds of infractions with how often they happened, most often first."""
    kinds = {track.actor.kind for track in actors}
    counts: Counter[str] = Counter()
    for mark in marks:
        counts[mark.kind] += len(mark.words)
    return [
        *(Entry(colour, words) for kind, (colour, words) in KINDS.items() if kind in kinds),
        *(Entry(FAILED, f"{kind.replace('_', ' ')} {count}", letters[kind]) for kind, count in counts.most_common()),
    ]


def rows_of(entries: Sequence[Entry], width_px: float) -> list[list[Entry]]:
    """Entries in rows that are not wider than some width, where a single entry is not."""
    rows: list[list[Entry]] = []
    left_px = 0.0
    for entry in entries:
        if not rows or entry.width_px > left_px:
            rows.append([])
            left_px = width_px
        rows[-1].append(entry)
        left_px -= entry.width_px
    return rows


def draw_rows(rows: Sequence[Sequence[Entry]], left_px: float, top_px: float) -> Iterator[str]:
    """Draw them from a corner on."""
    for k, row in enumerate(rows):
        x, y = left_px, top_px + ROW_PX * (k + 0.5)
        for entry in row:
            yield _sign(entry, x + 0.5 * _SIGN_PX - 3.0, y)
            yield (
                f'<text x="{n(x + _SIGN_PX)}" y="{n(y + 4.5)}" fill="{_WORDS}" font-family="system-ui,sans-serif" '
                f'font-size="{_SIZE_PX}">{escape(entry.words)}</text>'
            )
            x += entry.width_px


def _sign(entry: Entry, x: float, y: float) -> str:
    if not entry.letter:
        box = f'x="{n(x - 5.0)}" y="{n(y - 5.0)}" width="10" height="10" rx="2"'
        return f'<rect {box} fill="{entry.colour}" stroke="#1c2229"/>'
    return (
        f'<path d="M{n(x)} {n(y - 8.0)}l8 8l-8 8l-8 -8z" fill="{entry.colour}"/>'
        f'<text x="{n(x)}" y="{n(y + 3.2)}" fill="#fff" text-anchor="middle" font-family="system-ui,sans-serif" '
        f'font-weight="700" font-size="9">{escape(entry.letter)}</text>'
    )
