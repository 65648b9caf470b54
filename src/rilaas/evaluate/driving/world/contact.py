"""Bodies that meet: how deep two boxes overlap, and a robot that is held by what it runs into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.world.dynamics import Dynamics, Motion, Wheels, advance

_SLACK_M = 1e-12


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the ground.

    Attributes:
        x_m: Its middle, in the map's frame [m].
        y_m: [m].
        cos: Of its heading.
        sin: Of its heading.
        half_length_m: Along the heading [m].
        half_width_m: Across [m].
    """

    x_m: float
    y_m: float
    cos: float
    sin: float
    half_length_m: float
    half_width_m: float

    @classmethod
    def of(cls, actor: Actor, pose: Pose) -> Box:
        """An actor's body at a pose."""
        cos, sin = math.cos(pose[2]), math.sin(pose[2])
        x_m, y_m = pose[0] + actor.middle_ahead_m * cos, pose[1] + actor.middle_ahead_m * sin
        return cls(x_m, y_m, cos, sin, 0.5 * actor.length_m, 0.5 * actor.width_m)

    @property
    def radius_m(self) -> float:
        """Of the circle about it [m]."""
        return math.hypot(self.half_length_m, self.half_width_m)

    def outline(self) -> list[tuple[float, float]]:
        """Its corners, the middles of its sides and its own middle, as (x, y) [m]: what stands in somebody's way."""
        along, across = self.half_length_m, self.half_width_m
        return [
            (self.x_m + self.cos * a - self.sin * b, self.y_m + self.sin * a + self.cos * b)
            for a in (-along, 0.0, along)
            for b in (-across, 0.0, across)
        ]


def depth_m(one: Box, other: Box) -> float:
    """How deep two boxes overlap [m]; negative where they are apart, and then at least so far.

    The smallest overlap over the directions of their edges (separating axis theorem).
    """
    dx, dy = other.x_m - one.x_m, other.y_m - one.y_m
    cos = abs(one.cos * other.cos + one.sin * other.sin)
    sin = abs(one.cos * other.sin - one.sin * other.cos)
    return min(
        one.half_length_m + other.half_length_m * cos + other.half_width_m * sin - abs(one.cos * dx + one.sin * dy),
        one.half_width_m + other.half_length_m * sin + other.half_width_m * cos - abs(one.cos * dy - one.sin * dx),
        other.half_length_m + one.half_length_m * cos + one.half_width_m * sin - abs(other.cos * dx + other.sin * dy),
        other.half_width_m + one.half_length_m * sin + one.half_width_m * cos - abs(other.cos * dy - other.sin * dx),
    )


def advance_among(
    motion: Motion, wheels: Sequence[Wheels], dt_s: float, dynamics: Dynamics, others: Sequence[Box]
) -> Motion:
    """Move the robot through a series of steps among bodies that stand meanwhile.

    A step in which it meets a body is its last one towards it: from then on, a step that would go deeper is not
    made, and its speed is gone. If turning on the spot does not go deeper, it turns. So it cannot go through, and may
    back off. As cheap as ``advance`` where nobody is within reach.

    Args:
        motion: Where to begin.
        wheels: Duty cycles that act during each step.
        dt_s: Length of a step [s].
        dynamics: The robot.
        others: Whom it may meet.
    """
    fastest = max(abs(motion.speed_m_per_s), abs(dynamics.steady_speed_m_per_s((1.5, 1.5))))
    way_m = fastest * dt_s * len(wheels) + 2.0 * abs(DUCKIEBOT.middle_ahead_m)
    body = Box.of(DUCKIEBOT, motion.pose)
    near = [box for box in others if math.hypot(box.x_m - body.x_m, box.y_m - body.y_m) < way_m + _reach_m(body, box)]
    if not near:
        return advance(motion, wheels, dt_s, dynamics)
    depths_m = _depths_m(motion, near)
    for pair in wheels:
        motion, depths_m = _step(motion, depths_m, advance(motion, (pair,), dt_s, dynamics), near)
    return motion


def _step(motion: Motion, depths_m: list[float], wanted: Motion, others: Sequence[Box]) -> tuple[Motion, list[float]]:
    reached_m = _depths_m(wanted, others)
    if _is_allowed(depths_m, reached_m):
        return wanted, reached_m
    if max(depths_m) <= 0.0:  # they touch: the speed is gone
        return Motion(wanted.x_m, wanted.y_m, wanted.heading_rad), reached_m
    turned = Motion(motion.x_m, motion.y_m, wanted.heading_rad, 0.0, wanted.rate_rad_per_s)
    reached_m = _depths_m(turned, others)
    if _is_allowed(depths_m, reached_m):
        return turned, reached_m
    return Motion(motion.x_m, motion.y_m, motion.heading_rad), depths_m


def _is_allowed(before_m: Sequence[float], after_m: Sequence[float]) -> bool:
    return all(after <= max(before, 0.0) + _SLACK_M for before, after in zip(before_m, after_m, strict=True))


def _reach_m(one: Box, other: Box) -> float:
    return one.radius_m + other.radius_m


def _depths_m(motion: Motion, others: Sequence[Box]) -> list[float]:
    body = Box.of(DUCKIEBOT, motion.pose)
    return [depth_m(body, other) for other in others]
