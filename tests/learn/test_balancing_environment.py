"""The Gymnasium environment: the checker, the same simulation, rewards that add up, a user's own agent."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import FlattenObservation

from rilaas.balance.agent import AgentBalancer, flatten
from rilaas.balance.simulation import Disturbance, Profile, read_cluster, read_load, simulate
from rilaas.balance.simulation.document import MODELS
from rilaas.balance.simulation.rate import constant
from rilaas.core import InvalidInput, NotFound
from rilaas.learn.balancing.environment import ID, LoadBalancingEnv
from tests.balance.simulation.clusters import even, one_model, poisson

SHORT = Profile("short", MODELS, constant(6.0), "poisson", 20.0)


def play(env, choose, **reset):
    """One episode; returns rewards, and the last info."""
    seen, info = env.reset(**reset)
    rewards, over = [], False
    while not over:
        seen, reward, over, _, info = env.step(choose(seen))
        rewards.append(reward)
    return rewards, info


def fewest(seen):
    return int(np.argmin(np.where(seen["mask"] == 1, seen["servers"][:, 0], np.inf)))


@pytest.mark.parametrize("reward", ["sojourn", "paper"])
def test_gymnasiums_checker_has_nothing_to_say(reward):
    env = gymnasium.make(
        ID, cluster="rilaas-2-6", loads=[SHORT], reward=reward, max_servers=4, disable_env_checker=True
    )
    check_env(env.unwrapped)


def test_it_is_found_by_its_name():
    env = gymnasium.make("rilaas.learn.balancing.environment:LoadBalancing-v0")
    seen, info = env.reset(seed=3)
    assert env.observation_space.contains(seen)
    assert info["load"] in {"uniform-8", "spike", "poisson-8"}


def test_the_same_seed_gives_the_same_episode():
    env = LoadBalancingEnv(loads=["uniform-4", SHORT])
    first, second = (play(env, fewest, seed=5) for _ in range(2))
    assert first[0] == second[0]
    assert play(env, fewest, seed=6)[0] != first[0]


def test_it_is_the_simulator_that_policies_are_compared_in():
    """An agent that plays by a rule has the latencies that this rule has as a policy."""

    class Rule:
        def predict(self, observation, *, deterministic):
            return fewest(observation), None

    cluster = read_cluster("rilaas-2-6")
    _, info = play(LoadBalancingEnv(cluster, [SHORT]), fewest, options={"run_seed": 11})
    run = simulate(cluster, SHORT, lambda _: AgentBalancer(Rule(), 2), 11)
    assert np.array_equal(info["run"].latency_s, run.latency_s)
    assert info["mean_latency_s"] == run.mean_s()


@pytest.mark.parametrize("load", [SHORT, read_load("robots-8")], ids=["open loop", "robots"])
def test_sojourn_rewards_sum_to_all_latencies_and_paper_rewards_to_their_squares(load):
    for reward, of in (("sojourn", lambda s: s), ("paper", lambda s: (1.0 + s) ** 2)):
        rewards, info = play(LoadBalancingEnv(loads=[load], reward=reward), fewest, options={"run_seed": 2})
        assert sum(rewards) == pytest.approx(-of(info["run"].latency_s).sum(), rel=1e-9)


def test_servers_that_fail_are_masked_and_their_requests_asked_again():
    cluster = one_model(1, 1, disturbances=(Disturbance(0.0, 30.0, "a", "refuse"),))
    env = LoadBalancingEnv(cluster, [even(0.5, 20.0)])
    env.reset(seed=0)
    seen, *_, info = env.step(0)
    assert info["server"] == "a"
    assert env.action_masks().tolist() == [False, True]
    assert seen["mask"].tolist() == [0, 1]
    *_, info = env.step(0)
    assert info["was_masked"]
    assert info["server"] == "b"


def test_an_empty_place_goes_to_the_fewest_in_flight():
    env = LoadBalancingEnv(one_model(1, 1), [poisson(50.0, 1.0)], max_servers=5)
    env.reset(seed=0)
    env.step(0)
    *_, info = env.step(4)
    assert (info["was_masked"], info["server"]) == (True, "b")


def test_a_flat_observation_is_the_same_in_training_and_in_routing():
    env = LoadBalancingEnv(loads=[SHORT], max_servers=3)
    flat, _ = FlattenObservation(env).reset(seed=1)
    seen, _ = env.reset(seed=1)
    assert np.array_equal(flat, flatten(seen))


def test_what_cannot_be_is_said():
    with pytest.raises(InvalidInput, match="reward 'sojurn'"):
        LoadBalancingEnv(reward="sojurn")
    with pytest.raises(InvalidInput, match="larger max_servers"):
        LoadBalancingEnv(one_model(1, 1, 1), [poisson(1.0, 5.0)], max_servers=2)
    with pytest.raises((InvalidInput, NotFound)):
        LoadBalancingEnv(loads=["unifrom-8"])
    env = LoadBalancingEnv(loads=[SHORT])
    with pytest.raises(InvalidInput, match="Call reset"):
        env.step(0)
    with pytest.raises(InvalidInput, match="option 'loads'"):
        env.reset(options={"loads": "uniform-8"})
    with pytest.raises(InvalidInput, match="model"):
        env.reset(options={"cluster": one_model(1)})


@pytest.mark.filterwarnings("ignore")  # of libraries that are no dependency of ours
def test_an_agent_of_stable_baselines3_trains_saves_and_plugs_in(tmp_path):
    library = pytest.importorskip("stable_baselines3")
    env = FlattenObservation(LoadBalancingEnv(loads=[SHORT]))
    options = {"learning_starts": 50, "buffer_size": 1000, "train_freq": 4, "seed": 0, "device": "cpu"}
    library.DQN("MlpPolicy", env, **options).learn(400).save(tmp_path / "agent.zip")
    agent = library.DQN.load(tmp_path / "agent.zip", device="cpu")
    balancers = []

    def make(_):
        balancers.append(AgentBalancer(agent, 2, flat=True))
        return balancers[-1]

    run = simulate(read_cluster("rilaas-4-8"), SHORT, make, 7)
    assert run.ok_share == 1.0
    assert balancers[0].failures == 0


@pytest.mark.filterwarnings("ignore")
def test_an_agent_may_see_names_instead_of_one_vector():
    library = pytest.importorskip("stable_baselines3")
    env = LoadBalancingEnv(loads=[SHORT])
    agent = library.PPO("MultiInputPolicy", env, n_steps=64, batch_size=64, n_epochs=1, seed=0, device="cpu").learn(
        128
    )
    balancer = AgentBalancer(agent, 2)
    assert simulate(read_cluster("rilaas-4-8"), SHORT, lambda _: balancer, 7).ok_share == 1.0
    assert balancer.failures == 0
