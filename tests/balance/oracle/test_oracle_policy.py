"""The table as a policy, and the solver against the simulator: two programs, one number."""

import math

import numpy as np
import pytest

from rilaas.balance import LeastConnections, Request, ServerView, check_balancer, make_balancer
from rilaas.balance.oracle import (
    OraclePolicy,
    SmallCase,
    Station,
    cluster_of,
    evaluate_policy,
    least_connections,
    load_of,
    random_split,
    solve_optimum,
)
from rilaas.balance.simulation import simulate

CASE = SmallCase.at_load(0.7, [Station(2, 1.0, name="a"), Station(3, 1.6, name="b")])


def simulated_s(case, make, seeds=8, requests=4000):
    """Mean latency over runs and its standard error; the first tenth, when the servers were empty, is left out."""
    means = []
    for seed in range(seeds):
        run = simulate(cluster_of(case), load_of(case, requests), make, seed)
        assert run.ok_share == 1.0
        means.append(run.latency_s[len(run) // 10 :].mean())
    return np.mean(means), np.std(means, ddof=1) / math.sqrt(seeds)


def servers(**in_flight):
    return [ServerView(name, in_flight=count) for name, count in in_flight.items()]


def test_the_oracle_keeps_the_contract_of_a_balancer():
    check_balancer(lambda: OraclePolicy(solve_optimum(CASE)))


def test_the_oracle_plays_its_table():
    optimum = solve_optimum(CASE)
    policy = OraclePolicy(optimum)
    for first in range(12):
        for second in range(12):
            chosen = policy.choose(Request("m"), servers(a=first, b=second))
            prices = optimum.prices[:, first, second]
            assert prices["ab".index(chosen)] == prices.min()
    assert policy.weighing().figures["price_s"] == pytest.approx(optimum.prices[:, 11, 11])


def test_beyond_its_table_the_oracle_reads_the_edge():
    policy = OraclePolicy(solve_optimum(CASE))
    assert policy.choose(Request("m"), servers(a=10_000, b=0)) == "b"
    assert policy.choose(Request("m"), servers(a=0, b=10_000)) == "a"


def test_the_oracle_does_without_a_server_and_with_a_strange_one():
    policy = OraclePolicy(solve_optimum(CASE))
    assert policy.choose(Request("m"), servers(b=50)) == "b"
    assert policy.choose(Request("m", excluded=frozenset({"a"})), servers(a=0, b=50)) == "b"
    assert policy.choose(Request("m"), servers(a=3, b=2, new=1)) == "new"


class Split:
    """Chance by fixed shares."""

    def __init__(self, shares, seed):
        self.shares, self.rng = shares, np.random.default_rng(seed)

    def choose(self, request, servers):
        return servers[self.rng.choice(len(servers), p=self.shares)].name

    def observe(self, outcome):
        pass

    def weighing(self):
        return None


@pytest.mark.parametrize(
    ("rule", "make"),
    [
        (least_connections(), lambda k: make_balancer("power_of_two_choices", seed=k)),
        (random_split((0.5, 0.5)), lambda k: Split((0.5, 0.5), k)),
    ],
    ids=["least connections with ties drawn", "random split"],
)
def test_the_solver_and_the_simulator_agree_on_fixed_policies(rule, make):
    exact_s = evaluate_policy(CASE, rule).mean_latency_s
    mean_s, error_s = simulated_s(CASE, make)
    assert abs(mean_s - exact_s) < 3.5 * error_s
    assert error_s < 0.05 * exact_s


def test_the_oracle_reaches_the_optimum_in_the_simulator_and_others_do_not():
    optimum = solve_optimum(CASE)
    mean_s, error_s = simulated_s(CASE, lambda _: OraclePolicy(optimum))
    assert abs(mean_s - optimum.mean_latency_s) < 3.5 * error_s
    least_s, _ = simulated_s(CASE, lambda _: LeastConnections())
    assert least_s > mean_s
