"""Slots of servers, as they say or as answers show; one queue for all models or one for each; others' requests."""

import pytest

from rilaas.balance import Outcome, make_balancer
from rilaas.balance.marginal_cost import MarginalCost
from rilaas.balance.marginal_cost.memory import Memory
from rilaas.balance.marginal_cost.queue import Queue
from rilaas.balance.marginal_cost.server import Server
from rilaas.balance.simulation import Cluster, Duration, Profile, SimServer, simulate
from rilaas.balance.simulation.rate import constant
from tests.balance.marginal_cost.talk import Talk
from tests.balance.marginal_cost.test_policy import settled


def own_s(talk, model="m"):
    """What the next request of a model would take on each server [s]."""
    talk.ask(model)
    request, _ = talk.open.pop()
    talk.balancer.observe(_cancelled(talk, request))
    return talk.weighed()["own_s"]


def _cancelled(talk, request):
    return Outcome(request, "a", "cancelled", 0.0, at_s=talk.now)


@pytest.mark.parametrize(("slots", "waits"), [(1, 0.2), (2, 0.1), (3, 0.0), (8, 0.0)])
def test_a_server_is_taken_to_have_as_many_slots_as_it_says(slots, waits):
    talk = settled("a", times={"a": 0.1}, slots=slots)
    talk.ask()
    talk.ask()
    expected = own_s(talk)["a"]
    assert expected == pytest.approx(0.1 + waits * (slots < 3), abs=0.06)
    assert (expected > 0.11) == (slots < 3)


def test_slots_that_a_later_report_tells_replace_those_of_an_earlier_one():
    talk = settled("a", times={"a": 0.1}, slots=1)
    talk.ask()
    assert own_s(talk)["a"] > 0.15
    report = talk.tell("a", in_flight=1, slots=4)
    talk.warm_up("a", report=report)
    assert own_s(talk)["a"] == pytest.approx(0.1)


@pytest.mark.parametrize("slots", [0, -3, 10**9])
def test_numbers_of_slots_that_make_no_sense_are_cut(slots):
    talk = settled("a", times={"a": 0.1}, slots=slots)
    for _ in range(5):
        talk.ask()
    assert 0.1 <= own_s(talk)["a"] < 1.0


def test_without_a_wait_there_is_a_slot_for_it_and_each_that_was_there():
    server, queue = Server(), Queue(2, 0)
    server.guess_slots(queue, found=4, queue_s=0.0)
    assert queue.slots == 5
    server.guess_slots(queue, found=1, queue_s=0.0)
    assert queue.slots == 5


def test_with_a_wait_there_are_no_more_slots_than_there_were_others():
    server, queue = Server(), Queue(8, 0)
    server.guess_slots(queue, found=3, queue_s=0.2)
    assert queue.slots == 3
    server.guess_slots(queue, found=0, queue_s=0.2)  # who waits for nobody that is known tells nothing
    assert queue.slots == 3


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
def test_slots_of_a_server_that_says_nothing_are_found_from_waits(slots):
    """A server that answers in the order of sending, some way off, with bursts of requests."""
    talk = Talk("a")
    free = [0.0] * slots
    due = []  # (answer at, queue_s, request)
    for burst in range(12):
        for _ in range(burst % 5 + 3):
            talk.ask()
            request, _ = talk.open[-1]
            at = free.index(min(free))
            arrives = talk.now + 0.03
            start = max(arrives, free[at])
            free[at] = start + 0.1
            due.append((free[at] + 0.02, start - arrives, request))
            talk.now += 0.011
        for ended, waited, request in sorted(due, key=lambda each: each[0]):
            talk.now = max(talk.now, ended)
            place = next(i for i, (each, _) in enumerate(talk.open) if each is request)
            talk.answer(place, service_s=0.1, network_s=0.05, queue_s=waited)
        due.clear()
        talk.now += 1.0
    queue = talk.balancer._memory.servers["a"].queues[""]
    assert queue.slots == slots


def test_slots_that_were_told_are_not_guessed():
    talk = settled("a", times={"a": 0.1}, slots=1)
    for _ in range(3):
        talk.ask()
    for _ in range(3):
        talk.answer(-1, service_s=0.1, queue_s=0.0)  # none waited
    assert talk.balancer._memory.servers["a"].queues[""].slots == 1


def stations(**slots):
    """A server with a queue for each model, ten times answered by each."""
    talk = Talk("a", "b")
    for name in talk.names:
        talk.tell(name, slots=slots)
        for model in slots:
            for _ in range(10):
                talk.warm_up(name, 0.1, model=model)
                talk.now += 0.2
    return talk


def test_where_each_model_has_a_queue_of_its_own_one_does_not_wait_for_another():
    talk = stations(m=1, n=1)
    for _ in range(4):
        talk.ask("m")
    assert own_s(talk, "m")["a"] > 0.2
    assert own_s(talk, "n") == {"a": pytest.approx(0.1), "b": pytest.approx(0.1)}


def test_where_they_share_one_queue_one_waits_for_another():
    talk = Talk("a", "b")
    for name in talk.names:
        talk.tell(name, slots=1)
        for model in "mn":
            for _ in range(10):
                talk.warm_up(name, 0.1, model=model)
                talk.now += 0.2
    for _ in range(4):
        talk.ask("m")
    assert own_s(talk, "n")["a"] > 0.2


def test_each_model_has_the_slots_that_are_its_own():
    talk = stations(m=1, n=4)
    for model in "mn":
        talk.ask(model)
        talk.ask(model)
        talk.ask(model)
    assert own_s(talk, "m")["a"] > 0.15
    assert own_s(talk, "n")["a"] == pytest.approx(0.1)


def test_a_server_that_has_queues_of_its_own_beside_one_that_has_not_is_weighed_with_real_times():
    talk = Talk("a", "b", balancer=make_balancer("marginal_cost"))
    talk.tell("a", slots={"m": 1, "n": 1})
    talk.tell("b", slots=2)
    for name in talk.names:
        for model in "mn":
            for _ in range(10):
                talk.warm_up(name, 0.1, model=model)
                talk.now += 0.2
    for _ in range(8):
        talk.ask("m")
        talk.ask("n")
        view, shared = talk.balancer._view("m", talk.views())
        assert not shared
        assert (view.service > 0.05).all()
    assert {server for _, server in talk.open} == {"a", "b"}


def test_a_server_may_change_from_one_queue_to_one_for_each_model_and_back():
    talk = settled("a", times={"a": 0.1}, slots=2)
    for slots in ({"m": 1, "n": 2}, 2, {"m": 3}):
        talk.ask()
        talk.now += 0.1
        report = talk.tell("a", in_flight=0, slots=slots)
        talk.answer(-1, service_s=0.1, report=report)
        assert own_s(talk)["a"] == pytest.approx(0.1, abs=0.02)
    assert len(talk.balancer._memory.servers["a"].queues) == 1


def test_requests_that_somebody_else_placed_count_when_the_interceptor_knows_them():
    talk = settled("a", "b", times={"a": 0.1, "b": 0.1})
    assert own_s(talk)["a"] == pytest.approx(0.1)
    talk.others = {"a": 5}
    figures = own_s(talk)
    assert figures["a"] > 0.4
    assert figures["b"] == pytest.approx(0.1)
    assert talk.ask() == "b"
    assert talk.weighed()["in_flight"] == {"a": 5.0, "b": 0.0}


def crowded(interceptors=1, clients=3, in_flight=6):
    """Two servers of which one tells of others' requests."""
    talk = settled("a", "b", times={"a": 0.1, "b": 0.1}, balancer=MarginalCost(interceptors=interceptors))
    talk.ask()
    talk.answer(-1)
    talk.tell("a", in_flight=in_flight, clients=clients)
    talk.tell("b", in_flight=0, clients=clients)
    return talk


def test_servers_reports_tell_of_others_where_there_are_several_interceptors():
    talk = crowded()
    for name in talk.names:
        talk.warm_up(name, report=talk.report[name])
    assert talk.balancer._memory.clients == 3
    figures = own_s(talk)
    assert figures["a"] > figures["b"] + 0.1
    assert talk.ask() == "b"


def test_a_single_interceptor_takes_nobody_else_for_there():
    talk = crowded(clients=1)
    for name in talk.names:
        talk.warm_up(name, report=talk.report[name])
    assert own_s(talk)["a"] == pytest.approx(0.1)


def test_what_a_report_showed_fades_to_the_average_with_time():
    talk = crowded()
    for name in talk.names:
        talk.warm_up(name, report=talk.report[name])
    own = [own_s(talk)["a"]]
    for _ in range(3):
        talk.now += 0.02
        own.append(own_s(talk)["a"])
    assert own == sorted(own, reverse=True)
    assert own[0] > own[-1]


def test_own_requests_that_a_report_shows_are_not_others():
    talk = settled("a", times={"a": 0.1}, slots=2, balancer=MarginalCost(interceptors=2))
    talk.ask()
    talk.ask()
    talk.now += 0.01
    report = talk.tell("a", in_flight=2, slots=2, clients=2)
    memory = talk.balancer._memory
    memory.hear(memory.servers["a"], report)
    assert memory.servers["a"].crowd.last == 0.0
    talk.now += 0.01
    memory.hear(memory.servers["a"], talk.tell("a", in_flight=7, slots=2, clients=2))
    assert memory.servers["a"].crowd.last == 5.0


def test_an_old_report_that_comes_late_changes_nothing():
    memory = Memory(2)
    talk = Talk("a")
    newer, server = talk.tell("a", in_flight=4), memory.server("a")
    memory.hear(server, newer)
    talk.now -= 1.0
    memory.hear(server, talk.tell("a", in_flight=9))
    assert server.crowd.last == 4.0


def test_in_a_simulation_four_interceptors_share_what_one_has_without_great_loss():
    servers = tuple(
        SimServer(name, "edge", 4, {"m": Duration(0.1, 0.05)}, {"m": Duration(network, 0.005)})
        for name, network in (("far", 0.1), ("near", 0.02))
    )
    cluster = Cluster("pair", ("m",), servers)
    load = Profile("load", ("m",), constant(50.0), "poisson", 60.0)

    def mean_s(policy, interceptors):
        def make(index):
            return make_balancer(policy, interceptors=interceptors)

        run = simulate(cluster, load, make, 5, interceptors=interceptors)
        return run.mean_s()

    assert mean_s("marginal_cost", 1) < mean_s("least_connections", 1)
    assert mean_s("marginal_cost", 4) < mean_s("least_connections", 4)
    assert mean_s("marginal_cost", 4) < 1.25 * mean_s("marginal_cost", 1)
