"""A map from straight above, as a scalable picture, with what happened on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from rilaas.evaluate.driving.judge.drawing_actors import draw_actors, draw_lights, draw_robot
from rilaas.evaluate.driving.judge.drawing_legend import ROW_PX, Entry, draw_rows, entries_of, rows_of
from rilaas.evaluate.driving.judge.drawing_marks import FAILED, Mark, draw_marks, letters_of, marks_of
from rilaas.evaluate.driving.judge.stroke import n as _n
from rilaas.evaluate.driving.judge.stroke import stroke as _stroke
from rilaas.evaluate.driving.judge.stroke import way as _line
from rilaas.evaluate.driving.objective.definition import Infraction
from rilaas.evaluate.driving.road.actor import ActorTrack, SignalTrack
from rilaas.evaluate.driving.road.lane_track import check_poses, track_lanes
from rilaas.evaluate.driving.road.marking import (
    DASHES_CURVE,
    DASHES_STRAIGHT,
    LANE_OUTER,
    RED_WIDTH,
    WHITE_WIDTH,
    YELLOW_WIDTH,
)
from rilaas.evaluate.driving.road.tile_map import ROAD_KINDS, Tile, TileMap

TILE_PX = 72.0
MARGIN_TILES = 0.35
TITLE_PX = 36.0
GAP_PX = 18.0
MIN_STEP_TILES = 0.02  # points of a way that are nearer to each other are left out

_GROUND = {"grass": "#6d9a5b", "floor": "#c9bfae", "asphalt": "#5b6068", "empty": "#2f3237"}
_ROAD, _WHITE, _YELLOW, _STOP = "#4a4e55", "#eceeee", "#f0c43c", "#b0685f"
_WAY = "#6fd0ff"
_WORDS = "#768390"  # legible on white and on black
_EDGE = LANE_OUTER + 0.5 * WHITE_WIDTH  # from the middle of the road to the middle of the white line [tile]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The way that a robot drove.

    Attributes:
        poses: (N, 3) float64 [m, m, rad], in the map's frame.
        failed: Whether it ended in failure: then all of it is red.
        label: Shown when the pointer rests on it, or ''.
        actors: Who else was there.
        signals: The traffic lights.
        infractions: Which rules were broken, and where.
    """

    poses: np.ndarray
    failed: bool = False
    label: str = ""
    actors: Sequence[ActorTrack] = ()
    signals: Sequence[SignalTrack] = ()
    infractions: Sequence[Infraction] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One map of a picture.

    Attributes:
        tile_map: The map.
        ways: What to draw over it; failures come on top.
        title: Words below it, or ''.
    """

    tile_map: TileMap
    ways: Sequence[Trace] = ()
    title: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """A panel with what its size depends on."""

    panel: Panel
    marks: Sequence[Mark]
    letters: Mapping[str, str]
    legend: Sequence[Sequence[Entry]]

    @classmethod
    def of(cls, panel: Panel) -> _Sheet:
        infractions = [(way.label, each) for way in panel.ways for each in way.infractions]
        marks = marks_of(panel.tile_map, infractions)
        letters = letters_of(marks)
        actors = [track for way in panel.ways for track in way.actors]
        width = (panel.tile_map.width + 2 * MARGIN_TILES) * TILE_PX
        return cls(panel, marks, letters, rows_of(entries_of(actors, marks, letters), width))

    @property
    def map_px(self) -> tuple[float, float]:
        """Width and height of the map with its margin."""
        tile_map = self.panel.tile_map
        return (tile_map.width + 2 * MARGIN_TILES) * TILE_PX, (tile_map.height + 2 * MARGIN_TILES) * TILE_PX

    @property
    def size_px(self) -> tuple[float, float]:
        """The same with title and legend below."""
        width, height = self.map_px
        return width, height + (TITLE_PX if self.panel.title else 0.0) + ROW_PX * len(self.legend)


def draw_map(tile_map: TileMap, ways: Sequence[Trace] = ()) -> bytes:
    """Draw a map and the ways on it.

    Ways are blue; red are those that failed, and of the others the stretches out of lane. A dot is where a robot
    started, its body where it ended, a cross where it failed. Others have thin ways and their bodies at the end. A
    red diamond with a letter is where a rule was broken.

    Args:
        tile_map: The map.
        ways: What to draw over it; failures come on top.

    Returns:
        An SVG file, its lines sharp at every size.
    """
    return draw_maps([Panel(tile_map, ways)])


def draw_maps(panels: Sequence[Panel], columns: int = 2) -> bytes:
    """Draw several maps to one scale, in rows; see ``draw_map``."""
    sheets = [_Sheet.of(panel) for panel in panels]
    rows = [sheets[k : k + columns] for k in range(0, len(sheets), columns)]
    width = max(sum(sheet.size_px[0] + GAP_PX for sheet in row) - GAP_PX for row in rows)
    parts, top = [], 0.0
    for row in rows:
        left = 0.0
        for sheet in row:
            parts += [f'<g transform="translate({_n(left)} {_n(top)})">', *_draw(sheet), "</g>"]
            left += sheet.size_px[0] + GAP_PX
        top += max(sheet.size_px[1] for sheet in row) + GAP_PX
    words = escape("; ".join(f"{panel.tile_map.name} with {len(panel.ways)} ways" for panel in panels))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(top - GAP_PX)}" width="{_n(width)}" '
        f'height="{_n(top - GAP_PX)}" role="img" aria-label="Maps from above: {words}">'
    )
    return "\n".join([head, *parts, "</svg>", ""]).encode()


def map_shapes(tile_map: TileMap) -> str:
    """A map's ground and paint as shapes of an SVG in metres, x right and y up, without a surrounding ``svg``."""
    parts = [f'<g transform="scale({_n(tile_map.tile_size_m)})">']
    for layer in (_ground, _paint):
        for i, j, tile in tile_map.cells():
            parts += layer(i, j, tile)
    return "".join([*parts, "</g>"])


def _draw(sheet: _Sheet) -> Iterator[str]:
    panel, (width, height) = sheet.panel, sheet.map_px
    below = height
    if panel.title:
        below += TITLE_PX
        yield (
            f'<text x="{_n(0.5 * width)}" y="{_n(height + 0.7 * TITLE_PX)}" text-anchor="middle" fill="{_WORDS}" '
            f'font-family="system-ui,sans-serif" font-size="{_n(0.55 * TITLE_PX)}">{escape(panel.title)}</text>'
        )
    yield from draw_rows(sheet.legend, 4.0, below)
    yield f'<rect width="{_n(width)}" height="{_n(height)}" rx="10" fill="{_GROUND["grass"]}"/>'
    # From here on in tiles, x right and y up.
    margin = MARGIN_TILES * TILE_PX
    yield (
        f'<g fill="none" transform="translate({_n(margin)} {_n(height - margin)}) '
        f'scale({_n(TILE_PX)} {_n(-TILE_PX)})">'
    )
    for layer in (_ground, _paint):
        for i, j, tile in panel.tile_map.cells():
            yield from layer(i, j, tile)
    yield from draw_lights(panel.tile_map, [signal for way in panel.ways for signal in way.signals])
    for way in panel.ways:
        yield from draw_actors(panel.tile_map, way.actors)
    for way in sorted(panel.ways, key=lambda way: way.failed):
        yield from _way(panel.tile_map, way)
    yield from draw_marks(sheet.marks, sheet.letters)
    yield "</g>"


def _ground(i: int, j: int, tile: Tile) -> Iterator[str]:
    if tile.kind == "grass":
        return
    # A hair larger than a tile, so that no seam shows between neighbours.
    colour = _ROAD if tile.is_road else _GROUND[tile.kind]
    yield f'<rect x="{_n(i - 0.002)}" y="{_n(j - 0.002)}" width="1.004" height="1.004" fill="{colour}"/>'


def _paint(i: int, j: int, tile: Tile) -> Iterator[str]:
    if tile.kind not in ROAD_KINDS:
        return
    yield f'<g transform="translate({i + 0.5} {j + 0.5}) rotate({_n(math.degrees(tile.rotation_rad))})">'
    if tile.kind == "straight":
        yield _stroke(f"M-.5 {_n(_EDGE)}H.5M-.5 {_n(-_EDGE)}H.5", _WHITE, WHITE_WIDTH)
        yield _stroke("M-.5 0H.5", _YELLOW, YELLOW_WIDTH, dash=1.0 / DASHES_STRAIGHT)
    elif tile.kind in {"curve_left", "curve_right"}:
        side = 1 if tile.kind == "curve_left" else -1
        yield _stroke(_quarter(0.5 - _EDGE, side) + _quarter(0.5 + _EDGE, side), _WHITE, WHITE_WIDTH)
        yield _stroke(_quarter(0.5, side), _YELLOW, YELLOW_WIDTH, dash=0.25 * math.pi / DASHES_CURVE)
    else:
        yield from _crossing(tile.kind)
    yield "</g>"


def _quarter(radius: float, side: int) -> str:
    """A quarter circle about the corner (-0.5, side / 2), from the left side of the tile on."""
    corner, size = 0.5 * side, _n(radius)
    return f"M-.5 {_n(corner - side * radius)}A{size} {size} 0 0 {int(side > 0)} {_n(radius - 0.5)} {_n(corner)}"


def _crossing(kind: str) -> Iterator[str]:
    closed = {"3way_left": 3, "3way_right": 1, "4way": None}[kind]
    for side in range(4):  # the side that faces east, north, west, south
        turn = f'<g transform="rotate({90 * side})">'
        if side == closed:
            yield f"{turn}{_stroke(f'M{_n(_EDGE)} -.5V.5', _WHITE, WHITE_WIDTH)}</g>"
            continue
        stop = _stroke(f"M{_n(0.5 - 0.5 * RED_WIDTH)} 0V{_n(LANE_OUTER)}", _STOP, RED_WIDTH)
        corner = ""
        if (side + 1) % 4 != closed:
            radius = _n(0.5 - _EDGE)
            corner = _stroke(f"M.5 {_n(_EDGE)}A{radius} {radius} 0 0 0 {_n(_EDGE)} .5", _WHITE, WHITE_WIDTH)
        yield f"{turn}{stop}{corner}</g>"


def _way(tile_map: TileMap, way: Trace) -> Iterator[str]:
    poses = check_poses(way.poses)
    if not len(poses):
        return
    points = poses[:, :2] / tile_map.tile_size_m
    outside = np.zeros(len(poses), bool) if way.failed else ~track_lanes(tile_map, poses).in_lane
    colour = FAILED if way.failed else _WAY
    yield f"<g><title>{escape(way.label)}</title>" if way.label else "<g>"
    yield _line(points, colour, 0.034, step=MIN_STEP_TILES, opacity=0.85)
    for first, end in _stretches(outside):
        yield _line(points[max(0, first - 1) : end + 1], FAILED, 0.05, step=MIN_STEP_TILES, opacity=0.85)
    yield draw_robot(tile_map, poses[-1], colour)
    x, y = points[0]
    yield f'<circle cx="{_n(x)}" cy="{_n(y)}" r=".055" fill="{colour}" stroke="#fff" stroke-width=".02"/>'
    if way.failed:
        x, y = points[-1]
        cross = f"M{_n(x - 0.1)} {_n(y - 0.1)}l.2 .2m0 -.2l-.2 .2"
        yield _stroke(cross, "#fff", 0.085, cap="round") + _stroke(cross, FAILED, 0.05, cap="round")
    yield "</g>"


def _stretches(marked: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of True as [first, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(int)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
