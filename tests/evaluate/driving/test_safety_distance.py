"""T-SD: 60 (0.36 - b)^2 per second, b the distance to the vehicle ahead in the same lane."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.evaluate.driving import Drive, centre_line, lane_pose, load_map
from rilaas.evaluate.driving.objective import safety_distance
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent
from rilaas.evaluate.driving.objective.leader import ways_m
from tests.evaluate.driving.drives import CROSS, SIZE_M, beside, drive, duckie, part, quarter_turns, steady, vehicle

C = Constants()
NOBODY = Absent("nobody was ahead in the same lane")


def score(a_drive, name="safety_distance_cost"):
    return safety_distance.score(a_drive, C)[name]


def behind(ahead_m, left_m=0.0, seconds=5.0, **more):
    """Behind a vehicle at a distance that may change."""
    poses = steady(seconds).poses
    return steady(seconds, actors=(vehicle(beside(poses, ahead_m, left_m)),), **more)


def test_a_drive_worked_out_by_hand():
    """5 s at b = 0.26 m: 60 * (0.36 - 0.26)^2 * 5 = 3. As printed nothing, for it is not far."""
    assert score(behind(0.26)) == pytest.approx(3.0)
    assert score(behind(0.26), "safety_distance_as_printed_cost") == 0.0


def test_as_printed_it_costs_to_be_far():
    """5 s at b = 1.36 m: nothing, and as printed 60 * 1^2 * 5 = 300."""
    assert score(behind(1.36)) == 0.0
    assert score(behind(1.36), "safety_distance_as_printed_cost") == pytest.approx(300.0)


def test_a_vehicle_that_brakes_is_approached():
    """b falls from 0.46 to 0.26 m in 20 steps of 0.1 s: the sum of 60 (0.01 k)^2 0.1 for k = 0 .. 9: 0.171."""
    a_drive = behind(np.linspace(0.46, 0.26, 21), seconds=2.0)
    assert score(a_drive) == pytest.approx(60 * 0.1 * sum((0.01 * k) ** 2 for k in range(10)))
    assert score(a_drive) == pytest.approx(0.171)


@pytest.mark.parametrize(
    ("actors", "why"),
    [
        (lambda poses: (), "nobody"),
        (lambda poses: (vehicle(beside(poses, -0.2)),), "behind"),
        (
            lambda poses: (vehicle(beside(poses, 0.2, 0.44 * SIZE_M) + np.array([0, 0, np.pi])),),
            "comes on the other lane",
        ),
        (lambda poses: (vehicle(beside(poses, 0.2, 0.44 * SIZE_M)),), "in the other lane, against it"),
        (lambda poses: (duckie(beside(poses, 0.2)),), "not a vehicle"),
        (lambda poses: (vehicle(beside(poses, 2.2)),), "beyond the horizon"),
    ],
)
def test_where_nobody_is_ahead_there_is_no_distance(actors, why):
    poses = steady(2.0).poses
    assert score(steady(2.0, actors=actors(poses))) == NOBODY, why


def test_the_nearest_ahead_counts_and_is_named():
    poses = steady(5.0).poses
    both = vehicle(beside(poses, 0.3), "far"), vehicle(beside(poses, 0.26), "near")
    a_drive = steady(5.0, actors=both)
    assert score(a_drive) == pytest.approx(3.0)
    found = safety_distance.infractions(a_drive, C)
    assert [(each.kind, each.t_s, each.actor) for each in found] == [("tailgating", 0.0, "near")]
    assert found[0].cost == pytest.approx(3.0)


def test_each_stretch_of_tailgating_is_told():
    ahead_m = np.repeat([0.26, 1.0, 0.26, 1.0], [10, 10, 20, 1])
    found = safety_distance.infractions(behind(ahead_m, seconds=4.0), C)
    assert [each.t_s for each in found] == pytest.approx([0.0, 2.0])
    assert [each.cost for each in found] == pytest.approx([0.6, 1.2])


def test_a_lane_goes_on_over_borders_and_through_curves():
    """All along an oval, 0.26 m behind along the lane: always ahead; the chord is shorter than the arc."""
    oval = load_map("oval")
    line = centre_line(oval, lane_pose(oval, (1.0, 0.28 * SIZE_M, 0.0)), 6.3, 0.02)
    poses, ahead = line[:301], line[13:314]
    a_drive = Drive(oval, 0.1 * np.arange(301), poses, 30.0, actors=(vehicle(ahead),))
    assert a_drive.leader.is_there.all()
    assert (a_drive.leader.distance_m <= 0.26 + 1e-9).all()
    assert a_drive.leader.distance_m.max() == pytest.approx(0.26)
    assert score(a_drive) >= 60 * 0.01 * 30.0 - 1e-9


def test_on_a_crossing_who_turns_off_is_ahead_and_who_crosses_is_not():
    """From the west: one that is on its way out to the south is ahead; one from north to south is not."""
    entry = np.array([[0.5 * SIZE_M, 1.28 * SIZE_M, 0.0]] * 2)
    turning = [[1.2 * SIZE_M, 1.2 * SIZE_M, -np.pi / 4]] * 2
    crossing = [[1.28 * SIZE_M, 1.3 * SIZE_M, -np.pi / 2]] * 2
    after = [[1.28 * SIZE_M, 0.8 * SIZE_M, -np.pi / 2]] * 2
    for poses, is_ahead in ((turning, True), (crossing, False), (after, True)):
        a_drive = Drive(CROSS, np.array([0.0, 1.0]), entry, 1.0, actors=(vehicle(poses),))
        assert a_drive.leader.is_there.all() == is_ahead


def test_the_way_from_lane_to_lane_is_the_shortest():
    straight_m = ways_m(drive([0.1, 0.2]).tile_map)
    finite = straight_m[np.isfinite(straight_m)]
    assert set(np.round(finite / SIZE_M, 6)) == {0.0, 1.0, 2.0, 3.0, 4.0}  # 2 m, and the tile where it begins


def test_the_time_after_a_failure_is_spent_bumper_to_bumper():
    """2 s at 0.26 m: 1.2; then 10 s at b = 0.18 m: 60 * 0.18^2 * 10 = 19.44."""
    assert score(behind(0.26, seconds=2.0, planned_s=12.0, failed=True)) == pytest.approx(1.2 + 19.44)


@given(st.floats(0.15, 2.0), st.floats(0.15, 2.0))
def test_nearer_costs_more_and_as_printed_less(one_m, other_m):
    near, far = (behind(m, seconds=1.0) for m in sorted((one_m, other_m)))
    assert score(near) >= score(far)
    printed = [score(each, "safety_distance_as_printed_cost") for each in (near, far)]
    assert printed[0] <= printed[1]


@given(st.integers(1, 49))
def test_two_halves_of_a_drive_add_up_to_the_whole(cut):
    whole = behind(np.linspace(0.2, 0.5, 51))
    assert score(part(whole, 0, cut + 1)) + score(part(whole, cut, 51)) == pytest.approx(score(whole))


def test_another_time_step_changes_it_within_the_stated_bound():
    """delta (b_safe - touch) c h for each second: 60 * 0.18 * 0.06 m/s * h * 5 s = 3.24 h."""

    def closing(dt_s):
        poses = steady(5.0, dt_s=dt_s).poses
        ahead = beside(poses, np.linspace(0.48, 0.18, len(poses)))
        return score(steady(5.0, dt_s=dt_s, actors=(vehicle(ahead),)))

    exact = closing(0.001)
    for h in (0.02, 0.05, 0.1):
        assert abs(closing(h) - exact) <= 3.24 * h


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_direction_of_the_map_does_not_matter(turns):
    square = Drive(CROSS, np.arange(2.0), np.array([[0.1, 1.28 * SIZE_M, 0.0]] * 2), 1.0)
    ahead = beside(square.poses, 0.26)
    turned, poses = quarter_turns(CROSS, square.poses, turns)
    _, others = quarter_turns(CROSS, ahead, turns)
    assert score(Drive(turned, square.t_s, poses, 1.0, actors=(vehicle(others),))) == pytest.approx(0.6)
