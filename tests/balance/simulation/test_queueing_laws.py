"""What queueing theory proves of such servers holds in the simulator."""

import math

import numpy as np
import pytest

from rilaas.balance import make_balancer
from rilaas.balance.simulation import Cluster, Disturbance, Duration, SimServer, read_cluster, read_load, simulate
from tests.balance.simulation.clusters import Witness, always, even, one_model, poisson

SEEDS = range(8)


def mean_wait_s(cluster, rate_per_s, duration_s=1500.0):
    """Mean over the seeds, and its standard error."""
    runs = [simulate(cluster, poisson(rate_per_s, duration_s), lambda k: always("a")(), seed) for seed in SEEDS]
    means = [float(np.mean(run.wait_s)) for run in runs]
    return np.mean(means), np.std(means, ddof=1) / math.sqrt(len(means))


def erlang_c_wait_s(servers, rate_per_s, mean_s=1.0):
    """Mean wait in M/M/c. Source: Kleinrock, Queueing Systems I, section 3.5."""
    offered = rate_per_s * mean_s
    terms = [offered**k / math.factorial(k) for k in range(servers)]
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(terms) + last) * mean_s / (servers - offered)


@pytest.mark.parametrize(("slots", "rate_per_s"), [(1, 0.5), (1, 0.7), (2, 1.4), (4, 3.2)])
def test_the_mean_wait_of_m_m_c_is_erlangs(slots, rate_per_s):
    mean, error = mean_wait_s(one_model(slots), rate_per_s)
    assert abs(mean - erlang_c_wait_s(slots, rate_per_s)) < 4 * error


@pytest.mark.parametrize(("shape", "cv"), [("constant", 0.0), ("gamma", 0.5), ("lognormal", 1.5)])
def test_the_mean_wait_of_m_g_1_is_pollaczeks_and_khinchins(shape, cv):
    mean, error = mean_wait_s(one_model(1, service=Duration(1.0, cv, shape)), 0.6)
    assert abs(mean - 0.6 * (1 + cv**2) / (2 * 0.4)) < 4 * error


def test_slots_of_a_models_own_are_queues_of_their_own():
    exponential = Duration(1.0, 1.0, "exponential")
    both = {"m": exponential, "n": exponential}
    none = dict.fromkeys(both, Duration(0.0))
    cluster = Cluster("own", ("m", "n"), (SimServer("a", "edge", {"m": 1, "n": 4}, both, none),))
    run = simulate(cluster, poisson(1.4, 20_000.0, ("m", "n")), lambda k: always("a")(), 0)
    # every second of a Poisson process: gaps of Erlang 2, so the queue of m is E2/M/1 at load 0.7
    sigma = 0.5  # the root of sigma = A*(mu - mu sigma); Kleinrock, section 6.4
    for _ in range(200):
        sigma = (1.4 / (1.4 + 1 - sigma)) ** 2
    assert run.wait_s[run.model == 0].mean() == pytest.approx(sigma / (1 - sigma), rel=0.1)
    assert run.wait_s[run.model == 1].mean() < 0.02


@pytest.mark.parametrize("name", ["round_robin", "least_connections"])
@pytest.mark.parametrize("load", ["poisson-8", "spike", "robots-40"])
def test_littles_law_holds_exactly(name, load):
    chooser = make_balancer(name)
    witness = Witness(chooser.choose)
    run = simulate(read_cluster("rilaas-2-6"), read_load(load), lambda k: witness, 1)
    steps = sorted(witness.steps)
    times, counts = np.array([at for at, _ in steps]), np.cumsum([change for _, change in steps])
    assert counts[-1] == 0
    assert (np.diff(times) * counts[:-1]).sum() == pytest.approx(run.latency_s.sum(), rel=1e-9)


def test_littles_law_holds_exactly_with_failures_and_attempts():
    disturbances = [Disturbance(10.0, 40.0, "a", "refuse"), Disturbance(50.0, 60.0, "b", "silent")]
    cluster = one_model(2, 2, network=Duration(0.1, 0.3), disturbances=disturbances)
    witness = Witness()
    run = simulate(cluster, poisson(1.5, 100.0), lambda k: witness, 1, timeout_s=3.0)
    steps = sorted(witness.steps)
    times, counts = np.array([at for at, _ in steps]), np.cumsum([change for _, change in steps])
    assert run.attempts.max() == 2
    assert (np.diff(times) * counts[:-1]).sum() == pytest.approx(run.latency_s.sum(), rel=1e-9)


def test_without_a_queue_the_latency_is_network_and_service():
    run = simulate(read_cluster("rilaas-64-64"), read_load("poisson-4"), lambda k: always("edge")(), 0)
    assert (run.wait_s == 0).all()
    network_s = run.latency_s - run.service_s
    edge = run.cluster.servers[0]
    for model, name in enumerate(run.cluster.models):
        assert network_s[run.model == model].mean() == pytest.approx(edge.network[name].mean_s, rel=0.05)
    assert run.mean_s("object-recognition") == pytest.approx(0.17277, rel=0.05)
    assert run.mean_s("grasp-planning") == pytest.approx(1.51559, rel=0.01)


def test_a_server_takes_requests_first_come_first_served():
    run = simulate(one_model(3), poisson(2.8, 500.0), lambda k: always("a")(), 0)
    start_s = run.at_s + run.wait_s
    assert run.wait_s.max() > 1.0
    assert (np.diff(start_s) > -1e-9).all()


def test_a_server_never_computes_more_at_once_than_it_has_slots():
    run = simulate(one_model(3), poisson(2.8, 500.0), lambda k: always("a")(), 0)
    start_s = run.at_s + run.wait_s
    steps = sorted([*((at, 1) for at in start_s), *((at, -1) for at in start_s + run.service_s)])
    assert np.max(np.cumsum([change for _, change in steps])) == 3


def test_a_slot_is_never_idle_while_somebody_waits():
    run = simulate(one_model(2), poisson(1.8, 500.0), lambda k: always("a")(), 0)
    start_s = run.at_s + run.wait_s
    ends = np.sort(start_s + run.service_s)
    for begin in start_s[run.wait_s > 1e-9]:
        assert np.abs(ends - begin).min() < 1e-9, "who waited begins when another ends"


def test_too_much_load_grows_a_queue_that_is_served_to_its_end():
    run = simulate(one_model(1, service=Duration(1.0)), even(2.0, 50.0), lambda k: always("a")(), 0)
    assert run.ok.all()
    assert run.latency_s[-1] == pytest.approx(50.0, abs=1.5)
