import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.view.camera import Camera


def test_the_constants_are_those_of_the_duckiebot():
    camera = Camera()
    assert (camera.width_px, camera.height_px) == (160, 120)
    assert camera.focal_px == pytest.approx(60.0 / math.tan(math.radians(37.5)))
    assert camera.horizon_px == pytest.approx(59.5 - camera.focal_px * math.tan(math.radians(19.15)))


def test_the_optical_axis_meets_the_ground_where_trigonometry_says():
    camera = Camera()
    ahead_m = 0.066 + 0.108 / math.tan(math.radians(19.15))
    assert camera.project(np.array([[ahead_m, 0.0]]))[0] == pytest.approx(camera.centre_px)


def test_a_point_to_the_left_appears_to_the_left_and_a_near_point_below_a_far_one():
    (left, _), (right, low), (_, high) = Camera().project(np.array([[0.3, 0.1], [0.3, -0.1], [0.6, -0.1]]))
    assert left < 79.5 < right
    assert low > high > Camera().horizon_px


def test_a_known_point_projects_where_the_formula_says():
    camera = Camera(pitch_rad=0.4, height_m=0.2, forward_m=0.05)
    d, y = 0.5 - 0.05, 0.08
    depth = d * math.cos(0.4) + 0.2 * math.sin(0.4)
    u = 79.5 - camera.focal_px * y / depth
    v = 59.5 + camera.focal_px * (0.2 * math.cos(0.4) - d * math.sin(0.4)) / depth
    assert camera.project(np.array([[0.5, 0.08]]))[0] == pytest.approx((u, v))


def test_what_is_behind_the_camera_is_not_seen():
    assert np.isnan(Camera().project(np.array([[-0.5, 0.0]]))).all()


@given(st.floats(0.15, 3.0), st.floats(-1.0, 1.0), st.floats(-0.05, 0.6), st.floats(0.05, 0.3))
def test_the_two_homographies_undo_each_other(x_m, y_m, pitch_rad, height_m):
    camera = Camera(pitch_rad=pitch_rad, height_m=height_m)
    u, v = camera.project(np.array([[x_m, y_m]]))[0]
    ground = camera.ground_from_image @ np.array([u, v, 1.0])
    assert ground[:2] / ground[2] == pytest.approx((x_m, y_m), rel=1e-6, abs=1e-6)


def test_a_pixels_footprint_is_the_distance_of_its_neighbours_on_the_ground():
    camera = Camera()

    def ground(u, v):
        point = camera.ground_from_image @ np.array([u, v, 1.0])
        return point[:2] / point[2]

    for row in (50.0, 80.0, 119.0):
        across_m, along_m = camera.footprint(row)
        assert across_m == pytest.approx(ground(79.0, row)[1] - ground(80.0, row)[1], rel=1e-6)
        assert along_m == pytest.approx(ground(79.5, row - 0.5)[0] - ground(79.5, row + 0.5)[0], rel=0.01)
    assert camera.footprint(10.0) == (math.inf, math.inf)


@pytest.mark.parametrize(
    "wrong",
    [{"width_px": 4}, {"height_px": 10_000}, {"vertical_fov_rad": 3.5}, {"height_m": 0.0}, {"pitch_rad": 1.6}],
)
def test_a_camera_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidInput, match="camera"):
        Camera(**wrong)
