"""What stands on the ground, in the camera."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.actor import GREEN, RED, YELLOW, Actor
from rilaas.evaluate.driving.road.footprint import gap_m
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.road.stop_line import stop_lines
from rilaas.evaluate.driving.view import standing
from rilaas.evaluate.driving.view.appearance import Appearance
from rilaas.evaluate.driving.view.camera import Camera
from rilaas.evaluate.driving.view.ground import draw_ground
from rilaas.evaluate.driving.view.light_post import SIZE_M, light_posts
from rilaas.evaluate.driving.view.look import LOOKS, Look, look_of
from rilaas.evaluate.driving.view.order import Foot, far_to_near
from rilaas.evaluate.driving.view.view import View

LEVEL = Camera(vertical_fov_rad=math.pi / 2, pitch_rad=0.0, height_m=0.1, forward_m=0.0)
"""Looks straight ahead from 0.1 m; its focal length is 60 px, its middle (79.5, 59.5)."""
HERE = (1.0, 0.16, 0.0)


def thing(look, length_m=0.2, width_m=0.2, height_m=0.2, kind="obstacle", ahead_m=0.0):
    return Actor(look, kind, length_m, width_m, height_m, ahead_m, look)


def ahead(x_m, left_m=0.0, turn_rad=0.0):
    return HERE[0] + x_m, HERE[1] + left_m, turn_rad


@pytest.fixture(scope="module")
def plain():
    return Appearance(grain=0.0, wear=0.0)


@pytest.fixture(scope="module")
def view(plain):
    return View(draw_ground(load_map("oval"), plain), plain, LEVEL)


def changed(view, *placed):
    return (view.frame(HERE, 0, placed) != view.frame(HERE)).any(axis=-1)


def test_a_box_appears_where_its_corners_project(view):
    """Its near face is 0.5 m ahead, 0.2 m wide and high: 60 * 0.1 / 0.5 = 12 px to each side of (79.5, 59.5).

    So it reaches from 67.5 to 91.5 and from 47.5 to 71.5, borders of pixels: columns 68 to 91, rows 48 to 71.
    """
    frame = view.frame(HERE, 0, [(thing("box"), ahead(0.6))])
    face = (frame == frame[60, 80]).all(axis=-1)
    assert np.flatnonzero(face[60]).tolist() == list(range(68, 92))
    assert np.flatnonzero(face[:, 80]).tolist() == list(range(48, 72))
    beside = np.flatnonzero((frame != view.frame(HERE))[50].any(axis=-1))
    assert beside.min() >= 67
    assert beside.max() <= 92


def test_a_thing_as_high_as_the_camera_ends_at_the_horizon_however_far_it_is(view):
    """The horizon is at 59.5: row 59 is sky and row 60 is not, but for a quarter of a pixel at the border."""
    for distance_m in (0.4, 2.0, 10.0):
        rows = np.flatnonzero(changed(view, (thing("box", height_m=0.1), ahead(distance_m))).any(axis=1))
        assert rows.min() in (59, 60)


def test_a_far_thing_on_the_horizon_is_small_and_there(view):
    """0.2 m at 12 m are 60 * 0.2 / 12 = 1 px; its soft shadow reaches two pixels farther."""
    rows, columns = np.nonzero(changed(view, (thing("box"), ahead(12.0))))
    assert 1 <= len(set(columns)) <= 7
    assert 58 <= rows.min() <= rows.max() <= 63


@pytest.mark.parametrize("turn", [0.0, 0.4, math.pi])
def test_the_near_one_hides_the_far_one_whatever_the_order_of_the_list(view, turn):
    near, far = (thing("box"), ahead(0.6, turn_rad=turn)), (thing("duckie", kind="duckie"), ahead(1.2))
    frame = view.frame(HERE, 0, [near, far])
    assert np.array_equal(frame, view.frame(HERE, 0, [far, near]))
    assert np.array_equal(frame[50:70, 70:90], view.frame(HERE, 0, [near])[50:70, 70:90])


def test_of_a_half_hidden_thing_the_other_half_is_seen(view):
    """The near one ends at the middle of the image; the far one, 0.2 m wide at 0.9 m, goes on to 79.5 + 6.7 px."""
    near, far = (thing("box"), ahead(0.6, 0.1)), (thing("cone"), ahead(1.0))
    frame, alone = view.frame(HERE, 0, [near, far]), view.frame(HERE, 0, [far])
    assert np.array_equal(frame[50:66, 81:], alone[50:66, 81:])
    assert np.array_equal(frame[50:66, :79], view.frame(HERE, 0, [near])[50:66, :79])


@pytest.mark.parametrize(
    "place", [(-0.5, 0.0), (-3.0, 0.1), (0.5, 2.0), (0.5, -2.0)], ids=["behind", "far behind", "left", "right"]
)
def test_nothing_out_of_sight_is_drawn(view, place):
    for look in LOOKS:
        frame = view.frame(HERE, 0, [(thing(look), ahead(*place))])
        assert np.array_equal(frame, view.frame(HERE))


def test_a_wall_beside_the_camera_is_cut_off_where_the_camera_is(view):
    """It is from 0.15 m to 0.25 m to the left, from 0.5 m behind to 0.5 m ahead.

    It begins at the image's left border, and ends where its far upper edge is: 79.5 - 60 * 0.15 / 0.5 = 61.5.
    """
    wall = changed(view, (thing("box", length_m=1.0, width_m=0.1, height_m=0.3), ahead(0.0, 0.2)))
    columns = np.flatnonzero(wall[40:60].any(axis=0))
    assert columns.min() == 0
    assert columns.max() in (61, 62)
    assert wall[59, :60].all()


def test_a_thing_around_the_camera_is_seen_from_inside_as_nothing(view):
    assert not changed(view, (thing("box", 1.0, 1.0, 0.5), ahead(0.0)))[:60].any()


def test_pixels_that_nothing_covers_keep_their_bytes(plain):
    view = View(draw_ground(load_map("oval"), replace(plain, grain=0.1)), plain, LEVEL)
    moved = changed(view, (thing("box"), ahead(0.6)))
    assert not moved[:46].any()
    assert not moved[:, :60].any()


def test_the_ground_is_darker_under_a_thing(view):
    frame, empty = (view.frame(HERE, 0, placed).astype(int) for placed in ([(thing("box"), ahead(0.6))], []))
    assert frame[72, 72:88].mean() < 0.8 * empty[72, 72:88].mean()
    assert (frame[73:] <= empty[73:]).all()


def test_the_same_things_give_the_same_bytes_in_another_view_too(plain):
    placed = [(thing(look, kind="obstacle"), ahead(0.5 + 0.2 * k, 0.1 * k - 0.2, k)) for k, look in enumerate(LOOKS)]
    frames = {View(draw_ground(load_map("oval"), plain), plain).frame(HERE, 3, placed).tobytes() for _ in range(2)}
    assert len(frames) == 1


def test_without_things_a_frame_is_as_it_always_was(view):
    assert view.frame(HERE).tobytes() == view.frame(HERE, 0, [], []).tobytes()


def test_light_and_noise_reach_what_stands(plain):
    box = [(thing("box"), ahead(0.6))]
    ground = draw_ground(load_map("oval"), plain)
    bright, dark = (View(ground, replace(plain, gain=(k, k, k)), LEVEL).frame(HERE, 0, box) for k in (1.0, 0.5))
    assert dark[60, 80] == pytest.approx(0.5 * bright[60, 80], abs=1.5)
    noisy = View(ground, plain, LEVEL, noise=5.0)
    spread = np.std(noisy.frame(HERE, 1, box)[50:70, 70:90].astype(float) - bright[50:70, 70:90])
    assert spread == pytest.approx(5.0, rel=0.1)


@pytest.mark.parametrize("look", LOOKS)
def test_a_thing_fills_the_box_that_one_can_collide_with_and_no_more(look):
    actor = thing(look, 0.3, 0.2, 0.1, ahead_m=0.05)
    for solid in (look_of(actor).near, look_of(actor).far):
        low, high = solid.vertices[:, :3].min(0), solid.vertices[:, :3].max(0)
        assert (low >= (-0.1 - 1e-9, -0.1 - 1e-9, -1e-9)).all()
        assert (high <= (0.2 + 1e-9, 0.1 + 1e-9, 0.1 + 1e-9)).all()
        assert (high - low >= (0.25, 0.16, 0.085)).all()


@pytest.mark.parametrize("look", sorted(set(LOOKS) - {"duckie"}))  # a duckie's parts grow into each other
@pytest.mark.parametrize("turn", [0.0, 0.7, 2.2, math.pi, -1.3])
def test_each_face_is_seen_where_a_ray_meets_it_first(view, monkeypatch, look, turn):
    """Against a ray through each pixel's middle; faces shine in their own colour, so that colours tell them apart."""
    solid = look_of(thing(look)).near
    shining = replace(solid, glowing=np.ones_like(solid.glowing))
    monkeypatch.setattr(standing, "look_of", lambda actor: Look(shining, shining))
    camera = Camera(640, 480, math.radians(40.0), 0.1, 0.18, 0.0)
    sharp = View(draw_ground(load_map("oval"), Appearance()), Appearance(), camera)
    frame = sharp.frame(HERE, 0, [(thing(look), ahead(0.8, 0.05, turn))])
    rows, columns = np.arange(100, 420, 4), np.arange(140, 460, 4)
    first, *around = (
        first_faces(solid, camera, (0.8, 0.05, turn), rows + down, columns + right)
        for down, right in ((0.0, 0.0), (-1.5, -1.5), (-1.5, 1.5), (1.5, -1.5), (1.5, 1.5))
    )
    inside = (first >= 0) & (np.array(around) == first).all(0)
    seen = frame[np.ix_(rows, columns)][inside].astype(float)
    wrong = np.abs(seen - solid.colours[first[inside]]).max(axis=-1) > 10.0  # haze is up to 6 levels at 0.8 m
    assert inside.sum() > 500
    assert wrong.mean() < 0.01


def first_faces(solid, camera, place, rows, columns):
    """Number of the face that a ray through each pixel meets first, -1 where it meets none."""
    x, y, turn = place
    sin, cos = math.sin(camera.pitch_rad), math.cos(camera.pitch_rad)
    right, down = np.meshgrid(
        *((np.asarray(k) - c) / camera.focal_px for k, c in zip((columns, rows), camera.centre_px, strict=True))
    )
    rays = np.stack([cos - down * sin, -right, -sin - down * cos], axis=-1)
    inverse = np.array([[math.cos(turn), math.sin(turn), 0], [-math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    eye, rays = inverse @ np.array([-x, -y, camera.height_m]), rays @ inverse.T
    nearest, first = np.full(rays.shape[:2], np.inf), np.full(rays.shape[:2], -1)
    for number, (face, normal, offset) in enumerate(zip(solid.faces, solid.normals, solid.offsets, strict=True)):
        if normal @ eye <= offset:
            continue
        reach = (offset - normal @ eye) / (rays @ normal)
        points = eye + reach[..., None] * rays
        corners = solid.vertices[face, :3]
        turns = [np.cross(b - a, points - a) @ normal for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)]
        inside = (np.array(turns) >= -1e-12).all(0) | (np.array(turns) <= 1e-12).all(0)
        # What lies on another face comes later in the list and is as near.
        hit = inside & (reach > 0) & (reach <= nearest + 1e-9)
        nearest[hit], first[hit] = reach[hit], number
    return first


@st.composite
def feet_apart(draw):
    """Up to seven rectangles that do not overlap, around an eye that is in none."""
    feet, actors = [], [(thing("box", 0.02, 0.02, 0.1), (0.0, 0.0, 0.0))]
    for _ in range(draw(st.integers(2, 7))):
        x, y = draw(st.floats(-2, 2)), draw(st.floats(-2, 2))
        turn, length, width = draw(st.floats(-4, 4)), draw(st.floats(0.05, 2.0)), draw(st.floats(0.05, 0.4))
        actor = thing("box", length, width, 0.1)
        if any(gap_m(actor, (x, y, turn), other, place) < 1e-3 for other, place in actors):
            continue
        actors.append((actor, (x, y, turn)))
        rectangle = [(0.5 * i * length, 0.5 * j * width) for i, j in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
        feet.append(
            Foot(
                (x, y), (math.cos(turn), math.sin(turn)), rectangle,
                math.hypot(x, y), math.atan2(y, x), 0.5 * math.hypot(length, width),
            )
        )  # fmt: skip
    return feet


@settings(max_examples=150, deadline=None)
@given(feet_apart())
def test_along_every_ray_the_nearest_foot_is_drawn_last(feet):
    order = far_to_near(feet)
    assert sorted(order) == list(range(len(feet)))
    for bearing in np.linspace(-math.pi, math.pi, 90):
        reached = {k: reach for k, foot in enumerate(feet) if (reach := ray_to_foot(bearing, foot)) < math.inf}
        if reached:
            assert [k for k in order if k in reached][-1] == min(reached, key=reached.get)


def ray_to_foot(bearing, foot):
    """Distance at which a ray from the origin meets a rectangle, infinite where it does not."""
    corners = foot.corners()
    nearest = math.inf
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        ex, ey = bx - ax, by - ay
        cross = math.cos(bearing) * ey - math.sin(bearing) * ex
        if abs(cross) < 1e-12:
            continue
        reach = (ax * ey - ay * ex) / cross
        share = (ax * math.sin(bearing) - ay * math.cos(bearing)) / cross
        if reach > 0 and 1e-6 < share < 1 - 1e-6:
            nearest = min(nearest, reach)
    return nearest


def test_an_unknown_look_or_state_is_refused_with_what_would_be_right(view):
    with pytest.raises(InvalidInput, match="cannot look like 'duck'") as refused:
        view.frame(HERE, 0, [(thing("duck"), ahead(1.0))])
    assert "duckie" in refused.value.hint
    line = stop_lines(load_map("crossings"))[0]
    with pytest.raises(InvalidInput, match="cannot show 7"):
        view.frame(HERE, 0, (), [(line, 7)])


def test_a_kind_without_a_look_of_its_own_has_one():
    for kind, look in (("vehicle", "duckiebot"), ("duckie", "duckie"), ("obstacle", "box")):
        plain, told = (Actor("one", kind, 0.1, 0.1, 0.1, look=word) for word in ("", look))
        assert look_of(plain).near is look_of(told).near


LAMPS = {RED: (0.146, (255, 44, 36)), YELLOW: (0.108, (255, 206, 40)), GREEN: (0.070, (60, 255, 110))}


@pytest.mark.parametrize("state", LAMPS)
def test_a_light_shows_its_lamp_to_those_who_come(state):
    """The near light stands 0.164 + 0.04 m to the right of the lane's middle and 0.02 m before the line.

    From 0.52 m before the line, through a camera without pitch 0.1 m high and 0.066 m ahead of the axle: its front
    is 0.52 - 0.02 - 0.015 - 0.066 = 0.419 m ahead, so its lamps are at u = 79.5 + f 0.204 / 0.419 and
    v = 59.5 + f (0.1 - z) / 0.419.
    """
    tile_map, look = load_map("crossings"), Appearance(grain=0.0, wear=0.0)
    camera = Camera(pitch_rad=0.0, height_m=0.1)
    line = stop_lines(tile_map)[0]
    x, y, heading = line.pose
    pose = (x - 0.52 * math.cos(heading), y - 0.52 * math.sin(heading), heading)
    frame = View(draw_ground(tile_map, look), look, camera).frame(pose, 0, (), [(line, state)])
    focal = camera.focal_px
    u = round(79.5 + focal * (0.28 * 0.585 + 0.04) / 0.419)
    for lamp, (z, colour) in LAMPS.items():
        v = round(59.5 + focal * (0.1 - z) / 0.419)
        assert (np.abs(frame[v, u].astype(int) - colour).max() < 12) == (lamp == state)


def test_who_waits_at_another_line_of_the_crossing_sees_no_lamp_of_this_one():
    tile_map, look = load_map("crossings"), Appearance(grain=0.0, wear=0.0)
    view = View(draw_ground(tile_map, look), look)
    line, *others = [line for line in stop_lines(tile_map) if line.cell == stop_lines(tile_map)[0].cell]
    assert len(others) >= 2
    for x, y, heading in (other.pose for other in others):
        pose = (x - 0.25 * math.cos(heading), y - 0.25 * math.sin(heading), heading)
        red, green = (view.frame(pose, 0, (), [(line, state)]) for state in (RED, GREEN))
        assert np.array_equal(red, green)


def test_posts_stand_beside_the_lane_before_or_beyond_the_line_and_never_in_each_other():
    tile_map = load_map("crossings")
    post = thing("box", *SIZE_M)
    places = [place for line in stop_lines(tile_map) for place in light_posts(line)]
    for line in stop_lines(tile_map):
        (near_m, right_m), (far_m, left_m) = (line.see(x, y) for x, y, _ in light_posts(line))
        assert 0.0 < near_m < 0.05
        assert far_m < -0.5
        assert right_m < -line.half_width_m - 0.5 * SIZE_M[1]
        assert left_m > 3.0 * line.half_width_m
    assert all(gap_m(post, a, post, b) > 0.0 for a, b in combinations(places, 2))
