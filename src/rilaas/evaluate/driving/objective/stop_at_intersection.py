"""Stopping at red lines and red lights (T-SI).

::

    J_T-SI = sum over traversals of gamma (I_SI1 or I_SI2)

    I_SI1   1 where the robot was never at rest in the stop zone before it crossed the line
    I_SI2   1 where it crossed the line while the light was red

Source: AI Driving Olympics, "Performance metrics", section "Quantification of Stopping at red intersection line and
Stopping at red traffic light". Readings:

- A traversal begins when the robot comes within b of the line and ends when its axle passes the line; only then is it
  decided. Who turns away before it is not judged, and has to stop anew when coming back. Who begins a drive past the
  zone, or rolls back over the line by less than a, is not in a new traversal.
- The line is passed wherever the robot enters the crossing's tile from that road: the other lane is no way round it.
- The zone is a to b before the line and as wide as the lane. At rest is |v| < ``rest_speed_m_per_s`` for
  ``rest_dwell_s`` without a break: a sampled or physical speed is hardly ever 0, which is what the document asks for.
- "Penalized by gamma if either rule is violated" in the text is taken, and not the formula's sum, which can cost
  2 gamma for one crossing; the sum is ``stop_at_intersection_summed_cost``.
- "Some intersections have red stopping lines whereas others have traffic lights": where there is a light, a stop is
  asked for only while it is red. So I_SI1 counts there only where the robot crossed on red without having stopped.
  Yellow is not red. The light is what it was at the stamp before the crossing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, Infraction, MetricDefinition, Scores
from rilaas.evaluate.driving.objective.drive import Drive
from rilaas.evaluate.driving.objective.stretch import stretches
from rilaas.evaluate.driving.road.actor import RED, SignalTrack
from rilaas.evaluate.driving.road.stop_line import StopLine, stop_lines

_SOURCE = "AI-DO, performance metrics, T-SI"
_SLACK_S = 1e-9  # rounding of stamps

METRICS: Mapping[str, MetricDefinition] = {
    "stop_at_intersection_cost": MetricDefinition(
        "", "lower", "gamma for each crossing entered against a red line or light", source=_SOURCE
    ),
    "stop_at_intersection_summed_cost": MetricDefinition(
        "", "lower", "the same, where a light passed on red without a stop costs 2 gamma", source=_SOURCE
    ),
    "intersections_entered": MetricDefinition("", "", "crossings entered over a line", source=_SOURCE),
    "red_lines_ignored": MetricDefinition("", "lower", "red lines passed without a stop", source=_SOURCE),
    "red_lights_ignored": MetricDefinition("", "lower", "lights passed on red", source=_SOURCE),
}


@dataclass(frozen=True, slots=True)
class Traversal:
    """A line that was crossed.

    Attributes:
        line: Which.
        index: The last stamp before it.
        has_stopped: Whether the robot was at rest in the zone.
        has_light: Whether a light stands there.
        on_red: Whether it was red.
    """

    line: StopLine
    index: int
    has_stopped: bool
    has_light: bool
    on_red: bool

    @property
    def ignored_line(self) -> bool:
        """I_SI1."""
        return not self.has_stopped and (self.on_red or not self.has_light)

    @property
    def kind(self) -> str:
        """What was broken: ``red_light``, ``red_line`` or ''."""
        return "red_light" if self.on_red else "red_line" if self.ignored_line else ""


def score(drive: Drive, constants: Constants) -> Scores:
    """The metrics of ``METRICS`` for a drive; without a crossing entered, there are none."""
    passed = list(traversals(drive, constants))
    if not passed:
        return dict.fromkeys(METRICS, Absent("no crossing was entered"))
    lines, lights = ([each for each in passed if each.has_light is lit] for lit in (False, True))
    both = sum(each.ignored_line + each.on_red for each in passed)
    return {
        "stop_at_intersection_cost": constants.gamma * sum(bool(each.kind) for each in passed),
        "stop_at_intersection_summed_cost": constants.gamma * both,
        "intersections_entered": float(len(passed)),
        "red_lines_ignored": float(sum(each.ignored_line for each in lines)) if lines else Absent("no line passed"),
        "red_lights_ignored": float(sum(each.on_red for each in lights)) if lights else Absent("no light passed"),
    }


def infractions(drive: Drive, constants: Constants) -> list[Infraction]:
    """Lines and lights that were ignored, at the first stamp behind the line."""
    return [
        Infraction(each.kind, float(drive.t_s[each.index + 1]), drive.pose_at(each.index + 1), constants.gamma)
        for each in traversals(drive, constants)
        if each.kind
    ]


def traversals(drive: Drive, constants: Constants) -> Iterator[Traversal]:
    """Every line that was crossed, line by line."""
    lights = {_place(track.line): track for track in drive.signals}
    lines = {_place(line): line for line in (*stop_lines(drive.tile_map), *(each.line for each in drive.signals))}
    for place, line in lines.items():
        yield from _crossings(drive, constants, line, lights.get(place))


def _crossings(drive: Drive, constants: Constants, line: StopLine, light: SignalTrack | None) -> Iterator[Traversal]:
    cos, sin = np.cos(line.pose[2]), np.sin(line.pose[2])
    dx, dy = drive.poses[:, 0] - line.pose[0], drive.poses[:, 1] - line.pose[1]
    to_go_m, left_m = -(cos * dx + sin * dy), cos * dy - sin * dx
    size_m = drive.tile_map.tile_size_m
    _, middle_m = line.see((line.cell[0] + 0.5) * size_m, (line.cell[1] + 0.5) * size_m)
    on_border = np.abs(left_m - middle_m) <= 0.5 * size_m
    passes = np.flatnonzero((to_go_m[:-1] > 0.0) & (to_go_m[1:] <= 0.0) & on_border[1:])
    if not passes.size:
        return
    zone = (to_go_m >= constants.stop_near_m) & (to_go_m <= constants.stop_far_m)
    zone &= np.abs(left_m) <= line.half_width_m
    rests = zone[:-1] & (np.abs(drive.speed_m_per_s) < constants.rest_speed_m_per_s)
    elsewhere = ~on_border | (to_go_m <= 0.0)
    for k in map(int, passes):
        came = _after_last(elsewhere[: k + 1])
        if to_go_m[came : k + 1].max() < constants.stop_near_m:
            continue
        first = max(came, _after_last(to_go_m[: k + 1] > constants.stop_far_m))
        dwells = (drive.dt_s[first + i : first + j].sum() for i, j in stretches(rests[first : k + 1]))
        has_stopped = any(dwell_s >= constants.rest_dwell_s - _SLACK_S for dwell_s in dwells)
        on_red = light is not None and int(light.states[k]) == RED
        yield Traversal(line, k, has_stopped, light is not None, on_red)


def _after_last(holds: np.ndarray) -> int:
    """Index after the last one at which something holds."""
    found = np.flatnonzero(holds)
    return int(found[-1]) + 1 if found.size else 0


def _place(line: StopLine) -> tuple[float, ...]:
    return tuple(round(value, 6) for value in line.pose)
