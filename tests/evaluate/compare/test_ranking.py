"""Who comes first."""

import math

import pytest

from rilaas.core import NotFound
from rilaas.evaluate.compare import RULES, Criterion, against_table, compare_every, rank, ranking_tables
from rilaas.evaluate.driving import METRICS


def course(make_report, driven, survival=60.0, deviation=1.0, outside=0.0):
    """Three episodes around given medians."""
    return make_report(
        driven_lane_m=[driven - 1, driven, driven + 9],
        survival_s=[survival] * 3,
        lateral_deviation_m_s=[deviation] * 3,
        out_of_lane_s=[outside] * 3,
        driven_lane_tiles=[(driven - 1) / 0.585, driven / 0.585, (driven + 9) / 0.585],
    )


def test_medians_in_whole_steps_count_and_ties_go_on_to_the_next_column(make_report):
    """10.0 m and 10.2 m are both 16 steps of 0.62 m (9.92 m), 9.0 m are 15; so the second column parts the first two:
    59 s are round(29.5) = 30 steps of 2 s, as 60 s are; the third does: 1.0 against 0.5 m s."""
    reports = {
        "short": course(make_report, 9.0),
        "straight": course(make_report, 10.0, survival=59.0, deviation=0.5),
        "crooked": course(make_report, 10.2, survival=60.0, deviation=1.0),
    }
    standings = rank(reports, "ai-do")
    assert [(each.name, each.place) for each in standings] == [("straight", 1), ("crooked", 2), ("short", 3)]
    assert [each.decided_by for each in standings] == ["", "lateral_deviation_m_s", "driven_lane_m"]
    assert standings[0].medians == (10.0, 59.0, 0.5, 0.0)


def test_equal_ones_share_a_place_and_the_next_place_is_left_free(make_report):
    reports = {"a": course(make_report, 10.0), "b": course(make_report, 10.0), "c": course(make_report, 5.0)}
    assert [each.place for each in rank(reports, "ai-do")] == [1, 1, 3]


def test_the_second_board_puts_survival_first(make_report):
    reports = {"far": course(make_report, 20.0, survival=30.0), "long": course(make_report, 10.0, survival=60.0)}
    assert [each.name for each in rank(reports, "ai-do")] == ["far", "long"]
    assert [each.name for each in rank(reports, "ai-do-2")] == ["long", "far"]


def test_whole_tiles_are_not_the_printed_step(make_report):
    """0.3 m is half a step of 0.62 m and rounds down to 0 (0.48), but is 0.51 tiles of 0.585 m, rounded up to 1."""
    far, near = Criterion("driven_lane_m", "higher", 0.62), Criterion("driven_lane_tiles", "higher", 1.0)
    assert far.rounded(0.3) == 0
    assert near.rounded(0.3 / 0.585) == 1


def test_who_has_no_value_comes_last(make_report):
    reports = {"none": make_report(driving_score=[1, 2, 3]), "some": course(make_report, 1.0)}
    standings = rank(reports, "ai-do")
    assert [each.name for each in standings] == ["some", "none"]
    assert all(map(math.isnan, standings[1].medians))


def test_an_unknown_board_is_answered_with_a_like_one(make_report):
    with pytest.raises(NotFound, match="Did you mean 'ai-do'"):
        rank({"a": course(make_report, 1.0)}, "aido")


@pytest.mark.parametrize("rule", RULES)
def test_the_boards_know_only_metrics_that_there_are(rule):
    for criterion in RULES[rule].criteria:
        assert METRICS[criterion.metric].direction == criterion.direction


def test_the_tables_say_places_means_and_whether_the_place_is_chance(make_report):
    scores = [50.0, 60.0, 70.0, 40.0, 55.0, 65.0, 45.0, 52.0]
    reports = {
        "low": make_report(driving_score=[s - 20 for s in scores]),
        "high": make_report(driving_score=scores),
        "same": make_report(driving_score=[s + (-1) ** i for i, s in enumerate(scores)]),
    }
    scalar = ranking_tables(reports)[0]
    assert scalar.title == "Ranking by driving_score"
    assert [row[1] for row in scalar.rows] == ["high", "same", "low"]
    assert [row[4] for row in scalar.rows] == ["", "no measurable difference", "worse"]
    table = against_table(compare_every(reports["high"], reports["low"]), "high", "low")
    (row,) = table.rows
    assert row[0] == "driving_score"
    assert row[-1] == "better"
    assert "n=8" in str(row[3])
