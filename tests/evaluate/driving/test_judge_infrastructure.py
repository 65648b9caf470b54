"""What is not the policy's fault is driven again, told, and never scored; and bytes do not depend on workers."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from rilaas.core import Unavailable
from rilaas.evaluate.driving import Latency, Scenario, Spawn, Suite, World, run_suite
from rilaas.report import Report
from tests.evaluate.driving.test_judge import FollowYellow, GoAstray

GENTLE = Spawn(0.02, 0.1)
LOOP = tuple(Scenario("loop", "oval", seed, duration_s=2.0, spawn=GENTLE) for seed in (1, 2, 3))


class Frail(World):
    """Breaks after a second of simulated time."""

    def advance(self, wheels, ticks):
        snapshot = super().advance(wheels, ticks)
        if snapshot.tick * self.tick_s > 1.0:
            raise Unavailable("The simulator crashed.")
        return snapshot


class Breaks:
    """Makes simulators of which the first few break, or are not even there."""

    def __init__(self, times, *, at_once=False):
        self.times, self.at_once, self.made = times, at_once, 0

    @contextmanager
    def __call__(self, scenario):
        self.made += 1
        if self.made > self.times:
            yield World(scenario)
        elif self.at_once:
            raise Unavailable("No simulator answers.")
        else:
            yield Frail(scenario)


def table(report, title):
    return next(table for table in report.tables if table.title == title)


@pytest.mark.parametrize("at_once", [False, True], ids=["on the way", "before it began"])
def test_an_episode_whose_simulator_is_gone_is_driven_again_in_a_fresh_one(at_once):
    """The first two simulators fail: episode 1 needs three attempts, the others one each; five simulators in all."""
    makes = Breaks(2, at_once=at_once)
    report = run_suite(FollowYellow(), Suite("s", "", LOOP), simulator=makes, retry_after_s=0.0)
    assert makes.made == 5
    assert [episode.status for episode in report.episodes] == ["completed"] * 3
    assert report.metrics["survival_s"].n == 3
    (row,) = table(report, "Infrastructure failures").rows
    assert row[:4] == ("loop", 1, 2, "scored")
    assert row[4] in {"The simulator crashed.", "No simulator answers."}
    assert "1 driven again, for the infrastructure had failed" in report.summary
    plain = run_suite(FollowYellow(), Suite("s", "", LOOP))
    assert report.episodes == plain.episodes


@pytest.mark.parametrize("at_once", [False, True], ids=["on the way", "before it began"])
def test_a_simulator_that_stays_away_is_told_and_nothing_is_scored(at_once):
    report = run_suite(
        FollowYellow(), Suite("s", "", LOOP), simulator=Breaks(99, at_once=at_once), retries=1, retry_after_s=0.0
    )
    assert {episode.status for episode in report.episodes} == {"infrastructure_failure"}
    assert all(episode.metrics == {} for episode in report.episodes)
    assert [row[2:4] for row in table(report, "Infrastructure failures").rows] == [(2, "not scored")] * 3
    assert Report.from_json(report.to_json()).verdict == "measured"
    assert report.to_html()
    assert report.to_text()


def test_a_policy_that_fails_is_not_driven_again():
    makes = Breaks(0)
    report = run_suite(GoAstray(), Suite("s", "", LOOP), simulator=makes)
    assert makes.made == 3
    assert "Infrastructure failures" not in [table.title for table in report.tables]


def bytes_of(episode):
    arrays = ("t_s", "poses", "commands", "answered_s", "latency_s")
    result = episode.result
    frames = b"".join(np.ascontiguousarray(frame).tobytes() for _, frame in result.frames)
    return b"".join(getattr(result, name).tobytes() for name in arrays) + frames, result.status, dict(episode.scores)


def test_episodes_are_the_same_bytes_whatever_the_number_of_workers():
    runs, latency = [], Latency.drawn([0.01, 0.05, 0.2])
    for workers in (1, 3):
        steps = []
        run_suite(FollowYellow, Suite("s", "", LOOP), latency=latency, workers=workers, on_episode=steps.append)
        runs.append([bytes_of(step.episode) for step in steps])
    assert runs[0] == runs[1]


def test_a_suite_with_worlds_on_one_map_has_a_table_by_scenario():
    night = tuple(Scenario("noise", "oval", seed, duration_s=1.0, camera_noise=20.0) for seed in (1, 2))
    report = run_suite(FollowYellow(), Suite("s", "", (*LOOP, *night)))
    assert [row[:2] for row in table(report, "By scenario").rows] == [("loop", 3), ("noise", 2)]
    assert "By map" not in [table.title for table in report.tables]


def test_infractions_are_counted_by_kind_per_episode_and_per_km():
    steps = []
    report = run_suite(GoAstray(), Suite("s", "", LOOP), on_episode=steps.append)
    found = [each for step in steps for each in step.episode.infractions]
    rows = {row[0]: row for row in table(report, "Infractions by kind").rows}
    assert {each.kind for each in found} == set(rows)
    way_m = sum(np.hypot(*np.diff(step.episode.result.poses[:, :2], axis=0).T).sum() for step in steps)
    for kind, row in rows.items():
        count = sum(each.kind == kind for each in found)
        assert row[1] == count
        assert row[3] == pytest.approx(count / 3)
        assert row[4] == pytest.approx(count / (1e-3 * way_m))


def test_a_report_keeps_round_trips_to_draw_latencies_from():
    report = run_suite(FollowYellow(), Suite("s", "", LOOP[:1]))
    assert set(report.samples["round_trip_s"]) == {0.002}
    assert len(report.samples["round_trip_s"]) == report.metrics["round_trip_s"].n


class Silent(FollowYellow):
    """Never answers."""

    def predict(self, inputs, *, deadline_s=None):
        raise Unavailable("Nobody answers.")


def test_an_episode_that_is_shorter_than_an_outage_is_not_scored_where_nobody_ever_answered():
    """A second without one answer is shorter than the two after which an episode is given up."""
    short = Suite("s", "", tuple(replace(each, duration_s=1.0) for each in LOOP[:1]))
    (episode,) = run_suite(Silent(), short, retries=0).episodes
    assert (episode.status, episode.metrics) == ("infrastructure_failure", {})
