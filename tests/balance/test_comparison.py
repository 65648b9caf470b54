"""Policies compared: paired by seed, honest about chance, overload and what was not run."""

import math
from dataclasses import replace

import numpy as np
import pytest

from rilaas.balance import BALANCERS, LeastConnections
from rilaas.balance.comparison import (
    Conditions,
    Contender,
    FromSpec,
    build_report,
    compare,
    contenders_of,
    differs,
    focus_of,
    offered_load,
    recovery_s,
    without_file,
)
from rilaas.balance.simulation import PROFILES, Cluster, Duration, Robots, SimServer, read_cluster, read_load
from rilaas.core import InvalidInput, NotFound
from rilaas.report import summarize

CLUSTER = read_cluster("rilaas-4-8")
SHORT = [replace(PROFILES[name], duration_s=20.0) for name in ("uniform-2", "poisson-8")]
POLICIES = ["least_connections", "round_robin", "random"]


@pytest.fixture(scope="module")
def comparison():
    return compare(CLUSTER, SHORT, contenders_of(POLICIES), range(4))


def constant(name, slots, **service_s):
    times = {model: Duration(seconds) for model, seconds in service_s.items()}
    return SimServer(name, "edge", slots, times, {model: Duration(0.0) for model in service_s})


def test_with_a_seed_all_policies_meet_the_same_requests(comparison):
    for load in SHORT:
        for seed in range(4):
            at_s = [comparison.digests[load.name, policy][seed].at_s for policy in POLICIES]
            assert all(np.array_equal(one, other) for one, other in zip(at_s[0], at_s[1], strict=True))
            assert comparison.digests[load.name, "random"][seed].seed == seed


def test_the_mean_of_both_is_the_mean_of_the_models_means(comparison):
    both = comparison.mean("poisson-8", "random")
    parts = [comparison.mean("poisson-8", "random", model) for model in (0, 1)]
    assert both.mean == pytest.approx(np.mean([part.mean for part in parts]))
    assert both.n == 4


def test_a_difference_is_paired_by_seed_and_the_reference_has_none_from_itself(comparison):
    own = comparison.difference("poisson-8", "least_connections")
    assert (own.mean, own.low, own.high) == (0.0, 0.0, 0.0)
    assert not differs(own)
    means = [
        [digest.mean_s() for digest in comparison.digests["poisson-8", policy]]
        for policy in ("random", "least_connections")
    ]
    expected = np.mean(np.array(means[0]) / np.array(means[1]) - 1)
    assert comparison.difference("poisson-8", "random").mean == pytest.approx(expected)
    assert comparison.difference("poisson-8", "random", to="round_robin").n == 4


def test_a_difference_of_chance_or_below_one_percent_is_none():
    assert not differs(summarize([-0.3, 0.3], "1"))
    assert not differs(summarize([-0.004, -0.005], "1"))
    assert not differs(summarize([], "1"))
    assert differs(summarize([-0.1, -0.11], "1"))


def test_shares_of_all_servers_and_over_time_add_up_to_one(comparison):
    every = range(len(CLUSTER.servers))
    assert sum(comparison.share("poisson-8", "random", [i]) for i in every) == pytest.approx(1.0)
    latency_s, shares = comparison.over_time("poisson-8", "random", 1)
    known = np.isfinite(latency_s)
    assert np.allclose(shares["edge"][known] + shares["cloud"][known], 1.0)
    assert list(shares) == ["edge", "cloud"]


def test_the_same_comparison_gives_the_same_numbers_in_one_process_and_in_two(comparison):
    again = compare(CLUSTER, SHORT[:1], contenders_of(POLICIES), range(4), workers=2)
    for policy in POLICIES:
        assert again.mean("uniform-2", policy) == comparison.mean("uniform-2", policy)


def test_ctrl_c_gives_back_what_was_run_until_then():
    def stop(progress):
        if progress.done == 5:
            raise KeyboardInterrupt

    partial = compare(CLUSTER, SHORT[:1], contenders_of(POLICIES), range(4), on_run=stop)
    assert not partial.is_whole
    assert partial.mean("uniform-2", "random").n == 1
    assert partial.difference("uniform-2", "random").n == 1
    assert partial.difference("uniform-2", "round_robin").n == 2
    report = build_report(partial)
    assert "interrupted" in report.summary

    def stop_at_once(progress):
        raise KeyboardInterrupt

    nothing = compare(CLUSTER, SHORT, contenders_of(POLICIES), [0], on_run=stop_at_once)
    assert "-" in build_report(nothing).to_text()  # one run: most loads have no number, and the report still stands


def test_every_policy_that_needs_no_file_is_compared_by_default():
    assert set(without_file()) <= set(BALANCERS)
    assert {"least_connections", "round_robin"} <= set(without_file())


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        ([], "Nothing to compare"),
        (["least_conections"], "Did you mean 'least_connections'"),
        (["random", "random"], "named twice"),
        (["random=x.npz"], "takes no file"),
    ],
)
def test_policies_that_cannot_be_compared_are_refused_before_any_work(specs, words):
    with pytest.raises(InvalidInput) as refused:
        contenders_of(specs)
    assert words in str(refused.value)


def test_a_file_that_is_not_there_is_told_before_any_work(tmp_path):
    with pytest.raises(NotFound):
        contenders_of([f"q_learning={tmp_path / 'nothing.npz'}"])


def test_loads_seeds_and_conditions_that_make_no_sense_are_refused():
    contenders = contenders_of(["random"])
    with pytest.raises(InvalidInput, match="needs a load"):
        compare(CLUSTER, [], contenders, [0])
    with pytest.raises(InvalidInput, match="seed is given twice"):
        compare(CLUSTER, SHORT, contenders, [0, 0])
    with pytest.raises(InvalidInput, match="name of its own"):
        compare(CLUSTER, [SHORT[0], SHORT[0]], contenders, [0])
    with pytest.raises(InvalidInput, match="1 or more"):
        Conditions(interceptors=0)


def test_an_own_policy_is_compared_like_those_of_the_registry():
    own = Contender("mine", lambda setting: LeastConnections())
    found = compare(CLUSTER, SHORT[:1], [own, Contender("least_connections", FromSpec("least_connections"))], [0, 1])
    assert found.difference("uniform-2", "mine").mean == 0.0


def test_a_policy_that_was_trained_for_other_servers_is_refused_before_any_work():
    class Trained(LeastConnections):
        def check_servers(self, servers):
            if set(servers) != {"a", "b"}:
                raise InvalidInput("It was trained for the servers a, b.", "Train it for these.")

    with pytest.raises(InvalidInput, match="mine on rilaas-4-8: It was trained for the servers a, b"):
        compare(CLUSTER, SHORT, [Contender("mine", lambda setting: Trained())], [0])


def test_two_like_servers_are_asked_for_rate_times_service_over_slots():
    cluster = Cluster("pair", ("m",), (constant("a", 2, m=1.0), constant("b", 2, m=1.0)))
    assert offered_load(cluster, {"m": 2.0}) == pytest.approx(0.5, rel=0.01)
    assert offered_load(cluster, {"m": 0.0}) == 0.0


def test_the_offered_load_gives_each_server_the_model_that_it_is_good_at():
    servers = (constant("a", 1, m=1.0, n=10.0), constant("b", 1, m=10.0, n=1.0))
    assert offered_load(Cluster("specialists", ("m", "n"), servers), {"m": 0.5, "n": 0.5}) == pytest.approx(
        0.5, rel=0.01
    )


def test_stations_of_their_own_limit_each_model_alone():
    cluster = Cluster("stations", ("m", "n"), (constant("a", {"m": 1, "n": 4}, m=1.0, n=1.0),))
    assert offered_load(cluster, {"m": 0.9, "n": 0.4}) == pytest.approx(0.9, rel=0.01)


def test_a_policy_that_overloads_a_server_is_said_to_and_one_that_does_not_is_not():
    cluster = Cluster("uneven", ("m",), (constant("small", 1, m=1.0), constant("large", 8, m=1.0)))
    load = replace(PROFILES["uniform-4"], models=("m",), duration_s=60.0)
    found = compare(cluster, [load], contenders_of(["round_robin", "least_connections"]), [0, 1])
    assert found.overloads(load.name, "round_robin")
    assert found.busiest(load.name, "round_robin") == pytest.approx(2.0, rel=0.05)
    assert not found.overloads(load.name, "least_connections")
    assert "*" in build_report(found).to_text(width=200)


def test_robots_in_closed_loop_and_several_interceptors_are_compared_too():
    robots = replace(read_load("robots-10"), duration_s=30.0)
    assert isinstance(robots, Robots)
    found = compare(CLUSTER, [robots], contenders_of(["random", "c3"]), [0], conditions=Conditions(5))
    assert found.reference == "random"  # the first, for least connections is not among them
    assert found.mean(robots.name, "c3").n == 1
    assert "5 interceptors" in build_report(found).summary


def test_a_report_has_the_documents_figure_for_every_load_and_all_tables(comparison):
    report = build_report(comparison, focus="random")
    assert [figure.title for figure in report.figures[1:]] == ["Load uniform-2", "Load poisson-8"]
    assert "where random sends them [%]" in report.figures[1].data.decode()
    titles = [table.title for table in report.tables]
    assert {"Policies over all loads", "By load", "Where policies do not differ", "Every load, policy and model"} <= {
        *titles
    }
    every = next(table for table in report.tables if table.title.startswith("Every"))
    assert len(every.rows) == 2 * 3 * 3  # loads, policies, models and their mean
    assert report.to_json()
    assert report.provenance.seeds == (0, 1, 2, 3)


def test_the_best_policy_stands_in_front_where_ours_is_not_compared(comparison):
    assert focus_of(comparison) == next(p for p in comparison.standings() if p != "least_connections")


class Fake:
    """A run whose latency is as a function of time says."""

    def __init__(self, latency_of, seed=0):
        at = np.sort(np.random.default_rng(seed).uniform(0, 90, 2000))
        self.at_s, self.latency_s = (at,), (np.array([latency_of(t) for t in at]),)


def test_recovery_is_the_time_until_latency_stays_what_it_is_going_to_be():
    back_after_6_s = [Fake(lambda t: 3.0 if 30 <= t < 36 else 1.0, seed) for seed in range(3)]
    assert recovery_s(back_after_6_s, 30.0, 90.0) == pytest.approx(6.0, abs=0.5)
    assert recovery_s([Fake(lambda t: 1.0)], 30.0, 90.0) == 0.0
    worse_for_good = [Fake(lambda t: 1.0 if t < 30 else 2.0)]
    assert recovery_s(worse_for_good, 30.0, 90.0) == 0.0  # its new steady state, which the mean shows


def test_latencies_that_grow_to_the_end_never_recover():
    assert recovery_s([Fake(lambda t: max(1.0, t - 29.0))], 30.0, 90.0) == math.inf
    with pytest.raises(ValueError, match="time between"):
        recovery_s([], 30.0, 90.0)
