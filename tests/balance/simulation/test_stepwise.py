"""A simulation that stops at every decision is the same simulation."""

import numpy as np
import pytest

from rilaas.balance import LeastConnections
from rilaas.balance.simulation import Disturbance, Stepwise, read_cluster, read_load, simulate
from rilaas.core import InvalidInput
from tests.balance.simulation.clusters import even, one_model, poisson


def play(cluster, load, seed, **options):
    """Least connections, asked one decision at a time."""
    policy = LeastConnections()
    steps = Stepwise(cluster, load, seed, policy.observe, **options)
    while steps.question is not None:
        steps.answer(policy.choose(steps.question.request, steps.question.servers))
    return steps


DISTURBED = (Disturbance(5.0, 20.0, "b", "refuse"), Disturbance(30.0, 40.0, "a", "silent"))


@pytest.mark.parametrize("disturbances", [(), DISTURBED], ids=["calm", "with failures"])
def test_decisions_one_at_a_time_are_the_same_simulation(disturbances):
    cluster, load = one_model(2, 3, disturbances=disturbances), poisson(3.5, 60.0)
    whole = simulate(cluster, load, lambda _: LeastConnections(), 4)
    steps = play(cluster, load, 4)
    for column in ("at_s", "latency_s", "wait_s", "service_s", "server", "attempts", "ok"):
        assert np.array_equal(getattr(steps.run(), column), getattr(whole, column), equal_nan=True)


def test_robots_in_a_closed_loop_stop_for_decisions_too():
    cluster, load = read_cluster("rilaas-2-2"), read_load("robots-10")
    whole = simulate(cluster, load, lambda _: LeastConnections(), 1)
    assert np.array_equal(play(cluster, load, 1).run().latency_s, whole.latency_s)


@pytest.mark.parametrize("disturbances", [(), DISTURBED], ids=["calm", "with failures"])
def test_what_all_requests_wait_together_is_the_sum_of_their_latencies(disturbances):
    steps = play(one_model(2, 3, disturbances=disturbances), poisson(3.5, 60.0), 2)
    assert steps.waiting_s == pytest.approx(steps.run().latency_s.sum(), rel=1e-12)
    assert sum(steps.ended_s) == pytest.approx(steps.waiting_s, rel=1e-12)


def test_requests_that_nobody_can_answer_end_without_a_question():
    cluster = one_model(1, disturbances=(Disturbance(0.0, 5.0, "a", "leave"), Disturbance(6.0, 9.0, "a", "refuse")))
    steps = play(cluster, even(1.0, 20.0), 0)
    assert not steps.run().ok[:5].any()
    assert steps.run().ok[-5:].all()
    assert steps.waiting_s == pytest.approx(steps.run().latency_s.sum(), rel=1e-12)


def test_the_truth_may_be_looked_at():
    steps = Stepwise(one_model(1, 1), even(50.0, 0.1), 0, lambda outcome: None)
    steps.answer("a")
    steps.answer("a")
    assert steps.on_servers() == {"a": 2, "b": 0}


def test_a_server_that_was_not_offered_is_refused():
    steps = Stepwise(one_model(1, 1), even(1.0, 5.0), 0, lambda outcome: None)
    with pytest.raises(InvalidInput, match="chose 'z'"):
        steps.answer("z")
    with pytest.raises(InvalidInput, match="model 'n'"):
        Stepwise(one_model(1), even(1.0, 5.0, models=("n",)), 0, lambda outcome: None)
