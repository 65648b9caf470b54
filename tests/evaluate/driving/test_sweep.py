"""Score against latency."""

from functools import partial

import pytest

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import Latency, Scenario, Spawn, Suite, run_suite
from rilaas.evaluate.driving.judge.sweep import losing_bracket, parse_latencies, run_sweep
from rilaas.report import Report
from tests.evaluate.driving.test_judge import FollowYellow

GENTLE = Spawn(0.02, 0.1)
SUITE = Suite(
    "s", "", tuple(Scenario("bends", "s_bends", seed, duration_s=8.0, spawn=GENTLE) for seed in range(1, 8))
)


@pytest.fixture(scope="module")
def swept():
    """A driver that follows the yellow line through bends, with answers at once and after 0.6 s; and again at once,
    as if 20 ms made no difference."""
    points = []

    def drive(latency):
        return run_suite(FollowYellow(), SUITE, latency=latency if latency.samples_s[0] > 0.1 else Latency.none())

    return run_sweep(drive, SUITE, [0.6, 0.0, 0.02], on_point=points.append), points


def test_the_smallest_latency_that_is_measurably_worse_is_found_with_the_one_before(swept):
    """0.6 s at 0.3 m/s are 18 cm driven blind, in a lane of 22 cm: a loss of more than 10 points. The smaller latency
    drives as well as none (the very same run), so that it is not worse."""
    report, points = swept
    assert [point.latency_s for point in points] == [0.0, 0.02, 0.6]
    assert [point.loses for point in points] == [False, False, True]
    assert points[2].comparison.difference.high < -10.0
    assert losing_bracket(points) == (0.02, 0.6)
    assert report.metrics["loses_at_s"].mean == 0.6
    assert "It starts to lose between 20.0 ms and 600 ms" in report.summary


def test_every_latency_has_a_row_and_its_pairs_are_all_episodes(swept):
    report, points = swept
    table = next(table for table in report.tables if table.title == "Score against latency")
    assert [row[0] for row in table.rows] == [0.0, 0.02, 0.6]
    assert table.rows[2][-1] == "worse"
    assert all(point.comparison is None or point.comparison.n == 7 for point in points)
    assert len(report.episodes) == 21
    assert report.episodes[-1].scenario == "bends at 600 ms"
    assert [figure.title for figure in report.figures] == ["Score against latency"]
    assert Report.from_json(report.to_json()).to_html()


def test_the_same_driving_at_every_latency_loses_nowhere(swept):
    still = run_suite(FollowYellow(), SUITE, latency=Latency.none())
    report = run_sweep(lambda latency: still, SUITE, [0.0, 0.1])
    assert "loses_at_s" not in report.metrics
    assert "No measurable loss up to 100 ms." in report.summary


def test_too_few_pairs_are_not_called_no_loss():
    """Five pairs: each may have its sign by chance in 2 * 0.5^5 = 6 % of cases, however large the loss is."""
    few = Suite("s", "", SUITE.scenarios[:5])
    report = run_sweep(lambda latency: run_suite(FollowYellow(), few, latency=latency), few, [0.0, 0.6])
    assert "5 pairs cannot tell a loss from chance: 6 are the least." in report.summary
    assert "No measurable loss" not in report.summary


def test_ctrl_c_keeps_the_latencies_that_were_done():
    short = Suite("s", "", SUITE.scenarios[:2])
    drives = iter([partial(run_suite, FollowYellow(), short), None])

    def drive(latency):
        run = next(drives)
        if run is None:
            raise KeyboardInterrupt
        return run(latency=latency)

    report = run_sweep(drive, short, [0.0, 0.1, 0.2])
    assert report.summary.startswith("Interrupted after 1 of 3 latencies.")
    assert len(report.episodes) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [("0,soon", "with commas"), ("0.1", "at least two"), ("0.1,0.1", "at least two"), ("0,-1", "3600")],
)
def test_what_are_no_latencies_is_answered_with_what_would_be(text, words):
    with pytest.raises(InvalidInput) as caught:
        parse_latencies(text)
    assert words in str(caught.value)
