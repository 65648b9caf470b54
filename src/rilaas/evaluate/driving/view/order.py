"""Which of several things hides which: far ones are drawn first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

Corner = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Foot:
    """The rectangle on the ground over which all of a thing stands, as seen from an eye at the origin.

    Attributes:
        corners: Its four corners around its border: ahead and to the left [m].
        distance_m: From the eye to its middle [m].
        radius_m: From its middle to a corner [m].
        bearing_rad: Of its middle, to the left [rad].
    """

    corners: tuple[Corner, ...]
    distance_m: float
    radius_m: float
    bearing_rad: float


class Standing(Protocol):
    """What stands on a foot."""

    @property
    def foot(self) -> Foot:
        """Where it stands, as seen from the eye."""
        ...


Thing = TypeVar("Thing", bound=Standing)


def far_to_near(things: Sequence[Thing]) -> list[Thing]:
    """Things in an order in which none hides one that comes later.

    Where feet overlap, and in rings in which each hides the next one, the far middle comes first.
    """
    left = sorted(things, key=lambda thing: -thing.foot.distance_m)
    if len(left) < 2:
        return left
    ordered: list[Thing] = []
    while left:
        free = (
            k
            for k, one in enumerate(left)
            if not any(hides(one.foot, other.foot) for other in left[:k] + left[k + 1 :])
        )
        ordered.append(left.pop(next(free, 0)))
    return ordered


def hides(one: Foot, other: Foot) -> bool:
    """Whether a thing may hide part of another one.

    Feet that do not overlap have a line between them that holds an edge of one of them. Who stands on the same side
    of it as the eye cannot be hidden by the other.
    """
    reach_m = one.radius_m + other.radius_m
    if abs(one.distance_m - other.distance_m) >= reach_m:
        return one.distance_m < other.distance_m
    between = abs(math.remainder(one.bearing_rad - other.bearing_rad, 2.0 * math.pi))
    if between > _half_width_rad(one) + _half_width_rad(other):
        return False
    for first, second, is_one in ((one, other, True), (other, one, False)):
        for (ax, ay), (bx, by) in zip(first.corners, first.corners[1:] + first.corners[:1], strict=True):
            # The foot's inside is to the left of its edges, which go round counter-clockwise.
            if all((bx - ax) * (y - ay) - (by - ay) * (x - ax) <= 0.0 for x, y in second.corners):
                eye_is_outside = (bx - ax) * -ay - (by - ay) * -ax <= 0.0
                return eye_is_outside != is_one
    return one.distance_m < other.distance_m


def _half_width_rad(foot: Foot) -> float:
    return math.asin(foot.radius_m / foot.distance_m) if foot.distance_m > foot.radius_m else math.pi
