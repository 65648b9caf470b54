"""Charts of how policies spread a load: over time, and how far they are from a reference."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from rilaas.report import ModelTimeline, allocation_chart, difference_chart, percent_text, summarize
from rilaas.report.panel import Panel, value_ticks

EDGES = np.linspace(0.0, 40.0, 5)
SHARES = {"edge": np.array([1.0, 0.5, np.nan, 0.0]), "cloud": np.array([0.0, 0.5, np.nan, 1.0])}


def timeline(model="detector", latency=(0.1, 0.2, np.nan, 0.4), policies=("ours", "least_connections")):
    values = np.array(latency)
    return ModelTimeline(
        model,
        {name: values * (i + 1) for i, name in enumerate(policies)},
        dict.fromkeys(policies[:2], SHARES),
        np.array([1.0, 2.0, 0.0, 4.0]),
    )


def shapes_of(figure, kind):
    return [e.attrib for e in ET.fromstring(figure.data).iter() if e.attrib.get("class") == kind]


def words_of(figure):
    return [e.text for e in ET.fromstring(figure.data).iter("{http://www.w3.org/2000/svg}text")]


def area_of(shape):
    points = [tuple(map(float, each.split())) for each in shape["d"].strip("MZ").split("L")]
    pairs = zip(points, points[1:] + points[:1], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / 2


def test_each_model_has_a_line_per_policy_and_areas_of_edge_and_cloud():
    figure = allocation_chart([timeline("detector"), timeline("planner")], EDGES, title="Load")
    assert {"detector", "planner", "where ours sends them [%]", "requests [1/s]"} <= set(words_of(figure))
    for kind in ("line0", "line1"):
        assert len(shapes_of(figure, kind)) == 2 * 2  # two models, and a gap where nothing came
    assert len(shapes_of(figure, "edge")) == 2 * 2 * 2 + 1  # models, policies, runs of bins; the legend


def test_edge_and_cloud_fill_their_strip_where_requests_came_and_nothing_elsewhere():
    figure = allocation_chart([timeline()], EDGES, title="Load")
    edge = [area_of(e) for e in shapes_of(figure, "edge") if "d" in e]
    cloud = [area_of(e) for e in shapes_of(figure, "cloud") if "d" in e]
    assert sum(edge) == pytest.approx(sum(cloud), rel=0.01)
    assert sum(edge[:2]) + sum(cloud[:2]) == pytest.approx(46.0 * (760.0 - 46.0) * 3 / 4, rel=0.01)


def test_the_table_has_every_number_of_the_chart():
    figure = allocation_chart([timeline("detector"), timeline("planner")], EDGES, title="Load")
    assert len(figure.table.rows) == 2 * 4
    first = dict(zip(figure.table.columns, figure.table.rows[0], strict=True))
    assert first["ours [ms]"] == pytest.approx(100.0)
    assert first["least_connections [ms]"] == pytest.approx(200.0)
    assert first["ours to edge [%]"] == pytest.approx(100.0)
    assert figure.table.rows[2][3] is None


def test_words_say_means_and_shares_weighted_by_requests():
    figure = allocation_chart([timeline()], EDGES, title="Load")
    assert "ours 300 ms" in figure.alt  # (0.1 + 2 * 0.2 + 4 * 0.4) / 7
    assert "ours sends 28.6 % to edge" in figure.alt


def test_latencies_far_apart_stand_on_a_logarithmic_axis():
    figure = allocation_chart([timeline(latency=(0.1, 0.1, 0.1, 40.0))], EDGES, title="Load")
    assert "latency [s], log" in words_of(figure)
    assert value_ticks(np.array([1.0, 2.0, 3.0])) == ([0.0, 1.0, 2.0, 3.0], False)
    assert value_ticks(np.array([np.nan])) == ([0.0, 1.0], False)


def test_nothing_of_an_allocation_is_red():
    figure = allocation_chart([timeline(latency=(0.1, 0.1, 0.1, 40.0))], EDGES, title="Load")
    assert not shapes_of(figure, "fail")
    assert not shapes_of(figure, "cross")


def test_values_never_leave_their_plot():
    panel = Panel(10.0, 110.0, 20.0, 70.0, 0.0, 10.0, 0.0, 5.0)
    assert [panel.y(value) for value in (-1.0, 0.0, 5.0, 99.0)] == [70.0, 70.0, 20.0, 20.0]
    (alone,) = panel.curve(np.array([5.0]), np.array([5.0]), "line0")
    assert 'd="M58 20L62 20"' in alone


@pytest.mark.parametrize(
    ("models", "edges"),
    [
        ([], EDGES),
        ([timeline()], EDGES[:1]),
        ([timeline()], EDGES[:-1]),
        ([timeline(policies=tuple("abcdef"))], EDGES),
    ],
    ids=["no model", "no bin", "other bins", "too many policies"],
)
def test_what_cannot_be_drawn_is_refused(models, edges):
    with pytest.raises(ValueError, match=r"an allocation needs|one per bin"):
        allocation_chart(models, edges, title="Load")


def test_a_policy_that_is_faster_than_the_reference_has_its_bar_on_the_left():
    differences = {"ours": summarize([-0.2, -0.22], "1"), "random": summarize([0.1, 0.12], "1")}
    figure = difference_chart(differences, reference="least_connections", title="Difference")
    (zero,) = shapes_of(figure, "limit")
    left, right = shapes_of(figure, "s0")[0], shapes_of(figure, "s1")[0]
    assert float(left["x"]) + float(left["width"]) == pytest.approx(float(zero["x1"]), abs=0.02)
    assert float(right["x"]) == pytest.approx(float(zero["x1"]), abs=0.02)
    assert figure.table.rows[0][1] == pytest.approx(-21.0)


def test_a_difference_beyond_the_axis_ends_in_an_arrow_and_says_its_number():
    differences = {"ours": summarize([-0.2, -0.2], "1"), "worst": summarize([16.0, 17.0], "1")}
    figure = difference_chart(differences, reference="lc", title="Difference")
    assert {"›", "+1650.0 % [+1600.0 to +1700.0]"} <= set(words_of(figure))
    assert max(float(b["x"]) + float(b["width"]) for b in shapes_of(figure, "s1")) <= 760.0


def test_a_difference_is_told_with_its_sign_and_interval():
    assert percent_text(summarize([-0.1], "1")) == "-10.0 %"
    assert percent_text(summarize([], "1")) == "-"
    with pytest.raises(ValueError, match="at least one"):
        difference_chart({}, reference="lc", title="Difference")


@pytest.mark.parametrize("name", ['<script>alert("x")</script>', "a & b"])
def test_names_cannot_write_into_the_picture(name):
    figures = [
        allocation_chart([timeline(name, policies=(name, "b"))], EDGES, title=name),
        difference_chart({name: summarize([0.1], "1")}, reference=name, title=name),
    ]
    for figure in figures:
        assert b"<script" not in figure.data
        ET.fromstring(figure.data)
