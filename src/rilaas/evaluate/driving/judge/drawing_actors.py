"""Who else was on a map, and its traffic lights, as drawn from straight above."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from html import escape

import numpy as np

from rilaas.evaluate.driving.judge.stroke import n, outline, way
from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor, ActorTrack, SignalTrack
from rilaas.evaluate.driving.road.footprint import corners
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.view.light_post import light_posts

KINDS = {
    "vehicle": ("#c9b2ff", "other vehicles"),
    "duckie": ("#ffe14d", "duckies"),
    "obstacle": ("#ffa657", "obstacles"),
}
"""Colour and plural of each kind of actor."""
MIN_STEP_TILES = 0.08
STANDS_M = 0.02
"""Who never was farther than this from the start has no way to draw [m]."""
_HOUSING, _LAMP = "#20252c", "#dfe5ea"


def draw_actors(tile_map: TileMap, actors: Iterable[ActorTrack]) -> Iterator[str]:
    """Their ways, thin, and their bodies at the end."""
    for track in actors:
        if not len(track.poses):
            continue
        colour, _ = KINDS[track.actor.kind]
        yield f"<g><title>{escape(track.actor.name)}</title>"
        points = track.poses[:, :2] / tile_map.tile_size_m
        if np.linalg.norm(track.poses[:, :2] - track.poses[0, :2], axis=1).max() > STANDS_M:
            yield way(points, colour, 0.014, step=MIN_STEP_TILES, opacity=0.55)
        yield draw_body(tile_map, track.actor, track.poses[-1], colour)
        yield "</g>"


def draw_body(tile_map: TileMap, actor: Actor, pose: np.ndarray, colour: str) -> str:
    """A body where it is; of a vehicle also where its front is."""
    rectangle = corners(actor, pose[None])[0] / tile_map.tile_size_m
    shape = outline(rectangle, colour)
    if actor.kind == "vehicle":
        front = rectangle[[0, 3]]
        behind = front + 0.3 * (rectangle[[1, 2]] - front)
        shape += outline([front[0], front[1], behind[1], behind[0]], "#1c2229", opacity=0.55)
    return shape


def draw_robot(tile_map: TileMap, pose: np.ndarray, colour: str) -> str:
    """The robot's own body."""
    return draw_body(tile_map, DUCKIEBOT, pose, colour)


def draw_lights(tile_map: TileMap, signals: Iterable[SignalTrack]) -> Iterator[str]:
    """Each light once, beside its line, its lamps across the road; which of them shone changed in the meantime."""
    for place in sorted({light_posts(signal.line)[0] for signal in signals}):
        x, y = place[0] / tile_map.tile_size_m, place[1] / tile_map.tile_size_m
        yield f'<g transform="translate({n(x)} {n(y)}) rotate({n(math.degrees(place[2]))})">'
        yield "<title>traffic light</title>"
        yield f'<rect x="-.05" y="-.1" width=".1" height=".2" rx=".03" fill="{_HOUSING}"/>'
        yield "".join(f'<circle cy="{n(across)}" r=".022" fill="{_LAMP}"/>' for across in (-0.06, 0.0, 0.06)) + "</g>"
