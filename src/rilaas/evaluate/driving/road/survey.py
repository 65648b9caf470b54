"""A road that is no pattern of tiles: lanes as somebody surveyed them, cut into square cells so that it is a map too.

All that metrics ask of a road (which lanes a pose is in, how far along, what follows, whether there is road below) is
asked of cells and their lanes. A surveyed lane is a chain of short pieces between nodes; each piece stands in every
cell that its width touches, so that a pose finds in its own cell all lanes that it can be in. ``tile_size_m`` is the
cell's side, and a metric in tiles counts cells.

The file is JSON::

    {"survey": "carla 0.9.16", "name": "Town01", "cell_m": 4.0, "origin_m": [-12.0, -340.0],
     "nodes": [[x, y, heading, width], ...], "links": [[from, to], ...]}

with nodes in the map's frame (x to the right, y up, metres and rad) and ``origin_m`` the place of that frame's origin
in the surveyor's own, likewise right-handed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.lane import Arc, Lane, Line, wrap_angle
from rilaas.evaluate.driving.road.tile_map import SURVEYED, Tile, TileMap

MAX_CELLS = 1_000_000
MAX_NODES = 200_000

_STRAIGHT_RAD = 1e-5  # less than this in a piece, and it is a line
_TURN_RAD = 0.02  # more than this in a piece leads left or right where a road forks

Node = tuple[float, float, float, float]
"""x [m], y [m], heading [rad] in the map's frame, and the lane's width [m]."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was surveyed.

    Attributes:
        source: By what, such as ``carla 0.9.16``.
        origin_m: Where the map's origin lies in the surveyor's right-handed frame (x, y) [m].
        nodes: Poses on the lanes' centre lines, in driving direction.
        links: Which node leads to which.
    """

    source: str
    origin_m: tuple[float, float]
    nodes: tuple[Node, ...]
    links: tuple[tuple[int, int], ...]


def surveyed_map(name: str, cell_m: float, survey: Survey) -> TileMap:
    """The map of a survey.

    Args:
        name: Its name.
        cell_m: Side of a cell [m]; a lane's width is a good one.
        survey: Its lanes.

    Raises:
        InvalidInput: There is nothing, or it lies to the left of or below the origin, or it is too large.
    """
    if not (survey.links and math.isfinite(cell_m) and cell_m > 0.0):
        raise InvalidInput(
            f"Survey {name!r} has {len(survey.links)} links and cells of {cell_m} m; both are above 0."
        )
    nodes = np.array(survey.nodes, np.float64)
    if not np.isfinite(nodes).all() or nodes[:, :2].min() < 0.0 or nodes[:, 3].min() <= 0.0:
        raise InvalidInput(
            f"Survey {name!r} has a node that is not finite, left of or below the origin, or of no width."
        )
    touched = {cell for a, b in survey.links for cell in _cells(nodes[a], nodes[b], cell_m)}
    width, height = (1 + max(cell[axis] for cell in touched) for axis in (0, 1))
    if width * height > MAX_CELLS:
        raise InvalidInput(f"Survey {name!r} has {width} x {height} cells; it has at most {MAX_CELLS}.")
    road, ground = Tile(SURVEYED), Tile("grass")
    tiles = tuple(tuple(road if (i, j) in touched else ground for i in range(width)) for j in range(height))
    return TileMap(name, cell_m, tiles, survey=survey)


def lanes_of_survey(survey: Survey, cell_m: float) -> tuple[list[Lane], list[list[int]]]:
    """Lanes for a ``LaneGraph``.

    Args:
        survey: What was surveyed.
        cell_m: Side of a cell [m].

    Returns:
        The lanes, cell by cell, each a piece in one of the cells that it touches; and of each the indexes of those
        that follow it, a lane of its own end's cell for each way on.
    """
    nodes = np.array(survey.nodes, np.float64)
    found: list[tuple[int, Lane]] = []
    for link, (a, b) in enumerate(survey.links):
        piece = _piece(survey.nodes[a], survey.nodes[b])
        half_m = 0.5 * min(survey.nodes[a][3], survey.nodes[b][3])
        cells = _cells(nodes[a], nodes[b], cell_m)
        found.extend((link, Lane(cell, _turn(piece), (piece,), half_m, piece.length_m)) for cell in cells)
    found.sort(key=lambda each: (each[1].cell, each[0]))
    at = {(link, lane.cell): index for index, (link, lane) in enumerate(found)}
    leaving: dict[int, list[int]] = {}
    for link, (a, _) in enumerate(survey.links):
        leaving.setdefault(a, []).append(link)
    following = []
    for link, _ in found:
        end = survey.links[link][1]
        x_m, y_m, _, _ = survey.nodes[end]
        cell = int(x_m // cell_m), int(y_m // cell_m)
        following.append([at[after, cell] for after in leaving.get(end, ())])
    return [lane for _, lane in found], following


def parse_survey(text: str, name: str, source: str) -> TileMap:
    """Read a survey from JSON text.

    Args:
        text: The file's text.
        name: Name of the map where the file has none.
        source: What messages call the file.

    Raises:
        InvalidInput: It is not one; the message says what would have been right.
    """
    try:
        document = json.loads(text)
        nodes = tuple(_node(values) for values in document["nodes"])
        links = tuple((int(a), int(b)) for a, b in document["links"])
        x_m, y_m = map(float, document["origin_m"])
        survey = Survey(str(document["survey"]), (x_m, y_m), nodes, links)
        name, cell_m = str(document.get("name", name)), float(document["cell_m"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidInput(
            f"{source} is not a survey ({type(error).__name__}: {error}).",
            "It is JSON with survey, name, cell_m, origin_m, nodes and links; see road/survey.py.",
        ) from None
    if len(nodes) > MAX_NODES or any(not (0 <= k < len(nodes)) for link in links for k in link):
        raise InvalidInput(f"{source}: links are pairs of indexes of the {len(nodes)} nodes, {MAX_NODES} at most.")
    return surveyed_map(name, cell_m, survey)


def survey_text(tile_map: TileMap) -> str:
    """A surveyed map as JSON, which ``parse_survey`` reads.

    Raises:
        InvalidInput: The map was not surveyed.
    """
    survey = tile_map.survey
    if survey is None:
        raise InvalidInput(f"Map {tile_map.name!r} is made of tiles; it was not surveyed.")
    document = {
        "survey": survey.source,
        "name": tile_map.name,
        "cell_m": tile_map.tile_size_m,
        "origin_m": survey.origin_m,
        "nodes": survey.nodes,
        "links": survey.links,
    }
    return json.dumps(document, separators=(",", ":")) + "\n"


def _node(values: Sequence[Any]) -> Node:
    x_m, y_m, heading, width_m = map(float, values)
    return x_m, y_m, heading, width_m


def _piece(start: Node, end: Node) -> Line | Arc:
    """The centre line between two nodes; a line that hits its end where the headings are the same."""
    if abs(wrap_angle(end[2] - start[2])) >= _STRAIGHT_RAD:
        return Arc.between(start[:3], end[:3])
    dx, dy = end[0] - start[0], end[1] - start[1]
    return Line((start[0], start[1], math.atan2(dy, dx)), math.hypot(dx, dy))


def _turn(piece: Line | Arc) -> str:
    if not isinstance(piece, Arc) or abs(piece.angle_rad) < _TURN_RAD:
        return "straight"
    return "left" if piece.angle_rad > 0.0 else "right"


def _cells(start: np.ndarray, end: np.ndarray, cell_m: float) -> Iterable[tuple[int, int]]:
    """Cells within half a lane's width of a piece: those of the box around it, which is a little more."""
    reach_m = 0.5 * max(start[3], end[3])
    low = np.maximum(np.floor((np.minimum(start[:2], end[:2]) - reach_m) / cell_m), 0).astype(int)
    high = np.floor((np.maximum(start[:2], end[:2]) + reach_m) / cell_m).astype(int)
    return [(i, j) for i in range(low[0], high[0] + 1) for j in range(low[1], high[1] + 1)]
