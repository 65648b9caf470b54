"""What the textbooks say about each policy."""

from collections import Counter

from rilaas.balance import Request, ServerView, make_balancer


def servers(**in_flight):
    return [ServerView(name, in_flight=count) for name, count in in_flight.items()]


def choices(balancer, available, n, model="m"):
    return [balancer.choose(Request(model), available) for _ in range(n)]


def test_round_robin_goes_round_in_the_order_given():
    balancer = make_balancer("round_robin")
    assert choices(balancer, servers(a=0, b=0, c=0), 7) == ["a", "b", "c", "a", "b", "c", "a"]


def test_round_robin_gives_both_of_two_alternating_models_all_servers():
    balancer = make_balancer("round_robin")
    seen = Counter()
    for _ in range(50):
        for model in ("recognition", "grasping"):
            seen[model, balancer.choose(Request(model), servers(edge=0, cloud=0))] += 1
    assert set(seen.values()) == {25}


def test_round_robin_gives_a_new_server_one_turn_and_then_its_share():
    balancer = make_balancer("round_robin")
    choices(balancer, servers(a=0, b=0), 100)
    assert Counter(choices(balancer, servers(a=0, b=0, new=0), 9)) == {"a": 3, "b": 3, "new": 3}


def test_round_robin_does_not_make_up_for_turns_missed_while_excluded():
    balancer = make_balancer("round_robin")
    for _ in range(100):
        balancer.choose(Request("m", excluded=frozenset({"a"})), servers(a=0, b=0))
    assert Counter(choices(balancer, servers(a=0, b=0), 10)) == {"a": 5, "b": 5}


def test_random_gives_every_server_about_the_same_share():
    balancer = make_balancer("random", seed=3)
    share = Counter(choices(balancer, servers(a=0, b=9, c=0, d=0), 4000))
    # Binomial with p = 1/4: 1000 +- 27; five sigma
    assert all(abs(share[name] - 1000) < 137 for name in "abcd")


def test_random_draws_the_same_servers_from_the_same_seed_and_others_from_another():
    available = servers(a=0, b=0, c=0)
    first, again, other = (choices(make_balancer("random", seed=s), available, 40) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_least_connections_chooses_the_server_with_the_fewest_in_flight_over_all_models():
    balancer = make_balancer("least_connections")
    busy = ServerView("a", in_flight=5, in_flight_by_model={"other": 5})
    idle = ServerView("b", in_flight=1, in_flight_by_model={"m": 1})
    assert balancer.choose(Request("m"), [busy, idle]) == "b"


def test_least_connections_lets_tied_servers_take_turns():
    balancer = make_balancer("least_connections")
    assert choices(balancer, servers(a=2, b=7, c=2), 4) == ["a", "c", "a", "c"]


def test_least_connections_evens_out_with_a_new_server_and_does_not_flood_it():
    balancer = make_balancer("least_connections")
    in_flight = {"a": 6, "b": 6, "new": 0}
    for _ in range(6):
        in_flight[balancer.choose(Request("m"), servers(**in_flight))] += 1
    assert in_flight == {"a": 6, "b": 6, "new": 6}
    for _ in range(6):
        in_flight[balancer.choose(Request("m"), servers(**in_flight))] += 1
    assert in_flight == {"a": 8, "b": 8, "new": 8}


def test_least_connections_avoids_a_server_that_swallows_requests():
    balancer = make_balancer("least_connections")
    in_flight = {"silent": 0, "good": 0}
    for _ in range(100):
        name = balancer.choose(Request("m"), servers(**in_flight))
        in_flight[name] += name == "silent"  # the good one answers before the next request comes
    assert in_flight["silent"] == 1


def test_servers_and_models_that_come_and_go_for_ever_do_not_break_a_rotation():
    balancer = make_balancer("round_robin")
    for i in range(5000):
        assert balancer.choose(Request("m"), servers(**{f"s{i}": 0})) == f"s{i}"
        balancer.choose(Request(f"model-{i}"), servers(a=0))
    assert Counter(choices(balancer, servers(a=0, b=0), 10)) == {"a": 5, "b": 5}
