"""The distance between two bodies, against points along their outlines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.footprint import corners, gaps_m

POSES = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(-7.0, 7.0))
BODIES = st.builds(
    lambda length_m, width_m, ahead_m: Actor("body", "obstacle", length_m, width_m, 0.1, ahead_m),
    st.floats(0.02, 0.4),
    st.floats(0.02, 0.4),
    st.floats(-0.1, 0.1),
)
STEPS = 200


def outline(body, pose):
    """Points along the outline, (4 STEPS, 2)."""
    corner = corners(body, np.array([pose]))[0]
    share = np.linspace(0.0, 1.0, STEPS, endpoint=False)[:, None]
    return np.concatenate([a + share * (b - a) for a, b in zip(corner, np.roll(corner, -1, axis=0), strict=True)])


def holds(body, pose, points):
    """Which points are in the body."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    dx, dy = points[:, 0] - pose[0], points[:, 1] - pose[1]
    ahead, left = cos * dx + sin * dy - body.middle_ahead_m, cos * dy - sin * dx
    return (np.abs(ahead) <= 0.5 * body.length_m) & (np.abs(left) <= 0.5 * body.width_m)


@given(BODIES, POSES, BODIES, POSES)
def test_it_is_that_of_the_nearest_points_of_the_outlines(one, one_pose, other, other_pose):
    gap_m = gaps_m(one, np.array([one_pose]), other, np.array([other_pose]))[0]
    a, b = outline(one, one_pose), outline(other, other_pose)
    nearest_m = np.sqrt(((a[:, None] - b[None]) ** 2).sum(2).min())
    if holds(one, one_pose, b).any() or holds(other, other_pose, a).any():
        assert gap_m == 0.0
    else:
        step_m = 0.4 / STEPS
        assert nearest_m - step_m <= gap_m <= nearest_m + 1e-12


@given(BODIES, POSES, BODIES, POSES)
def test_it_is_the_same_from_both_sides_and_wherever_both_are(one, one_pose, other, other_pose):
    poses = np.array([one_pose]), np.array([other_pose])
    gap_m = gaps_m(one, poses[0], other, poses[1])
    assert gaps_m(other, poses[1], one, poses[0]) == pytest.approx(gap_m, abs=1e-12)
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    moved = [each @ turn.T + np.array([3.0, -2.0, np.pi / 2]) for each in poses]
    assert gaps_m(one, moved[0], other, moved[1]) == pytest.approx(gap_m, abs=1e-9)


def test_many_instants_are_each_by_themselves():
    rng = np.random.default_rng(3)
    one, other = Actor("a", "vehicle", 0.18, 0.13, 0.1, -0.024), Actor("b", "duckie", 0.04, 0.05, 0.1)
    poses = rng.uniform(-0.3, 0.3, (2, 50, 3))
    together = gaps_m(one, poses[0], other, poses[1])
    assert together == pytest.approx([gaps_m(one, poses[0, [k]], other, poses[1, [k]])[0] for k in range(50)])
