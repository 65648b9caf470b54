"""All that is said of a drive: every family's metrics by name, and the infractions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from rilaas.evaluate.driving.objective import (
    anchor,
    behavior_metrics,
    carla,
    collision,
    comfort,
    nuplan,
    performance,
    safety_distance,
    stay_in_lane,
    stop_at_intersection,
    time_to_collision,
    traffic_law,
)
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Infraction, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics that belong together.

    Attributes:
        title: The heading.
        metrics: What each is, by name.
        score: Their values for a drive.
        infractions: The rules broken in a drive; None where the family knows no rules.
    """

    title: str
    metrics: Mapping[str, MetricDefinition]
    score: Callable[[Drive, Constants], Scores]
    infractions: Callable[[Drive, Constants], list[Infraction]] | None = None


FAMILIES: tuple[Family, ...] = (
    Family("Performance", performance.METRICS, performance.score),
    Family("Lane following (AI-DO since 2019)", anchor.METRICS, anchor.score),
    Family("Traffic law", traffic_law.METRICS, traffic_law.score, traffic_law.infractions),
    Family("Traffic law: stay in the lane", stay_in_lane.METRICS, stay_in_lane.score),
    Family("Traffic law: stop at intersections", stop_at_intersection.METRICS, stop_at_intersection.score),
    Family("Traffic law: keep the safety distance", safety_distance.METRICS, safety_distance.score),
    Family("Traffic law: avoid collisions", collision.METRICS, collision.score),
    Family("Comfort", comfort.METRICS, comfort.score),
    Family("CARLA Leaderboard", carla.METRICS, carla.score),
    Family("Time to collision (nuPlan)", time_to_collision.METRICS, time_to_collision.score),
    Family("Comfort bounds (nuPlan)", nuplan.METRICS, nuplan.score),
    Family("Behavior Metrics", behavior_metrics.METRICS, behavior_metrics.score),
)
"""In the order of a report. The infractions of all traffic laws come from ``traffic_law``, which knows the task."""

METRICS: Mapping[str, MetricDefinition] = {
    name: replace(definition, family=family.title)
    for family in FAMILIES
    for name, definition in family.metrics.items()
}
"""Every metric, by name."""


def score_drive(drive: Drive, constants: Constants | None = None) -> Scores:
    """Every metric of a drive, by name; ``Absent`` with its reason where there is none."""
    constants = constants or Constants()
    return {name: value for family in FAMILIES for name, value in family.score(drive, constants).items()}


def infractions_of(drive: Drive, constants: Constants | None = None) -> list[Infraction]:
    """Every rule broken in a drive, in the order of time."""
    constants = constants or Constants()
    found = [each for family in FAMILIES if family.infractions for each in family.infractions(drive, constants)]
    return sorted(found, key=lambda infraction: infraction.t_s)
