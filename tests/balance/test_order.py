"""The policies on the document's servers, in the order that theory and earlier measurements have them."""

import pytest

from rilaas.balance import make_balancer
from rilaas.balance.simulation import read_cluster, read_load, simulate


def mean_s(policy, cluster, load):
    runs = [
        simulate(
            read_cluster(cluster), read_load(load), lambda index, seed=seed: make_balancer(policy, seed=seed), seed
        )
        for seed in (1, 2)
    ]
    return sum(run.mean_s() for run in runs) / len(runs)


def ranking(policies, cluster, load):
    return sorted(policies, key=lambda policy: mean_s(policy, cluster, load))


def test_under_light_load_who_knows_that_the_edge_is_nearer_is_ahead():
    order = ["shortest_expected_delay", "prequal", "peak_ewma", "least_connections", "round_robin"]
    assert ranking(order[::-1], "rilaas-4-8", "poisson-2") == order


def test_at_the_documents_highest_load_being_selfish_no_longer_pays():
    order = ["least_connections_per_model", "least_connections", "shortest_expected_delay"]
    assert ranking(order[::-1], "rilaas-4-8", "uniform-8") == order


def test_with_few_slots_at_the_edge_who_does_not_look_at_the_servers_overloads_it():
    informed = max(mean_s(name, "rilaas-2-6", "uniform-8") for name in ("least_connections", "c3", "prequal"))
    assert mean_s("round_robin", "rilaas-2-6", "uniform-8") > 3.0 * informed


@pytest.mark.parametrize("load", ["uniform-1", "uniform-8"])
def test_one_rotation_for_both_models_sends_all_grasp_plans_to_the_same_place(load):
    run = simulate(read_cluster("rilaas-4-8"), read_load(load), lambda index: make_balancer("round_robin_shared"), 1)
    assert {len(set(run.server[run.model == model])) for model in (0, 1)} == {1}
