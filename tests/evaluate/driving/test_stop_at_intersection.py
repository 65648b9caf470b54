"""T-SI: gamma = 20 for each crossing entered without a rest of 0.3 s between 0.066 and 0.3 m before the line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.evaluate.driving.objective import stop_at_intersection
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent
from rilaas.evaluate.driving.road.actor import GREEN, RED, YELLOW, SignalTrack
from rilaas.evaluate.driving.road.stop_line import stop_lines
from tests.evaluate.driving.drives import CROSS, CROSS_Y, LINE_X, drive, quarter_turns

C = Constants()
WEST = next(line for line in stop_lines(CROSS) if abs(line.pose[2]) < 0.1)
DT_S = 0.05


def approach(*ways, dt_s=DT_S, lateral_m=0.0, **more):
    """A drive from the west over the line; ways are (metres to go at the end, seconds), the first from 0.4 m."""
    to_go_m, t_s = [0.4], [0.0]
    for metres, seconds in ways:
        to_go_m.append(metres)
        t_s.append(t_s[-1] + seconds)
    at_s = dt_s * np.arange(round(t_s[-1] / dt_s) + 1)
    x_m = LINE_X - np.interp(at_s, t_s, to_go_m)
    return drive(x_m, lateral_m, dt_s=dt_s, tile_map=CROSS, y_m=CROSS_Y, task="LFI", **more)


def score(a_drive, name="stop_at_intersection_cost", constants=C):
    return stop_at_intersection.score(a_drive, constants)[name]


def kinds(a_drive):
    return [each.kind for each in stop_at_intersection.infractions(a_drive, C)]


def lit(a_drive, *states):
    """With a light that shows each state for an equal share of the drive."""
    count = len(a_drive.t_s)
    shown = np.array(states, np.uint8)[np.arange(count) * len(states) // count]
    return SignalTrack(WEST, shown)


def test_the_line_begins_at_the_border_of_the_crossing():
    assert WEST.pose == pytest.approx((LINE_X, CROSS_Y, 0.0))


def test_who_stops_in_the_zone_pays_nothing():
    stopped = approach((0.1, 1.0), (0.1, 0.5), (-0.2, 1.0))
    assert score(stopped) == 0.0
    assert score(stopped, "intersections_entered") == 1.0
    assert kinds(stopped) == []


def test_who_drives_through_pays_gamma_once_over_the_line():
    """0.3 m/s from 0.4 m before it: the axle is over the line after 1.333 s, first seen at 1.35 s."""
    through = approach((-0.2, 2.0))
    assert score(through) == 20.0
    assert score(through, "red_lines_ignored") == 1.0
    found = stop_at_intersection.infractions(through, C)
    assert [(each.kind, each.t_s, each.cost) for each in found] == [("red_line", pytest.approx(1.35), 20.0)]


@pytest.mark.parametrize(
    ("ways", "why"),
    [
        (((0.05, 1.0), (0.05, 1.0), (-0.2, 1.0)), "the front end is over the line: nearer than 0.066 m"),
        (((0.32, 1.0), (0.32, 1.0), (-0.2, 2.0)), "before the zone: farther than 0.3 m"),
        (((0.1, 1.0), (0.1, 0.2), (-0.2, 1.0)), "shorter than 0.3 s"),
        (((0.3, 0.4), (0.07, 5.0), (-0.2, 1.0)), "creeping at 0.046 m/s, more than 0.02"),
        (
            ((0.1, 1.0), (0.1, 0.2), (0.08, 0.2), (0.08, 0.2), (-0.2, 1.0)),
            "two rests of 0.2 s with a jerk of 0.1 m/s",
        ),
    ],
)
def test_what_is_not_a_stop(ways, why):
    assert score(approach(*ways)) == 20.0, why


def test_creeping_below_the_threshold_is_a_rest():
    """From 0.3 to 0.295 m before the line in 0.5 s: 0.01 m/s."""
    assert score(approach((0.295, 1.0), (0.29, 0.5), (-0.2, 2.0))) == 0.0


def test_a_stop_beside_the_lane_is_not_in_the_zone_and_the_other_lane_is_no_way_round_the_line():
    """0.2 m to the left of the lane's middle is outside of a zone of 0.22 m width."""
    assert score(approach((0.1, 1.0), (0.1, 1.0), (-0.2, 1.0), lateral_m=0.2)) == 20.0


def test_who_never_crosses_is_not_judged():
    waiting = approach((0.01, 2.0), (0.01, 2.0))
    assert score(waiting) == Absent("no crossing was entered")
    assert kinds(waiting) == []


def test_who_turns_back_has_to_stop_anew():
    """Stops at 0.1 m, goes back to 0.4 m, out of the zone, and drives through: 20. From within the zone it is 0."""
    assert score(approach((0.1, 1.0), (0.1, 1.0), (0.4, 1.0), (-0.2, 2.0))) == 20.0
    assert score(approach((0.1, 1.0), (0.1, 1.0), (0.25, 1.0), (-0.2, 2.0))) == 0.0


def test_rolling_to_and_fro_over_the_line_is_one_traversal():
    rolling = approach((-0.05, 2.0), (0.03, 1.0), (-0.2, 1.0))
    assert score(rolling) == 20.0
    assert score(rolling, "intersections_entered") == 1.0


def test_who_begins_past_the_zone_is_not_judged():
    assert isinstance(score(drive(LINE_X - 0.05 + 0.015 * np.arange(20), tile_map=CROSS, y_m=CROSS_Y)), Absent)


@pytest.mark.parametrize(
    ("states", "ways", "cost", "summed", "kind"),
    [
        ((GREEN,), ((-0.2, 2.0),), 0.0, 0.0, []),  # on green nobody has to stop
        ((YELLOW,), ((-0.2, 2.0),), 0.0, 0.0, []),
        ((RED,), ((-0.2, 2.0),), 20.0, 40.0, ["red_light"]),  # both rules broken: once, or the formula's sum
        ((RED,), ((0.1, 1.0), (0.1, 1.0), (-0.2, 1.0)), 20.0, 20.0, ["red_light"]),  # a stop, but it was still red
        ((RED, GREEN), ((0.1, 1.0), (0.1, 1.0), (-0.2, 1.0)), 0.0, 0.0, []),  # it waited for green
        ((RED, GREEN), ((0.35, 2.0), (-0.2, 2.0)), 0.0, 0.0, []),  # it came slowly, and it was green then
    ],
)
def test_lights(states, ways, cost, summed, kind):
    without = approach(*ways)
    a_drive = approach(*ways, signals=(lit(without, *states),))
    assert score(a_drive) == cost
    assert score(a_drive, "stop_at_intersection_summed_cost") == summed
    assert kinds(a_drive) == kind
    assert isinstance(score(a_drive, "red_lines_ignored"), Absent)
    assert score(a_drive, "red_lights_ignored") == float(bool(kind))


@given(st.floats(0.075, 0.29), st.floats(0.45, 3.0), st.sampled_from([0.01, 0.02, 0.05, 0.1]))
def test_a_good_stop_is_one_at_every_time_step(at_m, seconds, dt_s):
    assert score(approach((at_m, 2.0), (at_m, seconds), (-0.2, 2.0), dt_s=dt_s)) == 0.0


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_longer_rests_never_cost_more(one_s, other_s):
    short, long = sorted((one_s, other_s))
    costs = [score(approach((0.1, 1.0), (0.1, seconds), (-0.2, 1.0))) for seconds in (short, long)]
    assert costs[0] >= costs[1]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_every_approach_has_a_line(turns):
    through = approach((-0.2, 2.0))
    turned, poses = quarter_turns(CROSS, through.poses, turns)
    other = type(through)(turned, through.t_s, poses, through.planned_s, task="LFI")
    assert score(other) == 20.0
    assert stop_at_intersection.infractions(other, C)[0].pose == pytest.approx(tuple(poses[27]))
