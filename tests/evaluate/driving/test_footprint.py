import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor
from rilaas.evaluate.driving.road.footprint import corners, gap_m, gaps_m

BOX = Actor("box", "obstacle", 0.2, 0.1, 0.1)
CUBE = Actor("cube", "obstacle", 0.1, 0.1, 0.1)


@pytest.mark.parametrize(
    ("pose", "expected_m"),
    [
        ((0.4, 0.0, 0.0), 0.2),  # 0.4 - 0.1 - 0.1
        ((0.0, 0.3, 0.0), 0.2),  # 0.3 - 0.05 - 0.05
        ((0.3, 0.2, 0.0), math.hypot(0.1, 0.1)),  # corner to corner
        ((0.3, 0.0, math.pi / 2), 0.15),  # turned: 0.3 - 0.1 - 0.05
        ((0.15, 0.05, 0.0), 0.0),  # they overlap
        ((0.0, 0.0, 0.7), 0.0),
    ],
)
def test_the_gap_of_two_boxes_is_the_shortest_way_between_them(pose, expected_m):
    assert gap_m(BOX, (0.0, 0.0, 0.0), BOX, pose) == pytest.approx(expected_m, abs=1e-12)


def test_a_corner_that_points_at_a_side():
    """A cube of 0.1 m turned by 45 degrees reaches 0.1 / sqrt(2) = 0.0707 m from its middle."""
    assert gap_m(BOX, (0.0, 0.0, 0.0), CUBE, (0.3, 0.0, math.pi / 4)) == pytest.approx(0.2 - 0.1 / math.sqrt(2))


poses = st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4), st.floats(-7.0, 7.0))


@given(poses, poses)
def test_it_is_the_shortest_distance_of_any_two_points_of_the_edges(one, other):
    """Against points every 2 mm on both edges, which can only be farther apart, by 2 mm at most."""
    found_m = gap_m(DUCKIEBOT, one, BOX, other)
    edges = []
    for actor, pose in ((DUCKIEBOT, one), (BOX, other)):
        around = corners(actor, np.array([pose]))[0]
        share = np.linspace(0.0, 1.0, 101)[:, None]
        edges.append(
            np.concatenate([a + share * (b - a) for a, b in zip(around, np.roll(around, -1, 0), strict=True)])
        )
    away_m = np.linalg.norm(edges[0][:, None] - edges[1], axis=2).min()
    if found_m > 0.0:
        assert found_m - 1e-9 <= away_m <= found_m + 0.002
    else:
        assert away_m < 0.1  # they overlap, or one lies within the other


@given(poses, poses, poses)
def test_it_does_not_matter_who_is_asked_nor_where_the_map_begins(one, other, moved):
    first = gap_m(DUCKIEBOT, one, BOX, other)
    assert gap_m(BOX, other, DUCKIEBOT, one) == pytest.approx(first, abs=1e-9)
    cos, sin = math.cos(moved[2]), math.sin(moved[2])
    one, other = (
        (moved[0] + cos * x - sin * y, moved[1] + sin * x + cos * y, heading + moved[2])
        for x, y, heading in (one, other)
    )
    assert gap_m(DUCKIEBOT, one, BOX, other) == pytest.approx(first, abs=1e-9)


def test_many_at_once_are_each_by_itself():
    rng = np.random.default_rng(3)
    one, other = rng.uniform(-0.4, 0.4, (2, 20, 3))
    each = [gap_m(DUCKIEBOT, tuple(a), BOX, tuple(b)) for a, b in zip(one.tolist(), other.tolist(), strict=True)]
    assert gaps_m(DUCKIEBOT, one, BOX, other).tolist() == pytest.approx(each)
