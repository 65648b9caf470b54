import io
import json
import math
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from rilaas.core import InvalidInput, PermissionDenied, Prediction, Timing, Unavailable
from rilaas.evaluate.driving import (
    METRICS,
    Latency,
    Scenario,
    Spawn,
    Suite,
    Threshold,
    World,
    run_suite,
    score_trajectory,
)
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.objective.score import FAMILIES
from rilaas.evaluate.driving.world.world import tile_world
from rilaas.report import Report

GENTLE = Spawn(0.02, 0.1)
LOOP = tuple(Scenario("loop", "oval", seed, duration_s=4.0, spawn=GENTLE) for seed in (1, 2, 3))
BENDS = tuple(Scenario("bends", "s_bends", seed, duration_s=4.0, spawn=GENTLE) for seed in (4, 5))
IN_LANE = Threshold("lane_time_share", 0.95, is_minimum=True, over="each_map")


class FollowYellow:
    """Keeps the yellow line where it belongs in the image: a real driver, from the image alone."""

    signature = DRIVING_SIGNATURE

    def predict(self, inputs, *, deadline_s=None):
        band = inputs["image"][0, 70:100].astype(int)
        red, green, blue = band[..., 0], band[..., 1], band[..., 2]
        columns = np.nonzero((red > 120) & (green > 90) & (blue < 90) & (red > green + 10))[1]
        steer = np.clip(0.004 * (35.0 - columns.mean()), -0.25, 0.25) if columns.size else 0.0
        return Prediction({"wheels": np.array([[0.25 - steer, 0.25 + steer]], np.float32)}, Timing(total_s=0.002))

    def reset(self):
        pass


class GoAstray(FollowYellow):
    """Fast, blind, and a bit to the right."""

    def predict(self, inputs, *, deadline_s=None):
        return Prediction({"wheels": np.array([[0.9, 0.8]], np.float32)}, Timing(total_s=0.001, server="edge"))


class NobodyThere(FollowYellow):
    """A server that is gone."""

    def predict(self, inputs, *, deadline_s=None):
        raise Unavailable("The server is gone.")


class Refused(FollowYellow):
    """A robot without access."""

    def predict(self, inputs, *, deadline_s=None):
        raise PermissionDenied("This robot may not drive.")


class OnlyBends(FollowYellow):
    """Gets lost at the third episode."""

    def __init__(self):
        self.episodes = 0

    def reset(self):
        self.episodes += 1

    def predict(self, inputs, *, deadline_s=None):
        return (NobodyThere if self.episodes == 3 else FollowYellow).predict(self, inputs)


@pytest.fixture(scope="module")
def good():
    return run_suite(FollowYellow(), Suite("s", "", LOOP + BENDS, (IN_LANE,)), command=["judge", "it"])


@pytest.fixture(scope="module")
def bad():
    return run_suite(GoAstray(), Suite("s", "", LOOP + BENDS, (IN_LANE,)))


def test_a_driver_that_keeps_its_lane_passes(good):
    assert good.kind == "evaluation"
    assert good.verdict == "passed"
    assert good.summary.startswith("5 of 5 episodes completed. Driving score: ")
    assert "Along the lane: " in good.summary
    assert good.metrics["lane_time_share"].mean == pytest.approx(1.0)
    assert good.metrics["survival_s"].mean == pytest.approx(4.0)
    assert good.metrics["driven_lane_m"].n == 5
    assert good.provenance.seeds == (1, 2, 3, 4, 5)
    assert good.provenance.command == "judge it"


def test_every_metric_has_its_unit_direction_interval_and_count(good):
    assert {"driven_lane_m", "lane_time_share", "survival_s"} <= set(good.metrics)
    for name, definition in METRICS.items():
        values = [episode.metrics[name] for episode in good.episodes if name in episode.metrics]
        if not values:
            assert name not in good.metrics
            assert all(episode.absent[name] for episode in good.episodes)
            continue
        metric = good.metrics[name]
        assert (metric.unit, metric.direction, metric.n) == (definition.unit, definition.direction, len(values))
        assert metric.low <= metric.mean <= metric.high
        assert metric.mean == pytest.approx(np.mean(values))
        assert (metric.median, metric.minimum) == (pytest.approx(np.median(values)), min(values))


def test_the_headline_comes_first_and_then_family_by_family(good):
    groups = list(dict.fromkeys(metric.group for metric in good.metrics.values()))
    assert groups[0] == ""
    order = [family.title for family in FAMILIES]
    assert groups[1:] == [title for title in order if title in groups]


def test_round_trips_are_told_by_server(good, bad):
    assert good.metrics["round_trip_s"].servers["this process"].p50 == pytest.approx(0.002)
    assert bad.metrics["round_trip_s"].servers["edge"].n == bad.metrics["round_trip_s"].n
    assert good.metrics["latency_s"].mean == 0.0


def test_a_driver_that_leaves_the_road_fails_and_its_episodes_say_so(bad):
    assert bad.verdict == "failed"
    assert [(e.scenario, e.seed, e.status, e.failed) for e in bad.episodes] == [
        ("loop", 1, "off_road", True),
        ("loop", 2, "off_road", True),
        ("loop", 3, "off_road", True),
        ("bends", 4, "off_road", True),
        ("bends", 5, "off_road", True),
    ]
    assert "2 of 2 thresholds missed: lane_time_share over oval is " in bad.summary
    assert bad.summary.endswith(", not at least 0.95, and 1 more.")
    table = next(table for table in bad.tables if table.title == "Thresholds")
    assert [row[1] for row in table.rows] == ["oval", "s_bends"]
    assert {row[-1] for row in table.rows} == {"no"}


def test_the_report_has_a_row_for_each_map_and_the_suites_digest(good):
    by_map = next(table for table in good.tables if table.title == "By map")
    assert [row[:3] for row in by_map.rows] == [("oval", 3, 0), ("s_bends", 2, 0)]
    suite = next(table for table in good.tables if table.title == "Suite")
    assert dict(suite.rows)["digest"] == Suite("s", "", LOOP + BENDS, (IN_LANE,)).digest
    assert dict(suite.rows)["episodes"] == "5 of 5"


def test_the_report_shows_ways_on_every_map_and_what_the_robot_saw(good):
    figures = {figure.title: figure for figure in good.figures}
    ElementTree.parse(io.BytesIO(figures["Ways driven"].data))
    assert "oval: 3 driven, 0 failed; s_bends: 2 driven, 0 failed" in figures["Ways driven"].alt
    strip = cv2.imdecode(np.frombuffer(figures["What the robot saw"].data, np.uint8), cv2.IMREAD_COLOR)
    assert strip.shape[0] == 2 * 120 + 3  # a row of frames for each map
    assert "oval (loop), seed" in figures["What the robot saw"].caption
    assert "Distance along the lane, per episode" in figures


def test_the_report_goes_through_json_and_back_and_has_no_nan(good, bad):
    for report in (good, bad):
        text = report.to_json()
        assert "NaN" not in text
        assert Report.from_json(text).metrics == report.metrics
        assert json.loads(text)["episodes"][0]["scenario"] == "loop"
        assert "<html" in report.to_html()
        assert report.to_text()


def test_several_workers_give_the_same_numbers_as_one(good):
    done = []
    suite = Suite("s", "", LOOP + BENDS, (IN_LANE,))
    report = run_suite(FollowYellow, suite, workers=2, on_episode=done.append)
    assert [episode.metrics for episode in report.episodes] == [episode.metrics for episode in good.episodes]
    assert [(step.done, step.total) for step in done] == [(k, 5) for k in range(1, 6)]


def test_one_policy_cannot_be_in_several_workers():
    with pytest.raises(InvalidInput, match="Pass a function that makes a policy"):
        run_suite(FollowYellow(), Suite("s", "", LOOP), workers=2)


def test_what_goes_wrong_in_a_worker_is_told():
    with pytest.raises(PermissionDenied, match="This robot may not drive"):
        run_suite(Refused, Suite("s", "", LOOP), workers=2)


def test_a_refused_robot_is_told_and_not_scored():
    with pytest.raises(PermissionDenied, match="This robot may not drive"):
        run_suite(Refused(), Suite("s", "", LOOP))


def test_episodes_without_an_answer_are_listed_and_not_scored():
    report = run_suite(NobodyThere(), Suite("s", "", LOOP, (IN_LANE,)), retries=0)
    assert report.verdict == "measured"
    assert {episode.status for episode in report.episodes} == {"infrastructure_failure"}
    assert all(episode.metrics == {} and episode.failed for episode in report.episodes)
    assert report.metrics == {}
    assert "3 could not be scored, for nobody answered" in report.summary
    calls = next(table for table in report.tables if table.title == "Calls")
    assert dict(calls.rows)["unavailable"] > 0
    assert report.to_html()


def test_an_outage_in_one_episode_does_not_spoil_the_means_but_nothing_is_passed():
    report = run_suite(OnlyBends(), Suite("s", "", LOOP + BENDS, (IN_LANE,)), retries=0)
    assert report.verdict == "measured"
    assert report.metrics["survival_s"].n == 4
    assert report.metrics["survival_s"].mean == pytest.approx(4.0)


def test_ctrl_c_keeps_what_is_done():
    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    report = run_suite(FollowYellow(), Suite("s", "", LOOP + BENDS, (IN_LANE,)), on_episode=stop)
    assert len(report.episodes) == 2
    assert report.verdict == "measured"
    assert report.summary.startswith("Interrupted after 2 of 5 episodes: ")


def test_ctrl_c_before_anything_is_done_ends_it():
    def stop(world):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suite(FollowYellow(), Suite("s", "", LOOP), on_frame=stop)


def test_without_thresholds_nothing_is_passed_or_failed():
    assert run_suite(FollowYellow(), Suite("s", "", LOOP[:1])).verdict == "measured"


def test_other_seeds_may_be_given_and_there_is_at_least_one():
    report = run_suite(FollowYellow(), Suite("s", "", LOOP), seeds=[9, 10])
    assert [episode.seed for episode in report.episodes] == [9, 10]
    with pytest.raises(InvalidInput, match="no seeds"):
        run_suite(FollowYellow(), Suite("s", "", LOOP), seeds=[])


def test_a_reference_driver_is_drawn_beside_and_compared():
    driven_m = run_suite(FollowYellow(), Suite("s", "", LOOP)).metrics["driven_lane_m"].mean
    report = run_suite(FollowYellow(), Suite("s", "", LOOP), reference_m={("loop", 1): 1.0, ("loop", 2): 1.0})
    assert report.metrics["driven_share_of_reference"].n == 2
    assert report.metrics["driven_share_of_reference"].mean == pytest.approx(driven_m, rel=0.2)


def test_latency_is_part_of_the_world_and_is_told():
    slow = run_suite(FollowYellow(), Suite("s", "", LOOP), latency=Latency.fixed(0.3))
    quick = run_suite(FollowYellow(), Suite("s", "", LOOP))
    assert slow.metrics["latency_s"].mean == pytest.approx(0.3)
    assert slow.metrics["lateral_deviation_m_s"].mean > quick.metrics["lateral_deviation_m_s"].mean
    told = dict(next(table for table in slow.tables if table.title == "Suite").rows)
    assert told["latency"] == "fixed: 0.3 s"


@contextmanager
def open_somebody_elses(scenario):
    yield World(scenario)


def test_in_whose_world_was_driven_and_by_when_answers_had_to_come_is_told():
    """A simulator is called as what opens it: ``open_gym_duckietown`` is gym-duckietown."""
    suite = Suite("s", "", (replace(LOOP[0], duration_s=1.0),))
    for simulator, name in ((tile_world, "tile-world"), (partial(open_somebody_elses), "somebody-elses")):
        report = run_suite(FollowYellow(), suite, simulator=simulator, deadline_s=2.0)
        told = dict(next(table for table in report.tables if table.title == "Suite").rows)
        assert told["simulator"] == name
        assert told["deadline"] == "2.00 s"


@pytest.mark.parametrize(
    ("latency", "words"),
    [
        (Latency.drawn([0.01, 0.02, 0.03]), "drawn from 3 samples, median 0.02 s"),
        (Latency.measured(), "measured"),
        (Latency.none(), "none: the world waits"),
    ],
)
def test_where_latencies_come_from_is_told(latency, words):
    report = run_suite(FollowYellow(), Suite("s", "", (replace(LOOP[0], duration_s=1.0),)), latency=latency)
    assert dict(next(table for table in report.tables if table.title == "Suite").rows)["latency"] == words


def test_scores_are_those_of_the_trajectory():
    steps = []
    run_suite(FollowYellow(), Suite("s", "", LOOP[:1]), on_episode=steps.append)
    episode = steps[0].episode
    anchored = score_trajectory(episode.tile_map, episode.result.t_s, episode.result.poses)
    assert {name: episode.scores[name] for name in anchored} == anchored
    assert math.isclose(episode.scores["survival_s"], 4.0)
