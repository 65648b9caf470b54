"""The lanes of a map as arrays, so that many poses are seen from many lanes at once.

What ``Lane`` does for one pose in plain Python, with the same formulas; ``lane.py`` tells where they come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.lane import BORDER_M, Arc, Line
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.tile_map import TileMap

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]

_PIECE_NUMBERS = 11  # numbers that tell a piece, from ``x_m`` to ``pivot_y_m`` of the table


@dataclass(frozen=True, slots=True, eq=False)
class LaneTable:
    """K lanes, of one or two pieces each; a single piece stands in both columns of a (K, 2) array.

    Attributes:
        size_m: Side of a tile [m].
        cells: Columns and rows of the map; the tile in column i and row j has the number ``i * rows + j``.
        first: (tiles,) of each tile the first lane, in the order of ``lane_graph(map).lanes``.
        lanes: (tiles,) how many lanes it has.
        half_width_m: (K,) [m].
        length_m: (K,) [m].
        split_m: (K,) where the second piece begins [m]; -inf where there is none.
        is_arc: (K,) whether its pieces are arcs.
        x_m: (K, 2) start of each piece, in the map's frame [m].
        y_m: (K, 2) likewise [m].
        start_rad: (K, 2) heading there [rad].
        cos: (K, 2) its cosine.
        sin: (K, 2) its sine.
        piece_m: (K, 2) length of each piece [m].
        angle_rad: (K, 2) angle that an arc turns by [rad]; as all that follows, of no meaning for a line.
        ahead_m: (K, 2) its pivot as seen from its poses [m].
        left_m: (K, 2) likewise [m].
        pivot_x_m: (K, 2) its pivot in the map's frame [m].
        pivot_y_m: (K, 2) likewise [m].
    """

    size_m: float
    cells: tuple[int, int]
    first: Indexes
    lanes: Indexes
    half_width_m: Floats
    length_m: Floats
    split_m: Floats
    is_arc: NDArray[np.bool_]
    x_m: Floats
    y_m: Floats
    start_rad: Floats
    cos: Floats
    sin: Floats
    piece_m: Floats
    angle_rad: Floats
    ahead_m: Floats
    left_m: Floats
    pivot_x_m: Floats
    pivot_y_m: Floats


@dataclass(frozen=True, slots=True, eq=False)
class LaneSightings:
    """P pairs of a pose and a lane that it is in, as a ``LanePose`` each.

    Attributes:
        pose: (P,) which pose.
        lane: (P,) which lane, in the order of ``lane_graph(map).lanes``.
        along_m: (P,) [m]; see ``LanePose``.
        lateral_m: (P,) [m].
        heading_rad: (P,) [rad].
        centre: The closest poses of the centre lines, x [m], y [m] and heading [rad], (P,) each, in the map's frame.
    """

    pose: Indexes
    lane: Indexes
    along_m: Floats
    lateral_m: Floats
    heading_rad: Floats
    centre: tuple[Floats, Floats, Floats]


@lru_cache(maxsize=64)
def lane_table(tile_map: TileMap) -> LaneTable:
    """The lanes of a map; made once."""
    lanes = lane_graph(tile_map).lanes
    width, height = tile_map.width, tile_map.height
    cell = np.array([lane.cell[0] * height + lane.cell[1] for lane in lanes], np.int64)
    counts = np.bincount(cell, minlength=width * height)
    first = np.zeros(width * height, np.int64)
    tiles, where = np.unique(cell, return_index=True)
    first[tiles] = where  # the lanes of a tile follow each other in the list
    rows = [[_piece(lane.pieces[k]) for k in (0, -1)] for lane in lanes]
    columns = np.array(rows, np.float64).reshape(len(lanes), 2, _PIECE_NUMBERS)
    split_m = [lane.pieces[0].length_m if len(lane.pieces) > 1 else -math.inf for lane in lanes]
    return LaneTable(
        tile_map.tile_size_m,
        (width, height),
        first,
        counts,
        np.array([lane.half_width_m for lane in lanes]),
        np.array([lane.length_m for lane in lanes]),
        np.array(split_m),
        np.array([isinstance(lane.pieces[0], Arc) for lane in lanes], bool),
        *np.moveaxis(columns, 2, 0),
    )


def _piece(piece: Line | Arc) -> tuple[float, ...]:
    x_m, y_m, start_rad = piece.start
    cos, sin = math.cos(start_rad), math.sin(start_rad)
    if not isinstance(piece, Arc):
        return x_m, y_m, start_rad, cos, sin, piece.length_m, 1.0, 0.0, 1.0, 0.0, 0.0
    ahead, left = piece.pivot_body
    pivot = x_m + cos * ahead - sin * left, y_m + sin * ahead + cos * left
    return x_m, y_m, start_rad, cos, sin, piece.length_m, piece.angle_rad, ahead, left, *pivot


def candidates(table: LaneTable, poses: Floats) -> tuple[Indexes, Indexes]:
    """Every pair of a pose and a lane of a tile that it is on; a border belongs to the tiles on both its sides."""
    low, high = (
        np.clip(np.floor((poses[:, :2] + slack) / table.size_m), -1, table.cells).astype(np.int64)
        for slack in (-BORDER_M, BORDER_M)
    )
    right, up = low[:, 0] != high[:, 0], low[:, 1] != high[:, 1]
    on = (np.ones(len(poses), bool), right, up, right & up)
    corners = ((low, low), (high, low), (low, high), (high, high))
    pose = np.concatenate([np.flatnonzero(mask) for mask in on])
    i = np.concatenate([columns[mask, 0] for (columns, _), mask in zip(corners, on, strict=True)])
    j = np.concatenate([rows[mask, 1] for (_, rows), mask in zip(corners, on, strict=True)])
    width, height = table.cells
    inside = (i >= 0) & (i < width) & (j >= 0) & (j < height)
    pose, cell = pose[inside], i[inside] * height + j[inside]
    counts = table.lanes[cell]
    ends = np.cumsum(counts)
    number = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
    return np.repeat(pose, counts), np.repeat(table.first[cell], counts) + number


def sightings(table: LaneTable, poses: Floats, pose: Indexes, lane: Indexes) -> LaneSightings:
    """The pairs in which the pose is in the lane, as ``see_from`` and ``LanePose.issightings`` say it."""
    x_m, y_m, heading_rad = poses[pose].T
    split_m, ahead = table.split_m[lane], np.zeros(len(lane), np.int64)
    along_m, lateral_m = _project(table, lane, ahead, x_m, y_m)
    again = np.flatnonzero(np.isfinite(split_m) & ~(along_m < split_m))  # NaN, too, is asked of the second piece
    second_m, lateral_m[again] = _project(table, lane[again], ahead[again] + 1, x_m[again], y_m[again])
    along_m[again] = split_m[again] + second_m
    keep = np.abs(lateral_m) <= table.half_width_m[lane]
    keep &= (along_m >= -BORDER_M) & (along_m < table.length_m[lane] + BORDER_M)
    pose, lane, along_m, lateral_m = pose[keep], lane[keep], along_m[keep], lateral_m[keep]
    centre = _pose_at(table, lane, along_m)
    relative_rad = wrap_angles(heading_rad[keep] - centre[2])
    good = np.abs(relative_rad) <= math.pi / 2
    seen = pose[good], lane[good], along_m[good], lateral_m[good], relative_rad[good]
    return LaneSightings(*seen, (centre[0][good], centre[1][good], centre[2][good]))


def _project(table: LaneTable, lane: Indexes, piece: Indexes, x_m: Floats, y_m: Floats) -> tuple[Floats, Floats]:
    """Distance along a piece and to its left [m]: ``Line.project`` and ``Arc.project`` for many points."""
    at = lane, piece
    dx, dy = x_m - table.x_m[at], y_m - table.y_m[at]
    cos, sin = table.cos[at], table.sin[at]
    along_m, lateral_m = cos * dx + sin * dy, cos * dy - sin * dx
    arcs = np.flatnonzero(table.is_arc[lane])
    if arcs.size:
        at = lane[arcs], piece[arcs]
        dx, dy = x_m[arcs] - table.pivot_x_m[at], y_m[arcs] - table.pivot_y_m[at]
        ahead, left = table.ahead_m[at], table.left_m[at]
        distance = np.hypot(dx, dy)
        side = np.copysign(1.0, left)
        with np.errstate(invalid="ignore", divide="ignore"):  # NaN very near to the pivot, as it is meant
            bearing = np.arctan2(dy, dx) + side * np.arccos(-ahead / distance)
            away = np.sqrt(distance**2 - ahead**2)
        turned = wrap_angles(bearing - table.start_rad[at])
        near = distance <= np.abs(ahead)
        along_m[arcs] = np.where(near, math.nan, table.piece_m[at] * turned / table.angle_rad[at])
        lateral_m[arcs] = np.where(near, math.nan, left - side * away)
    return along_m, lateral_m


def _pose_at(table: LaneTable, lane: Indexes, along_m: Floats) -> tuple[Floats, Floats, Floats]:
    """Points [m, m] and headings [rad] on the centre lines: ``Lane.pose_at`` for many."""
    split_m = table.split_m[lane]
    later = np.isfinite(split_m) & (along_m >= split_m)
    at = lane, later.astype(np.int64)
    along_m = np.where(later, along_m - np.where(later, split_m, 0.0), along_m)
    arc = table.is_arc[lane]
    start_rad = table.start_rad[at]
    heading = np.where(arc, start_rad + table.angle_rad[at] * along_m / table.piece_m[at], start_rad)
    cos, sin = np.cos(heading), np.sin(heading)
    ahead, left = table.ahead_m[at], table.left_m[at]
    x_m = np.where(arc, table.pivot_x_m[at] - cos * ahead + sin * left, table.x_m[at] + table.cos[at] * along_m)
    y_m = np.where(arc, table.pivot_y_m[at] - sin * ahead - cos * left, table.y_m[at] + table.sin[at] * along_m)
    return x_m, y_m, heading


def wrap_angles(angle_rad: Floats) -> Floats:
    """The same angles in [-pi, pi] [rad]; exact, as ``wrap_angle`` is."""
    rest = np.fmod(angle_rad, 2.0 * math.pi)
    return np.asarray(np.where(np.abs(rest) > math.pi, rest - np.copysign(2.0 * math.pi, rest), rest))
