"""A simulation repeats itself, gives every policy the same luck, and forgets no request."""

import math
from collections import Counter

import numpy as np
import pytest

from rilaas.balance import make_balancer
from rilaas.balance.simulation import (
    Cluster,
    Disturbance,
    Duration,
    Robots,
    SimServer,
    Trace,
    read_cluster,
    read_load,
    simulate,
)
from rilaas.core import InvalidInput, NotFound
from tests.balance.simulation.clusters import NONE, Witness, even, one_model, poisson

RILAAS = read_cluster("rilaas-4-8")
COLUMNS = ("robot", "interceptor", "model", "at_s", "latency_s", "wait_s", "service_s", "server", "attempts", "ok")


def seeded(name):
    return lambda index: make_balancer(name, seed=index)


def rows(run):
    return [np.nan_to_num(getattr(run, name), nan=-1.0).tolist() for name in COLUMNS]


@pytest.mark.parametrize("load", ["poisson-8", "robots-30"])
def test_the_same_seed_gives_the_same_run_and_another_seed_another(load):
    first, again, other = (simulate(RILAAS, read_load(load), seeded("random"), seed) for seed in (3, 3, 4))
    assert rows(first) == rows(again)
    assert first.latency_s[:20].tolist() != other.latency_s[:20].tolist()


def luck_of(run):
    """Each request's luck with its inference, whatever server it had: how far from the mean, in deviations."""
    durations = [[server.service[model] for model in run.cluster.models] for server in run.cluster.servers]
    return [
        round((service_s - durations[server][model].mean_s) / durations[server][model].std_s, 6)
        for service_s, server, model in zip(run.service_s, run.server, run.model, strict=True)
    ]


def test_two_policies_meet_the_same_luck_on_whatever_server():
    load = read_load("poisson-8")
    one, other = (simulate(RILAAS, load, seeded(name), 3) for name in ("random", "least_connections"))
    assert one.server.tolist() != other.server.tolist()
    assert luck_of(one) == luck_of(other)


def test_a_robot_meets_the_same_luck_whatever_the_policy_and_the_other_robots_do():
    load = read_load("robots-30")
    luck = []
    for name in ("random", "least_connections"):
        run = simulate(RILAAS, load, seeded(name), 3)
        of_robots = {robot: [] for robot in range(30)}
        for robot, its in zip(run.robot.tolist(), luck_of(run), strict=True):
            of_robots[robot].append(its)
        luck.append(of_robots)
    for robot in range(30):
        one, other = (each[robot] for each in luck)
        assert len(one) >= 10
        shorter = min(len(one), len(other))
        assert one[:shorter] == other[:shorter]


def test_one_more_request_at_the_end_changes_nothing_before_it():
    load = Trace("t", ("m",), tuple(k / 10 for k in range(600)), (0,) * 600, 100.0)
    longer = Trace("t", ("m",), (*load.at_s, 90.0), (0,) * 601, 100.0)
    short, long = (simulate(one_model(2, 1), each, seeded("least_connections"), 0) for each in (load, longer))
    assert long.latency_s[:600].tolist() == short.latency_s.tolist()


STORM = (
    Disturbance(5.0, 25.0, "a", "refuse"),
    Disturbance(20.0, 40.0, "b", "silent"),
    Disturbance(30.0, 50.0, "a", "leave"),
    Disturbance(45.0, 55.0, "c", "join"),
    Disturbance(35.0, 60.0, "a", "slow", 4.0),
    Disturbance(10.0, 60.0, "b", "jitter", 0.2),
    Disturbance(50.0, 60.0, "b", "network", 3.0),
)


@pytest.mark.parametrize("ledger_delay_s", [None, 0.0, 0.05])
@pytest.mark.parametrize("deadline_s", [math.inf, 4.0])
def test_in_any_storm_every_choice_has_one_outcome_and_nothing_stays_in_flight(deadline_s, ledger_delay_s):
    cluster = one_model(1, 2, 1, network=Duration(0.2, 0.3), disturbances=STORM)
    at_s = (*np.linspace(0.0, 60.0, 150).tolist(), *[500.0 + 100.0 * k for k in range(6)])
    load = Trace("then one each", ("m",), at_s, (0,) * 156, 1000.0)
    witnesses = []

    def make(index):
        witnesses.append(Witness())
        return witnesses[-1]

    run = simulate(
        cluster,
        load,
        make,
        7,
        interceptors=3,
        timeout_s=3.0,
        deadline_s=deadline_s,
        report_interval_s=0.5,
        ledger_delay_s=ledger_delay_s,
    )
    assert len(run) == 156
    assert {"ok", "error", "timeout"} == {each.status for witness in witnesses for each in witness.outcomes}
    for witness in witnesses:
        ended = Counter(id(outcome.request) for outcome in witness.outcomes)
        assert ended == Counter(id(request) for request, _ in witness.chosen)
        assert set(ended.values()) == {1}
        assert not +witness.in_flight
        calm = [server.in_flight for at, servers in witness.views if at >= 500.0 for server in servers]
        assert calm == [0] * 4, "two servers are listed then, for two requests of this interceptor"
    assert run.attempts.sum() == sum(len(witness.chosen) for witness in witnesses)
    assert (run.ok == ~np.isnan(run.service_s)).all()


def test_a_policy_sees_its_own_requests_in_flight_by_model():
    witness = Witness()
    simulate(RILAAS, read_load("spike"), lambda k: witness, 0)
    events = [(request.at_s, 1, name, request.model) for request, name in witness.chosen]
    events += [(outcome.at_s, 0, outcome.server, outcome.request.model) for outcome in witness.outcomes]
    views, counts = iter(witness.views), Counter()
    for at, is_choice, name, model in sorted(events):
        if is_choice:
            seen_at, servers = next(views)
            assert seen_at == at
            for server in servers:
                for of, count in server.in_flight_by_model.items():
                    assert count == counts[server.name, of]
        counts[name, model] += 1 if is_choice else -1


def test_an_answer_brings_the_servers_report_and_the_view_keeps_the_newest():
    witness = Witness()
    simulate(one_model(2, 2, network=Duration(0.1)), even(2.0, 60.0), lambda k: witness, 0)
    newest = {}
    ends = iter(sorted(witness.outcomes, key=lambda outcome: outcome.at_s))
    end = next(ends)
    for at, servers in witness.views:
        while end is not None and end.at_s <= at:
            newest[end.server] = end.report
            end = next(ends, None)
        for server in servers:
            assert server.report is newest.get(server.name, server.report)
            assert server.report is not None, "a warm-up brings the first"
    last = max(witness.outcomes, key=lambda outcome: outcome.at_s).report
    assert last.slots == {"": 2}
    assert last.clients == 1
    assert sum(report.arrivals["m"] for report in newest.values()) >= 118
    assert {outcome.report.heard_s - outcome.at_s for outcome in witness.outcomes} == {0.0}


def test_a_report_counts_the_requests_on_the_server_without_the_one_that_leaves():
    witness = Witness()
    load = Trace("three", ("m",), (0.0, 0.0, 0.0), (0, 0, 0), 1.0)
    simulate(one_model(1, service=Duration(1.0)), load, lambda k: witness, 0, warm_up=False)
    assert [outcome.report.in_flight for outcome in witness.outcomes] == [2, 1, 0]
    assert [outcome.queue_s for outcome in witness.outcomes] == pytest.approx([0.0, 1.0, 2.0])
    assert [outcome.compute_s for outcome in witness.outcomes] == pytest.approx([1.0, 1.0, 1.0])
    assert witness.outcomes[-1].report.arrivals == {"m": 3}
    assert not witness.warm_ups


def test_servers_tell_of_themselves_as_often_as_they_are_told_to():
    witness = Witness(lambda request, servers: "a")
    load = even(1.0, 60.0)
    simulate(one_model(9, 9, network=Duration(0.2)), load, lambda k: witness, 0, report_interval_s=0.5)
    for at, servers in witness.views[1:]:
        quiet = servers[1].report
        assert quiet.in_flight == 0
        assert 0.0 <= at - quiet.heard_s <= 0.5
    heard = {servers[1].report.heard_s for _, servers in witness.views}
    assert min((each - 0.05 * 0.2) % 0.5 for each in heard if each) == pytest.approx(0.0, abs=1e-6)


def test_a_warm_up_tells_each_interceptor_of_each_model_on_each_server():
    witnesses = [Witness(), Witness()]
    run = simulate(RILAAS, read_load("uniform-1"), lambda k: witnesses[k], 0, interceptors=2)
    for witness in witnesses:
        met = [(each.server, each.request.model) for each in witness.warm_ups]
        assert met == [(server, model) for server in ("edge", "cloud") for model in RILAAS.models]
        for each in witness.warm_ups:
            assert (each.status, each.queue_s, each.at_s) == ("ok", 0.0, 0.0)
            assert each.latency_s > each.compute_s > 0
    assert witnesses[0].warm_ups[0].latency_s != witnesses[1].warm_ups[0].latency_s
    assert (
        run.latency_s.tolist()
        == simulate(
            RILAAS, read_load("uniform-1"), lambda k: Witness(), 0, interceptors=2, warm_up=False
        ).latency_s.tolist()
    )


def test_interceptors_have_policies_and_counts_of_their_own():
    witnesses = [Witness(lambda request, servers: "a"), Witness()]
    load = even(4.0, 50.0)
    run = simulate(one_model(9, 9, service=Duration(1.0)), load, lambda k: witnesses[k], 0, interceptors=2)
    assert run.interceptor.tolist() == [k % 2 for k in range(len(run))]
    assert {name for _, name in witnesses[1].chosen} == {"a", "b"}, "it does not see what the other one sends to a"
    assert max(server.in_flight for _, servers in witnesses[1].views for server in servers) <= 2


def test_each_interceptor_of_an_open_loop_has_all_models():
    run = simulate(RILAAS, read_load("uniform-8"), seeded("least_connections"), 0, interceptors=4)
    assert all(Counter(run.model[run.interceptor == k].tolist()) == {0: 120, 1: 120} for k in range(4))


def test_with_a_ledger_each_interceptor_knows_the_others_requests_so_much_later():
    busy = Witness(lambda request, servers: "a")
    other = Witness(lambda request, servers: "b")
    load = Trace("turns", ("m",), (0.0, 0.03, 0.04, 0.08, 5.0, 5.0), (0,) * 6, 6.0)
    cluster = one_model(9, 9, service=Duration(1.0))
    simulate(cluster, load, lambda k: (busy, other)[k], 0, interceptors=2, ledger_delay_s=0.05)
    # requests 0, 2, 4 are of the one, 1, 3, 5 of the other
    seen = [(at, [server.in_flight for server in servers]) for at, servers in other.views]
    assert seen == [(0.03, [0, 0]), (0.08, [1, 1]), (5.0, [0, 0])]
    seen = [(at, [server.in_flight for server in servers]) for at, servers in busy.views]
    assert seen == [(0.0, [0, 0]), (0.04, [1, 0]), (5.0, [0, 0])]


def test_a_robot_never_has_two_requests_in_flight_and_keeps_to_its_chain():
    run = simulate(RILAAS, read_load("robots-50"), seeded("least_connections"), 0, interceptors=7)
    assert (run.at_s < 120.0).all()
    assert (run.interceptor == run.robot % 7).all()
    for robot in range(50):
        its = run.robot == robot
        at_s, end_s, model = run.at_s[its], (run.at_s + run.latency_s)[its], run.model[its]
        assert (model == np.arange(len(model)) % 2).all()
        assert (at_s[1:] >= end_s[:-1] - 1e-9).all()
        assert (at_s[1::2] == end_s[: len(end_s) // 2 * 2 : 2]).all(), "grasps are planned at once"
        thinks = at_s[2::2] - end_s[1:-1:2]
        assert thinks.min() > 8.3 * 0.6
    cycle_s = np.diff(run.at_s[(run.robot == 0) & (run.model == 0)]).mean()
    assert 9.0 < cycle_s < 12.0


def test_a_robot_whose_query_failed_works_and_begins_its_chain_again():
    refusing = Disturbance(0.0, 3.0, "a", "refuse")
    servers = (SimServer("a", "edge", 1, dict.fromkeys("mn", Duration(0.1)), dict.fromkeys("mn", NONE)),)
    load = Robots("one", ("m", "n"), 1, ("m", "n"), Duration(2.0), 10.0)
    run = simulate(Cluster("c", ("m", "n"), servers, (refusing,)), load, lambda k: Witness(), 0)
    assert run.ok.tolist()[:3] == [False, False, True] or run.ok.tolist()[:2] == [False, True]
    assert run.model[~run.ok].tolist() == [0] * int((~run.ok).sum())
    assert run.model[run.ok].tolist() == [k % 2 for k in range(int(run.ok.sum()))]


def test_means_are_of_answered_requests_and_the_mean_of_both_is_of_the_models_means():
    run = simulate(RILAAS, read_load("poisson-4"), seeded("least_connections"), 0)
    first, second = (run.latency_s[run.model == model].mean() for model in (0, 1))
    assert run.mean_s("object-recognition") == first
    assert run.mean_s(1) == second
    assert run.mean_s() == (first + second) / 2
    assert run.quantile_s(0.5) == np.median(run.latency_s)
    assert run.ok_share == 1.0
    assert 0 < run.decision_s < 1
    with pytest.raises(NotFound, match="Did you mean 'grasp-planning'"):
        run.mean_s("grasp-planing")


def test_a_policy_that_chooses_what_is_not_there_is_told_so():
    with pytest.raises(InvalidInput, match="chose 'z'"):
        simulate(one_model(1), even(1.0, 5.0), lambda k: Witness(lambda request, servers: "z"), 0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"interceptors": 0},
        {"seed": -1},
        {"report_interval_s": 0.0},
        {"report_interval_s": math.nan},
        {"ledger_delay_s": -1.0},
        {"timeout_s": 0.0},
        {"timeout_s": math.inf},
        {"deadline_s": math.nan},
    ],
)
def test_a_number_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(InvalidInput):
        simulate(one_model(1), even(1.0, 5.0), lambda k: Witness(), **{"seed": 0, **arguments})


def test_a_load_of_models_that_the_cluster_has_not_is_refused():
    with pytest.raises(InvalidInput, match="asks for model 'object-recognition'"):
        simulate(one_model(1), read_load("uniform-1"), lambda k: Witness(), 0)


def test_a_load_of_some_of_the_clusters_models_is_served():
    run = simulate(RILAAS, poisson(2.0, 60.0, ("grasp-planning",)), lambda k: Witness(), 0)
    assert set(run.model.tolist()) == {1}
    assert run.mean_s() == run.mean_s("grasp-planning")
