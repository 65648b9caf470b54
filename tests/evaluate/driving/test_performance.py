"""P-LF: integrated speed along the road, tiles, survival."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.evaluate.driving import Drive, centre_line, lane_pose, load_map
from rilaas.evaluate.driving.objective import anchor, performance
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent
from tests.evaluate.driving.drives import RIGHT, ROAD, SIZE_M, drive, part, steady

C = Constants()


def score(a_drive, name="integrated_speed_m"):
    return performance.score(a_drive, C)[name]


def test_a_drive_worked_out_by_hand():
    """5 s at 0.3 m/s along the lane from x = 0.1 m: 1.5 m; as printed -1.5. To x = 1.6 m: over the borders at 0.585
    and 1.17 m, so 2 tiles entered and 3 seen.
    """
    a_drive = steady(5.0)
    assert score(a_drive) == pytest.approx(1.5)
    assert score(a_drive, "integrated_speed_as_printed_m") == pytest.approx(-1.5)
    assert score(a_drive, "tiles_entered") == 2.0
    assert score(a_drive, "tiles_distinct") == 3.0
    assert score(a_drive, "survival_share") == 1.0


def test_speed_across_the_road_does_not_count():
    """At 60 degrees to the lane, 0.1 m further makes 0.05 m along it."""
    a_drive = Drive(
        ROAD, np.array([0.0, 1.0]), np.array([[1.0, RIGHT, np.pi / 3], [1.05, RIGHT + 0.0866, np.pi / 3]]), 1
    )
    assert score(a_drive) == pytest.approx(0.05, abs=1e-5)


def test_in_the_other_lane_there_is_no_way_along_the_road():
    wrong = steady(5.0, 0.44 * SIZE_M)
    assert score(wrong) == 0.0
    assert score(wrong, "tiles_entered") == 0.0
    assert score(wrong, "tiles_distinct") == 3.0  # the 2018 scorer did not look at lanes


def test_reversing_takes_away():
    back_and_forth = drive(np.concatenate([np.linspace(0.3, 0.9, 21), np.linspace(0.9, 0.3, 21)[1:]]))
    assert score(back_and_forth) == pytest.approx(0.0, abs=1e-12)
    assert score(back_and_forth, "tiles_entered") == 2.0
    assert score(back_and_forth, "tiles_distinct") == 2.0


def test_every_lap_counts_but_for_distinct_tiles():
    """The oval has 10 tiles; two laps enter 20 and see 10."""
    oval = load_map("oval")
    line = centre_line(oval, lane_pose(oval, (1.0, RIGHT, 0.0)), 7.0, 0.02)
    first = int(np.argmin(np.hypot(*(line[100:, :2] - line[0, :2]).T))) + 100  # back at the start
    poses = np.concatenate([line[:first], line[:first]])
    scores = performance.score(Drive(oval, 0.1 * np.arange(len(poses)), poses, 1.0), C)
    assert (scores["tiles_entered"], scores["tiles_distinct"]) == (20.0, 10.0)


def test_survival_is_a_share_of_the_planned_time():
    assert score(steady(2.0, planned_s=8.0, failed=True), "survival_share") == pytest.approx(0.25)
    assert score(steady(2.0, planned_s=0.0), "survival_share") == Absent("no time was planned")


@given(st.floats(0.0, 0.4), st.floats(0.0, 0.4))
def test_faster_is_better(one, other):
    slow, fast = (steady(4.0, speed_m_per_s=v) for v in sorted((one, other)))
    for name in ("integrated_speed_m", "tiles_entered", "tiles_distinct"):
        assert score(slow, name) <= score(fast, name)
    assert score(slow, "integrated_speed_as_printed_m") >= score(fast, "integrated_speed_as_printed_m")


@given(st.integers(1, 49))
def test_two_halves_of_a_drive_add_up_to_the_whole(cut):
    whole = steady(5.0, 0.05 * np.sin(np.arange(51)), 0.3 * np.cos(np.arange(51)))
    for name in ("integrated_speed_m", "tiles_entered"):
        halves = score(part(whole, 0, cut + 1), name) + score(part(whole, cut, 51), name)
        assert halves == pytest.approx(score(whole, name), abs=1e-9)


@pytest.mark.parametrize("name", ["oval", "s_bends", "zigzag"])
def test_it_agrees_with_the_anchors_way_of_measuring_and_with_the_centre_line(name):
    tile_map = load_map(name)
    start = next(
        seen for y in (1.5, 2.5, 3.5) if (seen := lane_pose(tile_map, (0.28 * SIZE_M, y * SIZE_M, -np.pi / 2)))
    )
    for step_m, bound_m in ((0.06, 0.01), (0.015, 0.001)):
        poses = centre_line(tile_map, start, 6.0, step_m)
        a_drive = Drive(tile_map, 0.05 * np.arange(len(poses)), poses, 1.0)
        assert score(a_drive) == pytest.approx(6.0, abs=bound_m)
        assert anchor.score(a_drive)["driven_lane_m"] == pytest.approx(score(a_drive), abs=10 * bound_m)
