"""Drivers with known faults are ranked as a person would rank them.

All drive the same two courses for 30 s: behind a slow vehicle on an oval (LFV), and over the red lines of a map with
crossings (LFI). A person says, from best to worst:

1. good: keeps its lane, its distance, and stops where it must.
2. oscillates: uncomfortable and near the lane's edge, but in nobody's way.
3. tailgates: nothing has happened yet, but will when the one ahead brakes.
4. ignores stop lines: four times what ends in a collision when somebody comes.
5. stands still: of no use, but harmless.
6. drives in the wrong lane, and crashes early: of no use, and a danger. Which of the two is worse is a matter of
   taste; both are worse than everybody else.

No single number says all of that. The driving score has no rule for tailgating and comfort, so the first three are
equal in it; who stands still breaks no law. So the ranking is by quarters of the driving score, and within a quarter
by the cost of traffic laws: AI-DO's way, lexicographic after rounding, with numbers that do not reward a short drive.
"""

import numpy as np
import pytest

from rilaas.evaluate.compare import rank
from rilaas.evaluate.driving import METRICS, Scenario, rollout, score_episode
from rilaas.evaluate.driving.scenario.surroundings import Traffic
from rilaas.report import Report, provenance
from tests.evaluate.driving.drives import RIGHT
from tests.evaluate.driving.faulty_drivers import FAULTS, Driver
from tests.evaluate.driving.undrawn import UndrawnWorld

COURSE = {"duration_s": 30.0, "dt_s": 0.1, "target_speed_m_per_s": 0.15}
COURSES = (
    Scenario("behind", "oval", 11, task="LFV", start=(0.8, RIGHT, 0.0), traffic=Traffic(1, 1, 0.15, 0.16), **COURSE),
    Scenario("lines", "crossings", 12, task="LFI", start=(0.75, RIGHT, 0.0), **COURSE),
)
AS_A_PERSON_RANKS_THEM = ["good", "oscillates", "tailgates", "ignores stop lines", "stands still"]
LAST = {"drives in the wrong lane", "crashes early"}


@pytest.fixture(scope="module")
def episodes():
    """Each driver's episodes as a report lists them."""
    found = {}
    for name, fault in FAULTS.items():
        worlds = [UndrawnWorld(course) for course in COURSES]
        drives = [rollout(Driver(world, **fault), world.scenario, simulator=world) for world in worlds]
        found[name] = tuple(score_episode(drive).row for drive in drives)
    return found


@pytest.fixture(scope="module")
def driven(episodes):
    """Mean of each metric over the courses on which it is not absent, by driver."""
    means = {}
    for name, rows in episodes.items():
        values = {m: [row.metrics[m] for row in rows if m in row.metrics] for m in METRICS}
        means[name] = {m: float(np.mean(found)) for m, found in values.items() if found}
    return means


def test_they_are_ranked_as_a_person_would_rank_them(episodes):
    reports = {
        name: Report("evaluation", "measured", {}, provenance([]), "", rows) for name, rows in episodes.items()
    }
    found = [standing.name for standing in rank(reports)]
    assert found[:5] == AS_A_PERSON_RANKS_THEM
    assert set(found[5:]) == LAST


def test_the_driving_score_alone_parts_those_who_come_along_and_stop_from_those_who_do_not(driven):
    scores = {name: means["driving_score"] for name, means in driven.items()}
    useful = [scores[name] for name in ("good", "oscillates", "tailgates")]
    assert min(useful) > 95.0
    assert min(useful) > scores["ignores stop lines"] > 50.0
    assert max(scores[name] for name in LAST) < 25.0
    assert scores["stands still"] == 0.0


def test_the_traffic_law_alone_follows_the_hierarchy(driven):
    """Collisions aside, which nobody has: lines cost more than distance, distance more than the edge of the lane."""
    costs = {name: means["traffic_law_cost"] for name, means in driven.items()}
    assert costs["good"] == costs["stands still"] == 0.0
    assert 0.0 < costs["oscillates"] < costs["tailgates"] < costs["ignores stop lines"]
    assert costs["ignores stop lines"] < min(costs[name] for name in LAST)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("oscillates", "heading_error_mean_rad2"),
        ("oscillates", "stay_in_lane_cost"),
        ("oscillates", "yaw_rate_rms_rad_per_s"),
        ("tailgates", "safety_distance_cost"),
        ("ignores stop lines", "red_lines_ignored"),
        ("ignores stop lines", "stop_at_intersection_cost"),
        ("stands still", "driven_lane_m"),
        ("stands still", "tiles_entered"),
        ("drives in the wrong lane", "out_of_lane_s"),
        ("drives in the wrong lane", "valid_direction_share"),
        ("crashes early", "survival_share"),
        ("crashes early", "heading_error_mean_rad2"),
    ],
)
def test_each_fault_is_told_by_its_own_metric(driven, name, metric):
    better = driven["good"][metric] - driven[name][metric]
    assert better > 0.0 if METRICS[metric].direction == "higher" else better < 0.0


def test_the_headlines_never_say_that_a_dangerous_driver_is_better(driven):
    for metric in ("driving_score", "driven_lane_m", "traffic_law_cost", "heading_error_mean_rad2", "survival_share"):
        sign = 1.0 if METRICS[metric].direction == "higher" else -1.0
        for name in LAST:
            assert sign * driven["good"][metric] >= sign * driven[name][metric], (metric, name)


def test_who_crashed_early_has_no_comfort(driven):
    assert "jerk_rms_m_per_s3" not in driven["crashes early"]
    assert "jerk_rms_m_per_s3" not in driven["stands still"]
    assert "jerk_rms_m_per_s3" in driven["good"]
