"""The training of the price that ``marginal_cost`` goes by."""

from dataclasses import replace

import numpy as np
import pytest

from rilaas.balance import make_balancer
from rilaas.balance.learned_file import read_learned, write_learned
from rilaas.balance.marginal_cost.feature import NAMES, VERSION
from rilaas.balance.simulation import Cluster, Duration, Profile, SimServer, Steps, simulate
from rilaas.balance.simulation.suite import LoadSuite
from rilaas.core import InvalidInput
from rilaas.learn.balancing.registry import trainer_of
from rilaas.learn.balancing.trainer import Limit, suite_digest

pytest.importorskip("torch")
pytest.importorskip("numba")

import torch

from rilaas.learn.balancing import price_kernel as kernel
from rilaas.learn.balancing.price_data import measure
from rilaas.learn.balancing.price_fit import blank, fit
from rilaas.learn.balancing.price_system import draw_factors, draw_requests, random_system

KIND = "marginal_cost"


def server(name, kind, network_s, slots=2):
    return SimServer(name, kind, slots, {"m": Duration(0.1, 0.3)}, {"m": Duration(network_s, 0.1)})


def load(per_s, name="load"):
    return Profile(name, ("m",), Steps((0.0,), (per_s,)), "poisson", 10.0)


@pytest.fixture(scope="module")
def suite():
    """A near server that can do 20 requests a second, and a far one."""
    cluster = Cluster("two", ("m",), (server("far", "cloud", 0.5), server("near", "edge", 0.02)))
    return LoadSuite("small", cluster, (load(8, "high"),), (load(4, "test"),))


def train(suite, *, steps=100, seed=1, tell=lambda progress: None):
    return trainer_of(KIND)(suite, seed=seed, limit=Limit(steps), tell=tell)


@pytest.fixture(scope="module")
def trained(suite):
    return train(suite)


def bytes_of(trained):
    return {name: array.tobytes() for name, array in trained.arrays.items()}


def test_the_same_seed_gives_the_same_arrays_to_the_last_bit_and_another_seed_others(suite, trained):
    again, other = train(suite), train(suite, seed=2)
    assert bytes_of(again) == bytes_of(trained)
    assert again.curve == trained.curve
    assert bytes_of(other) != bytes_of(trained)


def test_the_card_says_what_for_and_where_from_and_the_file_is_a_policy(suite, trained, tmp_path):
    path = tmp_path / "price.npz"
    write_learned(path, KIND, trained.arrays, trained.card)
    _, card = read_learned(path, KIND)
    assert card["features"] == VERSION
    assert card["names"] == list(NAMES)
    assert card["seed"] == 1
    assert card["suite"] == "small"
    assert card["suite_sha256"] == suite_digest(suite)
    assert {"version", "commit", "created_utc", "steps", "loads"} <= set(card)
    assert path.stat().st_size < 50_000
    run = simulate(suite.cluster, suite.test[0], lambda index: make_balancer(f"{KIND}={path}"), 7)
    assert run.ok.all()


def test_what_is_kept_is_the_best_of_the_curve_and_better_than_least_connections(trained):
    best = min(trained.curve, key=lambda point: point.mean_s)
    assert trained.card["steps"] == best.steps
    assert best.mean_s < trained.reference_s
    assert trained.is_whole
    assert trained.kind == KIND


def test_ctrl_c_keeps_the_best_until_then(suite):
    def stop(progress):
        if progress.point is not None:
            points.append(progress.point)
            raise KeyboardInterrupt

    points = []
    stopped = train(suite, steps=400, tell=stop)
    assert not stopped.is_whole
    assert stopped.curve == tuple(points)
    assert stopped.card["steps"] == points[0].steps
    assert set(stopped.arrays) == {"w1", "b1", "w2", "b2", "w3", "b3"}


def test_ctrl_c_before_there_was_a_price_ends_the_training(suite):
    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(suite, steps=10_000_000, tell=stop)


def test_progress_goes_up_to_the_whole(suite):
    told = []
    train(suite, tell=told.append)
    assert [each.share for each in told] == sorted(each.share for each in told)
    assert told[-1].share == 1.0
    assert told[-1].point is not None
    assert any("measuring" in each.note for each in told)
    assert any("fitting" in each.note for each in told)


def test_a_suite_without_training_loads_is_refused(suite):
    with pytest.raises(InvalidInput, match="no loads to train on"):
        train(replace(suite, train=()))


def test_training_leaves_torchs_threads_and_random_numbers_alone():
    threads, before = torch.get_num_threads(), torch.random.get_rng_state()
    fit(measure(1, 10, blank(), 0.0, (0,)), 0, lambda epoch, loss: None, epochs=2)
    assert torch.get_num_threads() == threads
    assert np.array_equal(torch.random.get_rng_state().numpy(), before.numpy())


def test_a_price_is_learned_where_a_near_server_is_scarce():
    """Placements on the server that others would prefer cost the requests to come, so its price is above zero."""
    samples = measure(40, 20, blank(), 0.0, (3,))
    losses = []
    network = fit(samples, 0, lambda epoch, loss: losses.append(loss))
    assert losses[-1] < 0.95 * losses[0]
    there = np.isfinite(samples.own_s)
    hidden = np.zeros((1, network[0].shape[1]))
    price = np.array([kernel.price(row, *network, hidden) for row in samples.inputs[there]])
    suffer = samples.inputs[there][:, NAMES.index("log of what they would suffer")]
    scarce, plenty = price[suffer > np.quantile(suffer, 0.9)], price[suffer <= np.quantile(suffer, 0.1)]
    assert np.median(scarce) > 0.1
    assert scarce.mean() > 2.0 * plenty.mean()


def test_samples_are_whole_and_their_features_numbers():
    samples = measure(6, 10, blank(), 0.0, (5,))
    there = np.isfinite(samples.own_s)
    assert samples.inputs.shape == (60, 8, len(NAMES))
    assert (there.sum(1) >= 2).all()
    assert np.isfinite(samples.inputs).all()
    assert (samples.size_s[there] > 0.0).all()
    assert (samples.cost_s[there] > 0.0).all()
    twice = samples + samples
    assert twice.own_s.shape == (120, 8)


def test_random_fleets_are_within_what_is_told_of_them_and_loaded_as_they_say():
    for seed in range(200):
        system = random_system(np.random.default_rng(seed))
        capacity = system.slots.sum()
        work = (system.rates[:, None] * system.service * system.slots).sum() / capacity
        assert 2 <= len(system.slots) <= 8
        assert 1 <= len(system.rates) <= 3
        assert ((system.slots >= 1) & (system.slots <= kernel.MOST_SLOTS)).all()
        assert work / capacity == pytest.approx(system.load)
        assert 0.1 <= system.load <= 1.15
        for each in (system.up, system.down):
            assert (each >= 0.0).all()
        assert (system.service > 0.0).all()


@pytest.mark.parametrize("arrivals", ["poisson", "alternating", "bursty"])
def test_requests_come_as_often_as_the_rates_say(arrivals):
    system = replace(random_system(np.random.default_rng(4)), arrivals=arrivals)
    times, models = draw_requests(system, 20_000, 7.0, np.random.default_rng(0))
    assert (np.diff(times) >= 0.0).all()
    assert times[0] >= 7.0
    assert len(times) / (times[-1] - 7.0) == pytest.approx(system.rates.sum(), rel=0.1)
    assert set(models) <= set(range(len(system.rates)))


@pytest.mark.parametrize("theta", [0.0, 0.3, 1.0])
def test_service_times_have_mean_one_and_the_variation_that_they_should(theta):
    system = replace(random_system(np.random.default_rng(4)), theta=theta)
    factors = draw_factors(system, 50_000, np.random.default_rng(0))
    assert factors.mean() == pytest.approx(1.0, rel=0.03)
    assert factors.var() == pytest.approx(theta, rel=0.05, abs=1e-12)
