"""T, the sum over a task's rules, and the hierarchy of the rules."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import Absent, infractions_of, score_drive
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.score import FAMILIES, METRICS
from rilaas.evaluate.driving.objective.traffic_law import check_hierarchy, worst_events
from tests.evaluate.driving.drives import (
    CROSS,
    CROSS_Y,
    LINE_X,
    beside,
    drive,
    duckie,
    part,
    quarter_turns,
    steady,
    vehicle,
)

C = Constants()


def everything_wrong(task):
    """4 s on the way over the line without a stop, 0.08 m off, behind a vehicle at 0.26 m, and over a duckie."""
    x_m = LINE_X - 0.4 + 0.02 * np.arange(41)
    off = drive(x_m, -0.08, tile_map=CROSS, y_m=CROSS_Y, task=task)
    ahead = vehicle(beside(off.poses, 0.26))
    stands = duckie(np.tile(off.poses[20], (41, 1)))
    return replace(off, actors=(ahead, stands))


def test_a_sum_worked_out_by_hand():
    """Lane: 80 * 0.08^2 * 4 = 2.048. Duckie: 40. Distance: 60 * 0.1^2 * 4 = 2.4. Line: 20.

    LF has the first two, LFV the first three, LFI all.
    """
    costs = [score_drive(everything_wrong(task))["traffic_law_cost"] for task in ("LF", "LFV", "LFI")]
    assert costs == pytest.approx([42.048, 44.448, 64.448])


def test_infractions_are_those_of_the_task_in_the_order_of_time():
    kinds = {task: [i.kind for i in infractions_of(everything_wrong(task))] for task in ("LF", "LFV", "LFI")}
    assert kinds["LF"] == ["collision_duckie"]
    assert kinds["LFV"] == ["tailgating", "collision_duckie"]
    assert kinds["LFI"] == ["tailgating", "collision_duckie", "red_line"]


def test_what_infractions_cost_and_what_the_edge_of_the_lane_costs_is_the_sum():
    a_drive = everything_wrong("LFI")
    total = sum(each.cost for each in infractions_of(a_drive)) + 2.048
    assert score_drive(a_drive)["traffic_law_cost"] == pytest.approx(total)


def test_a_faultless_drive_breaks_no_law():
    assert score_drive(steady(5.0, task="LFI"))["traffic_law_cost"] == 0.0
    assert infractions_of(steady(5.0, task="LFI")) == []


@given(st.integers(1, 39))
def test_two_halves_of_a_drive_add_up_but_for_what_happens_at_the_cut(cut):
    """The touch of the duckie lasts from 0.8 to 3.2 s, so a cut in it makes two of one collision: 40 more."""
    whole = everything_wrong("LFV")
    costs = [score_drive(each)["traffic_law_cost"] for each in (part(whole, 0, cut + 1), part(whole, cut, 41))]
    extra = sum(costs) - score_drive(whole)["traffic_law_cost"]
    assert extra == pytest.approx(0.0, abs=1e-9) or extra == pytest.approx(40.0)


@given(st.floats(0.5, 9.5), st.sampled_from(["LF", "LFV", "LFI"]))
def test_the_sooner_a_drive_fails_the_worse_it_is(seconds, task):
    """Everything that is charged is worse than a good drive's, and worse the sooner it failed."""
    seconds = round(seconds, 1)
    poses = steady(10.0).poses
    whole = steady(10.0, task=task, actors=(vehicle(beside(poses, 0.5)),))
    short = replace(part(whole, 0, round(10 * seconds) + 1), planned_s=10.0, failed=True)
    shorter = replace(part(whole, 0, round(10 * seconds) - 3), planned_s=10.0, failed=True)
    scores = [score_drive(each) for each in (whole, short, shorter)]
    for name in (
        "traffic_law_cost",
        "stay_in_lane_cost",
        "stay_in_lane_lump_cost",
        "safety_distance_cost",
        "heading_error_mean_rad2",
    ):
        assert scores[0][name] < scores[1][name] < scores[2][name], name
    for name in ("driven_lane_m", "integrated_speed_m", "survival_share", "valid_direction_share"):
        assert scores[0][name] > scores[1][name] > scores[2][name], name


def test_the_defaults_keep_the_hierarchy_with_a_factor_of_about_two():
    """40 > 20 > 60 * 0.18^2 * 5 = 9.72 > 1 * 5, and 80 * 0.11^2 = 0.968 <= 1."""
    check_hierarchy(C)
    assert list(worst_events(C).values()) == pytest.approx([40.0, 20.0, 9.72, 5.0])


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        (replace(C, gamma=50.0), "one collision (nu) costs 40, one stop line ignored (gamma) 50; .* short by 10."),
        (
            replace(C, delta_per_m2_s=200.0),
            "one stop line ignored .* 20, 5 s of the worst tailgating .* 32.4; .* 12.4",
        ),
        (replace(C, alpha_per_s=3.0), "worst tailgating .* costs 9.72, 5 s out of the lane .* 15; .* by 5.28."),
        (replace(C, nu=20.0), "one collision .* costs 20, one stop line .* 20; .* falls short by 0."),
        (replace(C, beta_per_m2_s=100.0), "out of the lane costs 1 .* one at its edge 1.21 .* 0.21 more"),
    ],
)
def test_constants_in_the_wrong_order_are_refused_with_the_two_and_by_how_much(constants, message):
    with pytest.raises(InvalidInput, match=message.replace("(", r"\(").replace(")", r"\)")):
        check_hierarchy(constants)


@given(st.floats(1e-3, 1e3))
def test_the_unit_of_cost_does_not_matter_for_the_hierarchy(scale):
    names = ("alpha_per_s", "beta_per_m2_s", "gamma", "delta_per_m2_s", "nu")
    check_hierarchy(replace(C, **{name: scale * getattr(C, name) for name in names}))


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, "1", True])
@pytest.mark.parametrize("name", [each.name for each in fields(Constants)])
def test_a_constant_is_a_number_above_zero(name, value):
    with pytest.raises(InvalidInput, match=name):
        replace(C, **{name: value})


def test_bounds_in_the_wrong_order_are_refused():
    with pytest.raises(InvalidInput, match="d_safe_m is below d_max_m"):
        replace(C, d_safe_m=0.2)


def test_every_metric_says_what_it_is():
    assert len(METRICS) == sum(len(family.metrics) for family in FAMILIES), "a name is used twice"
    for name, definition in METRICS.items():
        assert definition.direction in {"higher", "lower", ""}, name
        assert definition.meaning, name
        assert definition.family, name
        assert definition.source, name


@pytest.mark.parametrize("task", ["LF", "LFV", "LFI"])
def test_every_family_gives_its_metrics_or_a_reason_and_nothing_else(task):
    drives = (everything_wrong(task), steady(5.0, task=task), drive([0.5], task=task), everything_wrong(task))
    for a_drive in (*drives, replace(drives[0], planned_s=60.0, failed=True)):
        for family in FAMILIES:
            scores = family.score(a_drive, C)
            assert set(scores) == set(family.metrics), family.title
            for name, value in scores.items():
                assert value.reason if isinstance(value, Absent) else math.isfinite(value), name


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_no_number_depends_on_the_direction_of_the_map(turns):
    before = everything_wrong("LFI")
    turned, poses = quarter_turns(CROSS, before.poses, turns)
    actors = tuple(replace(each, poses=quarter_turns(CROSS, each.poses, turns)[1]) for each in before.actors)
    after = score_drive(replace(before, tile_map=turned, poses=poses, actors=actors))
    for name, value in score_drive(before).items():
        assert after[name] == (value if isinstance(value, Absent) else pytest.approx(value, abs=1e-6)), name


@given(st.floats(-1e3, 1e3))
def test_the_hour_of_the_day_does_not_matter(shift_s):
    before = everything_wrong("LFI")
    after = score_drive(replace(before, t_s=before.t_s + shift_s))
    for name, value in score_drive(before).items():
        assert after[name] == (value if isinstance(value, Absent) else pytest.approx(value, abs=1e-6)), name
