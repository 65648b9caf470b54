"""Disturbances do what they say, from when until when they say it."""

import numpy as np
import pytest

from rilaas.balance.simulation import Disturbance, Duration, simulate
from rilaas.core import InvalidInput
from tests.balance.simulation.clusters import Witness, even, one_model

LOAD = even(2.0, 60.0)


def disturbed(kind, value=1.0, *, slots=(20, 20), rule=lambda request, servers: "a", **options):
    """60 s of two requests a second, disturbed on server a from 20 s until 40 s; the policy keeps to a."""
    cluster = one_model(
        *slots,
        service=Duration(0.5),
        network=Duration(0.2),
        disturbances=[Disturbance(20.0, 40.0, "a", kind, value)],
    )
    witness = Witness(rule)
    return simulate(cluster, LOAD, lambda k: witness, 0, **options), witness


def first_left(request, servers):
    return next(server.name for server in servers if server.name not in request.excluded)


def test_a_slow_server_takes_so_many_times_as_long_for_what_it_begins_meanwhile():
    run, _ = disturbed("slow", 3.0)
    begins_s = run.at_s + 0.7 * 0.2
    is_slow = (begins_s >= 20.0) & (begins_s < 40.0)
    assert run.service_s[is_slow] == pytest.approx(1.5)
    assert run.service_s[~is_slow] == pytest.approx(0.5)


def test_a_slow_network_takes_so_many_times_as_long_for_what_is_sent_meanwhile():
    run, _ = disturbed("network", 4.0)
    network_s = run.latency_s - run.service_s
    assert network_s[(run.at_s > 20.0) & (run.at_s < 38.0)] == pytest.approx(0.8)
    assert network_s[(run.at_s < 19.0) | (run.at_s > 40.0)] == pytest.approx(0.2)


def test_jitter_adds_so_much_deviation():
    cluster = one_model(
        900, service=Duration(0.5), network=Duration(2.0), disturbances=[Disturbance(0.0, 900.0, "a", "jitter", 0.3)]
    )
    run = simulate(cluster, even(5.0, 900.0), lambda k: Witness(), 0)
    network_s = run.latency_s - run.service_s
    assert network_s.std() == pytest.approx(0.3, rel=0.05)
    assert network_s.mean() == pytest.approx(2.0, rel=0.01)


def test_a_refusing_server_answers_errors_at_once_and_the_request_goes_elsewhere():
    run, witness = disturbed("refuse", rule=first_left)
    is_hit = (run.at_s + 0.14 >= 20.0) & (run.at_s + 0.14 < 40.0)
    assert run.attempts.tolist() == np.where(is_hit, 2, 1).tolist()
    assert run.server.tolist() == np.where(is_hit, 1, 0).tolist()
    assert run.ok.all()
    assert run.latency_s[is_hit] == pytest.approx(0.2 + 0.7), "the refusal's way counts"
    errors = [outcome for outcome in witness.outcomes if outcome.status == "error"]
    assert len(errors) == is_hit.sum()
    assert {(each.server, each.report, each.compute_s) for each in errors} == {("a", None, None)}
    again = [request for request, _ in witness.chosen if request.excluded]
    assert {request.excluded for request in again} == {frozenset({"a"})}


def test_a_silent_server_is_noticed_after_the_timeout_and_the_request_goes_elsewhere():
    run, witness = disturbed("silent", rule=first_left, timeout_s=5.0)
    reach_s, leave_s = run.at_s + 0.14, run.at_s + 0.14 + 0.5
    is_hit = ((reach_s >= 20.0) & (reach_s < 40.0)) | ((leave_s >= 20.0) & (leave_s < 40.0))
    assert run.attempts.tolist() == np.where(is_hit, 2, 1).tolist()
    assert run.latency_s[is_hit] == pytest.approx(5.0 + 0.7)
    assert run.latency_s[~is_hit] == pytest.approx(0.7)
    lost = [outcome for outcome in witness.outcomes if outcome.status == "timeout"]
    assert len(lost) == is_hit.sum()
    assert [each.latency_s for each in lost] == pytest.approx([5.0] * len(lost))


def test_a_silent_server_tells_nothing_of_itself():
    _, witness = disturbed("silent", rule=lambda request, servers: "b", report_interval_s=0.2)
    heard = [servers[0].report.heard_s for at, servers in witness.views if 21.0 < at < 40.0]
    assert max(heard) < 20.1
    heard = [servers[0].report.heard_s for at, servers in witness.views if at > 41.0]
    assert min(heard) > 40.0


def test_a_request_that_failed_everywhere_is_not_answered():
    run, _ = disturbed("refuse", slots=(20,), rule=first_left)
    is_hit = (run.at_s + 0.14 >= 20.0) & (run.at_s + 0.14 < 40.0)
    assert run.ok.tolist() == (~is_hit).tolist()
    assert run.latency_s[is_hit] == pytest.approx(0.2)
    assert np.isnan(run.service_s[is_hit]).all()
    assert run.ok_share == pytest.approx(1 - is_hit.mean())


def test_a_server_that_leaves_is_not_listed_and_finishes_what_it_has():
    run, witness = disturbed("leave", rule=first_left)
    for at, servers in witness.views:
        assert [server.name for server in servers] == (["b"] if 20.0 <= at < 40.0 else ["a", "b"])
    assert run.ok.all()
    assert (run.attempts == 1).all()
    assert len(witness.warm_ups) == 2, "one that comes back is known"


def test_a_server_that_joins_is_listed_only_then_and_warmed_up_when_it_comes():
    _, witness = disturbed("join", rule=first_left)
    for at, servers in witness.views:
        assert [server.name for server in servers] == (["a", "b"] if 20.0 <= at < 40.0 else ["b"])
    assert [(each.server, each.at_s) for each in witness.warm_ups] == [("b", 0.0), ("a", 20.0)]


def test_without_a_server_a_request_fails_at_once():
    run, _ = disturbed("leave", slots=(20,))
    away = (run.at_s >= 20.0) & (run.at_s < 40.0)
    assert run.ok.tolist() == (~away).tolist()
    assert (run.server[away] == -1).all()
    assert (run.attempts[away] == 0).all()
    assert (run.latency_s[away] == 0).all()


def test_disturbances_of_one_server_add_up():
    both = [Disturbance(0.0, 30.0, "a", "slow", 2.0), Disturbance(20.0, 60.0, "a", "slow", 5.0)]
    cluster = one_model(50, service=Duration(0.1), disturbances=both)
    run = simulate(cluster, even(2.0, 80.0), lambda k: Witness(), 0)
    for begin, end, factor in ((0, 20, 2), (20, 30, 10), (30, 60, 5), (60, 80, 1)):
        assert run.service_s[(run.at_s >= begin) & (run.at_s < end)] == pytest.approx(0.1 * factor)


def test_a_late_request_is_given_up_but_computed_all_the_same():
    witness = Witness()
    cluster = one_model(1, service=Duration(3.0))
    run = simulate(cluster, even(1.0, 3.0), lambda k: witness, 0, deadline_s=4.0)
    assert run.ok.tolist() == [True, False, False]
    assert run.latency_s == pytest.approx([3.0, 4.0, 4.0])
    assert [outcome.status for outcome in witness.outcomes] == ["ok", "timeout", "timeout"]
    assert {request.deadline_s for request, _ in witness.chosen} == {4.0}
    assert (run.attempts == 1).all(), "it is not tried again"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0.0, 1.0, "a", "slo", 2.0), "Did you mean 'slow'"),
        ((2.0, 1.0, "a", "slow", 2.0), "ends later"),
        ((float("nan"), 1.0, "a", "slow", 2.0), "ends later"),
        ((-1.0, 1.0, "a", "slow", 2.0), "ends later"),
        ((0.0, 1.0, "a", "slow", 0.0), "a factor above 0"),
        ((0.0, 1.0, "a", "jitter", float("nan")), "seconds above 0"),
    ],
)
def test_an_impossible_disturbance_says_what_would_be_possible(arguments, said):
    with pytest.raises(InvalidInput) as raised:
        Disturbance(*arguments)
    assert said in str(raised.value)
