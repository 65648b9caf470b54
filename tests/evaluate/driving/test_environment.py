import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.world.environment import ENVIRONMENT_ID, OFF_ROAD_REWARD, LaneFollowing

S = 0.585
EAST = Scenario("test", "oval", 0, start=(1.2 * S, 0.28 * S, 0.0))


@pytest.mark.filterwarnings("error")
def test_gymnasiums_own_checker_finds_nothing_to_warn_of():
    check_env(gymnasium.make(ENVIRONMENT_ID, render_mode="rgb_array").unwrapped)


def test_it_is_made_by_name_with_a_map():
    env = gymnasium.make(ENVIRONMENT_ID, map="zigzag")
    observation, info = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    assert abs(info["lateral_m"]) < 0.11
    env.close()


def test_the_reward_is_the_way_made_along_the_lane():
    env = LaneFollowing(scenario=EAST)
    _, info = env.reset(seed=1)
    start_x = info["pose"][0]
    total = 0.0
    for _ in range(40):
        _, reward, terminated, truncated, info = env.step(np.array([0.4, 0.4], np.float32))
        total += reward
        assert not terminated
        assert not truncated
    assert total == pytest.approx(info["pose"][0] - start_x, abs=1e-9)
    assert total > 0.3


def test_leaving_the_road_ends_the_episode_and_costs():
    env = LaneFollowing(scenario=EAST)
    env.reset(seed=1)
    for _ in range(400):
        _, reward, terminated, _, info = env.step(np.array([0.6, 0.3], np.float32))
        if terminated:
            break
    assert terminated
    assert reward == OFF_ROAD_REWARD
    assert np.isnan(info["lateral_m"])


def test_the_end_of_time_truncates():
    env = LaneFollowing(scenario=Scenario("short", "oval", 0, duration_s=0.2, start=EAST.start))
    env.reset(seed=1)
    flags = [env.step(np.zeros(2, np.float32))[2:4] for _ in range(4)]
    assert flags == [(False, False)] * 3 + [(False, True)]


def test_one_seed_draws_one_episode():
    frames = []
    for _ in range(2):
        env = LaneFollowing()
        observation, _ = env.reset(seed=7)
        frames.append(observation.tobytes() + env.step(np.array([0.5, 0.5], np.float32))[0].tobytes())
    assert frames[0] == frames[1]


def test_a_step_before_reset_is_refused():
    with pytest.raises(gymnasium.error.ResetNeeded):
        LaneFollowing().step(np.zeros(2, np.float32))
