"""How far a robot came on its way, for who drives in circles comes nowhere.

The way along the lane (``LaneTrack.progress_m``) is added up by visits of tiles, and

- a visit counts at most ``LONGEST`` times the longest lane in the tile: round and round on a crossing, or on the spot
  in a lane, is one passage of the tile;
- who comes back to the tile that it has just come from has turned round: the visit between is taken back, as CARLA's
  route is not completed by driving it forth and back. Reversing takes way back by itself: its progress is negative.

What is left is the way along the path without its detours back. A lap counts every time, for a lap comes back to a
tile by another one. Of a surveyed map, whose cells are no pieces of road, it is the sum of the progress.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from rilaas.evaluate.driving.objective.drive import Drive
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.tile_map import TileMap

LONGEST = 1.25
"""A robot at the outer edge of the outer lane of a curve makes so many times the length of its middle."""


def way_on_route_m(drive: Drive) -> float:
    """Way made along the lane without circles and ways back [m]; negative where it was reversed."""
    progress_m, cells = drive.track.progress_m, drive.cells[:-1]
    if drive.tile_map.survey is not None or not len(progress_m):
        return float(progress_m.sum())
    begins = np.flatnonzero(np.concatenate([[True], np.any(np.diff(cells, axis=0) != 0, axis=1)]))
    visits = zip(map(tuple, cells[begins].tolist()), np.add.reduceat(progress_m, begins).tolist(), strict=True)
    most_m = _most_m(drive.tile_map)
    path: list[tuple[tuple[int, ...], float]] = []
    for cell, made_m in visits:
        before_m = 0.0
        if len(path) > 1 and path[-2][0] == cell:
            between_m = path.pop()[1]
            before_m = path.pop()[1] + min(0.0, between_m)  # reversed: the step over the border is in it
        path.append((cell, min(before_m + made_m, most_m.get(cell, 0.0))))
    return sum(made_m for _, made_m in path)


@lru_cache(maxsize=64)
def _most_m(tile_map: TileMap) -> dict[tuple[int, ...], float]:
    """What a visit of each tile with lanes counts at most [m]."""
    most_m: dict[tuple[int, ...], float] = {}
    for lane in lane_graph(tile_map).lanes:
        most_m[lane.cell] = max(most_m.get(lane.cell, 0.0), LONGEST * lane.length_m)
    return most_m
