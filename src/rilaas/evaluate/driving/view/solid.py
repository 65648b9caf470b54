"""Upright things as flat faces of convex parts: how they are made, and which part may hide which.

Frame of a thing: x forward, y to the left, z up [m], origin on the ground where its pose is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Colour = tuple[float, float, float]
Point = tuple[float, float, float]
Range = tuple[float, float]

SHADOW_M = 0.014
"""How far the contact shadow reaches beyond the foot [m]."""

SHADOW_CORNERS = 8


@dataclass(frozen=True, slots=True)
class Part:
    """A convex body.

    Attributes:
        middle: A point inside it [m]; faces look away from it.
        faces: Corners of each face, around its border [m]. A face that lies on another one comes after it.
        colours: One for each face.
        glowing: Numbers of the faces that give light of their own.
    """

    middle: Point
    faces: Sequence[Sequence[Point]]
    colours: Sequence[Colour]
    glowing: frozenset[int] = field(default_factory=frozenset)

    def with_faces(self, faces: Sequence[Sequence[Point]], colour: Colour, *, glowing: bool = False) -> Part:
        """The same with something painted on it."""
        first = len(self.faces)
        lit = frozenset(range(first, first + len(faces))) if glowing else frozenset()
        colours = [*self.colours, *[colour] * len(faces)]
        return Part(self.middle, [*self.faces, *faces], colours, self.glowing | lit)


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A thing that can be drawn.

    Attributes:
        vertices: (V, 4) float64: x, y, z [m], 1.
        faces: (F, K) int: vertices of each face; those with fewer than K corners repeat their last one.
        normals: (F, 3) float64, outwards, of length 1.
        offsets: (F,) float64 [m]: a face is seen from where ``normal . eye`` exceeds it.
        colours: (F, 3) float64, from 0 to 255 before light and tone.
        glowing: (F,) bool: gives light of its own.
        parts: (F,) int: to which part a face belongs.
        pairs: (Q, 2) int: two parts; the same two once for each plane between them.
        planes: (Q, 4) float64: that plane; times (eye, 1) it is positive on the second one's side.
        shadow: (8, 4) float64: corners of the contact shadow on the ground, as ``vertices``.
        foot: Corners of the rectangle over which it stands, counter-clockwise: ahead and to the left [m].
        ahead_m: From its origin to the middle of the foot [m].
        size_m: Length, width, height [m].
    """

    vertices: Array
    faces: NDArray[np.intp]
    normals: Array
    offsets: Array
    colours: Array
    glowing: NDArray[np.bool_]
    parts: NDArray[np.intp]
    pairs: NDArray[np.intp]
    planes: Array
    shadow: Array
    foot: tuple[tuple[float, float], ...]
    ahead_m: float
    size_m: Point

    @property
    def foot_radius_m(self) -> float:
        """From the middle of the foot to its corners [m]."""
        return 0.5 * math.hypot(self.size_m[0], self.size_m[1])

    def part_ranks(self, eye: Array) -> Array:
        """In which order the parts are to be drawn: (P,) float64, a higher one later.

        Who is on the same side of a plane as the eye is not hidden by who is on the other side.

        Args:
            eye: (3,) float64 [m].
        """
        if not len(self.pairs):
            return _FIRST
        return _ranks(self, (self.planes[:, :3] @ eye > -self.planes[:, 3]).tobytes())


_FIRST = np.zeros(1)


@lru_cache(maxsize=4096)
def _ranks(solid: Solid, sides: bytes) -> Array:
    """Ranks of parts where for each pair is known whether the eye is on the second one's side."""
    # A plane with the eye on one side tells that what is there is not hidden by the other. Where two planes between
    # the same parts tell it of both, neither hides the other.
    told: dict[tuple[int, int], set[bool]] = {}
    for (one, other), is_others in zip(solid.pairs.tolist(), np.frombuffer(sides, bool).tolist(), strict=True):
        told.setdefault((one, other), set()).add(is_others)
    hides = {
        (one, other) if True in sides_of_eye else (other, one)  # the first is drawn before the second
        for (one, other), sides_of_eye in told.items()
        if len(sides_of_eye) == 1
    }
    left = list(range(int(solid.parts.max()) + 1))
    ranks = np.empty(len(left))
    for rank in range(len(left)):
        free = (k for k in left if not any((other, k) in hides for other in left))
        ranks[chosen := next(free, left[0])] = rank
        left.remove(chosen)
    return ranks


def assemble(parts: Sequence[Part], nominal_m: Point, size_m: Point, ahead_m: float = 0.0) -> Solid:
    """Put parts together and stretch them to a size.

    Args:
        parts: In a frame whose origin is under the middle of the thing.
        nominal_m: Length, width and height that the parts were made for [m].
        size_m: Those that it is to have [m].
        ahead_m: From the origin of the thing's pose to its middle [m].
    """
    scale = np.asarray(size_m) / np.asarray(nominal_m)
    shift = np.array([ahead_m, 0.0, 0.0])
    faces = [np.asarray(face) * scale + shift for part in parts for face in part.faces]
    owner = np.array([k for k, part in enumerate(parts) for _ in part.faces])
    middles = np.array([part.middle for part in parts]) * scale + shift
    normals = np.array([_normal(face, middles[k]) for face, k in zip(faces, owner, strict=True)])
    corners = max(map(len, faces))
    ends = np.cumsum([len(face) for face in faces])
    index = [
        [min(end - len(face) + k, end - 1) for k in range(corners)] for face, end in zip(faces, ends, strict=True)
    ]
    bodies = [
        np.concatenate([face for face, k in zip(faces, owner, strict=True) if k == part])
        for part in range(len(parts))
    ]
    between = [
        (i, j, plane)
        for i, j in combinations(range(len(parts)), 2)
        for plane in _planes_between(bodies[i], bodies[j])
    ]
    glowing = [k in part.glowing for part in parts for k in range(len(part.faces))]
    length_m, width_m, _ = size_m
    return Solid(
        vertices=_with_ones(np.concatenate(faces)),
        faces=np.array(index),
        normals=normals,
        offsets=np.array([normal @ face[0] for normal, face in zip(normals, faces, strict=True)]),
        colours=np.array([colour for part in parts for colour in part.colours], float),
        glowing=np.array(glowing),
        parts=owner,
        pairs=np.array([(i, j) for i, j, _ in between], int).reshape(-1, 2),
        planes=np.array([plane for *_, plane in between]).reshape(-1, 4),
        shadow=_ring(ahead_m, length_m, width_m, SHADOW_M),
        foot=tuple(
            (ahead_m + 0.5 * i * length_m, 0.5 * j * width_m) for i, j in ((1, 1), (-1, 1), (-1, -1), (1, -1))
        ),
        ahead_m=ahead_m,
        size_m=size_m,
    )


def block(x: Range, y: Range, z: Range, colour: Colour, *, top: Colour | None = None) -> Part:
    """A box; its upper face may have a colour of its own."""
    (x0, x1), (y0, y1), (z0, z1) = x, y, z
    faces = (
        [[(a, y0, z0), (a, y1, z0), (a, y1, z1), (a, y0, z1)] for a in x]
        + [[(x0, b, z0), (x1, b, z0), (x1, b, z1), (x0, b, z1)] for b in y]
        + [[(x0, y0, c), (x1, y0, c), (x1, y1, c), (x0, y1, c)] for c in z]
    )
    middle = (0.5 * (x0 + x1), 0.5 * (y0 + y1), 0.5 * (z0 + z1))
    return Part(middle, faces, [*[colour] * 5, top or colour])


def spindle(rings: Sequence[tuple[float, float]], sides: int, colour: Colour) -> Part:
    """A convex body of revolution about the vertical through the origin.

    Args:
        rings: Radius and height of each ring of corners, upwards [m].
        sides: Corners of a ring.
        colour: Of all its faces.
    """
    turns = 2.0 * math.pi * (np.arange(sides) + 0.5) / sides
    circles = [[(r * math.cos(t), r * math.sin(t), z) for t in turns] for r, z in rings]
    faces: list[list[Point]] = [circles[0], circles[-1]]
    for low, high in pairwise(circles):
        for k in range(sides):
            after = (k + 1) % sides
            faces.append([low[k], low[after], high[after], high[k]])
    return Part((0.0, 0.0, 0.5 * (rings[0][1] + rings[-1][1])), faces, [colour] * len(faces))


def ball(middle: Point, radii: Point, colour: Colour, *, rows: int = 5, sides: int = 8) -> Part:
    """An ellipsoid [m]."""
    angles = math.pi * (np.arange(rows + 1) / rows - 0.5)
    # A pole of radius 0 would give faces without extent.
    shape = spindle([(max(0.02, math.cos(a)), math.sin(a)) for a in angles], sides, colour)
    (x, y, z), (a, b, c) = middle, radii
    faces = [[(x + a * i, y + b * j, z + c * k) for i, j, k in face] for face in shape.faces]
    return Part(middle, faces, shape.colours)


def cylinder(x_m: float, z_m: float, radius_m: float, y: Range, sides: int, colour: Colour) -> Part:
    """A cylinder about an axis across: a wheel [m]."""
    discs = [disc((x_m, across, z_m), radius_m, sides) for across in y]
    sides_of = [[discs[0][k], discs[0][k - 1], discs[1][k - 1], discs[1][k]] for k in range(sides)]
    faces = [*sides_of, *discs]
    return Part((x_m, 0.5 * sum(y), z_m), faces, [colour] * len(faces))


def disc(middle: Point, radius_m: float, sides: int, *, ahead: bool = False) -> list[Point]:
    """A regular polygon that looks to the side, or ahead [m]."""
    turns = 2.0 * math.pi * (np.arange(sides) + 0.5) / sides
    x, y, z = middle
    if ahead:
        return [(x, y + radius_m * math.cos(t), z + radius_m * math.sin(t)) for t in turns]
    return [(x + radius_m * math.cos(t), y, z + radius_m * math.sin(t)) for t in turns]


def patch(x_m: float, y: Range, z: Range) -> list[Point]:
    """A rectangle that looks ahead or back [m]."""
    return [(x_m, y[0], z[0]), (x_m, y[1], z[0]), (x_m, y[1], z[1]), (x_m, y[0], z[1])]


def _normal(face: Array, inside: Array) -> Array:
    """Away from a point inside, of length 1. Newell's method: the sum of the cross products around the border."""
    normal = np.cross(face, np.roll(face, -1, axis=0)).sum(0)
    normal /= np.linalg.norm(normal)
    return np.asarray(normal if normal @ (face.mean(0) - inside) >= 0.0 else -normal)


def _planes_between(one: Array, other: Array) -> list[Array]:
    """Planes between two bodies, (4,) each: positive on the other's side.

    Across each axis along which they are apart, one at each end of the gap: who looks into the gap sees that neither
    hides the other. Where they grow into each other, one halfway.
    """
    planes = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            end, begin = (sign * one[:, axis]).max(), (sign * other[:, axis]).min()
            for place in {begin, end} if begin >= end - 1e-9 else ():
                planes.append(np.zeros(4))
                planes[-1][[axis, 3]] = sign, -place
    if planes:
        return planes
    middles = one.mean(0), other.mean(0)
    normal = middles[1] - middles[0]
    return [np.array([*normal, -0.5 * normal @ (middles[0] + middles[1])])]


def _ring(ahead_m: float, length_m: float, width_m: float, reach_m: float) -> Array:
    """A rectangle around a foot with its corners cut off, (8, 4)."""
    a, b = 0.5 * length_m + reach_m, 0.5 * width_m + reach_m
    c = 0.4 * min(a, b)
    cut_off = ((a, b - c), (a - c, b), (c - a, b), (-a, b - c), (-a, c - b), (c - a, -b), (a - c, -b), (a, c - b))
    return _with_ones(np.array([(ahead_m + x, y, 0.0) for x, y in cut_off]))


def _with_ones(points: Array) -> Array:
    return np.column_stack([points, np.ones(len(points))])
