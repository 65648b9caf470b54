"""The parts of the experiment on real servers that decide what its figures mean."""

import json
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.balancing_replayed import relay
from benchmarks.balancing_replayed.agreement import Agreement, agreement, rank_correlation
from benchmarks.balancing_replayed.calibration import Calibration
from benchmarks.balancing_replayed.contender import contender
from benchmarks.balancing_replayed.experiment import Plan, repetition_of, simulated_comparison
from benchmarks.balancing_replayed.load import FIVE, load_of, recorded
from benchmarks.balancing_replayed.place import MODELS, Place, example_inputs, write_models

from rilaas.balance.simulation import PROFILES
from rilaas.infer import load

PLACES = [Place("edge", "edge", 2, 4.0), Place("cloud", "cloud", 3, 4.0)]


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_at_four_times_the_speed_has_as_many_requests_in_a_quarter_of_the_time(name):
    fast, slow = load_of(name, 120.0, 4.0), PROFILES[name]
    assert fast.duration_s == 30.0
    seconds = np.linspace(0.05, 119.95, 500)
    assert np.allclose(fast.rate.at(seconds / 4.0), 4.0 * slow.rate.at(seconds))
    assert np.isclose(fast.rate.expected(30.0), slow.rate.expected(120.0))


def test_a_short_step_profile_has_all_four_steps():
    load = load_of("step", 24.0, 4.0)
    assert load.rate.at([0.1, 1.6, 3.1, 4.6]).tolist() == [4.0, 8.0, 12.0, 16.0]


@pytest.mark.parametrize("name", FIVE)
def test_recorded_arrivals_are_the_same_for_whatever_seed_they_are_simulated_with(name):
    load = load_of(name, 24.0, 4.0)
    trace = recorded(load, 3)
    assert np.array_equal(trace.arrivals(0)[0], load.arrivals(3)[0])
    assert np.array_equal(trace.arrivals(99)[1], load.arrivals(3)[1])


def test_rank_correlation_knows_order_and_ties():
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 90]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3, 4], [9, 7, 5, 1]) == pytest.approx(-1.0)
    assert rank_correlation([1, 2, 2, 4], [1, 3, 3, 4]) == pytest.approx(1.0)
    assert np.isnan(rank_correlation([1, 2, 3], [5, 5, 5]))


def measured(factor=1.0):
    """Durations as calibration would find them."""
    random = np.random.default_rng(0)
    service, network = {}, {}
    for place in PLACES:
        for model in MODELS:
            service[place.name, model] = factor * random.normal(*place.service_s(model), 30)
            for through in ("route", "nginx"):
                network[through, place.name, model] = random.normal(*place.network_s(), 30)
    return Calibration(service, network)


def test_the_simulated_servers_are_those_that_were_measured():
    cluster = measured().cluster(PLACES, "nginx")
    edge = cluster.servers[0]
    assert (edge.name, edge.kind, edge.slots) == ("edge", "edge", dict.fromkeys(MODELS, 2))
    found = measured().service_s["edge", "grasp-planning"]
    assert edge.service["grasp-planning"].mean_s == pytest.approx(found.mean())
    assert edge.service["grasp-planning"].std_s == pytest.approx(found.std())


def simulated(factor, names=("round_robin", "nginx-least_conn"), repetitions=2):
    plan = Plan((load_of("uniform-8", 24.0, 4.0),), tuple(map(contender, names)), repetitions, 2)
    calibration = measured(factor)
    return simulated_comparison(
        plan, {through: calibration.cluster(PLACES, through) for through in ("route", "nginx")}
    )


def test_a_simulation_agrees_with_itself_and_not_with_one_of_slower_servers():
    guess = simulated(1.0)
    drawn = {
        key: tuple(replace(each, seed=repetition_of(each.seed)) for each in parts if each.seed % 2 == 0)
        for key, parts in guess.digests.items()
    }
    real = replace(guess, digests=drawn)  # the first draw of chance in each repetition
    same = agreement(real, guess)
    assert same.error < 0.1
    slower = agreement(real, simulated(1.1))
    assert slower.ratio("round_robin", "grasp-planning").mean > same.ratio("round_robin", "grasp-planning").mean
    assert slower.error > same.error


def test_the_worst_cell_is_the_one_furthest_from_one_in_either_direction():
    rows = {("load", "a", "m"): [0.5, 0.6], ("load", "b", "m"): [1.5], ("load", "a", ""): [9.0]}
    found = Agreement({key: np.array(values) for key, values in rows.items()}, {})
    assert found.worst()[0] == ("load", "a", "m")
    assert found.error == pytest.approx((0.45 + 0.5) / 2)
    assert found.within(0.46) == 0.5


def test_a_simulated_run_knows_its_repetition():
    seeds = {repetition_of(digest.seed) for digest in simulated(1.0).digests["uniform-8", "round_robin"]}
    assert seeds == {0, 1}


def test_both_models_compute_what_their_signatures_say(tmp_path):
    fast = Place("edge", "edge", 1, 1000.0)
    for path in write_models(tmp_path, fast):
        model = load(path)
        (name, answer), *_ = model.predict(example_inputs()[path.name]).tensors.items()
        assert answer.dtype == np.float32, name
        assert np.isfinite(answer).all()


@pytest.fixture
def distant():
    """A connection through the relay to a socket that we hold: both ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    link = {"to": listener.getsockname()[1], "up_s": [0.02, 0.01], "down_s": [0.005, 0.005], "seed": 0}
    command = [sys.executable, str(Path(relay.__file__)), json.dumps([link])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    (port,) = json.loads(process.stdout.readline())
    near = socket.create_connection(("127.0.0.1", port))
    near.settimeout(30.0)
    far, _ = listener.accept()
    far.settimeout(30.0)
    yield near, far
    for each in (near, far, listener):
        each.close()
    process.terminate()
    process.wait(20)
    process.stdout.close()


def received(end):
    """All bytes until the other side hangs up."""
    return b"".join(iter(lambda: end.recv(4096), b""))


def test_bytes_on_a_distant_link_never_overtake_each_other_and_the_end_comes_last(distant):
    sent = [bytes([index % 251]) * (1 + index % 700) for index in range(2000)]

    def send(end):
        for part in sent:
            end.sendall(part)
        end.shutdown(socket.SHUT_WR)

    near, far = distant
    sender = threading.Thread(target=send, args=(near,))
    sender.start()
    assert received(far) == b"".join(sent)
    sender.join()


def test_answers_come_back_over_a_distant_link(distant):
    near, far = distant
    near.sendall(b"how far?")
    assert far.recv(100) == b"how far?"
    far.sendall(b"far")
    assert near.recv(100) == b"far"


def test_a_distance_wanders_about_its_mean_and_is_never_negative():
    distance = relay.Distance(0.1, 0.05, seed=1)
    delays = np.array([distance.at(step * 0.05) for step in range(20000)])
    assert delays.min() > 0.0
    assert delays.mean() == pytest.approx(0.1, rel=0.05)
    assert delays.std() == pytest.approx(0.05, rel=0.15)
    assert np.corrcoef(delays[:-1], delays[1:])[0, 1] > 0.5
