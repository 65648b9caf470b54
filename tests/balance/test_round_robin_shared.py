"""One rotation for all models: where it locks in, and where it does not."""

from collections import Counter

import pytest

from rilaas.balance import Request, ServerView, make_balancer


def seen(name, servers, models, rounds=60):
    balancer, counts = make_balancer(name), Counter()
    for _ in range(rounds):
        for model in models:
            counts[model, balancer.choose(Request(model), servers)] += 1
    return counts


@pytest.mark.parametrize("count", [2, 4])
def test_two_alternating_models_never_meet_the_same_server_where_the_number_of_servers_is_even(count):
    servers = [ServerView(f"s{i}") for i in range(count)]
    counts = seen("round_robin_shared", servers, ("recognition", "grasping"))
    by_model = {m: {s for model, s in counts if model == m} for m in ("recognition", "grasping")}
    assert not by_model["recognition"] & by_model["grasping"]
    assert len(by_model["recognition"]) == len(by_model["grasping"]) == count // 2


def test_an_odd_number_of_servers_breaks_the_step():
    counts = seen("round_robin_shared", [ServerView(name) for name in "abc"], ("recognition", "grasping"))
    assert set(counts.values()) == {20}


def test_a_rotation_per_model_does_not_lock_in():
    counts = seen("round_robin", [ServerView(name) for name in "ab"], ("recognition", "grasping"))
    assert set(counts.values()) == {30}
