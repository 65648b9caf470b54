"""Traffic lights: one beside the stop line, and one across the crossing for those who stand too near to see that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.actor import GREEN, RED, YELLOW
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.view.look import Look
from rilaas.evaluate.driving.view.solid import Colour, Part, assemble, block, disc

SIZE_M = (0.050, 0.046, 0.170)
"""Length, width and height: the box is at the height of a Duckiebot's camera."""
_FRONT_M = -0.005
"""Where the lamps are, behind their visors [m]."""
_LAMPS: Mapping[int, tuple[float, Colour, Colour]] = {
    RED: (0.146, (255.0, 44.0, 36.0), (84.0, 30.0, 30.0)),
    YELLOW: (0.108, (255.0, 206.0, 40.0), (84.0, 74.0, 30.0)),
    GREEN: (0.070, (60.0, 255.0, 110.0), (28.0, 76.0, 42.0)),
}
"""By state: height of the lamp [m], its colour when it shines and when it does not."""
_HOUSING = (40.0, 42.0, 46.0)
_HALF_LANE_TILE, _LANE_MIDDLE_TILE = 0.188, 0.22
"""A lane's half width, and its middle from the middle of the road [tile]."""
_ASIDE_M, _BEFORE_M = 0.040, 0.030
"""How far a post stands from its corner: outwards, and before it. So the far post stands back to back with the near
one of those who come from the other side [m]."""


@lru_cache(maxsize=1024)
def light_posts(line: StopLine) -> tuple[Pose, Pose]:
    """Where the two lights of a stop line stand, in the map's frame; both look at those who come.

    One is on the right, at the corner of the crossing's tile where the line is; the other at the opposite corner.
    At each corner the lamps look along one road only, behind visors, so that those on the other road see none.
    """
    x, y, heading = line.pose
    tile_m = line.half_width_m / _HALF_LANE_TILE
    right_m = (0.5 - _LANE_MIDDLE_TILE) * tile_m + _ASIDE_M
    left_m = (0.5 + _LANE_MIDDLE_TILE) * tile_m + _ASIDE_M
    sin, cos = math.sin(heading), math.cos(heading)

    def place(ahead_m: float, left_m: float) -> Pose:
        return x + ahead_m * cos - left_m * sin, y + ahead_m * sin + left_m * cos, heading

    return place(-_BEFORE_M, -right_m), place(tile_m - _BEFORE_M, left_m)


@lru_cache(maxsize=8)
def light_look(state: int) -> Look:
    """A traffic light that looks back along x and shows ``GREEN``, ``YELLOW`` or ``RED``.

    Raises:
        InvalidInput: There is no such state.
    """
    if state not in _LAMPS:
        raise InvalidInput(
            f"A traffic light cannot show {state!r}.", f"It shows {GREEN} (green), {YELLOW} (yellow) or {RED} (red)."
        )
    near, far = (assemble(_parts(state, sides), SIZE_M, SIZE_M) for sides in (10, 4))
    return Look(near, far)


def _parts(state: int, sides: int) -> list[Part]:
    box = block((_FRONT_M, 0.025), (-0.023, 0.023), (0.046, 0.170), _HOUSING)
    for lamp, (z, lit, dark) in _LAMPS.items():
        is_on = lamp == state
        box = box.with_faces(
            [disc((_FRONT_M, 0.0, z), 0.0175, sides, ahead=True)], lit if is_on else dark, glowing=is_on
        )
    visors = [
        block((-0.025, _FRONT_M), (min(inner, outer), max(inner, outer)), (0.050, 0.166), _HOUSING)
        for inner, outer in ((0.021, 0.023), (-0.021, -0.023))
    ]
    return [block((0.002, 0.018), (-0.008, 0.008), (0.0, 0.045), _HOUSING), box, *visors]
