"""Scores by episode and by latency, infractions by kind."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.report import Episode, infraction_chart, metric_text, score_chart, score_latency_chart, summarize
from rilaas.report.svg import signed_ticks


def words_of(figure):
    return [element.text for element in ET.fromstring(figure.data).iter("{http://www.w3.org/2000/svg}text")]


def shapes_of(figure, kind):
    return [e.attrib for e in ET.fromstring(figure.data).iter() if e.attrib.get("class") == kind]


def episode(seed, score=None, *, failed=False):
    return Episode(
        "s", seed, "off_road" if failed else "completed", {} if score is None else {"driving_score": score}, failed
    )


def test_the_worst_episode_is_on_the_left_and_a_failure_is_a_red_cross():
    figure = score_chart([episode(1, 80.0), episode(2, 10.0, failed=True), episode(3, 50.0)])
    assert [row[0] for row in figure.table.rows] == [2, 3, 1]
    dots = sorted((float(dot["cx"]), float(dot["cy"])) for dot in shapes_of(figure, "s0"))
    assert [y for _, y in dots] == sorted((y for _, y in dots), reverse=True)
    assert len(shapes_of(figure, "cross")) == 2  # the episode's, and the legend's
    assert "1 failed" in figure.alt


def test_a_score_stands_at_its_height():
    """The axis goes from 236 at 0 to 14 at 100: 25 stands a quarter of the way up, at 236 - 55.5 = 180.5."""
    (dot,) = shapes_of(score_chart([episode(1, 25.0)]), "s0")
    assert float(dot["cy"]) == pytest.approx(180.5)


def test_the_mean_has_the_interval_that_the_report_has_though_the_chart_has_another_order():
    """A bootstrap draws by position: the same scores in another order have another interval by a hair."""
    scores = [97.4, 99.6, 84.5, 66.6, 81.0, 91.6, 90.3, 94.1, 100.0, 98.1, 90.3, 89.7]
    figure = score_chart([episode(seed, score) for seed, score in enumerate(scores)])
    assert figure.caption.startswith(f"Mean {metric_text(summarize(scores, '', 'higher'))}:")


def test_an_episode_without_a_score_is_left_out_and_that_is_said():
    figure = score_chart([episode(1, 80.0), episode(2)])
    assert len(figure.table.rows) == 1
    assert "1 without a score is left out" in figure.caption


@pytest.mark.parametrize("count", [0, 1, 24, 300])
def test_any_number_of_scores_can_be_drawn(count):
    figure = score_chart([episode(k, float(k % 100)) for k in range(count)])
    assert len(figure.table.rows) == count
    assert len(words_of(figure)) < 40


def test_scores_below_zero_stay_in_the_picture():
    figure = score_chart([episode(1, -30.0), episode(2, 60.0)], highest=None)
    assert all(14.0 <= float(dot["cy"]) <= 236.0 for dot in shapes_of(figure, "s0"))


@settings(max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), max_size=5))
def test_ticks_hold_all_values_and_zero(values):
    ticks = signed_ticks(values)
    slack = 1e-6 * (ticks[-1] - ticks[0])
    assert ticks[0] <= min([0.0, *values]) + slack
    assert ticks[-1] >= max([0.0, *values]) - slack
    assert 0.0 in ticks
    assert len(ticks) <= 9


POINTS = [(0.0, 92.0, 88.0, 95.0, 20), (0.1, 90.0, 86.0, 93.0, 20), (0.2, 60.0, 50.0, 70.0, 20)]


def test_where_driving_starts_to_lose_is_a_line_with_its_latency():
    figure = score_latency_chart(POINTS, 0.2)
    assert "starts to lose at 200 ms" in words_of(figure)
    (limit,) = shapes_of(figure, "limit")
    assert float(limit["x1"]) == max(float(dot["cx"]) for dot in shapes_of(figure, "s0"))
    assert "From 200 ms on it is measurably worse" in figure.alt


def test_without_a_loss_there_is_no_line_and_that_is_said():
    figure = score_latency_chart(POINTS)
    assert not shapes_of(figure, "limit")
    assert "At no latency" in figure.caption


def test_latencies_stand_in_rising_order_in_the_unit_of_their_size():
    figure = score_latency_chart(POINTS[::-1])
    assert figure.table.columns[0] == "latency [ms]"
    assert [row[0] for row in figure.table.rows] == [0.0, 100.0, 200.0]
    assert score_latency_chart([(2.0, 1.0, 1.0, 1.0, 3)]).table.columns[0] == "latency [s]"


def test_a_latency_without_a_score_is_in_the_table_only():
    figure = score_latency_chart([*POINTS, (0.3, math.nan, math.nan, math.nan, 0)])
    assert len(figure.table.rows) == 4
    assert len(shapes_of(figure, "s0")) == 3


@pytest.mark.parametrize("points", [[], [(-0.1, 1.0, 1.0, 1.0, 2)], [(math.nan, 1.0, 1.0, 1.0, 2)]])
def test_points_that_cannot_be_are_refused(points):
    with pytest.raises(ValueError, match="not negative"):
        score_latency_chart(points)


COUNTS = {"red_line": {"town": 2}, "left_lane": {"oval": 12, "town": 4}, "off_road": {"oval": 0}}


def test_the_rule_that_was_broken_most_comes_first_and_its_parts_add_up():
    figure = infraction_chart(COUNTS, 8)
    assert figure.table.rows == (("left_lane", 12, 4, 16, 2.0), ("red_line", 0, 2, 2, 0.25))
    assert figure.table.columns == ("kind", "oval", "town", "all", "an episode")
    assert "left lane 16, red line 2" in figure.alt
    # Lengths are in proportion: 12 and 4 of one bar, less the pixel between parts.
    first, second = (float(shapes_of(figure, kind)[0]["width"]) + 1.0 for kind in ("s0", "s1"))
    assert first == pytest.approx(3.0 * second, abs=0.05)


def test_more_scenarios_than_colours_share_the_last_one():
    figure = infraction_chart({"red_line": {f"scenario-{k}": 10 - k for k in range(8)}}, 8)
    assert "other scenarios" in words_of(figure)
    assert len(figure.table.columns) == 1 + 8 + 2
    assert sum(float(shapes_of(figure, f"s{k}")[0]["width"]) + 1.0 for k in range(5)) == pytest.approx(
        52 / 60 * (float(shapes_of(figure, "grid")[-1]["x1"]) - float(shapes_of(figure, "axis")[0]["x1"])), abs=0.5
    )


def test_no_infraction_at_all_is_said():
    figure = infraction_chart({}, 3)
    assert "no rule was broken" in words_of(figure)
    assert figure.alt == "Infractions in 3 episodes: none."


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="not negative"):
        infraction_chart({"red_line": {"oval": -1}}, 1)
