"""The exact yardstick: the least possible mean latency of small cases, and that of any fixed policy, not simulated.

Takes rates and slots; returns latencies, tables of decisions, prices of placements. Numpy only.
Imports the simulation, the balancing protocol and core.
"""

from rilaas.balance.oracle.case import SmallCase, Station
from rilaas.balance.oracle.chain import Solution
from rilaas.balance.oracle.optimum import Optimum, evaluate_policy, prices_of, solve_optimum
from rilaas.balance.oracle.oracle_policy import OraclePolicy
from rilaas.balance.oracle.queueing import erlang_c, mm1_latency_s, mmc_latency_s, mmc_wait_s
from rilaas.balance.oracle.rule import (
    Rule,
    decisions,
    least_connections,
    power_of_two_choices,
    random_split,
    shortest_expected_delay,
    thresholds,
)
from rilaas.balance.oracle.simulated import cluster_of, load_of
from rilaas.balance.oracle.split import best_split, first_improvement, placement_prices

__all__ = [
    "Optimum",
    "OraclePolicy",
    "Rule",
    "SmallCase",
    "Solution",
    "Station",
    "best_split",
    "cluster_of",
    "decisions",
    "erlang_c",
    "evaluate_policy",
    "first_improvement",
    "least_connections",
    "load_of",
    "mm1_latency_s",
    "mmc_latency_s",
    "mmc_wait_s",
    "placement_prices",
    "power_of_two_choices",
    "prices_of",
    "random_split",
    "shortest_expected_delay",
    "solve_optimum",
    "thresholds",
]
