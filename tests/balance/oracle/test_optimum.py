"""The exact solver against closed forms, against value iteration, and against what theory proves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.balance.oracle import (
    SmallCase,
    Station,
    best_split,
    decisions,
    evaluate_policy,
    first_improvement,
    least_connections,
    mmc_latency_s,
    power_of_two_choices,
    random_split,
    shortest_expected_delay,
    solve_optimum,
    thresholds,
)
from rilaas.core import InvalidInput

GRASPS = {
    "edge": (1.38695, 0.12864),
    "cloud": (1.50161, 0.54987),
}  # Table I [s]: inference, the rest of the round trip


def grasps(edge, cloud, load):
    """Grasp planning of Table I."""
    stations = [Station(edge, *GRASPS["edge"], "edge"), Station(cloud, *GRASPS["cloud"], "cloud")]
    return SmallCase.at_load(load, stations)


def split_latency_s(case, shares):
    return sum(
        share * (mmc_latency_s(share * case.arrival_per_s, station.service_s, station.slots) + station.network_s)
        for share, station in zip(shares, case.stations, strict=True)
    )


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.3, 0.7)])
def test_a_random_split_is_as_many_queues_of_their_own(shares):
    case = SmallCase.at_load(0.6, [Station(3, 0.4, 0.1), Station(4, 0.5)])
    solution = evaluate_policy(case, random_split(shares))
    assert solution.mean_latency_s == pytest.approx(split_latency_s(case, shares), rel=1e-6)
    assert solution.shares == pytest.approx(shares, abs=1e-8)


def test_three_servers_are_split_as_two_are():
    case = SmallCase.at_load(0.4, [Station(1, 0.4), Station(2, 0.5, 0.2), Station(1, 0.3)])
    shares = (0.3, 0.4, 0.3)
    solution = evaluate_policy(case, random_split(shares), cut=1e-8)
    assert solution.mean_latency_s == pytest.approx(split_latency_s(case, shares), rel=1e-6)


@pytest.mark.parametrize("count", [2, 3])
def test_among_equal_servers_joining_the_shortest_queue_is_optimal(count):
    """W. Winston, Optimality of the Shortest Line Discipline, Journal of Applied Probability 14, 1977."""
    case = SmallCase.at_load(0.5, [Station(1, 1.0)] * count)
    assert evaluate_policy(case, least_connections(), cut=1e-7).mean_latency_s == pytest.approx(
        solve_optimum(case, cut=1e-7).mean_latency_s, rel=1e-6
    )


@settings(max_examples=15, deadline=None)
@given(
    slots=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    service_s=st.tuples(st.floats(0.1, 2.0), st.floats(0.1, 2.0)),
    network_s=st.floats(0.0, 1.0),
    load=st.floats(0.2, 0.8),
)
def test_no_fixed_policy_is_better_than_the_optimum(slots, service_s, network_s, load):
    case = SmallCase.at_load(load, [Station(slots[0], service_s[0]), Station(slots[1], service_s[1], network_s)])
    best_s = solve_optimum(case).mean_latency_s * (1.0 - 1e-7)
    for rule in (
        least_connections(),
        least_connections(weighted=True),
        shortest_expected_delay(),
        first_improvement(),
    ):
        assert evaluate_policy(case, rule).mean_latency_s >= best_s
    shares = best_split(case)
    assert split_latency_s(case, shares) >= best_s
    for change in (-0.02, 0.02):
        other = (shares[0] + change, shares[1] - change)
        rates = [share * case.arrival_per_s / s.capacity_per_s for share, s in zip(other, case.stations, strict=True)]
        if min(rates) >= 0.0 and max(rates) < 1.0:
            assert split_latency_s(case, other) >= split_latency_s(case, shares) - 1e-9


def value_iteration_s(case, size):
    """Mean latency by relative value iteration on the uniformised chain: a second way to the same number."""
    n = np.arange(size + 1)
    (first, second), rate = case.stations, case.arrival_per_s
    leaves = [np.minimum(n, s.slots) / s.service_s for s in (first, second)]
    total = rate + first.capacity_per_s + second.capacity_per_s
    down = [np.maximum(n - 1, 0)] * 2
    up = np.minimum(n + 1, size)
    cost = n[:, None] + n[None, :]
    values = np.zeros((size + 1, size + 1))
    full = np.where(n == size, 1e6, 0.0)
    for _ in range(100_000):
        arrives = np.minimum(
            values[up, :] + rate * 0 + first.network_s + full[:, None],
            values[:, up] + second.network_s + full[None, :],
        )
        moved = (
            leaves[0][:, None] * values[down[0], :]
            + leaves[1][None, :] * values[:, down[1]]
            + (first.capacity_per_s + second.capacity_per_s - leaves[0][:, None] - leaves[1][None, :]) * values
        )
        new = (cost + rate * arrives + moved) / total
        change = new - values
        values = new - new[0, 0]
        if np.ptp(change[:-1, :-1]) < 1e-11:
            break
    return change[0, 0] * total / rate


def test_value_iteration_finds_the_same_optimum():
    case = SmallCase.at_load(0.5, [Station(1, 1.0), Station(2, 1.5, 0.4)])
    assert solve_optimum(case).mean_latency_s == pytest.approx(value_iteration_s(case, 40), rel=1e-7)


FACTS = {  # excess over the optimum at loads 0.3, 0.5, 0.7, 0.9 [%], from an independent prototype
    (4, 8): ((8.0, 4.9, 8.9, 11.0), (1.9, 3.6, 4.0, 3.1)),
    (8, 4): ((17.0, 16.5, 18.1, 14.9), (0.1, 1.8, 5.9, 6.8)),
    (2, 6): ((6.8, 14.4, 23.3, 19.9), (0.0, 0.2, 0.5, 0.4)),
    (1, 1): ((5.8, 3.0, 1.4, 0.4), (0.0, 0.0, 0.0, 0.0)),
}


@pytest.mark.parametrize("slots", FACTS, ids=str)
def test_the_excess_of_fixed_policies_is_what_others_found(slots):
    """Their case is grasp planning of Table I, with the network as a cost."""
    for load, least, selfish in zip((0.3, 0.5, 0.7, 0.9), *FACTS[slots], strict=True):
        case = grasps(*slots, load)
        best_s = solve_optimum(case, cut=1e-7).mean_latency_s
        for rule, told in ((least_connections(), least), (shortest_expected_delay(), selfish)):
            excess = 100.0 * (evaluate_policy(case, rule, cut=1e-7).mean_latency_s / best_s - 1.0)
            assert excess == pytest.approx(told, abs=0.11)


def test_the_optimum_is_the_latency_of_its_own_table_and_of_a_larger_box():
    case = grasps(4, 8, 0.7)
    optimum = solve_optimum(case)
    again = evaluate_policy(case, decisions(optimum.policy), cut=1e-14)
    assert again.stationary.size > optimum.policy.size
    assert again.mean_latency_s == pytest.approx(optimum.mean_latency_s, rel=1e-8)
    assert solve_optimum(case, cut=1e-14).mean_latency_s == pytest.approx(optimum.mean_latency_s, rel=1e-8)


def test_the_optimum_saves_the_near_slots_before_they_are_full():
    """What the selfish policy does not do: it queues at the edge as long as that is quicker for itself."""
    optimum = solve_optimum(grasps(4, 8, 0.7))
    selfish = np.argmax(shortest_expected_delay()(optimum.case, optimum.policy.shape), axis=0)
    assert optimum.policy[0, 0] == 0
    assert (optimum.policy[:8, 0] == 1).sum() > (selfish[:8, 0] == 1).sum()


def test_thresholds_are_a_table_of_decisions():
    case = SmallCase.at_load(0.5, [Station(2, 1.0), Station(2, 1.0, 0.5)])
    table = np.zeros((40, 40), int)
    table[3:, :1], table[4:, 1:] = 1, 1
    as_table = evaluate_policy(case, decisions(table)).mean_latency_s
    assert evaluate_policy(case, thresholds([3, 4])).mean_latency_s == pytest.approx(as_table, rel=1e-9)


def test_two_choices_among_two_servers_are_least_connections():
    case = SmallCase.at_load(0.6, [Station(2, 1.0), Station(3, 0.5)])
    least = evaluate_policy(case, least_connections()).mean_latency_s
    assert evaluate_policy(case, power_of_two_choices()).mean_latency_s == pytest.approx(least, rel=1e-12)


def test_a_price_of_the_optimum_is_what_one_more_request_costs():
    optimum = solve_optimum(grasps(2, 6, 0.5))
    values = optimum.solution.values
    assert values[0, 0] == 0.0
    assert optimum.prices[0, 3, 2] == pytest.approx(values[4, 2] - values[3, 2] + 0.12864)
    assert np.isinf(optimum.prices[0, -1, 0])


def test_what_cannot_be_solved_is_said():
    with pytest.raises(InvalidInput, match="2 or 3 servers"):
        SmallCase(1.0, (Station(1, 0.5),))
    with pytest.raises(InvalidInput, match="below 3 per second"):
        SmallCase(4.0, (Station(1, 1.0), Station(2, 1.0)))
    with pytest.raises(InvalidInput, match="at least 1 slot"):
        Station(0, 1.0)
    with pytest.raises(InvalidInput, match="grows for ever under this policy"):
        evaluate_policy(grasps(2, 6, 0.7), random_split())
    with pytest.raises(InvalidInput, match="entries from 0 to 1"):
        evaluate_policy(grasps(1, 1, 0.3), decisions(np.full((3, 3), 2)))
    with pytest.raises(InvalidInput, match="'random' or 'first'"):
        evaluate_policy(grasps(1, 1, 0.3), least_connections(ties="last"))
