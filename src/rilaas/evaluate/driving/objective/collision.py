"""Avoiding collisions (T-AC).

::

    J_T-AC = nu for each collision

A collision with a body begins when the distance l between the rectangles is below epsilon. Touching the same body
again is the same collision within t_k (the document's time to manoeuvre afterwards without further cost), and after
it as long as l has not been ``release_m`` since the last touch. So resting against a body is one collision.

Source: AI Driving Olympics, "Performance metrics", section "Quantification of Avoiding collisions". Readings:

- The printed sum is over intervals of length t_k, with nu for each in which somebody was touched. Resting against a
  wall then pays for ever, against the document's own intention. It is ``collision_as_printed_cost``, with intervals
  [(i - 1) t_k, i t_k) from the start of the drive; the text has [t, t + t_k), which is the same set.
- Two bodies touched at once are two collisions by default; in the printed sum l is the distance to the nearest.
- Nobody's fault is asked for: who is run into pays as well. The document makes no difference.
- Between two stamps nothing is seen: a touch shorter than the time step can be missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, Infraction, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive, Floats
from rilaas.evaluate.driving.objective.stretch import stretches
from rilaas.evaluate.driving.road.actor import ACTOR_KINDS

_SOURCE = "AI-DO, performance metrics, T-AC"
_SLACK = 1e-9  # rounding of stamps

METRICS: Mapping[str, MetricDefinition] = {
    "collision_cost": MetricDefinition("", "lower", "nu for each collision", source=_SOURCE),
    "collision_as_printed_cost": MetricDefinition(
        "", "lower", "the printed formula: nu for each interval of t_k with a touch", source=_SOURCE
    ),
    **{
        f"collisions_{kind}": MetricDefinition("", "lower", f"collisions with a {kind}", source=_SOURCE)
        for kind in ACTOR_KINDS
    },
}


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive; absent where there was nobody to collide with."""
    if not drive.actors:
        return dict.fromkeys(METRICS, Absent("nobody to collide with"))
    found = collisions(drive, constants)
    kinds = [drive.actors[who].actor.kind for who, _ in found]
    there = {track.actor.kind for track in drive.actors}
    return {
        "collision_cost": constants.nu * len(found),
        "collision_as_printed_cost": constants.nu * _intervals_with_touch(drive, constants),
        **{
            f"collisions_{kind}": float(kinds.count(kind)) if kind in there else Absent(f"no {kind} was there")
            for kind in ACTOR_KINDS
        },
    }


def infractions(drive: Drive, constants: Constants) -> list[Infraction]:
    """``collision_vehicle``, ``collision_duckie`` and ``collision_obstacle``, when they begin."""
    return [
        Infraction(
            f"collision_{drive.actors[who].actor.kind}",
            float(drive.t_s[index]),
            drive.pose_at(index),
            constants.nu,
            drive.actors[who].actor.name,
        )
        for who, index in collisions(drive, constants)
    ]


def collisions(drive: Drive, constants: Constants) -> list[tuple[int, int]]:
    """Which actor, and the stamp at which it began, actor by actor."""
    return [(who, index) for who, gap_m in enumerate(drive.gaps_m) for index in _begins(drive.t_s, gap_m, constants)]


def _begins(t_s: Floats, gap_m: Floats, constants: Constants) -> Iterator[int]:
    """Stamps at which a collision begins, from the distance to one body."""
    free_s, last = -np.inf, -1
    for first, end in stretches(gap_m < constants.contact_m):
        released = last < 0 or bool((gap_m[last + 1 : first] >= constants.release_m).any())
        if released and t_s[first] >= free_s - _SLACK:
            yield first
            free_s = t_s[first] + constants.collision_interval_s
        last = end - 1


def _intervals_with_touch(drive: Drive, constants: Constants) -> int:
    nearest_m = np.min(drive.gaps_m, axis=0)
    touching_s = drive.t_s[nearest_m < constants.contact_m] - drive.t_s[0]
    return len(np.unique(np.floor(touching_s / constants.collision_interval_s + _SLACK)))
