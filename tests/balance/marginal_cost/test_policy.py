"""What the policy chooses, and what it says of it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.balance import Request, check_balancer, make_balancer
from rilaas.balance.marginal_cost import MarginalCost
from rilaas.core import Unavailable
from tests.balance.marginal_cost.talk import Talk, flat_price


def settled(*names, times, balancer=None, network_s=0.0, slots=1):
    """A talk in which every server has answered ten times."""
    talk = Talk(*names, balancer=balancer)
    for name in names:
        talk.tell(name, slots=slots)
        for _ in range(10):
            talk.warm_up(name, times[name], network_s)
            talk.now += 0.5
    return talk


@pytest.mark.parametrize("price", [None, flat_price(1.0)])
def test_it_keeps_the_contract_with_a_price_and_without(price):
    check_balancer(lambda: MarginalCost(price))


def test_the_fastest_server_is_chosen_as_long_as_nobody_waits_there():
    talk = settled("slow", "fast", times={"slow": 0.3, "fast": 0.1})
    assert [talk.serve({"slow": 0.3, "fast": 0.1})[0] for _ in range(5)] == ["fast"] * 5


def test_who_would_wait_longer_than_the_slow_one_takes_goes_there():
    talk = settled("slow", "fast", times={"slow": 0.25, "fast": 0.1})
    assert [talk.ask() for _ in range(4)] == ["fast", "fast", "slow", "fast"]


def test_slots_are_filled_before_anybody_waits():
    talk = settled("slow", "fast", times={"slow": 0.15, "fast": 0.1}, slots=2)
    assert Counter(talk.ask() for _ in range(4)) == {"fast": 2, "slow": 2}


def test_an_unknown_server_gets_one_request_at_a_time_until_it_has_answered():
    talk = settled("known", times={"known": 0.5})
    talk.names = ("known", "new")
    assert [talk.ask() for _ in range(4)].count("new") == 1
    place = next(i for i, (_, server) in enumerate(talk.open) if server == "new")
    talk.answer(place, service_s=0.01)
    assert [talk.ask() for _ in range(3)].count("new") == 3


def test_nobody_known_at_all_gets_one_request_each_first():
    talk = Talk("a", "b", "c")
    assert sorted(talk.ask() for _ in range(3)) == ["a", "b", "c"]
    assert talk.ask() in {"a", "b", "c"}


def test_what_others_have_on_an_unknown_server_does_not_keep_it_unknown():
    talk = settled("known", times={"known": 0.5}, balancer=MarginalCost(interceptors=4))
    talk.names = ("known", "new")
    talk.tell("new", in_flight=1, clients=4)
    talk.tell("known", in_flight=9, clients=4)
    assert talk.ask() == "new"


def test_a_model_that_is_new_is_taken_for_as_fast_as_on_the_best_server():
    talk = settled("a", "b", times={"a": 0.1, "b": 0.1})
    for _ in range(3):
        talk.warm_up("a", 0.4, model="new")
    expected = talk.balancer.expected_s(Request("new", at_s=talk.now), talk.views())
    assert expected == {"a": pytest.approx(0.4), "b": 0.0}
    assert talk.ask("new") == "a"
    assert talk.weighed()["own_s"] == {"a": pytest.approx(0.4), "b": pytest.approx(0.4)}


def test_a_price_moves_long_requests_away_and_leaves_short_ones():
    # One second per second of service on both: it is as long as the service itself.
    times = {"near": 0.2, "far": 0.1}
    talk = settled("near", "far", times=times, balancer=MarginalCost(flat_price(1.0)))
    talk.ask()
    figures = talk.weighed()
    assert figures["price_s"] == {name: pytest.approx(times[name]) for name in times}
    assert figures["own_s"] == {name: pytest.approx(times[name]) for name in times}


def test_a_single_server_has_no_price():
    talk = settled("a", times={"a": 0.1}, balancer=MarginalCost(flat_price(1.0)))
    talk.ask()
    assert talk.weighed()["price_s"] == {"a": 0.0}


def test_before_the_first_choice_nothing_was_weighed():
    assert MarginalCost().weighing() is None


@given(seed=st.integers(0, 10**6), priced=st.booleans())
def test_the_columns_of_a_weighing_say_who_was_chosen(seed, priced):
    talk = Talk("c", "a", "b", balancer=make_balancer("marginal_cost") if priced else None)
    draw = seed
    for _ in range(25):
        draw = (draw * 1103515245 + 12345) % 2**31
        excluded = {"abc"[draw // 7 % 3]} if draw % 5 == 0 else set()
        chosen = talk.ask("mn"[draw // 11 % 2], excluded)
        weighing = talk.balancer.weighing()
        assert list(weighing.servers) == [name for name in talk.names if name not in excluded]
        assert set(weighing.figures) == {"own_s", "price_s", "in_flight"}
        figures = weighing.figures
        totals = [own + price for own, price in zip(figures["own_s"], figures["price_s"], strict=True)]
        assert totals[list(weighing.servers).index(chosen)] == min(totals)
        assert all(price >= 0.0 for price in figures["price_s"])
        assert "own_s + price_s" in weighing.rule
        if draw // 13 % 3:
            talk.answer(draw % len(talk.open), service_s=0.05 + draw % 100 / 1000)


def test_a_weighing_stays_as_it_was_when_the_next_request_is_placed():
    talk = settled("a", "b", times={"a": 0.1, "b": 0.2}, balancer=make_balancer("marginal_cost"))
    talk.ask()
    weighing = talk.balancer.weighing()
    before = {name: list(row) for name, row in weighing.figures.items()}
    talk.ask()
    talk.answer()
    assert {name: list(row) for name, row in weighing.figures.items()} == before


def test_expectations_are_those_that_the_choice_is_made_from_and_change_nothing():
    talk = settled("a", "b", times={"a": 0.1, "b": 0.2})
    for _ in range(3):
        talk.ask()
    request = Request("m", at_s=talk.now)
    expected = talk.balancer.expected_s(request, talk.views())
    assert talk.balancer.expected_s(request, talk.views()) == expected
    talk.ask()
    assert talk.weighed()["own_s"] == pytest.approx(expected)


def test_of_a_server_of_which_nothing_is_known_nothing_is_expected():
    talk = settled("a", times={"a": 0.1})
    talk.names = ("a", "new")
    expected = talk.balancer.expected_s(Request("m", at_s=talk.now), talk.views())
    assert expected == {"a": pytest.approx(0.1), "new": 0.0}


def test_expectations_leave_out_servers_that_were_tried():
    talk = settled("a", "b", times={"a": 0.1, "b": 0.2})
    request = Request("m", excluded=frozenset({"a"}), at_s=talk.now)
    assert set(talk.balancer.expected_s(request, talk.views())) == {"b"}
    with pytest.raises(Unavailable):
        talk.balancer.expected_s(Request("m", excluded=frozenset({"a", "b"})), talk.views())


def test_times_without_a_word_of_the_server_are_what_a_request_takes_without_the_wait():
    talk = Talk("a")
    talk.tell("a", slots=1)
    for _ in range(6):
        talk.ask()
        talk.answer(-1, service_s=0.2, queue_s=None)
    talk.ask()
    assert talk.weighed()["own_s"]["a"] == pytest.approx(0.2, rel=0.01)


def test_where_expectations_come_true_the_guard_says_so():
    talk = settled("a", "b", times={"a": 0.1, "b": 0.1}, balancer=make_balancer("marginal_cost"))
    for _ in range(100):
        talk.ask()
        talk.answer(-1, service_s=0.1)
        assert talk.balancer.guard()["fallback"] == 0.0
    assert talk.balancer.guard()["prediction_error"] < 0.05


def test_expectations_that_are_far_off_make_it_count_requests_and_it_says_so():
    balancer = MarginalCost(flat_price(0.1))
    talk = settled("fast", "slow", times={"fast": 0.1, "slow": 0.2}, balancer=balancer, slots=8)
    for _ in range(60):  # whatever the reason: answers take twenty times as long
        balancer._guard.compare(0.1, 2.0)
    assert balancer.guard()["fallback"] == 2.0
    assert balancer.guard()["prediction_error"] > 1.2
    assert [talk.ask() for _ in range(4)].count("slow") == 2
    assert "fewest requests in flight" in balancer.weighing().rule
    figures = talk.weighed()
    assert set(figures["price_s"].values()) == {0.0}
    assert set(figures["own_s"]) == {"fast", "slow"}


def test_it_believes_again_when_expectations_come_true_again():
    balancer = MarginalCost(flat_price(0.1))
    talk = settled("a", "b", times={"a": 0.1, "b": 0.1}, balancer=balancer)
    for _ in range(60):
        balancer._guard.compare(0.1, 2.0)
    levels = []
    for _ in range(400):
        talk.ask()
        talk.answer(-1, service_s=0.1)
        levels.append(balancer.guard()["fallback"])
    assert levels[0] == 2.0
    assert sorted(set(levels)) == [0.0, 1.0, 2.0]
    assert levels == sorted(levels, reverse=True)


def test_while_it_counts_servers_that_are_left_alone_stay_alone():
    balancer = MarginalCost()
    talk = settled("a", "b", times={"a": 0.1, "b": 0.1}, balancer=balancer)
    for _ in range(60):
        balancer._guard.compare(0.1, 2.0)
    for _ in range(2):
        while talk.ask() != "a":
            talk.answer(-1)
        talk.answer(-1, status="error", latency_s=0.001)
    assert [talk.ask() for _ in range(3)] == ["b", "b", "b"]
