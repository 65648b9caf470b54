import math
from xml.etree import ElementTree

import numpy as np
import pytest

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import centre_line, lane_pose, load_map, map_names, parse_map
from rilaas.evaluate.driving.judge.drawing import Panel, Trace, draw_map, draw_maps
from rilaas.evaluate.driving.judge.drawing_marks import letters_of, marks_of
from rilaas.evaluate.driving.objective.definition import Infraction
from rilaas.evaluate.driving.road.actor import GREEN, Actor, ActorTrack, SignalTrack
from rilaas.evaluate.driving.road.stop_line import stop_lines

SVG = "{http://www.w3.org/2000/svg}"
ROAD = parse_map("tiles:\n- [straight/E, straight/E, straight/E]", "road")
RIGHT_M = 0.28 * 0.585
BLUE, RED = "#6fd0ff", "#ff3b3b"


def straight(start_m, end_m, y_m=RIGHT_M, count=50):
    x = np.linspace(start_m, end_m, count)
    return np.column_stack([x, np.full(count, y_m), np.zeros(count)])


def strokes(svg, colour):
    return [path for path in ElementTree.fromstring(svg).iter(f"{SVG}path") if path.get("stroke") == colour]


@pytest.mark.parametrize("name", map_names())
def test_every_map_is_drawn_as_a_picture_that_loads_nothing(name):
    svg = draw_map(load_map(name))
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert name in root.get("aria-label")
    assert b"href" not in svg
    assert b"script" not in svg


def test_a_map_has_a_rectangle_for_each_tile_that_is_not_grass():
    tile_map = parse_map("tiles:\n- [straight/E, floor, grass]\n- [4way, asphalt, empty]", "m")
    assert len(list(ElementTree.fromstring(draw_map(tile_map)).iter(f"{SVG}rect"))) == 1 + 5


def test_the_first_row_of_the_file_is_on_top():
    svg = draw_map(parse_map("tiles:\n- [floor]\n- [grass]", "m"))
    floor = list(ElementTree.fromstring(svg).iter(f"{SVG}rect"))[1]
    assert float(floor.get("y")) == pytest.approx(1.0, abs=0.01)  # tiles count upwards inside the picture


def test_a_way_in_the_lane_is_blue_all_along():
    svg = draw_map(ROAD, [Trace(straight(0.1, 1.5))])
    assert len(strokes(svg, BLUE)) == 1
    assert not strokes(svg, RED)


def test_a_way_that_failed_is_red_and_ends_in_a_cross():
    svg = draw_map(ROAD, [Trace(straight(0.1, 1.5), failed=True)])
    assert not strokes(svg, BLUE)
    assert len(strokes(svg, RED)) == 2


def test_a_stretch_out_of_lane_is_red_over_the_blue_way():
    poses = straight(0.1, 1.5)
    poses[20:30, 1] = 0.585 - RIGHT_M  # in the other lane, and back
    svg = draw_map(ROAD, [Trace(poses)])
    assert len(strokes(svg, BLUE)) == 1
    assert len(strokes(svg, RED)) == 1


def test_failures_are_drawn_over_the_others():
    svg = draw_map(
        ROAD, [Trace(straight(0.1, 1.0), failed=True, label="bad"), Trace(straight(0.1, 1.5), label="good")]
    )
    assert [title.text for title in ElementTree.fromstring(svg).iter(f"{SVG}title")] == ["good", "bad"]


def test_a_long_way_is_drawn_with_few_points():
    tile_map = load_map("oval")
    line = centre_line(tile_map, lane_pose(tile_map, (0.7, RIGHT_M, 0.0)), 20.0, 0.004)
    (path,) = strokes(draw_map(tile_map, [Trace(line)]), BLUE)
    assert len(path.get("d").split("L")) < 20.0 / 0.585 / 0.02 + 2


def test_words_cannot_break_out_of_the_picture():
    svg = draw_maps([Panel(ROAD, [Trace(straight(0.1, 0.5), label="</title><script>")], title="<b>&")])
    root = ElementTree.fromstring(svg)
    assert not list(root.iter(f"{SVG}script"))
    assert [text.text for text in root.iter(f"{SVG}text")] == ["<b>&"]


def test_several_maps_stand_in_rows_to_one_scale():
    root = ElementTree.fromstring(
        draw_maps([Panel(load_map(name), title=name) for name in ("oval", "zigzag", "s_bends")])
    )
    places = [group.get("transform") for group in root if group.tag == f"{SVG}g"]
    assert len(places) == 3
    assert places[0] == "translate(0 0)"
    assert places[1].endswith(" 0)")
    assert places[2].startswith("translate(0 ")
    assert (
        len({g.get("transform").split("scale")[1] for g in root.iter(f"{SVG}g") if "scale" in g.get("transform", "")})
        == 1
    )


def test_a_way_without_poses_draws_nothing_and_wrong_poses_are_refused():
    assert draw_map(ROAD, [Trace(np.zeros((0, 3)))]).count(b"circle") == 0
    with pytest.raises(InvalidInput, match=r"poses\[0\] is"):
        draw_map(ROAD, [Trace(np.full((1, 3), math.nan))])


def broken(kind, x_m, t_s=1.0, actor=""):
    return Infraction(kind, t_s, (x_m, RIGHT_M, 0.0), 1.0, actor)


def titles(svg):
    return [title.text for title in ElementTree.fromstring(svg).iter(f"{SVG}title")]


def words(svg):
    return [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_robots_body_is_drawn_where_it_ended():
    """It reaches from 0.114 m behind the axle, which is at 1.0 m, to 0.066 m ahead, and 0.065 m to each side."""
    svg = draw_map(ROAD, [Trace(straight(0.1, 1.0))])
    (body,) = [p for p in ElementTree.fromstring(svg).iter(f"{SVG}path") if p.get("fill") == BLUE]
    corners = np.array([place.split() for place in body.get("d")[1:-1].split("L")], float) * 0.585
    assert (corners.min(0), corners.max(0)) == (
        pytest.approx((0.886, RIGHT_M - 0.065), abs=1e-3),
        pytest.approx((1.066, RIGHT_M + 0.065), abs=1e-3),
    )


def test_others_have_thin_ways_and_their_names_and_who_stands_has_no_way():
    drives = ActorTrack(Actor("vehicle-1", "vehicle", 0.18, 0.13, 0.12), straight(0.5, 1.5))
    stands = ActorTrack(Actor("cone-1", "obstacle", 0.07, 0.07, 0.1), straight(1.0, 1.0, 0.05))
    svg = draw_map(ROAD, [Trace(straight(0.1, 0.6), actors=[drives, stands])])
    assert {"vehicle-1", "cone-1"} <= set(titles(svg))
    assert len(strokes(svg, "#c9b2ff")) == 1
    assert not strokes(svg, "#ffa657")
    assert {"other vehicles", "obstacles"} <= set(words(svg))
    assert "duckies" not in words(svg)


def test_a_rule_that_was_broken_is_a_red_diamond_that_says_what_happened():
    way = Trace(
        straight(0.1, 1.5), label="seed 7", infractions=[broken("collision_vehicle", 0.9, 12.34, "vehicle-1")]
    )
    svg = draw_map(ROAD, [way])
    assert "collision vehicle vehicle-1 at 12.3 s (seed 7)" in titles(svg)
    assert "V" in words(svg)
    assert "collision vehicle 1" in words(svg)


def test_what_happened_at_one_place_is_one_mark_with_its_number():
    ways = [
        Trace(straight(0.1, 1.5), label=f"seed {k}", infractions=[broken("red_line", 0.9 + 0.01 * k)])
        for k in range(3)
    ]
    svg = draw_map(
        ROAD, [*ways, Trace(straight(0.1, 1.5), infractions=[broken("red_line", 0.3), broken("off_road", 0.9)])]
    )
    marks = [title for title in titles(svg) if title.startswith(("red line", "off road"))]
    assert sorted(len(mark.splitlines()) for mark in marks) == [1, 1, 3]
    assert "×3" in words(svg)
    assert "red line 4" in words(svg)


def test_each_kind_has_a_letter_of_its_own_also_one_that_nobody_knew():
    kinds = ["left_lane", "red_light", "red_line", "lurching", "rolling", "leaning"]
    letters = letters_of(marks_of(ROAD, [("", broken(kind, 0.3 * k)) for k, kind in enumerate(kinds)]))
    assert len(set(letters.values())) == len(kinds)
    assert (letters["left_lane"], letters["red_line"], letters["red_light"]) == ("L", "S", "R")


def test_a_light_stands_once_beside_its_line_however_many_drives_saw_it():
    tile_map = load_map("crossings")
    signals = [SignalTrack(line, np.full(50, GREEN, np.uint8)) for line in stop_lines(tile_map)[:2]]
    svg = draw_map(tile_map, [Trace(straight(0.1, 0.5), signals=signals) for _ in range(3)])
    assert titles(svg).count("traffic light") == 2


def test_a_picture_without_others_and_infractions_has_no_legend():
    bare, told = (
        ElementTree.fromstring(draw_map(ROAD, [Trace(straight(0.1, 0.5), infractions=each)]))
        for each in ([], [broken("red_line", 0.3)])
    )
    assert float(told.get("height")) == float(bare.get("height")) + 20.0
    assert not list(bare.iter(f"{SVG}text"))


def test_the_names_of_others_cannot_break_out_of_the_picture():
    evil = ActorTrack(Actor("</title><script>", "vehicle", 0.18, 0.13, 0.12), straight(0.5, 1.5))
    rule = broken("<script>", 0.5, 1.0, "<script>")
    root = ElementTree.fromstring(draw_map(ROAD, [Trace(straight(0.1, 0.6), actors=[evil], infractions=[rule])]))
    assert not list(root.iter(f"{SVG}script"))
