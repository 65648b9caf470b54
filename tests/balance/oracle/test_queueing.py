"""Closed forms against sums over the stationary distribution, and against tables in textbooks."""

import math

import pytest

from rilaas.balance.oracle import Station, erlang_c, mm1_latency_s, mmc_latency_s, mmc_wait_s, placement_prices
from rilaas.core import InvalidInput


def waiting_share(slots, offered):
    """Erlang C from the probabilities of a birth-death chain."""
    weights = [offered**k / math.factorial(k) for k in range(slots)]
    tail = offered**slots / math.factorial(slots) / (1.0 - offered / slots)
    return tail / (sum(weights) + tail)


@pytest.mark.parametrize(("slots", "offered"), [(1, 0.7), (2, 1.5), (4, 3.9), (12, 6.0), (30, 29.0)])
def test_erlang_c_is_the_share_of_those_who_wait(slots, offered):
    assert erlang_c(slots, offered) == pytest.approx(waiting_share(slots, offered), rel=1e-12)


def test_erlang_c_holds_for_more_slots_than_factorials_do():
    assert 0.0 < erlang_c(500, 480.0) < 1.0


def test_one_slot_is_m_m_1():
    assert mmc_latency_s(0.7, 1.0, 1) == pytest.approx(mm1_latency_s(0.7, 1.0), rel=1e-12)
    assert mm1_latency_s(0.7, 1.0) == pytest.approx(1.0 / 0.3)
    assert mm1_latency_s(2.0, 1.0) == math.inf


def test_nobody_waits_where_nobody_comes():
    assert mmc_wait_s(0.0, 1.0, 3) == 0.0


@pytest.mark.parametrize(("slots", "offered"), [(2, 2.0), (2, 5.0), (0, 0.0), (2, -1.0)])
def test_a_queue_that_grows_for_ever_is_refused(slots, offered):
    with pytest.raises(InvalidInput):
        erlang_c(slots, offered)


def test_a_price_is_the_derivative_of_what_all_requests_cost():
    """PASTA: the mean price that arrivals find is d(lambda T)/d lambda."""
    station, rate, step = Station(3, 0.5), 4.0, 1e-4
    prices = placement_prices(station, rate, 400)
    weights = [1.0]
    for held in range(1, 400):
        weights.append(weights[-1] * rate * station.service_s / min(held, station.slots))
    mean = sum(p * w for p, w in zip(prices, weights, strict=True)) / sum(weights)
    requests = [at * mmc_latency_s(at, 0.5, 3) for at in (rate - step, rate + step)]
    assert mean == pytest.approx((requests[1] - requests[0]) / (2 * step), rel=1e-6)
