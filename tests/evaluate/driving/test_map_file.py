import math

import pytest

from rilaas.core import InvalidInput, NotFound
from rilaas.evaluate.driving import lane_graph, load_map, map_names, parse_map
from rilaas.evaluate.driving.road.tile_map import Tile

LOOP = """\
tiles:
- [curve_left/W, straight/W, curve_left/N]
- [straight/S  , grass     , straight/N  ]
- [curve_left/S, straight/E, curve_left/E]
tile_size: 0.61
objects:
- kind: duckie
  pos: [1.5, 1.5]
- kind: sign_stop
  pose: ~SE2Transform
"""


def test_we_have_maps_and_one_of_them_is_held_out():
    assert set(map_names()) >= {"oval", "s_bends", "zigzag", "crossings", "held_out_heart"}
    assert load_map("held_out_heart").description.startswith("Held out: never train on this map.")


@pytest.mark.parametrize("name", map_names())
def test_on_our_maps_a_robot_can_drive_for_ever(name):
    tile_map = load_map(name)
    graph = lane_graph(tile_map)
    assert tile_map.open_ends() == []
    assert all(graph.successors(lane) for lane in graph.lanes)
    assert tile_map.description.endswith(".")


def test_rows_are_counted_from_the_bottom_and_columns_from_the_left():
    tile_map = parse_map(LOOP, "loop")
    assert (tile_map.width, tile_map.height) == (3, 3)
    assert tile_map.tile(0, 0) == Tile("curve_left", "S")
    assert tile_map.tile(2, 0) == Tile("curve_left", "E")
    assert tile_map.tile(0, 2) == Tile("curve_left", "W")
    assert tile_map.tile_at(0.3, 1.7) == Tile("curve_left", "W")
    assert tile_map.tile_at(0.9, 0.9) == Tile("grass")


def test_a_point_off_the_map_is_on_no_tile_and_the_border_belongs_to_the_map():
    tile_map = parse_map(LOOP, "loop")
    assert tile_map.tile_at(-0.001, 0.5) is None
    assert tile_map.tile_at(0.5, 1.84) is None
    assert tile_map.tile_at(math.nan, 0.5) is None
    assert tile_map.cell_at(tile_map.width_m, tile_map.height_m) == (2, 2)
    assert tile_map.cell_at(0.0, 0.0) == (0, 0)
    with pytest.raises(IndexError, match=r"tile \(-1, 0\) is outside the 3 x 3 map"):
        tile_map.tile(-1, 0)


def test_objects_are_noted_by_kind_and_the_tile_size_is_read():
    tile_map = parse_map(LOOP, "loop")
    assert tile_map.ignored_objects == ("duckie", "sign_stop")
    assert tile_map.tile_size_m == 0.61


def test_a_map_without_a_tile_size_has_the_size_of_the_driving_olympics():
    assert parse_map("tiles:\n- [straight/E]", "road").tile_size_m == 0.585


def test_objects_may_be_a_mapping_or_nothing():
    assert parse_map("tiles: [[grass]]\nobjects:\n  tree1: {kind: tree, pos: [1, 1]}", "m").ignored_objects == (
        "tree",
    )
    assert parse_map("tiles: [[grass]]\nobjects:\n", "m").ignored_objects == ()


def test_a_description_that_is_no_text_is_left_out():
    assert parse_map("tiles: [[grass]]\ndescription: [a, b]", "m").description == ""


def test_plain_ground_may_have_an_orientation_and_crossings_none():
    tile_map = parse_map("tiles:\n- [asphalt/E, 4way, floor/N, 3way/S]", "m")
    assert [tile.kind for tile in tile_map.tiles[0]] == ["asphalt", "4way", "floor", "3way_left"]
    assert tile_map.tile(3, 0).orientation == "S"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "tiles:\n- [straight/E]\n- [strait/E]",
            "m.yaml:3: there is no tile kind 'strait'. Did you mean 'straight'?",
        ),
        ("tiles:\n- [straight/X]", "m.yaml:2: 'X' is not an orientation. Available: E, N, W, S."),
        ("tiles:\n- [grass, grass]\n- [grass]", "m.yaml:3: this row has 1 tiles and the first one 2."),
        ("tiles:\n- grass", "m.yaml:2: a row is a list of tiles"),
        ("tiles:\n- [[grass]]", "m.yaml:2: a tile is one word"),
        ("tiles: []", "m.yaml:1: 'tiles' is a list of rows"),
        ("tile_size: 1", "m.yaml has no 'tiles'; it has tile_size."),
        ("", "m.yaml is not a map"),
        ("- 1", "m.yaml is not a map"),
        ("tiles: [[grass]]\ntile_size: -1", "m.yaml:2: 'tile_size' is a length in metres"),
        ("tiles: [[grass]]\ntile_size: big", "m.yaml:2: 'tile_size' is a length in metres"),
        ("tiles: [[grass]]\ntile_size: [1]", "m.yaml:2: 'tile_size' is a length in metres"),
        ("tiles: [[grass]]\ntile_size: .nan", "m.yaml:2: 'tile_size' is a length in metres"),
        ("tiles: [[grass]]\nobjects: 3", "m.yaml:2: 'objects' is a list or a mapping"),
        ("tiles: [[grass]]\nobjects:\n- {pos: [1, 2]}", "m.yaml:3: an object is a mapping with a 'kind'."),
        ("tiles:\n- [grass\n- [grass]", "m.yaml:3 is not valid YAML"),
        ("tiles: \x00", "m.yaml is not valid YAML"),
        ("tiles: " + 10_000 * "[", "m.yaml is not a map: it is nested too deeply."),
        ("tiles: &a [*a]", "m.yaml:1: a tile is one word"),
    ],
)
def test_a_wrong_map_is_refused_with_its_line_and_what_would_be_valid(text, message):
    with pytest.raises(InvalidInput) as error:
        parse_map(text, "m", source="m.yaml")
    assert message in str(error.value)


def test_an_unknown_name_is_answered_with_a_guess():
    with pytest.raises(NotFound, match=r"There is no map 'ovall'. Did you mean 'oval'\?"):
        load_map("ovall")


def test_a_map_is_loaded_from_a_path(tmp_path):
    path = tmp_path / "my_loop.yaml"
    path.write_text(LOOP)
    assert load_map(path).name == "my_loop"
    assert load_map(str(path)) == load_map(path)
    with pytest.raises(NotFound, match="There is no file"):
        load_map(tmp_path / "other.yaml")


def test_a_file_that_is_no_text_or_far_too_large_is_refused(tmp_path):
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"tiles: \xff\xfe")
    with pytest.raises(InvalidInput, match="is not UTF-8 text"):
        load_map(binary)
    large = tmp_path / "large.yaml"
    large.write_text("#" * 1_000_001)
    with pytest.raises(InvalidInput, match="a map has at most 1000000"):
        load_map(large)
    with pytest.raises(InvalidInput, match="at most 10000 tiles"):
        parse_map("tiles:\n" + ("- [" + "grass, " * 100 + "grass]\n") * 101, "large")


@pytest.mark.parametrize(("kind", "orientation"), [("road", "E"), ("straight", "e")])
def test_a_tile_of_no_kind_or_orientation_is_refused(kind, orientation):
    with pytest.raises(InvalidInput, match="Available"):
        Tile(kind, orientation)
