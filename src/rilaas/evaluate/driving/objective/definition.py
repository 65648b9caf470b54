"""What a number is, and what stands in its place where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rilaas.evaluate.driving.road.lane import Pose


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """What a number is.

    Attributes:
        unit: SI unit; ``tile`` for tiles, ``1`` for a share, '' for a count or a cost.
        direction: ``higher`` or ``lower``: which is better; '' where neither is.
        meaning: In a few words.
        family: Under which heading a report shows it; see ``score.FAMILIES``.
        source: Where the formula comes from, in a few words.
    """

    unit: str
    direction: str
    meaning: str
    family: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """A metric that this drive does not have: neither 0 nor NaN.

    Attributes:
        reason: Why, such as "nobody drove ahead".
    """

    reason: str


Scores = Mapping[str, "float | Absent"]
"""Values by metric name."""


@dataclass(frozen=True, slots=True)
class Infraction:
    """A rule that was broken, once.

    Attributes:
        kind: Such as ``collision_vehicle``, ``red_line``, ``red_light``, ``off_road``.
        t_s: When it began [s].
        pose: Where the robot was then, in the map's frame.
        cost: What it adds to the traffic law objective.
        actor: Whom it concerned, or ''.
    """

    kind: str
    t_s: float
    pose: Pose
    cost: float
    actor: str = ""
