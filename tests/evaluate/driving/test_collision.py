"""T-AC: nu = 40 for each collision: below 5 mm, again only after 2 s and a gap of 2 cm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.evaluate.driving.objective import collision
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent
from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor, ActorTrack
from rilaas.evaluate.driving.road.footprint import gap_m
from tests.evaluate.driving.drives import beside, duckie, steady, vehicle

C = Constants()
FRONT_M = 0.066  # from the axle to the front end


def score(a_drive, name="collision_cost"):
    return collision.score(a_drive, C)[name]


def begins(gap_m, dt_s=0.1):
    """When collisions begin, with a duckie in front at these gaps."""
    a_drive = in_front(gap_m, dt_s)
    return [round(each.t_s, 6) for each in collision.infractions(a_drive, C)]


def in_front(gap_m, dt_s=0.1):
    gap_m = np.asarray(gap_m, float)
    still = steady((len(gap_m) - 1) * dt_s, dt_s=dt_s, speed_m_per_s=0.0)
    # A duckie's box is 4 cm long, about its own place.
    return steady(
        (len(gap_m) - 1) * dt_s,
        dt_s=dt_s,
        speed_m_per_s=0.0,
        actors=(duckie(beside(still.poses, FRONT_M + gap_m + 0.02)),),
    )


def test_gaps_between_bodies_worked_out_by_hand():
    """Axles 0.20 m apart in a line: 0.20 - 0.18 = 0.02 m. 0.15 m abreast: 0.15 - 0.13 = 0.02 m.

    At right angles, 0.186 m ahead, the other's side is half its width before its axle: 0.186 - 0.066 - 0.065 = 0.055.
    """
    assert gap_m(DUCKIEBOT, (0.0, 0.0, 0.0), DUCKIEBOT, (0.2, 0.0, 0.0)) == pytest.approx(0.02)
    assert gap_m(DUCKIEBOT, (0.0, 0.0, 0.0), DUCKIEBOT, (0.0, 0.15, 0.0)) == pytest.approx(0.02)
    assert gap_m(DUCKIEBOT, (0.0, 0.0, 0.0), DUCKIEBOT, (0.186, 0.0, np.pi / 2)) == pytest.approx(0.055)
    assert gap_m(DUCKIEBOT, (0.0, 0.0, 0.0), DUCKIEBOT, (0.17, 0.0, 0.0)) == 0.0


def test_without_anybody_there_is_no_cost():
    assert set(collision.score(steady(1.0), C).values()) == {Absent("nobody to collide with")}


def test_near_is_not_a_collision_and_touching_is():
    assert begins([0.1, 0.006, 0.1]) == []
    assert begins([0.1, 0.004, 0.1]) == [0.1]


def test_resting_against_a_body_is_one_collision_and_as_printed_one_for_each_interval():
    """10 s of touch: 40. As printed, intervals of 2 s from 0: the stamps 0 .. 10 s lie in 6: 240."""
    resting = in_front(np.zeros(101))
    assert score(resting) == 40.0
    assert score(resting, "collision_as_printed_cost") == 240.0


@pytest.mark.parametrize(
    ("gaps_m", "expected"),
    [
        # Touch at 0.1 s, 1 cm apart for 3 s, touch: it never was 2 cm away.
        ([0.1, 0.0, *[0.01] * 30, 0.0], [0.1]),
        # Apart by 5 cm, but back within 2 s.
        ([0.1, 0.0, 0.05, 0.05, 0.0, 0.05], [0.1]),
        # Back within 2 s, and stays there: still the same.
        ([0.1, 0.0, 0.05, 0.05, *[0.0] * 40], [0.1]),
        # Apart by 5 cm, and back after 2 s.
        ([0.1, 0.0, *[0.05] * 19, 0.0, 0.0], [0.1, 2.1]),
        ([0.1, 0.0, *[0.05] * 18, 0.0, 0.0], [0.1]),
        # Three times, each 3 s later.
        ([0.0, *[0.05] * 29, 0.0, *[0.05] * 29, 0.0], [0.0, 3.0, 6.0]),
    ],
)
def test_release(gaps_m, expected):
    assert begins(gaps_m) == expected


def test_each_kind_is_counted_and_named_in_the_order_of_time():
    poses = steady(5.0, speed_m_per_s=0.0).poses
    actors = (
        vehicle(beside(poses, np.repeat([1.0, 0.17], [30, 21])), "vehicle-7"),
        duckie(beside(poses, np.repeat([1.0, 0.08, 1.0], [10, 5, 36]))),
    )
    a_drive = steady(5.0, speed_m_per_s=0.0, actors=actors)
    found = sorted(collision.infractions(a_drive, C), key=lambda each: each.t_s)
    assert [(each.kind, each.t_s, each.actor, each.cost) for each in found] == [
        ("collision_duckie", 1.0, "duckie-1", 40.0),
        ("collision_vehicle", 3.0, "vehicle-7", 40.0),
    ]
    assert score(a_drive) == 80.0
    assert score(a_drive, "collisions_vehicle") == score(a_drive, "collisions_duckie") == 1.0
    assert score(a_drive, "collisions_obstacle") == Absent("no obstacle was there")


def test_an_obstacle_is_named_as_one():
    cone = ActorTrack(Actor("cone-1", "obstacle", 0.05, 0.05, 0.08), beside(steady(1.0).poses, 0.08))
    assert {each.kind for each in collision.infractions(steady(1.0, actors=(cone,)), C)} == {"collision_obstacle"}


@given(st.lists(st.sampled_from([0.0, 0.01, 0.05]), min_size=2, max_size=80), st.data())
def test_fewer_touches_never_cost_more(gaps_m, data):
    """Where the touch at one stamp is taken away and everything else stays, no collision is added but its own."""
    touched = [k for k, gap in enumerate(gaps_m) if gap == 0.0]
    if touched:
        k = data.draw(st.sampled_from(touched))
        fewer = [*gaps_m[:k], 0.01, *gaps_m[k + 1 :]]
        assert len(begins(fewer)) <= len(begins(gaps_m)) + 1
    assert bool(begins(gaps_m)) == bool(touched)


@given(st.lists(st.sampled_from([0.0, 0.01, 0.05]), min_size=2, max_size=80))
def test_there_is_never_more_than_one_collision_in_two_seconds_nor_more_than_as_printed_plus_one(gaps_m):
    found = begins(gaps_m)
    assert (np.diff(found) >= 2.0 - 1e-6).all()
    assert score(in_front(gaps_m)) <= score(in_front(gaps_m), "collision_as_printed_cost") + 40.0


@pytest.mark.parametrize("dt_s", [0.1, 0.05, 0.02, 0.01])
def test_the_time_step_does_not_matter_where_touches_last_longer_than_it(dt_s):
    t_s = dt_s * np.arange(round(9.0 / dt_s) + 1)
    gaps_m = np.maximum(0.0, 0.04 * np.cos(2 * np.pi * t_s / 3.0))  # three touches, 3 s from one to the next
    found = begins(gaps_m, dt_s)
    assert len(found) == 3
    assert found == pytest.approx([0.75, 3.75, 6.75], abs=0.06 + dt_s)
