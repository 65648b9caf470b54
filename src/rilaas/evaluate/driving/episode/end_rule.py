"""What ends an episode before its time."""

from __future__ import annotations

import math

from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor
from rilaas.evaluate.driving.road.footprint import CONTACT_M, gap_m
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.scenario.scenario import BLOCKED_S, Scenario
from rilaas.evaluate.driving.world.simulator import Snapshot

_STILL_M = 0.05  # less than this is not moving


class EndRule:
    """Looks at the world from time to time, and says when it is over.

    Args:
        scenario: Its ``end`` names the rules.
        tile_map: The road.
        actors: Who can be hit.
        contact_m: Nearer bodies touch [m]; the traffic law's ``Constants.contact_m``.
    """

    def __init__(
        self, scenario: Scenario, tile_map: TileMap, actors: tuple[Actor, ...], contact_m: float = CONTACT_M
    ) -> None:
        self._rules = frozenset(scenario.end)
        self._map, self._actors, self._contact_m = tile_map, actors, contact_m
        self._anchor: tuple[float, float] | None = None
        self._since_s = 0.0

    def ended_by(self, t_s: float, snapshot: Snapshot) -> str:
        """The rule that ends the episode now; '' where it goes on."""
        x_m, y_m, _ = snapshot.pose
        if "off_road" in self._rules and not self._is_on_road(x_m, y_m):
            return "off_road"
        if "collision" in self._rules and self._touches(snapshot):
            return "collision"
        if "out_of_lane" in self._rules and not lane_graph(self._map).poses(snapshot.pose):
            return "out_of_lane"
        if "blocked" in self._rules and self._is_blocked(t_s, x_m, y_m):
            return "blocked"
        return snapshot.ended

    def _is_on_road(self, x_m: float, y_m: float) -> bool:
        tile = self._map.tile_at(x_m, y_m)
        return tile is not None and tile.is_road

    def _touches(self, snapshot: Snapshot) -> bool:
        return any(
            math.dist(snapshot.pose[:2], pose[:2]) < _reach_m(actor) + self._contact_m
            and gap_m(DUCKIEBOT, snapshot.pose, actor, pose) < self._contact_m
            for actor, pose in zip(self._actors, snapshot.actors, strict=True)
        )

    def _is_blocked(self, t_s: float, x_m: float, y_m: float) -> bool:
        if self._anchor is None or abs(x_m - self._anchor[0]) + abs(y_m - self._anchor[1]) > _STILL_M:
            self._anchor, self._since_s = (x_m, y_m), t_s
        return t_s - self._since_s >= BLOCKED_S


def _reach_m(actor: Actor) -> float:
    """The largest distance of two poses whose bodies may touch [m]."""
    bodies = (DUCKIEBOT, actor)
    return sum(0.5 * math.hypot(body.length_m, body.width_m) + abs(body.middle_ahead_m) for body in bodies)
