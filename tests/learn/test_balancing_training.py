"""Trainings of balancing policies: they learn, the same seed gives the same, and Ctrl-C keeps the best."""

from dataclasses import replace

import numpy as np
import pytest

from rilaas.balance import LeastConnections, make_balancer
from rilaas.balance.learned_file import read_learned, write_learned
from rilaas.balance.simulation import Cluster, Duration, Profile, SimServer, Steps, simulate
from rilaas.balance.simulation.suite import LoadSuite, read_suite
from rilaas.core import InvalidInput
from rilaas.learn.balancing.episode import validate
from rilaas.learn.balancing.registry import TRAINERS, trainer_of
from rilaas.learn.balancing.trainer import Clock, Limit, suite_digest, training_seed


def server(name, kind, network_s, slots=2):
    return SimServer(name, kind, slots, {"m": Duration(0.1, 0.3)}, {"m": Duration(network_s, 0.1)})


def load(per_s, name="load"):
    return Profile(name, ("m",), Steps((0.0,), (per_s,)), "poisson", 30.0)


@pytest.fixture
def suite():
    """A near server that can do 20 requests a second, and a far one."""
    cluster = Cluster("two", ("m",), (server("far", "cloud", 0.5), server("near", "edge", 0.02)))
    return LoadSuite("small", cluster, (load(2, "low"), load(8, "high")), (load(4, "test"),))


def train(kind, suite, *, steps, seed=1, tell=lambda progress: None):
    return trainer_of(kind)(suite, seed=seed, limit=Limit(steps), tell=tell)


def read(kind, trained, path):
    write_learned(path, kind, trained.arrays, trained.card)
    return make_balancer(f"{kind}={path}")


@pytest.mark.parametrize(("kind", "steps"), [("q_learning", 8000), ("deep_q", 2500)])
def test_it_learns_that_one_server_is_near_and_beats_least_connections(kind, steps, suite, tmp_path):
    trained = train(kind, suite, steps=steps)
    policy = read(kind, trained, tmp_path / "policy.npz")
    ours, theirs = (simulate(suite.cluster, suite.test[0], lambda _, p=p: p, 7) for p in (policy, LeastConnections()))
    assert ours.mean_s() < 0.75 * theirs.mean_s()
    assert min(point.mean_s for point in trained.curve) < trained.reference_s


@pytest.mark.parametrize(("kind", "steps"), [("q_learning", 2000), ("deep_q", 1500)])
def test_the_same_seed_gives_the_same_arrays_to_the_last_bit_and_another_seed_others(kind, steps, suite):
    one, again, other = (train(kind, suite, steps=steps, seed=seed) for seed in (1, 1, 2))
    assert {name: array.tobytes() for name, array in one.arrays.items()} == {
        name: array.tobytes() for name, array in again.arrays.items()
    }
    assert one.curve == again.curve
    assert any(array.tobytes() != other.arrays[name].tobytes() for name, array in one.arrays.items())


@pytest.mark.parametrize("kind", sorted({"q_learning", "deep_q"}))
def test_the_card_says_what_for_and_where_from_and_the_file_is_small(kind, suite, tmp_path):
    trained = train(kind, suite, steps=1500)
    read(kind, trained, tmp_path / "policy.npz")
    _, card = read_learned(tmp_path / "policy.npz", kind)
    assert card["servers"] == ["far", "near"]
    assert card["models"] == ["m"]
    assert card["suite"] == "small"
    assert card["suite_sha256"] == suite_digest(suite)
    assert card["loads"] == ["low", "high"]
    assert card["seed"] == 1
    assert {"version", "commit", "created_utc", "steps", "features", "curve"} <= set(card)
    assert (tmp_path / "policy.npz").stat().st_size < 100_000


def test_what_is_kept_is_the_best_of_the_curve(suite, tmp_path):
    trained = train("q_learning", suite, steps=3000)
    best = min(point.mean_s for point in trained.curve)
    path = tmp_path / "policy.npz"
    read("q_learning", trained, path)
    assert validate(suite, lambda: make_balancer(f"q_learning={path}")) == pytest.approx(best, rel=1e-12)
    assert trained.card["steps"] == next(point.steps for point in trained.curve if point.mean_s == best)


def test_ctrl_c_keeps_the_best_until_then(suite):
    def stop(progress):
        if progress.point is not None:
            points.append(progress.point)
            if len(points) == 3:
                raise KeyboardInterrupt

    points = []
    trained = train("q_learning", suite, steps=100_000, tell=stop)
    assert not trained.is_whole
    assert trained.curve == tuple(points)
    assert trained.card["steps"] == min(points, key=lambda point: point.mean_s).steps
    assert trained.arrays


def test_ctrl_c_before_there_was_a_policy_ends_the_training(suite):
    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("q_learning", suite, steps=10_000_000, tell=stop)


def test_progress_goes_up_to_the_whole_and_names_the_reference(suite):
    told = []
    train("q_learning", suite, steps=3000, tell=told.append)
    assert [each.share for each in told] == sorted(each.share for each in told)
    assert told[-1].share == 1.0
    assert told[-1].point is not None
    assert told[-1].reference_s == validate(suite, LeastConnections)
    assert "exploring" in told[-1].note


def test_a_training_by_minutes_ends_by_the_clock(suite):
    trained = trainer_of("q_learning")(suite, seed=0, limit=Limit(minutes=0.01), tell=lambda progress: None)
    assert trained.is_whole
    assert trained.curve


def test_three_servers_are_trained_with_tiles(suite):
    cluster = replace(suite.cluster, servers=(*suite.cluster.servers, server("third", "cloud", 0.3)))
    trained = train("q_learning", replace(suite, cluster=cluster), steps=4000)
    assert {name.partition(".")[2] for name in trained.arrays} == {"weights", "tried"}
    assert min(point.mean_s for point in trained.curve) < trained.reference_s


def test_a_suite_without_training_loads_is_refused(suite):
    with pytest.raises(InvalidInput, match="no loads to train on"):
        train("q_learning", replace(suite, train=()), steps=100)


def test_an_unknown_training_is_answered_with_the_known_ones():
    with pytest.raises(InvalidInput) as caught:
        trainer_of("q_lerning")
    assert "Did you mean 'q_learning'?" in caught.value.hint
    assert all(name in caught.value.hint for name in TRAINERS)


@pytest.mark.parametrize("limit", [{"steps": 0}, {"minutes": 0.0}, {"minutes": float("inf")}, {"minutes": -1.0}])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(InvalidInput):
        Limit(**limit)


def test_steps_alone_end_a_training_whatever_the_clock_says():
    assert [Clock(Limit(100), 7).share(steps) for steps in (0, 50, 100, 200)] == [0.0, 0.5, 1.0, 1.0]
    assert Clock(Limit(), 7).share(7) == 1.0
    assert Clock(Limit(minutes=60.0), 7).share(10**9) < 0.01


def test_episodes_of_all_seeds_are_different_from_each_other_and_from_those_of_tests():
    seeds = [training_seed(seed, episode) for seed in range(3) for episode in range(1000)]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) > 500_100


def test_the_digest_tells_suites_of_the_same_name_apart():
    four, eight = read_suite("rilaas-4-8"), read_suite("rilaas-8-4")
    assert suite_digest(four) == suite_digest(read_suite("rilaas-4-8"))
    assert suite_digest(four) != suite_digest(replace(eight, name="rilaas-4-8"))


def test_training_leaves_torchs_threads_and_random_numbers_alone(suite):
    torch = pytest.importorskip("torch")
    threads, before = torch.get_num_threads(), torch.random.get_rng_state()
    train("deep_q", suite, steps=300)
    assert torch.get_num_threads() == threads
    assert np.array_equal(torch.random.get_rng_state().numpy(), before.numpy())
