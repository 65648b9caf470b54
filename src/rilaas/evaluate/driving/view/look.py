"""What each kind of thing on the road looks like, near and far away."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rilaas.core import InvalidInput, did_you_mean
from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.view.solid import (
    SHADOW_M,
    Colour,
    Part,
    Point,
    Solid,
    assemble,
    ball,
    block,
    cylinder,
    disc,
    patch,
    spindle,
)

BODIES: Sequence[Colour] = ((38.0, 84.0, 178.0), (44.0, 130.0, 92.0), (112.0, 72.0, 150.0), (196.0, 118.0, 34.0))
"""Colours of Duckiebots' chassis; the name of an actor chooses one."""
_BLACK, _DARK, _WHITE = (26.0, 26.0, 28.0), (58.0, 60.0, 64.0), (236.0, 236.0, 232.0)
_YELLOW, _ORANGE, _SIGNAL_RED = (246.0, 202.0, 30.0), (236.0, 104.0, 22.0), (204.0, 34.0, 34.0)
_TAIL_LIGHT = (255.0, 48.0, 40.0)
_BOX = (150.0, 112.0, 76.0)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A thing as it is drawn.

    Attributes:
        near: Near by.
        far: Far away, where it covers few pixels.
        extent: Middle of its foot ahead of the origin, its height, radius of a ball around it and its shadow [m].
    """

    near: Solid
    far: Solid
    extent: tuple[float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        size_m = self.near.size_m
        extent = (self.near.ahead_m, size_m[2], 0.5 * math.hypot(*size_m) + SHADOW_M)
        object.__setattr__(self, "extent", extent)


@lru_cache(maxsize=1024)
def look_of(actor: Actor) -> Look:
    """What an actor looks like; one of no look of its own looks as its kind usually does.

    Raises:
        InvalidInput: Its look is unknown.
    """
    look = actor.look or {"vehicle": "duckiebot", "duckie": "duckie"}.get(actor.kind, "box")
    if look not in LOOKS:
        raise InvalidInput(f"Actor {actor.name!r} cannot look like {look!r}.", did_you_mean(look, LOOKS))
    body = zlib.crc32(actor.name.encode()) % len(BODIES) if look == "duckiebot" else 0
    return _look(look, (actor.length_m, actor.width_m, actor.height_m), actor.middle_ahead_m, body)


@lru_cache(maxsize=256)
def _look(look: str, size_m: Point, ahead_m: float, body: int) -> Look:
    make = LOOKS[look]
    near, far = (assemble(*make(BODIES[body], is_near), size_m, ahead_m) for is_near in (True, False))
    return Look(near, far)


Parts = tuple[list[Part], Point]


def _duckiebot(body: Colour, is_near: bool) -> Parts:
    """A DB21 from 0.18 x 0.13 x 0.12 m: wheels ahead, a board, a camera; behind, a plate of dots between red lights.

    The plate is that of the Duckietown course on following vehicles: 7 x 3 dots, 12.5 mm apart.
    """
    axle = 0.024
    wheels = []
    for inner, outer in ((0.044, 0.065), (-0.044, -0.065)):
        across = (min(inner, outer), max(inner, outer))
        wheel = cylinder(axle, 0.033, 0.033, across, 10 if is_near else 6, _BLACK)
        wheels.append(wheel.with_faces([disc((axle, outer, 0.033), 0.020, 8)], _YELLOW))
    plate = block((-0.090, -0.082), (-0.048, 0.048), (0.016, 0.064), _WHITE)
    if is_near:
        places = [(0.0125 * column, 0.040 + 0.0125 * row) for row in (-1, 0, 1) for column in range(-3, 4)]
        dots = [patch(-0.090, (y - 0.0038, y + 0.0038), (z - 0.0038, z + 0.0038)) for y, z in places]
        plate = plate.with_faces(dots, _BLACK)
    else:
        plate = plate.with_faces([patch(-0.090, (-0.042, 0.042), (0.022, 0.058))], (150.0, 150.0, 148.0))
    front = block((-0.082, 0.084), (-0.043, 0.043), (0.022, 0.058), body)
    parts = [
        *wheels,
        front.with_faces(
            [disc((0.084, y, 0.046), 0.007, 6, ahead=True) for y in (-0.030, 0.030)], _WHITE, glowing=True
        ),
        plate,
        block((-0.084, 0.060), (-0.052, 0.052), (0.068, 0.078), body),
    ]
    for side in (1, -1):
        y = (min(0.034 * side, 0.060 * side), max(0.034 * side, 0.060 * side))
        lamp = block((-0.090, -0.080), y, (0.079, 0.094), _DARK)
        parts.append(lamp.with_faces([patch(-0.090, y, (0.079, 0.094))], _TAIL_LIGHT, glowing=True))
    head = block((0.062, 0.088), (-0.016, 0.016), (0.079, 0.120), _DARK)
    parts += [
        block((-0.066, 0.046), (-0.036, 0.036), (0.079, 0.100), _DARK, top=(58.0, 118.0, 70.0)),
        head.with_faces([disc((0.088, 0.0, 0.100), 0.009, 8, ahead=True)], (96.0, 108.0, 122.0)),
    ]
    return parts, (0.18, 0.13, 0.12)


def _duckie(_: Colour, is_near: bool) -> Parts:
    """A rubber duck in a cube of 1 m: body, tail, head, beak, eyes."""
    rows, sides = (6, 10) if is_near else (3, 6)
    head = ball((0.10, 0.0, 0.71), (0.31, 0.35, 0.29), _YELLOW, rows=rows, sides=sides)
    beak = block((0.34, 0.50), (-0.16, 0.16), (0.60, 0.72), _ORANGE)
    parts = [
        ball((-0.02, 0.0, 0.26), (0.46, 0.50, 0.26), _YELLOW, rows=rows, sides=sides),
        block((-0.50, -0.30), (-0.16, 0.16), (0.34, 0.46), _YELLOW),
        head,
        beak,
    ]
    if is_near:
        for side in (1, -1):
            eye = ball((0.28, 0.17 * side, 0.82), (0.08, 0.08, 0.09), _BLACK, rows=3, sides=6)
            parts.append(eye)
    return parts, (1.0, 1.0, 1.0)


def _cone(_: Colour, is_near: bool) -> Parts:
    """A traffic cone in a cube of 1 m: a square foot, orange with a white ring."""
    sides = 10 if is_near else 6

    def radius(z: float) -> float:
        return 0.40 - 0.33 * z

    rings = ((0.08, 0.40, _ORANGE), (0.40, 0.68, _WHITE), (0.68, 1.0, _ORANGE))
    pieces = [spindle([(radius(low), low), (radius(high), high)], sides, colour) for low, high, colour in rings]
    return [block((-0.5, 0.5), (-0.5, 0.5), (0.0, 0.08), _ORANGE), *pieces], (1.0, 1.0, 1.0)


def _barrier(_: Colour, is_near: bool) -> Parts:
    """A road barrier in a cube of 1 m: a board across with red and white stripes, on two feet."""
    feet = [block((-0.5, 0.5), (y - 0.06, y + 0.06), (0.0, 0.38), _DARK) for y in (-0.38, 0.38)]
    board = block((-0.22, 0.22), (-0.5, 0.5), (0.40, 1.0), _WHITE)
    for x in (-0.22, 0.22):
        stripes: list[list[Point]] = [
            [(x, y, 0.40), (x, y + 0.14, 0.40), (x, y + 0.22, 1.0), (x, y + 0.08, 1.0)]
            for y in (-0.5, -0.22, 0.06, 0.28)
        ]
        board = board.with_faces(stripes if is_near else stripes[::2], _SIGNAL_RED)
    return [*feet, board], (1.0, 1.0, 1.0)


def _crate(_: Colour, is_near: bool) -> Parts:
    """A cardboard box in a cube of 1 m, with tape along its top."""
    crate = block((-0.5, 0.5), (-0.5, 0.5), (0.0, 1.0), _BOX, top=(176.0, 138.0, 98.0))
    if is_near:
        tape: list[Point] = [(-0.5, -0.08, 1.0), (0.5, -0.08, 1.0), (0.5, 0.08, 1.0), (-0.5, 0.08, 1.0)]
        crate = crate.with_faces([tape], (206.0, 180.0, 140.0))
    return [crate], (1.0, 1.0, 1.0)


LOOKS: Mapping[str, Callable[[Colour, bool], Parts]] = {
    "duckiebot": _duckiebot,
    "duckie": _duckie,
    "cone": _cone,
    "barrier": _barrier,
    "box": _crate,
}
"""What an actor can look like."""
