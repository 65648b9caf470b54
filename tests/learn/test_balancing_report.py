"""The report of a training: curve, map of decisions, tests, provenance."""

import numpy as np
import pytest

from rilaas.balance import LeastConnections, RoundRobin
from rilaas.balance.comparison import Contender, compare
from rilaas.balance.simulation import Cluster, Duration, Profile, SimServer, Steps
from rilaas.balance.simulation.suite import LoadSuite
from rilaas.learn.balancing.decision_log import MOST, map_decisions
from rilaas.learn.balancing.report import build_report, percent_of, validation_of
from rilaas.learn.balancing.trainer import CurvePoint, Trained
from rilaas.report import Report


def cluster(*kinds):
    servers = [
        SimServer(
            f"{kind}-{i}", kind, 2, {"m": Duration(0.1), "n": Duration(0.2)}, {"m": Duration(0.1), "n": Duration(0.1)}
        )
        for i, kind in enumerate(kinds)
    ]
    return Cluster("c", ("m", "n"), tuple(servers))


LOAD = Profile("load", ("m", "n"), Steps((0.0,), (10.0,)), "poisson", 20.0)


@pytest.fixture
def suite():
    return LoadSuite("small", cluster("edge", "cloud"), (LOAD,), (LOAD,))


@pytest.fixture
def trained():
    curve = (CurvePoint(100, 0.5), CurvePoint(200, 0.3), CurvePoint(300, 0.4))
    card = {"servers": ["edge-0", "cloud-1"], "models": ["m", "n"], "suite": "small", "steps": 200, "seed": 7}
    return Trained("round_robin", {"0.values": np.zeros((3, 4))}, card, curve, 0.6, 7)


@pytest.fixture
def comparison(suite):
    contenders = [Contender("least_connections", lambda _: LeastConnections())]
    contenders.append(Contender("round_robin", lambda _: RoundRobin()))
    return compare(suite.cluster, suite.test, contenders, [1, 2, 3])


def test_it_holds_curve_map_tests_and_where_the_numbers_come_from(suite, trained, comparison):
    report = build_report(trained, suite, comparison, make=RoundRobin, facts={"file": "q.npz"})
    assert [figure.title for figure in report.figures] == [
        "Learning curve",
        "Map of decisions",
        "Mean latency by load",
    ]
    assert all(figure.table is not None for figure in report.figures)
    assert report.facts("What was trained") == {
        "policy": "round_robin",
        "file": "q.npz",
        "servers": "edge-0, cloud-1",
        "models": "m, n",
        "suite": "small",
        "seed": 7,
        "steps": 200,
        "numbers learned": 12,
    }
    assert report.metrics["difference_share"].n == 3
    assert report.provenance.seeds == (7,)
    assert "against least_connections" in report.summary
    assert Report.from_json(report.to_json()).summary == report.summary


def test_the_curve_marks_the_point_that_was_kept(suite, trained):
    report = build_report(trained, suite, None, make=RoundRobin)
    rows = report.figures[0].table.rows
    assert [row[2] for row in rows] == ["", "kept", ""]
    assert [row[1] for row in rows] == pytest.approx([500.0, 300.0, 400.0])


def test_without_tests_it_says_so_and_without_a_policy_nothing_is_drawn(suite, trained):
    report = build_report(trained, suite, None)
    assert report.summary.endswith("Not tested.")
    assert report.figures == ()
    assert report.metrics == {}


def test_the_card_gets_the_measured_table(comparison):
    told = validation_of(comparison, "round_robin")
    assert told["reference"] == "least_connections"
    assert told["seeds"] == [1, 2, 3]
    assert set(told["loads"]) == {"load", "all"}
    row = told["loads"]["load"]
    assert row["mean_s"] == pytest.approx(comparison.mean("load", "round_robin").mean)
    assert row["low"] <= row["difference_share"] <= row["high"]


def test_a_map_counts_every_decision_where_it_was_made(suite):
    names, maps = map_decisions(suite.cluster, suite.test, LeastConnections, [1])
    assert names == ("edge-0", "cloud-1")
    assert [each.name for each in maps] == ["m", "n"]
    assert sum(int(each.counts.sum()) for each in maps) == len(LOAD.arrivals(1)[0])
    for each in maps:
        for x, y in zip(*np.nonzero(each.counts.sum(axis=2)), strict=True):
            # the fewest in flight: to the first where it has fewer, to the second where that has
            assert not (x < y and each.counts[x, y, 1])
            assert not (x > y and each.counts[x, y, 0])


def test_more_servers_are_put_together_by_kind_or_else_as_the_first_and_the_others():
    for kinds, names in (
        (("edge", "cloud", "cloud"), ("the edge", "the cloud")),
        (("edge", "edge", "edge"), ("edge-0", "the others")),
        (("cloud",), ("cloud-0", "the others")),
    ):
        told, maps = map_decisions(cluster(*kinds), [LOAD], RoundRobin, [1])
        assert told == names
        assert sum(int(each.counts.sum()) for each in maps) == len(LOAD.arrivals(1)[0])


def test_what_is_above_the_map_is_counted_at_its_edge():
    busy = Profile("busy", ("m",), Steps((0.0,), (200.0,)), "poisson", 5.0)
    _, (each,) = map_decisions(cluster("edge", "cloud"), [busy], RoundRobin, [1])
    assert each.counts.shape == (MOST + 1, MOST + 1, 2)
    assert each.counts.sum() == len(busy.arrivals(1)[0])


def test_a_percentage_of_nothing_is_a_dash():
    assert percent_of(0.9, 1.0) == "-10.0 %"
    assert percent_of(0.9, float("nan")) == "-"
