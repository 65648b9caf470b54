"""Power of two choices: what is drawn, what wins, and how even it gets."""

import random
from collections import Counter

from rilaas.balance import Request, ServerView, make_balancer
from rilaas.balance.power_of_two_choices import two_of


def test_every_pair_of_different_servers_is_drawn_as_often_as_any_other():
    draws, seen = random.Random(1), Counter()
    for _ in range(12_000):
        seen[frozenset(two_of("abcd", draws))] += 1
    assert all(len(pair) == 2 for pair in seen)
    # Binomial with p = 1/6: 2000 +- 41; five sigma
    assert len(seen) == 6
    assert all(abs(count - 2000) < 205 for count in seen.values())


def test_the_one_with_fewer_in_flight_wins():
    balancer = make_balancer("power_of_two_choices", seed=2)
    servers = [ServerView("a", in_flight=3), ServerView("b", in_flight=2)]
    assert {balancer.choose(Request("m"), servers) for _ in range(30)} == {"b"}
    assert set(balancer.weighing().servers) == {"a", "b"}


def test_the_most_loaded_server_is_never_chosen_where_there_are_others():
    balancer = make_balancer("power_of_two_choices", seed=3)
    servers = [ServerView(name, in_flight=count) for name, count in (("a", 1), ("b", 9), ("c", 4), ("d", 0))]
    assert "b" not in {balancer.choose(Request("m"), servers) for _ in range(500)}


def test_the_fullest_of_many_servers_is_far_less_full_than_with_one_random_choice():
    def fullest(name):
        balancer, in_flight = make_balancer(name, seed=4), dict.fromkeys(range(200), 0)
        for _ in range(2000):
            servers = [ServerView(str(i), in_flight=count) for i, count in in_flight.items()]
            in_flight[int(balancer.choose(Request("m"), servers))] += 1
        return max(in_flight.values())

    assert fullest("power_of_two_choices") <= 13
    assert fullest("random") >= 17
