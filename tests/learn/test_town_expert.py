from dataclasses import replace

import pytest

from rilaas.core import check_policy
from rilaas.evaluate.driving import Scenario, World, read_suite, rollout, score_episode
from rilaas.evaluate.driving.scenario.surroundings import Traffic
from rilaas.learn.town_expert import TownExpert, TownExpertPolicy
from tests.evaluate.driving.undrawn import UndrawnWorld


def driven(scenario, driver=None):
    world = UndrawnWorld(scenario)
    return score_episode(rollout(TownExpertPolicy(world, driver), scenario, simulator=world, keep_frames=0))


@pytest.mark.parametrize("name", ["lfv", "intersections"])
def test_it_drives_our_suites_of_traffic_without_an_infraction(name):
    """One episode of each world of the suite; nearly every one of them is without, and none ends early."""
    suite = read_suite(name)
    worlds = {(each.name, each.map): replace(each, duration_s=30.0) for each in suite.scenarios}
    episodes = [driven(scenario) for scenario in worlds.values()]
    assert {episode.result.status for episode in episodes} == {"completed"}
    assert sum(len(episode.infractions) for episode in episodes) <= 1
    assert all(episode.scores["driven_lane_m"] > 2.0 for episode in episodes)


def test_it_stops_at_red_lines_and_goes_on():
    episode = driven(Scenario("test", "crossings", 1, duration_s=40.0, task="LFI"))
    assert episode.scores["intersections_entered"] >= 2
    assert episode.scores["red_lines_ignored"] == 0


def test_it_goes_the_way_that_it_is_told_to():
    scenario = Scenario("test", "crossings", 1, duration_s=40.0)
    straight, left = (
        driven(scenario, TownExpert(turns=turns)).result.poses[-1]
        for turns in (("straight", "right", "left"), ("left", "straight", "right"))
    )
    assert straight.tolist() != left.tolist()


def test_it_stays_behind_a_slow_vehicle():
    slow = Traffic(1, 1, speed_min_m_per_s=0.1, speed_max_m_per_s=0.1)
    episode = driven(Scenario("test", "oval", 2, duration_s=30.0, task="LFV", traffic=slow))
    assert not episode.infractions
    assert episode.scores["driven_lane_m"] < 5.0


def test_it_is_a_policy_like_any_other():
    check_policy(TownExpertPolicy(World(Scenario("test", "oval", 1))))
