"""Tabular Q-learning: what is learned, from which reward, and what it does where it knows nothing."""

import numpy as np
import pytest

from rilaas.balance import Outcome, Request, ServerView, check_balancer, make_balancer
from rilaas.balance.learned_file import read_learned, write_learned
from rilaas.balance.q_learning import QLearning
from rilaas.balance.q_table import Bins, QTable, QTiles, StepSize, make_q
from rilaas.core import InvalidInput


def view(name, p=0, q=0):
    return ServerView(name, in_flight=q, in_flight_by_model={"m": p})


def train(policy, latencies, steps=400, model="m"):
    """One request at a time on idle servers, each with a latency of its own."""
    servers = [ServerView(name) for name in latencies]
    for i in range(steps):
        request = Request(model, str(i))
        name = policy.choose(request, servers)
        policy.observe(Outcome(request, name, "ok", latencies[name]))
    return policy


@pytest.fixture
def file(tmp_path):
    policy = train(QLearning(["edge", "cloud"], seed=1, epsilon=0.2), {"edge": 0.1, "cloud": 0.5})
    arrays, card = policy.learned()
    write_learned(tmp_path / "q.npz", "q_learning", arrays, card)
    return tmp_path / "q.npz"


@pytest.mark.parametrize(
    "make",
    [
        lambda: QLearning(["a", "b"], seed=3),
        lambda: QLearning(["a", "b", "c", "d", "cloud"], seed=3),
        lambda: QLearning(["a", "b"], seed=3, online=False),
        lambda: train(QLearning(["a", "b"], seed=3), {"a": 0.1, "b": 0.2}).frozen(),
    ],
    ids=["table", "tiles", "empty and frozen", "trained and frozen"],
)
def test_it_keeps_the_contract_with_servers_that_it_knows_and_others(make):
    check_balancer(make)


def test_a_file_keeps_the_contract_frozen_and_on_line(file):
    check_balancer(lambda: make_balancer(f"q_learning={file}", seed=1))
    check_balancer(lambda: make_balancer(f"q_learning={file}", seed=1, online=True))


def test_one_step_moves_q_to_the_reward_plus_the_discounted_best_of_the_next_state():
    policy = QLearning(["a", "b"], seed=0, epsilon=0.0, discount=0.5)
    first, second, third = Request("m"), Request("m"), Request("m")
    at = [[view("a", 0, 0), view("b", 0, 0)], [view("a", 1, 1), view("b", 0, 0)], [view("a", 2, 2), view("b")]]
    assert policy.choose(first, at[0]) == "a"
    policy.observe(Outcome(first, "a", "ok", 1.0))
    assert policy.agents["m"].values((0, 0, 0, 0)) == [0.0, 0.0]  # s' is not yet known
    assert policy.choose(second, at[1]) == "a"
    # -(1 + 1)^2 + 0.5 * 0, the first step being a whole one
    assert policy.agents["m"].values((0, 0, 0, 0)) == [-4.0, 0.0]
    policy.choose(third, at[2])
    assert policy.agents["m"].values((1, 1, 0, 0)) == [0.0, 0.0]  # its answer is not yet there
    policy.observe(Outcome(second, "a", "ok", 2.0))
    assert policy.agents["m"].values((1, 1, 0, 0)) == [-9.0, 0.0]


def test_answers_that_come_in_another_order_are_credited_to_their_own_decisions():
    policy = QLearning(["a", "b"], seed=0, epsilon=0.0, discount=0.0)
    requests = [Request("m") for _ in range(3)]
    states = [[view("a", i, i), view("b", i, i)] for i in range(3)]
    chosen = [policy.choose(*pair) for pair in zip(requests, states, strict=True)]
    for i in (1, 0):
        policy.observe(Outcome(requests[i], chosen[i], "ok", float(i)))
    assert policy.agents["m"].values((0, 0, 0, 0))[0] == -1.0
    assert policy.agents["m"].values((1, 1, 1, 1))[0] == -4.0


def test_equal_requests_are_told_apart_by_identity():
    policy = QLearning(["a"], seed=0, discount=0.0)
    twin, other, last = Request("m"), Request("m"), Request("m")
    assert twin == other
    policy.choose(twin, [view("a")])
    policy.choose(other, [view("a", 1, 1)])
    policy.choose(last, [view("a", 2, 2)])
    policy.observe(Outcome(other, "a", "ok", 2.0))
    policy.observe(Outcome(twin, "a", "ok", 1.0))
    assert policy.agents["m"].values((0, 0)) == [-4.0]
    assert policy.agents["m"].values((1, 1)) == [-9.0]


def test_each_model_has_an_agent_of_its_own():
    policy = QLearning(["edge", "cloud"], seed=2, epsilon=0.1)
    train(policy, {"edge": 0.1, "cloud": 0.5}, model="recognition")
    train(policy, {"edge": 0.5, "cloud": 0.1}, model="grasping")
    frozen = policy.frozen()
    servers = [ServerView("edge"), ServerView("cloud")]
    assert frozen.choose(Request("recognition"), servers) == "edge"
    assert frozen.choose(Request("grasping"), servers) == "cloud"


def test_a_server_that_fails_at_once_is_not_taken_for_a_fast_one():
    policy = QLearning(["broken", "slow"], seed=4)
    servers = [ServerView("broken"), ServerView("slow")]
    chosen = []
    for _ in range(300):
        request = Request("m")
        chosen.append(policy.choose(request, servers))
        failed = chosen[-1] == "broken"
        policy.observe(Outcome(request, chosen[-1], *(("error", 0.001) if failed else ("ok", 3.0))))
    assert chosen[100:].count("broken") <= 10


def test_a_request_that_the_client_took_back_teaches_nothing():
    policy = QLearning(["a"], seed=0)
    request = Request("m")
    policy.choose(request, [view("a")])
    policy.observe(Outcome(request, "a", "cancelled", 0.0))
    policy.choose(Request("m"), [view("a", 1, 1)])
    assert policy.agents["m"].tried((0, 0)) == [0.0]


def test_a_frozen_policy_learns_and_explores_nothing():
    frozen = train(QLearning(["a", "b"], seed=1, epsilon=0.3), {"a": 0.1, "b": 0.2}).frozen()
    before = frozen.agents["m"].arrays()
    train(frozen, {"a": 9.0, "b": 0.2})
    assert all(np.array_equal(array, before[name]) for name, array in frozen.agents["m"].arrays().items())
    assert {frozen.choose(Request("m"), [ServerView("a"), ServerView("b")]) for _ in range(200)} == {"a"}


def test_what_was_written_is_the_same_policy_when_it_is_read(file):
    policy = QLearning.read(file)
    assert policy.choose(Request("m"), [ServerView("cloud"), ServerView("edge")]) == "edge"
    assert policy.weighing().figures["q"][1] > policy.weighing().figures["q"][0]
    arrays, card = policy.learned()
    kept, kept_card = read_learned(file, "q_learning")
    assert {**kept_card, **card} == kept_card
    assert all(np.array_equal(arrays[name], kept[name]) for name in kept)


def test_a_policy_that_was_read_goes_on_learning_where_the_deployment_says_so(file):
    servers = {"edge": 3.0, "cloud": 0.5}
    frozen, online = (make_balancer(f"q_learning={file}", seed=5, online=on) for on in (False, True))
    for policy in (frozen, online):
        train(policy, servers, steps=2000)
    there = [ServerView("edge"), ServerView("cloud")]
    assert [frozen.choose(Request("m"), there) for _ in range(20)].count("edge") == 20
    assert [online.choose(Request("m"), there) for _ in range(20)].count("cloud") >= 18


def test_a_new_server_makes_it_least_connections_which_is_counted_and_told(file):
    policy = QLearning.read(file)
    servers = [view("edge", 3, 3), view("cloud", 2, 2), view("new", 0, 0)]
    assert policy.choose(Request("m"), servers) == "new"
    assert dict(policy.fallbacks) == {"a server is there that it was not trained with": 1}
    assert policy.weighing().rule.startswith("Least connections, because a server is there")


def test_a_model_without_an_agent_and_a_state_never_met_are_least_connections(file):
    policy = QLearning.read(file)
    assert policy.choose(Request("other"), [view("edge", 0, 5), view("cloud")]) == "cloud"
    assert policy.choose(Request("m"), [view("edge", 9, 9), view("cloud", 8, 8)]) == "cloud"
    assert set(policy.fallbacks) == {"this model has no agent", "no server was tried in this state"}


def test_with_nothing_to_begin_with_it_learns_on_line_and_begins_anew_when_a_server_joins():
    policy = make_balancer("q_learning", seed=6)
    train(policy, {"a": 0.2, "b": 0.1}, steps=3000)
    there = [ServerView("a"), ServerView("b")]
    assert [policy.choose(Request("m"), there) for _ in range(20)].count("b") >= 18
    train(policy, {"a": 0.2, "b": 0.1, "c": 0.02}, steps=3000)
    there = [*there, ServerView("c")]
    assert [policy.choose(Request("m"), there) for _ in range(20)].count("c") >= 18
    assert not policy.fallbacks


def test_a_deployment_with_other_servers_is_refused_with_what_it_was_trained_for(file):
    policy = QLearning.read(file)
    policy.check_servers({"cloud", "edge"})
    with pytest.raises(InvalidInput, match=r"trained for 2 servers \(edge, cloud\), not for these 3") as caught:
        policy.check_servers(["edge", "cloud", "cloud-2"])
    assert "rilaas learn balancer --policy q_learning" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": ["in_flight", "latency_s"]}, "trained for other features: in_flight, latency_s"),
        ({"features": None}, "trained for other features: None"),
        ({"servers": []}, "does not say for which servers"),
        ({"servers": ["a", "a"]}, "does not say for which servers"),
        ({"models": 3}, "does not say for which models"),
        ({"models": ["m", "n"]}, "does not hold what its card says"),
        ({"servers": ["a", "b", "c"]}, "does not hold what its card says"),
        ({"bin_edges": [3, 2, "x"]}, "does not hold what its card says"),
        ({"bin_edges": [1, 3, 2]}, "does not hold what its card says"),
        ({"bin_edges": [1, 10**9]}, "does not hold what its card says"),
        ({"bin_edges": []}, "does not hold what its card says"),
        ({"discount": "much"}, "does not hold what its card says"),
    ],
)
def test_a_file_that_was_trained_for_something_else_is_refused(file, change, message):
    arrays, card = read_learned(file, "q_learning")
    write_learned(file, "q_learning", arrays, {**card, **change})
    with pytest.raises(InvalidInput, match=message) as caught:
        QLearning.read(file)
    assert "rilaas learn balancer" in caught.value.hint


def test_counts_fall_into_the_bins_that_are_stated():
    bins = Bins()
    assert [bins.of((n,))[0] for n in (0, 1, 4, 5, 6, 7, 9, 10, 10**6)] == [0, 1, 4, 5, 5, 6, 6, 7, 7]


def test_two_servers_have_a_table_and_three_have_tiles():
    bins, step = Bins(), StepSize(0.02)
    assert isinstance(make_q(bins, 2, step), QTable)
    assert isinstance(make_q(bins, 3, step), QTiles)


def test_tiles_learn_a_sum_and_know_it_where_the_combination_was_never_seen():
    tiles = QTiles(Bins(), 3, StepSize(0.1))
    rng = np.random.default_rng(0)
    worth = -rng.random((3, 3, 8))  # action, server, its count

    def state(counts):
        return tuple(int(count) for each in counts for count in (each, each))

    def true(action, counts):
        return sum(worth[action, server, count] for server, count in enumerate(counts))

    held_out = (4, 3, 2)
    for _ in range(20_000):
        counts = tuple(rng.integers(0, 5, 3))
        action = int(rng.integers(3))
        if counts != held_out:
            tiles.learn(state(counts), action, true(action, counts))
    assert tiles.values(state(held_out)) == pytest.approx([true(a, held_out) for a in range(3)], abs=0.05)


def test_an_interceptor_that_starts_again_goes_on_where_it_was(file):
    before = train(QLearning.read(file, online=True, seed=1), {"edge": 3.0, "cloud": 0.5}, steps=2000)
    after = QLearning.read(file, online=True, seed=1)
    after.restore(before.state())
    assert after.agents["m"].values((0, 0, 0, 0)) == before.agents["m"].values((0, 0, 0, 0))
    assert after.state() == before.state()
    fresh = QLearning(seed=2)
    fresh.restore(train(QLearning(seed=2), {"a": 0.2, "b": 0.1}, steps=3000).state())
    there = [ServerView("a"), ServerView("b")]
    assert [fresh.choose(Request("m"), there) for _ in range(20)].count("b") >= 18


def test_a_state_of_another_file_is_refused_and_an_empty_one_says_nothing(file, tmp_path):
    state = QLearning.read(file, online=True).state()
    arrays, card = read_learned(file, "q_learning")
    write_learned(tmp_path / "newer.npz", "q_learning", arrays, {**card, "seed": 99})
    newer = QLearning.read(tmp_path / "newer.npz", online=True)
    with pytest.raises(InvalidInput, match="began with another file"):
        newer.restore(state)
    with pytest.raises(InvalidInput, match="no file of a learned policy"):
        newer.restore(b"something else")
    newer.restore(b"")
    for empty in (QLearning(seed=1), QLearning(seed=1)):
        empty.restore(QLearning(seed=1).state())
    frozen = QLearning.read(file)
    assert frozen.state() == b""
    frozen.restore(state)


def test_the_guard_shows_that_it_goes_by_something_simpler(file):
    policy = QLearning.read(file)
    policy.choose(Request("m"), [view("edge"), view("cloud")])
    assert policy.guard() == {"fallback": 0.0, "fallbacks": 0.0}
    policy.choose(Request("m"), [view("edge"), view("new")])
    assert policy.guard() == {"fallback": 1.0, "fallbacks": 1.0}


def test_the_weighing_shows_the_state_and_q(file):
    policy = QLearning.read(file, online=True, seed=1)
    policy.choose(Request("m"), [view("cloud", 0, 0), view("edge", 0, 0)])
    weighing = policy.weighing()
    assert weighing.servers == ["cloud", "edge"]
    assert set(weighing.figures) == {"in_flight_of_model", "in_flight", "q"}
