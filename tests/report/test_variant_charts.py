"""Charts of what variants of a model cost: Pareto, sensitivity, agreement, trajectories."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from rilaas.report import (
    Candidate,
    agreement_chart,
    bytes_text,
    latency_chart,
    pareto_chart,
    sensitivity_chart,
    trajectory_chart,
)
from rilaas.report.pareto_label import Spot, place


def words_of(figure):
    return [element.text for element in ET.fromstring(figure.data).iter("{http://www.w3.org/2000/svg}text")]


def shapes_of(figure, kind):
    return [e.attrib for e in ET.fromstring(figure.data).iter() if e.attrib.get("class") == kind]


def candidate(name, time_us, ratio, kilobytes=1000, runtime="openvino", *, failed=False):
    times = (time_us * 1e-6, time_us * 0.9e-6, time_us * 1.2e-6)
    return Candidate(name, times, (ratio, ratio - 0.01, ratio + 0.01), int(1000 * kilobytes), runtime, failed)


VARIANTS = [
    candidate("float", 400, 1.0, 6000, "onnxruntime"),
    candidate("balanced", 170, 1.01, 1600),
    candidate("default ranges", 160, 12.5, 1600, failed=True),
    candidate("max", 90, 1.02, 460),
]


def test_a_faster_variant_stands_further_left_on_a_logarithmic_axis():
    figure = pareto_chart([candidate("a", 100, 1.0), candidate("b", 200, 1.0), candidate("c", 400, 1.0)])
    a, b, c = sorted(float(dot["cx"]) for dot in shapes_of(figure, "s0") if float(dot["cy"]) > 100)
    assert b - a == pytest.approx(c - b, abs=0.02)


def test_the_area_of_a_dot_grows_with_the_bytes():
    figure = pareto_chart(
        [candidate("a", 100, 1.0, 1), candidate("b", 200, 1.1, 500), candidate("c", 300, 1.2, 1000)]
    )
    small, middle, large = sorted(float(dot["r"]) ** 2 for dot in shapes_of(figure, "s0") if float(dot["r"]) != 5.0)
    assert middle - small == pytest.approx(large - middle, rel=0.01)


def test_those_that_nobody_beats_are_ringed_joined_and_named_in_words():
    figure = pareto_chart(VARIANTS, front=["balanced", "max", "float"], deadline_s=1e-4)
    assert len(shapes_of(figure, "front")) == 1
    assert len([e for e in shapes_of(figure, "mark") if "r" in e]) == 3
    assert "Nobody beats: max" in figure.alt
    assert [row[0] for row in figure.table.rows] == ["max", "default ranges", "balanced", "float"]
    assert [row[-2] for row in figure.table.rows] == ["yes", "", "yes", "yes"]


def test_a_failed_gate_is_a_red_cross_and_nothing_else_is_red():
    with_failure, without = pareto_chart(VARIANTS), pareto_chart([each for each in VARIANTS if not each.failed])
    assert len(shapes_of(with_failure, "cross")) == 2  # the variant's, and the legend's
    assert "Failed the gate: default ranges." in with_failure.alt
    assert not shapes_of(without, "cross")
    assert not shapes_of(without, "fail")


def test_the_deadline_of_a_pareto_chart_is_a_line_and_who_is_slower_is_said():
    figure = pareto_chart(VARIANTS, deadline_s=2e-4)
    (limit,) = shapes_of(figure, "limit")
    places = {float(dot["cx"]) for kind in ("s0", "s1") for dot in shapes_of(figure, kind) if float(dot["r"]) != 5.0}
    assert sum(x > float(limit["x1"]) for x in places) == 1
    assert "deadline 0.200 ms" in words_of(figure)
    assert "Slower than the deadline of 0.200 ms: float." in figure.alt


def test_errors_far_apart_stand_on_a_logarithmic_axis_and_scores_close_together_do_not():
    labels = words_of(pareto_chart(VARIANTS))
    assert {"1", "2", "5", "10"} <= set(labels)
    scores = [Candidate(n, (1e-3, 1e-3, 1e-3), (v, v - 1, v + 1), 1, "torch") for n, v in (("a", 90.0), ("b", 92.0))]
    ticks = [float(word) for word in words_of(pareto_chart(scores, direction="higher")) if word.isdigit()]
    assert ticks
    assert min(ticks) > 80.0


def test_no_name_lies_on_another_or_on_a_dot():
    spots = [Spot(300.0 + 4 * k, 200.0 + 3 * (k % 5), 8.0, f"variant.number.{k}", k % 4 == 0) for k in range(14)]
    shapes, unnamed = place(spots, (60.0, 40.0, 640.0, 400.0))
    boxes = []
    for shape in shapes:
        element = ET.fromstring(shape)
        if element.tag == "text":
            x, y = float(element.get("x")), float(element.get("y"))
            boxes.append(
                (x, y - 10, x + (7.4 if "strong" in element.get("class") else 6.3) * len(element.text), y + 2)
            )
    assert len(boxes) + unnamed == len(spots)
    assert len(boxes) >= 10
    for i, one in enumerate(boxes):
        for other in [*boxes[:i], *(spot.box for spot in spots)]:
            assert not (one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3])


def test_a_variant_without_a_score_is_in_the_table_only():
    lost = Candidate("lost", (1e-4, 1e-4, 1e-4), (math.nan,) * 3, 1000, "torch")
    figure = pareto_chart([*VARIANTS, lost])
    assert len(figure.table.rows) == 5
    assert "lost" not in words_of(figure)


@pytest.mark.parametrize("wrong", [[], [candidate("zero", 0, 1.0)]], ids=["nothing", "no time"])
def test_variants_that_cannot_be_drawn_are_refused(wrong):
    with pytest.raises(ValueError, match="times above 0"):
        pareto_chart(wrong)


@pytest.mark.parametrize("count", [1, 40])
def test_any_number_of_variants_is_drawn_inside_the_picture(count):
    figure = pareto_chart([candidate(f"variant.{k}", 50 + 9 * k, 1.0 + 0.01 * (k % 7)) for k in range(count)])
    for element in ET.fromstring(figure.data).iter("{http://www.w3.org/2000/svg}circle"):
        assert 0.0 <= float(element.get("cx")) <= 760.0
        assert 0.0 <= float(element.get("cy")) <= 446.0


def test_a_size_has_three_digits_and_the_unit_that_fits():
    sizes = (0, 999, 1000, 6_110_000, 999_999, 12_345, 7_000_000_000)
    assert [bytes_text(size) for size in sizes] == [
        "0 B",
        "999 B",
        "1.00 kB",
        "6.11 MB",
        "1.00 MB",
        "12.3 kB",
        "7.00 GB",
    ]


def test_a_layer_that_loses_twice_as_much_has_a_bar_twice_as_long():
    figure = sensitivity_chart({"a": 1.01, "b": 1.02, "c": 0.99}, all_ratio=1.031)
    a, b, c = (float(bar["width"]) for bar in shapes_of(figure, "s0"))
    assert b == pytest.approx(2 * a, abs=0.02)
    assert c == pytest.approx(a, abs=0.02)
    assert "All layers together: +3.1 %." in figure.caption
    assert "b +2 %" in figure.alt


def test_a_layer_that_cannot_be_quantized_alone_is_said_and_has_no_bar():
    figure = sensitivity_chart({"norm": math.nan, "conv": 1.02}, limit=1.05)
    assert len(shapes_of(figure, "s0")) == 1
    assert "not possible" in words_of(figure)
    assert "gate +5 %" in words_of(figure)
    with pytest.raises(ValueError, match="needs layers"):
        sensitivity_chart({})


def test_the_marks_of_an_agreement_enclose_99_of_100_differences():
    values = np.linspace(-1.0, 1.0, 2001)
    figure = agreement_chart({"steer": values}, units={"steer": "rad"})
    tall = [mark for mark in shapes_of(figure, "mark") if float(mark["y2"]) - float(mark["y1"]) > 20.0]
    left, right = sorted(float(mark["x1"]) for mark in tall)
    grid = sorted(float(each["x1"]) for each in shapes_of(figure, "grid"))
    half = 0.5 * (grid[-1] - grid[0])
    assert (grid[0] + half) - left == pytest.approx(0.99 * half, abs=0.5)
    assert right - (grid[0] + half) == pytest.approx(0.99 * half, abs=0.5)
    assert figure.table.rows[0][2:5] == ("0.5", "0.99", "1")


def test_outputs_that_agree_exactly_are_drawn_and_impossible_ones_refused():
    assert "largest 0" in agreement_chart({"steer": np.zeros(5)}).alt
    with pytest.raises(ValueError, match="finite"):
        agreement_chart({"steer": [0.0, math.nan]})


def test_of_many_outputs_those_that_differ_most_are_drawn_and_all_are_in_the_table():
    figure = agreement_chart({f"mask[{k}]": [0.0, 0.001 * k] for k in range(40)})
    assert len(figure.table.rows) == 40
    assert "The 16 of 40 elements" in figure.caption
    assert "mask[39]" in words_of(figure)
    assert "mask[3]" not in words_of(figure)


STRAIGHT = np.column_stack([np.linspace(0.0, 2.0, 50), np.zeros(50), np.zeros(50)])


def test_a_way_beside_the_reference_is_as_far_from_it_as_it_is():
    figure = trajectory_chart(
        {"float": STRAIGHT, "balanced": STRAIGHT + np.array([0.0, 0.05, 0.0])}, where="loop, seed 3"
    )
    assert figure.table.rows[0][1:4] == (pytest.approx(2.0), None, None)
    assert figure.table.rows[1][1:4] == (pytest.approx(2.0), pytest.approx(5.0), pytest.approx(5.0))
    assert "5 cm from the way of float on average" in figure.alt
    assert figure.caption.startswith("loop, seed 3: ")


def test_a_way_that_failed_is_red_and_ends_in_a_cross_and_others_are_not():
    ways = {"float": STRAIGHT, "broken": STRAIGHT[:20]}
    figure = trajectory_chart(ways, failed=["broken"])
    assert len(shapes_of(figure, "cross")) == 1
    assert b"#ff3b3b" in figure.data
    assert b"#ff3b3b" not in trajectory_chart(ways).data
    assert "Failed: broken." in figure.alt


def test_a_map_in_metres_lies_beneath_the_ways_and_y_points_up():
    shape = '<rect x="0" y="0" width="1" height="1" fill="#123456"/>'
    figure = trajectory_chart({"float": STRAIGHT}, map_svg=shape, extent_m=(-1.0, -1.0, 3.0, 1.0))
    assert figure.data.decode().count("#123456") == 1
    assert "scale(190.0000 -190.0000)" in figure.data.decode()  # 760 px for 4 m


def test_ways_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="at least one way"):
        trajectory_chart({})
    with pytest.raises(ValueError, match="a pose"):
        trajectory_chart({"float": np.zeros((0, 3))})


@pytest.mark.parametrize("name", ['<script>alert("x")</script>', "a & b"])
def test_names_cannot_write_into_the_picture(name):
    figures = [
        pareto_chart([candidate(name, 100, 1.0, runtime=name)]),
        sensitivity_chart({name: 1.1}),
        agreement_chart({name: [0.1]}),
        trajectory_chart({"float": STRAIGHT, name: STRAIGHT}),
    ]
    for figure in figures:
        assert b"<script" not in figure.data
        ET.fromstring(figure.data)


def test_rows_of_a_latency_chart_are_called_what_they_are():
    figure = latency_chart({"float": [1e-3, 2e-3]}, title="Time of the weights", each="variant")
    assert figure.table.columns[0] == "variant"
    assert "1 variant." in figure.alt
    assert "each variant's bars" in figure.caption


def test_a_long_name_of_a_row_stays_inside_the_picture():
    name = "distill-33-stride-minmax-openvino-int8-and-more"
    figure = latency_chart({name: [1e-3, 2e-3]}, each="variant")
    (label,) = (each for each in ET.fromstring(figure.data).iter() if (each.text or "").startswith("distill"))
    assert float(label.get("x")) >= 7.9 * len(label.text)
    assert label.text.endswith("more")
    assert name in figure.alt
