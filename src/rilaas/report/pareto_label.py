"""Names beside dots, so that none lies on another name or on a dot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rilaas.report.svg import line, text

Box = tuple[float, float, float, float]
"""Left, top, right and bottom [px]."""

_PX_PER_LETTER, _PX_PER_BOLD, _TALL = 6.6, 7.6, 14.0
_RINGS = (4.0, 16.0, 30.0, 46.0, 64.0, 84.0, 106.0, 130.0, 156.0)  # distance of a name from its dot [px]
_LEADER_FROM = 12.0
_ANGLES = (0, 180, 90, 270, 45, 135, 315, 225, 20, 160, 340, 200, 70, 110, 250, 290)  # tried in this order [degrees]


@dataclass(frozen=True, slots=True)
class Spot:
    """A dot with a name.

    Attributes:
        x: Its middle [px].
        y: Its middle, downwards [px].
        radius: Of the dot [px].
        name: What to write beside it.
        is_first: Whether its name matters most: written first and bold.
    """

    x: float
    y: float
    radius: float
    name: str
    is_first: bool = False

    @property
    def box(self) -> Box:
        """The square around the dot."""
        return self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius


def place(spots: Sequence[Spot], within: Box, lines: Sequence[Box] = ()) -> tuple[list[str], int]:
    """Names as shapes, with thin lines to their dots where they are far, and how many found no room.

    Args:
        spots: The dots.
        within: No name leaves this.
        lines: Names keep off these where there is room elsewhere.
    """
    taken = [spot.box for spot in spots]
    shapes, unnamed = [], 0
    for spot in sorted(spots, key=lambda spot: (not spot.is_first, spot.x)):
        found = next((each for each in _tried(spot) if _is_free(each[0], within, [*taken, *lines])), None)
        found = found or next((each for each in _tried(spot) if _is_free(each[0], within, taken)), None)
        if found is None:
            unnamed += 1
            continue
        box, distance = found
        taken.append(box)
        if distance >= _LEADER_FROM:
            end = min(max(spot.x, box[0]), box[2]), min(max(spot.y, box[1]), box[3])
            angle = math.atan2(end[1] - spot.y, end[0] - spot.x)
            start = spot.x + spot.radius * math.cos(angle), spot.y + spot.radius * math.sin(angle)
            shapes.append(line(*start, *end, "axis"))
        shapes.append(text(box[0] + 2, box[3] - 3, spot.name, "small strong" if spot.is_first else "small"))
    return shapes, unnamed


def _tried(spot: Spot) -> Iterator[tuple[Box, float]]:
    """Places for a name, the best first, each with its distance from the dot."""
    wide = 4.0 + len(spot.name) * (_PX_PER_BOLD if spot.is_first else _PX_PER_LETTER)
    for distance in _RINGS:
        for angle in _ANGLES:
            across, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            reach = spot.radius + distance
            x, y = spot.x + across * (reach + wide / 2), spot.y - up * (reach + _TALL / 2)
            if abs(across) < 0.5:
                x = spot.x + across * reach
            yield (x - wide / 2, y - _TALL / 2, x + wide / 2, y + _TALL / 2), distance


def _is_free(box: Box, within: Box, taken: Sequence[Box]) -> bool:
    inside = box[0] >= within[0] and box[1] >= within[1] and box[2] <= within[2] and box[3] <= within[3]
    return inside and not any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken
    )
