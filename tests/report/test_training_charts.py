"""Charts of trainings: the learning curve, and a policy as a map of decisions."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from rilaas.report import DecisionMap, decision_map_chart, learning_curve_chart


def shapes_of(figure, kind):
    return [e.attrib for e in ET.fromstring(figure.data).iter() if e.attrib.get("class") == kind]


def words_of(figure):
    return [e.text for e in ET.fromstring(figure.data).iter("{http://www.w3.org/2000/svg}text")]


def decisions(cells, name="detector", shape=(4, 3), most=16):
    counts = np.zeros((*shape, 2), np.int64)
    for (x, y), pair in cells.items():
        counts[x, y] = pair
    return DecisionMap(name, counts, most)


def test_a_curve_has_a_dot_for_each_point_a_ring_around_the_kept_one_and_the_reference():
    figure = learning_curve_chart(
        [1000, 2000, 3000],
        [0.9, 0.7, 0.8],
        unit="ms",
        factor=1e3,
        kept=1,
        reference=1.0,
        reference_name="least conn.",
    )
    dots, (ring,) = shapes_of(figure, "s0"), [e for e in shapes_of(figure, "mark") if "r" in e]
    assert len(dots) == 3
    assert (ring["cx"], ring["cy"]) == (dots[1]["cx"], dots[1]["cy"])
    assert (
        float(dots[1]["cy"])
        > float(dots[2]["cy"])
        > float(dots[0]["cy"])
        > float(shapes_of(figure, "limit")[0]["y1"])
    )
    assert {"kept: 700 ms", "least conn.: 1000 ms", "3k"} <= set(words_of(figure))
    assert figure.table.rows[1] == (2000, 700.0, "kept")


def test_a_curve_of_one_point_and_no_reference_can_be_drawn():
    figure = learning_curve_chart([5], [2.0], unit="s", kept=0)
    assert shapes_of(figure, "limit") == []
    assert "kept: 2 s" in words_of(figure)


def test_words_beside_a_curve_do_not_lie_on_each_other():
    figure = learning_curve_chart([1, 2], [1.0, 1.0], unit="s", kept=1, reference=1.0, reference_name="other")
    heights = [
        float(e.attrib["y"])
        for e in ET.fromstring(figure.data).iter("{http://www.w3.org/2000/svg}text")
        if e.text.startswith(("kept", "other"))
    ]
    assert abs(heights[0] - heights[1]) >= 15


@pytest.mark.parametrize(("steps", "values"), [([], []), ([1, 2], [1.0])])
def test_a_curve_without_a_value_for_each_step_is_refused(steps, values):
    with pytest.raises(ValueError, match="a value for each step"):
        learning_curve_chart(steps, values, unit="s", kept=0)


def test_a_state_has_a_square_in_the_colours_of_its_decisions():
    figure = decision_map_chart(
        [decisions({(0, 0): (100, 0), (1, 1): (0, 100), (2, 2): (25, 75)})], ("edge", "cloud")
    )
    _, *first = shapes_of(figure, "s0")  # the legend's comes first
    _, *second = shapes_of(figure, "s1")
    assert len(first) == len(second) == 2
    side = float(first[0]["width"])
    assert float(first[1]["width"]) == pytest.approx(0.25 * side, abs=0.02)
    assert float(second[1]["width"]) == pytest.approx(0.75 * side, abs=0.02)
    assert float(second[0]["x"]) > float(first[0]["x"])
    assert float(second[0]["y"]) < float(first[0]["y"])  # upwards


def test_a_state_that_was_met_often_has_a_larger_square():
    figure = decision_map_chart([decisions({(0, 0): (1, 0), (1, 0): (1000, 0)})], ("edge", "cloud"))
    _, rare, often = shapes_of(figure, "s0")
    assert 0.3 * float(often["width"]) < float(rare["width"]) < 0.6 * float(often["width"])


def test_the_number_that_holds_what_is_above_is_marked():
    whole = decision_map_chart([decisions({(0, 0): (1, 0)}, shape=(4, 3), most=3)], ("edge", "cloud"))
    assert words_of(whole).count("3+") == 1


def test_the_table_has_a_row_for_each_state_and_the_words_tell_the_shares():
    maps = [decisions({(0, 0): (3, 1)}, "detector"), decisions({(3, 2): (0, 5)}, "planner")]
    figure = decision_map_chart(maps, ("edge", "cloud"))
    assert figure.table.rows == (("detector", 0, 0, 4, 75.0), ("planner", 3, 2, 5, 0.0))
    assert "detector: 75 % of 4 decisions for edge" in figure.alt
    assert {"detector", "planner", "to edge", "to cloud", "in flight on edge"} <= set(words_of(figure))


def test_maps_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="one size"):
        decision_map_chart([decisions({}), decisions({}, shape=(2, 2))], ("a", "b"))
