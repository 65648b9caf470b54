"""Who drives ahead in the same lane, by the lane graph.

A vehicle is ahead where its axle is in the same lane as the robot's and farther along, or in a lane that this one
leads to. On a crossing a place can be in several lanes, and the way that the robot will take is not known: every lane
that it is in and every one that they lead to counts. Both have to go the lane's way within ``ALIGNED_RAD``; so who
crosses the robot's way is not ahead of it, nor who comes against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.actor import ActorTrack
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.lane_table import candidates, lane_table, sightings
from rilaas.evaluate.driving.road.tile_map import TileMap

HORIZON_M = 2.0
"""Farther along the lane nobody is ahead: 3.4 tiles, more than the camera tells apart."""

ALIGNED_RAD = math.radians(45.0)
"""Nearer to this lane's direction than to any lane that crosses it."""


@dataclass(frozen=True, slots=True, eq=False)
class Leader:
    """The nearest vehicle ahead, along the lane.

    Attributes:
        distance_m: (N,) float64 between the axles' middles, straight [m]; infinite where nobody is ahead.
        actor: (N,) int64 which actor, in their order; -1 where nobody is ahead.
    """

    distance_m: NDArray[np.float64]
    actor: NDArray[np.int64]

    @property
    def is_there(self) -> NDArray[np.bool_]:
        """(N,) whether somebody is ahead."""
        return self.actor >= 0


def find_leader(tile_map: TileMap, poses: NDArray[np.float64], actors: tuple[ActorTrack, ...]) -> Leader:
    """Who was ahead within ``HORIZON_M``, at each stamp.

    Args:
        tile_map: The road.
        poses: (N, 3) float64 [m, m, rad]: the robot's, in the map's frame.
        actors: Everybody; only vehicles count.
    """
    count = len(poses)
    distance_m, actor = np.full(count, math.inf), np.full(count, -1)
    near = [
        (k, np.flatnonzero(np.hypot(*(track.poses[:, :2] - poses[:, :2]).T) <= HORIZON_M))
        for k, track in enumerate(actors)
        if track.actor.kind == "vehicle"
    ]
    stamp = np.concatenate([np.zeros(0, int), *(stamps for _, stamps in near)])
    if not stamp.size:
        return Leader(distance_m, actor)
    who = np.concatenate([np.full(len(stamps), k) for k, stamps in near])
    theirs = np.concatenate([actors[k].poses[stamps] for k, stamps in near])
    mine, here = _lanes(tile_map, poses[np.unique(stamp)])
    mine = np.unique(stamp)[mine]
    them, there = _lanes(tile_map, theirs)
    one, other = _pairs(mine, stamp[them])
    along_m = ways_m(tile_map)[here[0][one].astype(int), there[0][other].astype(int)] + there[1][other] - here[1][one]
    ahead = np.flatnonzero((along_m > 0.0) & (along_m <= HORIZON_M))
    # The nearest last, so that it is the one that stays.
    ahead = ahead[np.argsort(-along_m[ahead], kind="stable")]
    at, which = mine[one[ahead]], them[other[ahead]]
    distance_m[at] = np.hypot(*(theirs[which, :2] - poses[at, :2]).T)
    actor[at] = who[which]
    return Leader(distance_m, actor)


@lru_cache(maxsize=64)
def ways_m(tile_map: TileMap) -> NDArray[np.float64]:
    """(K, K) shortest way from the start of one lane to that of another [m]; infinite beyond the horizon.

    From a lane to itself it is 0. The lanes are in the order of ``lane_graph(map).lanes``.
    """
    graph = lane_graph(tile_map)
    number = {lane: k for k, lane in enumerate(graph.lanes)}
    following = [[number[after] for after in graph.successors(lane)] for lane in graph.lanes]
    length_m = [lane.length_m for lane in graph.lanes]
    ways = np.full((len(length_m), len(length_m)), math.inf)
    for start in range(len(length_m)):
        reached, open_ = {start: 0.0}, [start]
        while open_:
            lane = min(open_, key=reached.__getitem__)
            open_.remove(lane)
            end_m = reached[lane] + length_m[lane]
            for after in following[lane]:
                if end_m <= HORIZON_M + length_m[start] and end_m < reached.get(after, math.inf):
                    reached[after] = end_m
                    open_.append(after)
        ways[start, list(reached)] = list(reached.values())
    return ways


def _lanes(tile_map: TileMap, poses: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which poses are in which lanes and go their way: indices of poses (P,); lanes and distances along, (2, P)."""
    table = lane_table(tile_map)
    seen = sightings(table, poses, *candidates(table, poses))
    kept = np.flatnonzero(np.abs(seen.heading_rad) <= ALIGNED_RAD)
    return seen.pose[kept], np.stack([seen.lane[kept], seen.along_m[kept]])


def _pairs(one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every pair of indices (i, j) with ``one[i] == other[j]``."""
    order = np.argsort(other, kind="stable")
    first = np.searchsorted(other[order], one, "left")
    counts = np.searchsorted(other[order], one, "right") - first
    ends = np.cumsum(counts)
    within = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
    return np.repeat(np.arange(len(one)), counts), order[np.repeat(first, counts) + within]
