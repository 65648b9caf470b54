"""Lanes of a tile: centre lines made of straight and circular pieces, and a pose as seen from a lane.

The control points, the lane width and the rule of what counts as "in the lane" are those of duckietown-world 6.4.3
(tile_template.py, lane_segment.py). There, the centre line between two control points q0 and q1 is the SE(2) geodesic
q0 exp(a log(q0^-1 q1)), and the closest point is searched by Brent's method. Such a geodesic turns rigidly about a
fixed point, so its closest point has a closed form, which ``Arc.project`` solves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from rilaas.evaluate.driving.road.tile_map import TileMap

Pose = tuple[float, float, float]
"""x [m], y [m], heading [rad], counter-clockwise from the x axis, in the map's frame: world_from_body."""

LANE_WIDTH_TILES = 0.376
"""Width of a lane: 22 cm on a tile of 58.5 cm."""

BORDER_M = 1e-9
"""Slack at the ends of a lane and of a tile, so that a pose on the border of two tiles is not lost to rounding."""

_QUARTER = math.pi / 2
_ENTRY = (-0.5, -0.22, 0.0)
# Control points (x, y, heading) in tile units, in the frame of a tile that is entered from the west.
_CONTROL_POINTS: dict[str, tuple[Pose, ...]] = {
    "straight": (_ENTRY, (0.5, -0.22, 0.0)),
    "left": (_ENTRY, (0.0, 0.0, _QUARTER / 2), (0.22, 0.5, _QUARTER)),
    "right": (_ENTRY, (-0.3, -0.3, -_QUARTER / 2), (-0.22, -0.5, -_QUARTER)),
}
# Lanes of each road kind at orientation E: (turn, quarter turns by which it is rotated about the tile's centre).
_LANES: dict[str, tuple[tuple[str, int], ...]] = {
    "straight": (("straight", 0), ("straight", 2)),
    "curve_right": (("right", 0), ("left", 1)),
    "curve_left": (("right", 3), ("left", 0)),
    "3way_left": (("straight", 0), ("left", 0), ("left", 3), ("right", 3), ("right", 2), ("straight", 2)),
    "3way_right": (("straight", 2), ("left", 2), ("left", 1), ("right", 1), ("right", 0), ("straight", 0)),
    "4way": tuple((turn, quarters) for quarters in range(4) for turn in ("right", "left", "straight")),
}


def wrap_angle(angle_rad: float) -> float:
    """The same angle in [-pi, pi] [rad]."""
    return math.remainder(angle_rad, 2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class Line:
    """A straight piece of a centre line.

    Attributes:
        start: Its first pose.
        length_m: Its length [m].
    """

    start: Pose
    length_m: float

    def project(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Distance along the piece and to its left [m] of a point; see ``Arc.project``."""
        x0, y0, heading = self.start
        cos, sin = math.cos(heading), math.sin(heading)
        dx, dy = x_m - x0, y_m - y0
        return cos * dx + sin * dy, cos * dy - sin * dx

    def pose_at(self, along_m: float) -> Pose:
        """Pose on the centre line, ``along_m`` after the start; the line goes on at both ends."""
        x0, y0, heading = self.start
        return x0 + math.cos(heading) * along_m, y0 + math.sin(heading) * along_m, heading


@dataclass(frozen=True, slots=True)
class Arc:
    """A piece of a centre line that turns about a fixed point.

    Attributes:
        start: Its first pose.
        angle_rad: Signed angle that it turns by, positive to the left [rad].
        pivot_body: The fixed point as seen from every pose of the piece, ahead and to the left [m].
    """

    start: Pose
    angle_rad: float
    pivot_body: tuple[float, float]

    @classmethod
    def between(cls, start: Pose, end: Pose) -> Arc:
        """The SE(2) geodesic from ``start`` to ``end``, whose headings differ.

        The pivot c, seen from the start, is the point that the motion (R, t) from start to end leaves where it is:
        c = R c + t, so c = (I - R)^-1 t.
        """
        angle = wrap_angle(end[2] - start[2])
        cos, sin = math.cos(start[2]), math.sin(start[2])
        dx, dy = end[0] - start[0], end[1] - start[1]
        ahead, left = cos * dx + sin * dy, cos * dy - sin * dx
        cot = 1.0 / math.tan(angle / 2.0)
        return cls(start, angle, (0.5 * (ahead - cot * left), 0.5 * (cot * ahead + left)))

    @property
    def length_m(self) -> float:
        """Its length: the radius times the angle [m]."""
        return math.hypot(*self.pivot_body) * abs(self.angle_rad)

    def project(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Closest pose of the piece to a point.

        It is the pose that sees the point exactly abeam. With the pivot at (a, b) in the body, and the point at
        distance r and bearing psi from the pivot, the pose with heading theta sees the point at
        (r cos(psi - theta) + a, r sin(psi - theta) + b). So cos(psi - theta) = -a / r, on the centre line's side.

        Args:
            x_m: The point, in the map's frame [m].
            y_m: The point, in the map's frame [m].

        Returns:
            Distance along the piece from its start, negative before it, and distance of the point to its left [m].
            NaN twice, where no pose of the circle sees the point abeam: very near to the pivot.
        """
        pivot_x, pivot_y = self._pivot()
        ahead, left = self.pivot_body
        dx, dy = x_m - pivot_x, y_m - pivot_y
        distance = math.hypot(dx, dy)
        if distance <= abs(ahead):
            return math.nan, math.nan
        side = math.copysign(1.0, left)
        turned = wrap_angle(math.atan2(dy, dx) + side * math.acos(-ahead / distance) - self.start[2])
        return self.length_m * turned / self.angle_rad, left - side * math.sqrt(distance**2 - ahead**2)

    def pose_at(self, along_m: float) -> Pose:
        """Pose on the centre line, ``along_m`` after the start; the circle goes on at both ends."""
        pivot_x, pivot_y = self._pivot()
        heading = self.start[2] + self.angle_rad * along_m / self.length_m
        cos, sin = math.cos(heading), math.sin(heading)
        ahead, left = self.pivot_body
        return pivot_x - cos * ahead + sin * left, pivot_y - sin * ahead - cos * left, heading

    def _pivot(self) -> tuple[float, float]:
        x0, y0, heading = self.start
        cos, sin = math.cos(heading), math.sin(heading)
        ahead, left = self.pivot_body
        return x0 + cos * ahead - sin * left, y0 + sin * ahead + cos * left


@dataclass(frozen=True, slots=True)
class Lane:
    """One way through one tile.

    Attributes:
        cell: Column and row of its tile.
        turn: ``straight``, ``left`` or ``right``.
        pieces: Its centre line, in the map's frame.
        half_width_m: Half its width [m].
        length_m: Length of its centre line [m].
    """

    cell: tuple[int, int]
    turn: str
    pieces: tuple[Line | Arc, ...]
    half_width_m: float
    length_m: float

    def __hash__(self) -> int:
        return hash((self.cell, self.pieces[0].start, self.turn))

    def project(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Distance along the lane and to the left of its centre line [m] of a point; NaN twice near a pivot.

        Before the lane the first number is negative, after it more than ``length_m``.
        """
        passed_m = 0.0
        for piece in self.pieces[:-1]:
            along_m, lateral_m = piece.project(x_m, y_m)
            if along_m < piece.length_m:
                return passed_m + along_m, lateral_m
            passed_m += piece.length_m
        along_m, lateral_m = self.pieces[-1].project(x_m, y_m)
        return passed_m + along_m, lateral_m

    def pose_at(self, along_m: float) -> Pose:
        """Pose on the centre line, ``along_m`` after the lane's start [m]."""
        for piece in self.pieces[:-1]:
            if along_m < piece.length_m:
                return piece.pose_at(along_m)
            along_m -= piece.length_m
        return self.pieces[-1].pose_at(along_m)


@dataclass(frozen=True, slots=True)
class LanePose:
    """A pose as seen from a lane.

    Attributes:
        lane: The lane.
        along_m: Distance along the centre line from where the lane enters its tile [m].
        lateral_m: Distance from the centre line, positive to the left [m].
        heading_rad: Heading relative to the lane's direction, in [-pi, pi], positive to the left [rad].
        centre: The closest pose of the centre line, in the map's frame.
    """

    lane: Lane
    along_m: float
    lateral_m: float
    heading_rad: float
    centre: Pose

    @property
    def is_inside(self) -> bool:
        """Whether the pose is in the lane and goes its way.

        abs(lateral) <= half the width, 0 <= along < length, abs(heading) <= 90 degrees.
        Source: duckietown-world 6.4.3, lane_segment.py and tile.py.
        """
        return (
            abs(self.lateral_m) <= self.lane.half_width_m
            and -BORDER_M <= self.along_m < self.lane.length_m + BORDER_M
            and abs(self.heading_rad) <= _QUARTER
        )


def see_from(lane: Lane, pose: Pose) -> LanePose | None:
    """A pose as seen from a lane, wherever it is; None very near to the point that the lane turns about."""
    x_m, y_m, heading = pose
    along_m, lateral_m = lane.project(x_m, y_m)
    if math.isnan(along_m):
        return None
    centre = lane.pose_at(along_m)
    return LanePose(lane, along_m, lateral_m, wrap_angle(heading - centre[2]), centre)


def lanes_of_tile(tile_map: TileMap, i: int, j: int) -> tuple[Lane, ...]:
    """The lanes of the tile in column i and row j; none on plain ground."""
    tile = tile_map.tile(i, j)
    return tuple(
        _lane(tile_map, (i, j), turn, tile.rotation_rad + quarters * _QUARTER)
        for turn, quarters in _LANES.get(tile.kind, ())
    )


def _lane(tile_map: TileMap, cell: tuple[int, int], turn: str, rotation_rad: float) -> Lane:
    size_m = tile_map.tile_size_m
    cos, sin = math.cos(rotation_rad), math.sin(rotation_rad)
    points = [
        (
            (cell[0] + 0.5 + cos * x - sin * y) * size_m,
            (cell[1] + 0.5 + sin * x + cos * y) * size_m,
            wrap_angle(rotation_rad + heading),
        )
        for x, y, heading in _CONTROL_POINTS[turn]
    ]
    pieces: tuple[Line | Arc, ...]
    if turn == "straight":
        pieces = (Line(points[0], math.dist(points[0][:2], points[1][:2])),)
    else:
        pieces = tuple(Arc.between(a, b) for a, b in pairwise(points))
    return Lane(cell, turn, pieces, 0.5 * LANE_WIDTH_TILES * size_m, sum(piece.length_m for piece in pieces))
