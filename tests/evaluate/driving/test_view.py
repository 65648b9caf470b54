import math

import cv2
import numpy as np
import pytest

from rilaas.evaluate.driving.road.map_file import load_map, parse_map
from rilaas.evaluate.driving.road.marking import paint
from rilaas.evaluate.driving.view.appearance import GROUND, Appearance, vary
from rilaas.evaluate.driving.view.camera import Camera
from rilaas.evaluate.driving.view.ground import TILE_PX, draw_ground
from rilaas.evaluate.driving.view.view import View, bands_of

S = 0.585
ON_STRAIGHT = (1.3 * S, 0.28 * S, 0.0)  # in the lower, eastward lane of the oval, on its centre line


@pytest.fixture(scope="module")
def oval():
    return load_map("oval")


@pytest.fixture(scope="module")
def plain():
    """An appearance in which every kind of paint and ground has one colour."""
    return Appearance(grain=0.0, wear=0.0)


def is_yellow(frame):
    red, green, blue = frame[..., 0].astype(int), frame[..., 1].astype(int), frame[..., 2].astype(int)
    return (red - blue > 90) & (green - blue > 60)


def is_white(frame):
    return frame.min(axis=-1) > 180


def ray_cast(ground, camera, pose, fine):
    """Frame below the horizon by brute force: ``fine`` x ``fine`` rays a pixel meet the plane, no homography."""
    steps = (np.arange(fine) + 0.5) / fine - 0.5
    rows = np.arange(math.floor(camera.horizon_px) + 2, camera.height_px)
    v = (rows[:, None] + steps[None, :]).ravel()
    u = (np.arange(camera.width_px)[:, None] + steps[None, :]).ravel()
    right = (u - camera.centre_px[0])[None, :] / camera.focal_px
    down = (v - camera.centre_px[1])[:, None] / camera.focal_px
    sin, cos = math.sin(camera.pitch_rad), math.cos(camera.pitch_rad)
    forward, drop = cos - down * sin, sin + down * cos
    reach = camera.height_m / drop
    x_robot, y_robot = camera.forward_m + reach * forward + 0 * right, -reach * right
    x, y, heading = pose
    x_map = x + math.cos(heading) * x_robot - math.sin(heading) * y_robot
    y_map = y + math.sin(heading) * x_robot + math.cos(heading) * y_robot
    column = np.round(ground.origin_px[0] + ground.px_per_m * x_map).astype(int)
    line = np.round(ground.origin_px[1] - ground.px_per_m * y_map).astype(int)
    picture = ground.levels[0]
    inside = (column >= 0) & (column < picture.shape[1]) & (line >= 0) & (line < picture.shape[0])
    colours = picture[line.clip(0, picture.shape[0] - 1), column.clip(0, picture.shape[1] - 1)].astype(float)
    colours[~inside] = ground.outside
    return rows, colours.reshape(len(rows), fine, camera.width_px, fine, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("pose", [ON_STRAIGHT, (2.9 * S, 0.4 * S, 0.9), (0.3 * S, 1.2 * S, -2.0)])
def test_frames_agree_with_a_brute_force_ray_cast(oval, pose):
    ground = draw_ground(oval, Appearance())
    view = View(ground)
    rows, expected = ray_cast(ground, view.camera, pose, fine=6)
    difference = np.abs(view.frame(pose)[rows] - expected).mean(axis=-1)
    assert difference.mean() < 2.5
    assert np.quantile(difference, 0.98) < 25.0


def test_the_yellow_line_is_to_the_left_and_the_white_one_to_the_right_of_a_robot_in_its_lane(oval, plain):
    frame = View(draw_ground(oval, plain), plain).frame(ON_STRAIGHT)
    near = frame[80:]
    yellow, white = np.nonzero(is_yellow(near))[1], np.nonzero(is_white(near))[1]
    assert yellow.size > 50
    assert white.size > 50
    assert yellow.max() < 75
    assert white.min() > 85


def test_a_dash_appears_where_the_camera_projects_it(oval, plain):
    view = View(draw_ground(oval, plain), plain)
    period_m = S / 8
    dash_x = (1.0 + 5.5 / 8) * S  # the middle of a dash of the tile in column 1
    gap_x = dash_x + 0.5 * period_m
    points = np.array([[dash_x - ON_STRAIGHT[0], 0.22 * S], [gap_x - ON_STRAIGHT[0], 0.22 * S]])
    (u, v), (u_gap, v_gap) = np.round(view.camera.project(points)).astype(int)
    frame = view.frame(ON_STRAIGHT)
    assert is_yellow(frame)[v, u]
    assert not is_yellow(frame)[v_gap, u_gap]


def test_what_is_above_the_horizon_is_sky_and_does_not_move(oval, plain):
    view = View(draw_ground(oval, plain), plain)
    one, other = view.frame(ON_STRAIGHT), view.frame((2.0 * S, 0.3 * S, 1.0))
    rows = math.floor(view.camera.horizon_px)
    assert np.array_equal(one[:rows], other[:rows])
    assert not np.array_equal(one[rows:], other[rows:])


def test_bands_cover_every_row_below_the_horizon_once_and_far_rows_use_smaller_pictures():
    bands = bands_of(Camera(), TILE_PX / S, levels=5)
    assert [row for band in bands for row in range(band.first, band.end)] == list(range(34, 120))
    levels = [band.level for band in bands]
    assert levels == sorted(levels, reverse=True)
    assert bands[-1].samples == 1


def test_a_camera_that_looks_up_sees_only_sky(oval, plain):
    view = View(draw_ground(oval, plain), plain, Camera(pitch_rad=-1.0))
    assert np.array_equal(view.frame(ON_STRAIGHT), view.frame((0.3 * S, 1.2 * S, -2.0)))


def test_far_away_from_the_map_there_is_plain_ground(oval, plain):
    ground = draw_ground(oval, plain)
    assert (View(ground, plain).frame((-50.0, -50.0, 0.3))[40:] == ground.outside).all()


def test_the_same_pose_and_number_give_the_same_bytes_and_another_number_other_noise(oval):
    look = vary(np.random.default_rng(4))
    views = [View(draw_ground(oval, look), look, seed=9) for _ in range(2)]
    assert views[0].frame(ON_STRAIGHT, 5).tobytes() == views[1].frame(ON_STRAIGHT, 5).tobytes()
    assert views[0].frame(ON_STRAIGHT, 5).tobytes() != views[0].frame(ON_STRAIGHT, 6).tobytes()
    assert views[0].frame(ON_STRAIGHT, 5).tobytes() == views[0].frame(ON_STRAIGHT, 5).tobytes()


def test_the_number_of_opencvs_threads_does_not_change_the_bytes(oval, plain):
    view = View(draw_ground(oval, plain), plain)
    one = view.frame(ON_STRAIGHT)
    try:
        cv2.setNumThreads(4)
        four = view.frame(ON_STRAIGHT)
    finally:
        cv2.setNumThreads(1)
    assert np.array_equal(one, four)


def test_noise_has_the_deviation_that_was_asked_for(oval, plain):
    ground = draw_ground(oval, plain)
    clean, noisy = View(ground, plain).frame(ON_STRAIGHT), View(ground, plain, noise=6.0).frame(ON_STRAIGHT)
    middle = (clean > 30) & (clean < 225)
    assert np.std((noisy.astype(float) - clean)[middle]) == pytest.approx(6.0, rel=0.05)


def test_a_frame_has_the_cameras_size_and_belongs_to_the_caller(oval, plain):
    view = View(draw_ground(oval, plain), plain, Camera(width_px=64, height_px=48))
    frame = view.frame(ON_STRAIGHT)
    assert (frame.shape, frame.dtype) == ((48, 64, 3), np.uint8)
    before = view.frame(ON_STRAIGHT)
    frame[:] = 0
    assert np.array_equal(view.frame(ON_STRAIGHT), before)


def test_two_looks_drawn_from_two_seeds_differ_and_one_seed_draws_one_look():
    looks = [vary(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert looks[0] == looks[1]
    assert looks[0] != looks[2]
    assert vary(np.random.default_rng(3)).mount(Camera()) != Camera()


def test_the_tone_curve_of_the_fixed_look_changes_nothing():
    assert (Appearance().tone() == np.arange(256)[:, None]).all()


def test_bright_light_is_clipped_and_does_not_wrap():
    tone = Appearance(gain=(3.0, 1.0, 0.2)).tone().astype(int)
    assert tone[255, 0] == 255
    assert tone[255, 2] == 51
    assert (np.diff(tone, axis=0) >= 0).all()


@pytest.mark.parametrize("kind", ["4way", "3way_left", "3way_right"])
def test_a_crossing_has_a_stop_line_for_each_road_that_enters_and_no_yellow(kind):
    _, yellow, red = paint(kind, 128)
    count, _ = cv2.connectedComponents((red > 128).astype(np.uint8))
    assert count - 1 == (4 if kind == "4way" else 3)
    assert not yellow.any()


def test_the_stop_line_lies_across_the_lane_of_a_robot_that_enters():
    _, _, red = paint("4way", 100)
    # From the west, on the right hand side: the left border, below the middle (rows go down).
    assert red[72, 3] == 255
    assert red[28, 3] == 0
    assert paint("3way_left", 100)[2][98].max() == 0  # its southern side is closed


def test_paint_fits_together_where_tiles_meet():
    tiles = parse_map("tiles:\n- [curve_left/W, straight/E, curve_left/N]\n", "row")
    picture = draw_ground(tiles, Appearance(grain=0.0, wear=0.0)).levels[0].astype(int)
    row = slice(TILE_PX, 2 * TILE_PX)
    for border in (2 * TILE_PX, 3 * TILE_PX):
        left, right = (is_white(picture[row, column]) for column in (border - 1, border))
        assert (left == right).mean() > 0.97


def test_ground_kinds_have_their_colours():
    tiles = parse_map("tiles:\n- [asphalt, grass, floor, empty]\n", "kinds")
    picture = draw_ground(tiles, Appearance(grain=0.0, wear=0.0)).levels[0]
    for column, kind in enumerate(("asphalt", "grass", "floor", "empty")):
        middle = picture[TILE_PX + TILE_PX // 2, (column + 1) * TILE_PX + TILE_PX // 2]
        assert tuple(middle) == GROUND[kind]


def test_a_large_map_is_drawn_coarser_so_that_opencv_can_take_it():
    tiles = parse_map("tiles:\n- [" + ", ".join(["straight/E"] * 100) + "]\n", "long")
    assert max(draw_ground(tiles, Appearance(grain=0.0, wear=0.0)).levels[0].shape) <= 16_384


def test_the_grounds_texture_repeats_without_a_seam():
    tiles = parse_map("tiles:\n- [grass, grass, grass, grass]\n", "lawn")
    picture = draw_ground(tiles, Appearance(grain=0.1, wear=0.0)).levels[0].astype(float)
    steps = np.abs(np.diff(picture[..., 1], axis=1)).mean(axis=0)
    assert np.array_equal(picture[:, :512], picture[:, 512:1024])
    assert steps[511] < steps.mean() + 4.0 * steps.std()
