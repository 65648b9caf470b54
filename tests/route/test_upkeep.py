"""What policies learn on line is kept, and their guards are shown."""

import asyncio

import pytest

from rilaas.balance import LeastConnections
from rilaas.core import InvalidInput
from rilaas.observe import Registry
from rilaas.route.balancers import Balancers
from rilaas.route.fleet import ModelRoute
from rilaas.route.kept_state import KeptStates
from rilaas.route.upkeep import Upkeep


class Counting(LeastConnections):
    """Its state is a number."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def state(self):
        return str(self.count).encode()

    def restore(self, state):
        if not state.isdigit():
            raise InvalidInput("no number")
        self.count = int(state)

    def guard(self):
        return {"fallback": float(self.count > 5)}


def policies(folder, name="route/1", registry=None):
    states = KeptStates(folder, name)
    failures = (registry or Registry()).counter("rilaas_failures_total", "x", ("balancer", "kind"))
    policy = Counting()
    return policy, Balancers(("counting=file", policy), failures, lambda spec: Counting(), states), states


def kept(folder, **more):
    policy, balancers, states = policies(folder, **more)
    return policy, Upkeep(balancers, Registry(), states), states


def test_a_policy_goes_on_where_it_was_and_the_file_is_written_whole(tmp_path):
    policy, upkeep, states = kept(tmp_path / "new")
    policy.count = 7
    asyncio.run(upkeep.write())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["route%2F1.counting.state"]
    assert kept(tmp_path / "new")[0].count == 7
    assert kept(tmp_path / "new", name="other")[0].count == 0, "each interceptor has its own"
    assert states.path("counting").read_bytes() == b"rilaas balancer state 1 counting\n7"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"7",
        b"rilaas balancer state 1 other\n7",
        b"rilaas balancer state 2 counting\n7",
        b"rilaas balancer state 1 counting\nx",
    ],
)
def test_a_state_that_does_not_fit_is_ignored_and_the_log_says_so(tmp_path, caplog, data):
    KeptStates(tmp_path, "route/1").path("counting").write_bytes(data)
    assert kept(tmp_path)[0].count == 0
    assert "it begins anew" in caplog.text


def test_a_folder_that_cannot_be_written_to_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("x")
    policy, upkeep, _ = kept(tmp_path / "file")
    policy.count = 7
    asyncio.run(upkeep.write())
    assert "cannot be written" in caplog.text
    assert "cannot be read" in caplog.text


def test_a_policy_that_the_table_names_later_finds_its_state_too(tmp_path):
    policy, balancers, states = policies(tmp_path)
    states.write("later", b"9")
    assert balancers.of(ModelRoute(balancer="later")).balancer.count == 9
    assert policy.count == 0
    assert len(list(balancers.all())) == 2


def test_the_figures_of_a_guard_are_in_the_metrics(tmp_path):
    registry = Registry()
    policy, balancers, _ = policies(tmp_path)
    upkeep = Upkeep(balancers, registry, None)
    upkeep.show()
    shown = 'rilaas_route_balancer_guard{balancer="counting",figure="fallback"}'
    assert f"{shown} 0" in registry.to_text()
    policy.count = 6
    upkeep.show()
    assert f"{shown} 1" in registry.to_text()


def test_at_its_end_the_states_are_written_once_more(tmp_path):
    async def run():
        policy, upkeep, _ = kept(tmp_path)
        upkeep.start()
        policy.count = 3
        await upkeep.stop()

    asyncio.run(run())
    assert kept(tmp_path)[0].count == 3
