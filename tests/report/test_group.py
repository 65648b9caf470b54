"""Metrics under headings, and those that an episode does not have."""

from dataclasses import replace

import pytest

from rilaas.report import Episode, Provenance, Report, Table, summarize
from rilaas.report.group import absent_table


@pytest.fixture
def grouped():
    """Two metrics of the headline, three in two groups; one that is undefined in two of three episodes."""
    metrics = {
        "driving_score": summarize([80.0, 90.0, 40.0], "1/100", "higher"),
        "lane_time_share": summarize([1.0, 0.9, 0.5], "1", "higher"),
        "jerk_m_per_s3": summarize([0.5], "m/s^3", "lower", group="Comfort"),
        "yaw_rate_rad_per_s": summarize([0.1, 0.2, 0.3], "rad/s", "lower", group="Comfort"),
        "red_lines": summarize([0.0, 1.0, 0.0], "", "lower", group="Traffic law"),
    }
    whole = Episode("loop", 1, "completed", {"driving_score": 80.0, "jerk_m_per_s3": 0.5})
    cut = [
        Episode("loop", seed, "off_road", {"driving_score": 40.0}, True, {"jerk_m_per_s3": "the robot failed"})
        for seed in (2, 3)
    ]
    return Report("evaluation", "measured", metrics, Provenance("1", "", (1, 2, 3), {}, "c"), episodes=(whole, *cut))


def test_a_metric_has_its_median_and_its_range():
    """Of 1, 2, 9: median 2, from 1 to 9, while the mean is 4."""
    metric = summarize([2.0, 9.0, 1.0], "m")
    assert (metric.mean, metric.median, metric.minimum, metric.maximum) == (4.0, 2.0, 1.0, 9.0)


def test_a_terminal_shows_the_headline_and_says_what_else_there_is(grouped):
    text = grouped.to_text()
    assert "driving_score" in text
    assert "median" in text
    assert "red_lines" not in text.replace("Also measured", "")
    assert "Also measured: 2 of Comfort, 1 of Traffic law; --report and --json have them." in text
    assert "1 metric is undefined in some episodes" in text


def test_a_narrow_terminal_has_means_and_intervals_only(grouped):
    assert "median" not in grouped.to_text(width=60)
    assert "interval" in grouped.to_text(width=60)


def test_a_page_folds_each_group_and_names_the_reason_of_what_is_absent(grouped):
    page = grouped.to_html()
    assert "<summary>Comfort (2)</summary>" in page
    assert "<summary>Traffic law (1)</summary>" in page
    assert page.index("driving_score") < page.index("<summary>Comfort")
    assert "the robot failed" in page


def test_the_reasons_are_counted(grouped):
    """Two of three episodes have no jerk, both for the same reason."""
    table = absent_table(grouped)
    assert table.rows == (("jerk_m_per_s3", "the robot failed", 2),)
    assert table.note.startswith("Of 3 episodes.")
    assert absent_table(replace(grouped, episodes=grouped.episodes[:1])) is None


def test_episodes_are_listed_with_the_headline_only(grouped):
    assert "jerk_m_per_s3" not in grouped.to_text().split("Episodes, worst first")[1]


def test_where_nothing_is_in_a_headline_everything_is_shown():
    metrics = {"a": summarize([1.0, 2.0], "m", group="G"), "b": summarize([1.0], "m", group="H")}
    text = Report("k", "measured", metrics, Provenance("1", "", (), {}, "c")).to_text()
    assert "\na " in text
    assert "\nb " in text
    assert "Also measured" not in text


@pytest.mark.parametrize("link", ["javascript:alert(1)", "java\tscript:x", "data:text/html,x", '"><script>'])
def test_a_link_that_could_run_is_left_away(grouped, link):
    episode = replace(grouped.episodes[0], link=link)
    assert "<a href" not in replace(grouped, episodes=(episode,)).to_html()


def test_an_episode_links_to_its_page(grouped):
    episode = replace(grouped.episodes[0], link="record/loop-1.html#t=1.5")
    assert '<a href="record/loop-1.html#t=1.5">loop</a>' in replace(grouped, episodes=(episode,)).to_html()


def test_a_table_for_those_who_look_closer_is_folded_on_a_page_and_not_shown_at_a_terminal(grouped):
    table = Table("All the rest", ("a",), ((1,), (2,)), is_detail=True)
    report = replace(grouped, tables=(table,))
    assert "All the rest" not in report.to_text()
    assert "<summary>2 rows</summary>" in report.to_html()
    assert Report.from_json(report.to_json()).tables == (table,)


def test_a_table_of_names_and_values_is_read_by_name_and_any_other_table_is_none(report):
    facts = Table("Suite", ("", "value"), (("suite", "lf"), ("episodes", 40)))
    wide = Table("Calls", ("outcome", "calls", "share"), (("answers", 7, 1.0),))
    told = replace(report, tables=(wide, facts))
    assert told.facts("Suite") == {"suite": "lf", "episodes": 40}
    assert told.facts("Calls") == told.facts("Nowhere") == {}
