"""The traffic law objective T of a task, and the hierarchy of the rules.

::

    T = sum of J_T-i over the rules i of the task

    LF    stay in the lane, avoid collisions
    LFV   and keep the safety distance
    LFI   and stop at intersections

Source: AI Driving Olympics, "Performance metrics", section "Hierarchy of rules". Which task has which rules is not in
it: lane following meets nobody who drives ahead and no crossing, but obstacles may stand there. Yielding (T-YR) is
commented out in the document, and is not here.

The hierarchy, collisions > stop lines > safety distance > staying in the lane, is said of costs in one unit that grow
without bound, so it can only hold for events of a stated size. These are: one collision (nu); one crossing entered
without a stop (gamma); ``tailgating_s`` seconds with the bodies touching (delta (b_safe - touch)^2 each); and
``departure_s`` seconds out of the lane (alpha each). A rule's worst event costs more than the next rule's.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.objective import collision, safety_distance, stay_in_lane, stop_at_intersection
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, Infraction, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive

_LANE = (stay_in_lane.score, stay_in_lane.infractions, "stay_in_lane_cost")
_COLLISION = (collision.score, collision.infractions, "collision_cost")
_DISTANCE = (safety_distance.score, safety_distance.infractions, "safety_distance_cost")
_STOP = (stop_at_intersection.score, stop_at_intersection.infractions, "stop_at_intersection_cost")

RULES = {
    "LF": (_LANE, _COLLISION),
    "LFV": (_LANE, _COLLISION, _DISTANCE),
    "LFI": (_LANE, _COLLISION, _DISTANCE, _STOP),
}
"""The rules of each task: their metrics of a drive, their infractions in it, and which metric is their cost."""

METRICS: Mapping[str, MetricDefinition] = {
    "traffic_law_cost": MetricDefinition(
        "", "lower", "cost of all traffic laws of the task", source="AI-DO, performance metrics, T"
    ),
}


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive. A rule that had no occasion adds nothing."""
    costs = (rule(drive, constants)[name] for rule, _, name in RULES[drive.task])
    return {"traffic_law_cost": sum(cost for cost in costs if not isinstance(cost, Absent))}


def infractions(drive: Drive, constants: Constants) -> list[Infraction]:
    """Where the rules of the drive's task were broken, rule by rule."""
    return [each for _, find, _ in RULES[drive.task] for each in find(drive, constants)]


def worst_events(constants: Constants) -> Mapping[str, float]:
    """What the worst event of each rule costs, by the event, the most important rule first."""
    tailgating = constants.delta_per_m2_s * (constants.b_safe_m - constants.touch_m) ** 2 * constants.tailgating_s
    return {
        "one collision (nu)": constants.nu,
        "one stop line ignored (gamma)": constants.gamma,
        f"{constants.tailgating_s:g} s of the worst tailgating (delta)": tailgating,
        f"{constants.departure_s:g} s out of the lane (alpha)": constants.alpha_per_s * constants.departure_s,
    }


def check_hierarchy(constants: Constants) -> None:
    """Refuse constants with which a lesser rule costs more than a greater one.

    Also those with which it is cheaper to be out of the lane than near its edge: alpha >= beta d_max^2.

    Raises:
        InvalidInput: Names the two that are in the wrong order, and by how much.
    """
    for (greater, greater_cost), (lesser, lesser_cost) in pairwise(worst_events(constants).items()):
        if not greater_cost > lesser_cost:
            raise InvalidInput(
                f"The constants break the order of the traffic laws: {greater} costs {greater_cost:.4g}, "
                f"{lesser} {lesser_cost:.4g}; the first is to cost more and falls short by "
                f"{lesser_cost - greater_cost:.4g}.",
                "Collisions > stop lines > safety distance > staying in the lane, one worst event each.",
            )
    edge_per_s = constants.beta_per_m2_s * constants.d_max_m**2
    if constants.alpha_per_s < edge_per_s:
        raise InvalidInput(
            f"A second out of the lane costs {constants.alpha_per_s:.4g} (alpha_per_s) and one at its edge "
            f"{edge_per_s:.4g} (beta_per_m2_s d_max_m^2), which is {edge_per_s - constants.alpha_per_s:.4g} more.",
            "Leaving the lane must not be cheaper than staying near its edge.",
        )
