"""Which of several things hides which: far ones are drawn first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Corner = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Foot:
    """The rectangle on the ground over which all of a thing stands, as seen from an eye at the origin.

    Attributes:
        origin: Where the thing's pose is: ahead of the eye and to its left [m].
        heading: Cosine and sine of the direction in which the thing looks.
        rectangle: Its corners in the thing's frame, counter-clockwise [m].
        distance_m: From the eye to its middle [m].
        bearing_rad: Of its middle, to the left [rad].
        radius_m: From its middle to a corner [m].
    """

    origin: Corner
    heading: tuple[float, float]
    rectangle: Sequence[Corner]
    distance_m: float
    bearing_rad: float
    radius_m: float

    def corners(self) -> list[Corner]:
        """Its corners as seen from the eye [m]."""
        (x, y), (cos, sin) = self.origin, self.heading
        return [(x + cos * a - sin * b, y + sin * a + cos * b) for a, b in self.rectangle]


def far_to_near(feet: Sequence[Foot]) -> list[int]:
    """Numbers of things in an order in which none hides one that comes later.

    Where feet overlap, and in rings in which each hides the next one, the far middle comes first.
    """
    left = sorted(range(len(feet)), key=lambda k: -feet[k].distance_m)
    ordered: list[int] = []
    while left:
        free = (k for k in left if not any(hides(feet[k], feet[other]) for other in left if other != k))
        ordered.append(next(free, left[0]))
        left.remove(ordered[-1])
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
    of_one, of_other = one.corners(), other.corners()
    for first, second, is_one in ((of_one, of_other, True), (of_other, of_one, False)):
        for (ax, ay), (bx, by) in zip(first, first[1:] + first[:1], strict=True):
            # The foot's inside is to the left of its edges, which go round counter-clockwise.
            if all((bx - ax) * (y - ay) - (by - ay) * (x - ax) <= 0.0 for x, y in second):
                eye_is_outside = (bx - ax) * -ay - (by - ay) * -ax <= 0.0
                return eye_is_outside != is_one
    return one.distance_m < other.distance_m


def _half_width_rad(foot: Foot) -> float:
    return math.asin(foot.radius_m / foot.distance_m) if foot.distance_m > foot.radius_m else math.pi
