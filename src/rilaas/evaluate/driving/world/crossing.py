"""Who may enter a crossing: in the order of arrival at its red lines, or as its lights say.

A crossing is one tile or several side by side, for whoever waits between two would stand in both. One body at a time
is on it. At a red line a driver stops, stands for its dwell time, waits until all who came before it went (unless
they have no room behind the crossing), until nobody is on the crossing and until there is room behind it. The robot
takes part: it has come when it stands before a line. If it does not go when it could, it is passed over after
``PATIENCE_S``, so it cannot keep the others waiting for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from rilaas.evaluate.driving.road.actor import GREEN
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.road.stop_line import StopLine, stop_lines
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.world.contact import Box, depth_m
from rilaas.evaluate.driving.world.light import LightPlan
from rilaas.evaluate.driving.world.presence import Presence

PATIENCE_S = 3.0
"""So long the others wait for a robot that may go [s]."""

ZONE_M = 0.3
"""A robot whose axle is nearer to a line than this, and stands, has come [m]."""

_STANDS_M_PER_S = 0.05
_INSIDE_M = 0.01  # a body is on a tile when it reaches so far into it


class Crossing:
    """One crossing and who waits at it.

    Args:
        cells: Its tiles, as (column, row).
        lines: Where one enters it.
        tile_size_m: Side of a tile [m].
    """

    def __init__(self, cells: frozenset[tuple[int, int]], lines: Sequence[StopLine], tile_size_m: float) -> None:
        self.cells, self.lines = cells, tuple(lines)
        self.plan: LightPlan | None = None
        self.inside: list[Presence] = []
        half_m = 0.5 * tile_size_m - _INSIDE_M
        self._tiles = [
            Box((i + 0.5) * tile_size_m, (j + 0.5) * tile_size_m, 1.0, 0.0, half_m, half_m) for i, j in sorted(cells)
        ]
        self._waiting: list[Presence] = []
        self._without_room: list[Presence] = []
        self._holder: Presence | None = None
        self._robot_could_since_s = math.inf
        self._t_s = 0.0

    def light(self, line: StopLine) -> int | None:
        """What a line's light shows now; None where there is none."""
        return None if self.plan is None else self.plan.state(line, self._t_s)

    def update(self, t_s: float, movers: Iterable[Presence], robot: Presence) -> None:
        """Look who is there."""
        self._t_s = t_s
        self.inside = [each for each in movers if any(_is_on(each.box, tile) for tile in self._tiles)]
        if self._holder is not None and self._holder in self.inside:
            self._holder = None  # from here on, being inside says it
        self._without_room = [each for each in self._without_room if each in self._waiting]
        if self._is_waiting(robot):
            self.arrive(robot)
        else:
            self.leave(robot)
        if not self._may_go_first(robot):
            self._robot_could_since_s = math.inf
        elif math.isinf(self._robot_could_since_s):
            self._robot_could_since_s = t_s
        elif t_s - self._robot_could_since_s >= PATIENCE_S:
            self.leave(robot)
            self.arrive(robot)
            self._robot_could_since_s = math.inf

    def arrive(self, who: Presence) -> None:
        """Somebody stands at a line; it keeps its place in the order."""
        if who not in self._waiting:
            self._waiting.append(who)

    def leave(self, who: Presence) -> None:
        """Somebody is not waiting any more."""
        if who in self._waiting:
            self._waiting.remove(who)

    def may_enter(self, who: Presence, line: StopLine, *, has_room: bool = True) -> bool:
        """Whether it is somebody's turn: its light is green, or it is the first of those who wait and can go.

        Args:
            who: Has arrived, where there is no light.
            line: Where it waits.
            has_room: Whether there is room for it behind the crossing.
        """
        if self.plan is not None:
            return has_room and self.light(line) == GREEN and not self._others_inside(who)
        if not has_room and who not in self._without_room:
            self._without_room.append(who)
        elif has_room and who in self._without_room:
            self._without_room.remove(who)
        return has_room and self._may_go_first(who)

    def enter(self, who: Presence) -> None:
        """Somebody goes: the crossing is its own until it has left."""
        self.leave(who)
        self._holder = who

    def _may_go_first(self, who: Presence) -> bool:
        if who not in self._waiting or self._holder not in (None, who) or self._others_inside(who):
            return False
        first = next(each for each in self._waiting if each is who or each not in self._without_room)
        return first is who

    def _others_inside(self, who: Presence) -> bool:
        return any(each is not who for each in self.inside)

    def _is_waiting(self, robot: Presence) -> bool:
        if robot in self.inside or self._line_ahead(robot.pose) is None:
            return False
        return robot in self._waiting or abs(robot.speed_m_per_s) < _STANDS_M_PER_S

    def _line_ahead(self, pose: Pose) -> StopLine | None:
        for line in self.lines:
            ahead_m, left_m = line.see(pose[0], pose[1])
            is_aligned = math.cos(pose[2] - line.pose[2]) > 0.5
            if 0.0 <= ahead_m <= ZONE_M and abs(left_m) <= line.half_width_m and is_aligned:
                return line
        return None


def crossings(tile_map: TileMap) -> list[Crossing]:
    """The crossings of a map, row by row; tiles side by side are one, and lines between them do not count."""
    lines = stop_lines(tile_map)
    left = {line.cell for line in lines}
    found = []
    while left:
        cells, todo = set(), [min(left, key=lambda cell: (cell[1], cell[0]))]
        while todo:
            cell = todo.pop()
            if cell in left:
                left.remove(cell)
                cells.add(cell)
                todo += [(cell[0] + di, cell[1] + dj) for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        outer = [line for line in lines if line.cell in cells and _from(line) not in cells]
        found.append(Crossing(frozenset(cells), outer, tile_map.tile_size_m))
    return found


Entries = Mapping[tuple[int, int], Crossing]
"""Crossings by each of their tiles."""


def by_cell(found: Iterable[Crossing]) -> Entries:
    """Crossings by each of their tiles, (column, row)."""
    return {cell: crossing for crossing in found for cell in crossing.cells}


def _is_on(body: Box, tile: Box) -> bool:
    reach_m = tile.half_length_m + body.half_length_m + body.half_width_m
    is_near = abs(body.x_m - tile.x_m) < reach_m and abs(body.y_m - tile.y_m) < reach_m
    return is_near and depth_m(body, tile) > 0.0


def _from(line: StopLine) -> tuple[int, int]:
    """The tile that one comes from."""
    return line.cell[0] - round(math.cos(line.pose[2])), line.cell[1] - round(math.sin(line.pose[2]))
