"""Somebody or something that is on the road now."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.world.contact import Box, depth_m
from rilaas.evaluate.driving.world.way import Claim, Way

FRONT_M = DUCKIEBOT.middle_ahead_m + 0.5 * DUCKIEBOT.length_m
"""From a Duckiebot's axle to its front end [m]."""

REAR_M = 0.5 * DUCKIEBOT.length_m - DUCKIEBOT.middle_ahead_m
"""From a Duckiebot's axle to its rear end [m]."""

CLEARANCE_M = 0.015
"""Nobody but the robot moves nearer to a body than this [m]; what counts as contact begins below."""

HORIZON_M = 0.9
"""How far along its way a driver looks for others [m]."""

_SIDE_M = 0.02
"""How far from one's own side something may stand to be passed [m]."""


class Presence:
    """A body, where it is and how fast.

    Args:
        actor: Who.
        pose: Where it is at the beginning, in the map's frame.
    """

    def __init__(self, actor: Actor, pose: Pose) -> None:
        self.actor = actor
        self.put(pose, 0.0)

    def put(self, pose: Pose, speed_m_per_s: float) -> None:
        """Move it; the speed is along its heading [m/s]."""
        self.pose, self.speed_m_per_s = pose, speed_m_per_s
        self.box = Box.of(self.actor, pose)
        self._claim: Claim | None = None

    @property
    def claim(self) -> Claim:
        """What a driver keeps free of: its body."""
        if self._claim is None:
            self._claim = self._make_claim()
        return self._claim

    def _make_claim(self) -> Claim:
        return Claim(self.box.x_m, self.box.y_m, self.box.radius_m, self.box.outline())

    def may_move(self, pose: Pose, others: Iterable[Presence]) -> bool:
        """Whether a pose is free: not nearer to anybody than ``CLEARANCE_M``, or not nearer than now."""
        box = Box.of(self.actor, pose)
        for other in others:
            away_m = math.hypot(other.box.x_m - box.x_m, other.box.y_m - box.y_m)
            if other is self or away_m > box.radius_m + other.box.radius_m + CLEARANCE_M:
                continue
            after_m = depth_m(box, other.box)
            if after_m > -CLEARANCE_M and after_m > depth_m(self.box, other.box):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is ahead on a way.

    Attributes:
        gap_m: From one's own front end to it [m]; inf where nothing is.
        speed_m_per_s: Its speed along the way, at least 0 [m/s].
    """

    gap_m: float = math.inf
    speed_m_per_s: float = 0.0


def look_along(way: Way, me: Presence, others: Sequence[Presence], horizon_m: float = HORIZON_M) -> Ahead:
    """The first body on a Duckiebot's way.

    Args:
        way: Its place is that of the axle.
        me: Whoever looks.
        others: Whom it may see; itself is passed over.
        horizon_m: How far to look [m].
    """
    x_m, y_m, _ = way.pose
    found = Ahead()
    for other in others:
        if other is me or math.hypot(other.box.x_m - x_m, other.box.y_m - y_m) > horizon_m + FRONT_M + 0.3:
            continue
        half_width_m = 0.5 * me.actor.width_m + _SIDE_M
        near_m = way.nearest_m(other.claim, half_width_m, horizon_m + FRONT_M)
        if near_m - FRONT_M < found.gap_m:
            turned = other.pose[2] - way.pose_at(near_m)[2]
            found = Ahead(near_m - FRONT_M, max(0.0, other.speed_m_per_s * math.cos(turned)))
    return found
