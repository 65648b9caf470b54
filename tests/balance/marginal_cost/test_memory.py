"""What is remembered is bounded, whatever comes and goes."""

import gc
import time

import pytest

from rilaas.balance import WARM_UP, Outcome, Request, ServerView
from rilaas.balance.marginal_cost import MarginalCost
from tests.balance.marginal_cost.talk import Talk, flat_price


def ask_and_answer(balancer, model, names, now, service_s=0.1):
    request = Request(model, at_s=now)
    server = balancer.choose(request, [ServerView(name) for name in names])
    balancer.observe(Outcome(request, server, "ok", service_s, 0.0, service_s, now + service_s))
    return server


def warmed_up(balancer, model, now, service_s=0.1):
    """An answer of server s that nobody waited for."""
    request = Request(model, WARM_UP, at_s=now)
    balancer.observe(Outcome(request, "s", "ok", service_s, 0.0, service_s, now))


def sizes(balancer):
    """Everything that could grow."""
    memory = balancer._memory
    return {
        "servers": len(memory.servers),
        "rows": len(memory.rows),
        "rates": len(memory.rates),
        "columns": memory.table.state.shape[1],
        "models": memory.table.times.shape[1],
        "speeds": max(len(server.speeds) for server in memory.servers.values()),
        "queues": max(len(server.queues) for server in memory.servers.values()),
        "sent": len(balancer._sent),
        "views": len(balancer._views),
        "doubted": len(memory._doubted),
    }


def test_servers_that_come_and_go_for_ever_are_forgotten():
    balancer = MarginalCost(flat_price(0.1))
    for i in range(800):
        ask_and_answer(balancer, "m", [f"s{i}", f"s{i + 1}"], float(i))
    found = sizes(balancer)
    assert found["servers"] <= 260
    assert found["columns"] <= 512
    assert found["views"] <= 260
    assert found["sent"] == 0


@pytest.mark.parametrize("own_queues", [False, True])
def test_models_that_come_and_go_for_ever_are_forgotten(own_queues):
    talk = Talk("a", "b")
    for i in range(400):
        model = f"model-{i}"
        for name in talk.names:
            talk.tell(name, slots={f"model-{i}": 1, f"model-{i - 1}": 1} if own_queues else 2)
        talk.ask(model)
        talk.answer(-1, service_s=0.1, report=talk.report["a"])
        talk.now += 0.1
    found = sizes(talk.balancer)
    for name in ("rows", "rates", "models", "speeds", "queues"):
        assert found[name] <= 256, name
    assert found["columns"] <= 1024
    assert found["views"] <= 260


def test_a_server_that_changes_may_know_more_models_than_there_is_room_for():
    before = MarginalCost()
    now = time.monotonic()  # what is kept is stamped by it
    for index in range(256):
        warmed_up(before, f"old{index}", now)
    balancer = MarginalCost()
    balancer.restore(before.state())
    for index in range(10):
        warmed_up(balancer, f"new{index}", now)
    for turn in range(40):
        warmed_up(balancer, "new0", now + turn, 0.1 if turn < 20 else 0.5)
    assert len(balancer._memory.rows) == 256
    expected = balancer.expected_s(Request("new0", at_s=now + 40.0), [ServerView("s")])
    assert expected["s"] == pytest.approx(0.5, rel=0.01)


def test_the_model_that_is_asked_for_most_is_remembered():
    talk = Talk("a")
    talk.tell("a", slots=1)
    for i in range(600):
        for model in ("often", f"model-{i}"):
            talk.ask(model)
            talk.answer(-1, service_s=0.3 if model == "often" else 0.1)
    expected = talk.balancer.expected_s(Request("often", at_s=talk.now), talk.views())
    assert expected["a"] == pytest.approx(0.3, rel=0.01)


def test_the_servers_that_are_asked_are_remembered_among_many():
    balancer = MarginalCost()
    for i in range(600):
        ask_and_answer(balancer, "m", ["old", f"s{i}"], float(i), 0.05)
    expected = balancer.expected_s(Request("m", at_s=600.0), [ServerView("old"), ServerView("s3")])
    assert expected["old"] == pytest.approx(0.05, rel=0.01)
    assert expected["s3"] == 0.0


def test_outcomes_that_never_come_are_not_waited_for_for_ever():
    balancer = MarginalCost()
    for i in range(9000):
        balancer.choose(Request("m", at_s=0.01 * i), [ServerView("a"), ServerView("b")])
    assert len(balancer._sent) <= 4096
    queues = [queue for server in balancer._memory.servers.values() for queue in server.queues.values()]
    assert sum(len(queue.jobs) for queue in queues) <= 1024


def test_a_few_outcomes_that_never_come_do_not_spoil_a_server_for_ever():
    talk = Talk("a", "b")
    for name in talk.names:
        talk.tell(name, slots=2)
        for _ in range(10):
            talk.warm_up(name, 0.1 if name == "a" else 0.15)
    assert talk.ask() == "a"
    talk.open.clear()  # and nobody ever says what became of it
    chosen = []
    for _ in range(6000):
        chosen.append(talk.ask())
        talk.answer(-1, service_s=0.1 if chosen[-1] == "a" else 0.15)
    assert len(talk.balancer._sent) <= 1
    assert chosen[-100:] == ["a"] * 100


def test_outcomes_of_requests_that_were_never_placed_leave_nothing():
    balancer = MarginalCost()
    for i in range(100):
        balancer.observe(Outcome(Request("m"), f"s{i}", "ok", 0.1))
        balancer.observe(Outcome(Request("m", WARM_UP), f"s{i}", "error", 0.1))
    assert not balancer._memory.servers
    assert not balancer._sent


def test_requests_are_let_go_once_they_are_answered():
    balancer = MarginalCost()
    for i in range(200):
        ask_and_answer(balancer, "asked here alone", ["a"], float(i))
    gc.collect()
    kept = [each for each in gc.get_objects() if type(each) is Request and each.model == "asked here alone"]
    assert len(kept) <= 1
