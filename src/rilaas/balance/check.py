"""A checker that others run on their own balancing policies."""

from __future__ import annotations

from collections.abc import Callable

from rilaas.balance.protocol import STATUSES, WARM_UP, Balancer, Outcome, Request, ServerView
from rilaas.core import Unavailable


def check_balancer(make: Callable[[], Balancer]) -> None:
    """Check that a policy keeps the contract; an ``AssertionError`` says which sentence it breaks.

    Args:
        make: Makes a fresh policy; those that draw have to be seeded.
    """
    balancer = make()
    assert isinstance(balancer, Balancer), "a balancer has choose, observe and weighing"
    assert balancer.weighing() is None, "before the first choice nothing was weighed"
    _check_nobody_is_left(balancer)
    _check_exclusion(balancer)
    _check_weighing(balancer)
    _check_outcomes(balancer)
    _check_changing_servers(make())
    assert _run(make()) == _run(make()), "the same seed and the same history choose the same servers"


def _servers(*names: str) -> list[ServerView]:
    return [ServerView(name, kind="cloud" if "cloud" in name else "edge") for name in names]


def _check_nobody_is_left(balancer: Balancer) -> None:
    for servers, excluded in ([], frozenset[str]()), (_servers("a", "b"), frozenset({"a", "b"})):
        try:
            balancer.choose(Request("m", excluded=excluded), servers)
        except Unavailable:
            continue
        raise AssertionError("without a server left, choose raises Unavailable")


def _check_exclusion(balancer: Balancer) -> None:
    request = Request("m", excluded=frozenset({"a", "gone"}))
    for _ in range(20):
        assert balancer.choose(request, _servers("a", "b")) == "b", "an excluded server is never chosen"
        assert balancer.choose(Request("m"), _servers("a")) == "a", "an only server is chosen"


def _check_weighing(balancer: Balancer) -> None:
    chosen = balancer.choose(Request("m"), _servers("a", "b"))
    weighing = balancer.weighing()
    assert weighing is not None, "a choice was made from something"
    assert chosen in weighing.servers, "what was chosen was weighed"
    lengths = {len(column) for column in weighing.figures.values()}
    assert lengths <= {len(weighing.servers)}, "every figure is there for every server"
    assert weighing.rule, "the rule is told"


def _check_outcomes(balancer: Balancer) -> None:
    for status in STATUSES:
        balancer.observe(Outcome(Request("m"), "a", status, latency_s=0.01))
        balancer.observe(Outcome(Request("m", WARM_UP), "a", status, latency_s=0.01))
        balancer.observe(Outcome(Request("never asked for"), "never seen", status, latency_s=9.0, queue_s=0.0))
    assert balancer.choose(Request("m"), _servers("a", "b")) in {"a", "b"}, "late and strange outcomes do no harm"


def _check_changing_servers(balancer: Balancer) -> None:
    steps = (["a"], ["a", "b"], ["b"], ["a", "b", "c"], ["d"], ["c", "a"])
    for names in steps * 3:
        for model in ("m", "n"):
            chosen = balancer.choose(Request(model), _servers(*names))
            assert chosen in names, "a server that is gone is not chosen"


def _run(balancer: Balancer) -> list[str]:
    """Choices in a history of two models over three servers with answers coming in late."""
    chosen: list[str] = []
    in_flight = {"a": 0, "b": 0, "cloud": 0}
    for step in range(60):
        servers = [ServerView(name, in_flight=count) for name, count in in_flight.items()]
        request = Request("m" if step % 3 else "n", request_id=str(step))
        chosen.append(balancer.choose(request, servers))
        in_flight[chosen[-1]] += 1
        if step >= 4:
            done = chosen[step - 4]
            in_flight[done] -= 1
            balancer.observe(Outcome(request, done, "ok", latency_s=0.1))
    return chosen
