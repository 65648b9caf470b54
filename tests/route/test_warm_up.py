"""One inference on what is new, and only where nobody is disturbed: fakes, then a real replica."""

import asyncio

import numpy as np
import pytest

from rilaas.balance import WARM_UP, LeastConnections
from rilaas.core import ModelFailed, Signature, TensorSpec
from rilaas.route.access import Grant
from rilaas.route.balancers import Balancers
from rilaas.route.fleet import read_fleet
from rilaas.route.interceptor import Interceptor
from rilaas.route.upstream import LocalUpstream, Server
from rilaas.route.warm_up import WarmUps, zeros
from rilaas.serve.load import Load
from rilaas.serve.local import LocalModels
from rilaas.serve.pool import served_model
from rilaas.serve.service import ModelState
from rilaas.wire import decode_request, decode_response, encode_metadata, encode_request, encode_response
from tests.model_folders import COUNTING_MODEL, write_python_model
from tests.route.test_interceptor import ALICE, Access

SIGNATURE = Signature({"x": TensorSpec("x", "FP32", (-1, 3))}, {"y": TensorSpec("y", "FP32", (-1, 3))})


class Upstream:
    def __init__(self, *models, error=None):
        self.asked, self.error, self.at_once, self.release = [], error, [0, 0], asyncio.Event()
        self.states = [ModelState(name, "1", True) for name in models]
        self.release.set()

    async def infer(self, body, deadline):
        request = decode_request(body)
        self.asked.append(request)
        self.at_once = [self.at_once[0] + 1, max(self.at_once[1], self.at_once[0] + 1)]
        await self.release.wait()
        self.at_once[0] -= 1
        if self.error is not None:
            raise self.error
        return encode_response(request.model, "1", {}, parameters={"rilaas_queue_s": 0.0, "rilaas_compute_s": 0.5})

    async def metadata(self, model, version):
        return encode_metadata(model, ["1"], SIGNATURE, {})

    def models(self):
        return self.states


class Hearing(LeastConnections):
    def __init__(self):
        super().__init__()
        self.heard = []

    def observe(self, outcome):
        self.heard.append(outcome)


class Failures:
    def inc(self, **labels):
        raise AssertionError(labels)


def warmed(act, fleet=None, kind="edge", **upstreams):
    async def run():
        policy = Hearing()
        servers = {name: Server(name, kind, make()) for name, make in upstreams.items()}
        warm_ups = WarmUps(servers, Balancers(("x", policy), Failures()), lambda: fleet)

        async def look(times=3):
            for _ in range(times):
                warm_ups.look()
                for _ in range(5):
                    await asyncio.sleep(0)

        try:
            await act(servers, look, policy.heard)
        finally:
            await warm_ups.stop()

    asyncio.run(run())


def test_each_model_is_asked_once_with_zeros_and_the_policy_hears_how_long_it_took():
    async def act(servers, look, heard):
        await look()
        asked = servers["a"].upstream.asked
        assert [(each.model, each.request_id) for each in asked] == [("m", WARM_UP), ("n", WARM_UP)]
        assert asked[0].tensors["x"].shape == (1, 3)
        assert not asked[0].tensors["x"].any()
        assert [(each.request.model, each.request.request_id, each.status) for each in heard] == [
            ("m", WARM_UP, "ok"),
            ("n", WARM_UP, "ok"),
        ]
        assert (heard[0].queue_s, heard[0].compute_s) == (0.0, 0.5)
        assert not servers["a"].in_flight

    warmed(act, a=lambda: Upstream("m", "n"))


def test_a_server_computes_one_at_a_time_and_several_servers_side_by_side():
    async def act(servers, look, heard):
        for server in servers.values():
            server.upstream.release.clear()
        await look()
        assert [len(server.upstream.asked) for server in servers.values()] == [1, 1]
        for server in servers.values():
            server.upstream.release.set()
        await look()
        assert [server.upstream.at_once[1] for server in servers.values()] == [1, 1]
        assert len(heard) == 4

    warmed(act, a=lambda: Upstream("m", "n"), b=lambda: Upstream("m", "n"))


def test_a_server_under_load_is_left_alone_until_it_is_idle():
    async def act(servers, look, heard):
        server = servers["a"]
        server.sent("m")
        await look()
        assert not server.upstream.asked
        server.ended("m")
        server.heard(Load(1))
        await look()
        assert not server.upstream.asked, "others ask it"
        server.heard(Load(0))
        await look()
        assert len(server.upstream.asked) == 1

    warmed(act, a=lambda: Upstream("m"))


def test_a_model_that_robots_have_asked_is_not_asked_for_it_may_remember_them():
    async def act(servers, look, heard):
        servers["a"].heard(Load(0, {"m": 1, "n": 1}, {"m": 3, "n": 0}))
        await look()
        assert [each.model for each in servers["a"].upstream.asked] == ["n"]

    warmed(act, a=lambda: Upstream("m", "n"))


def test_a_refusal_does_not_count_against_the_server_and_is_not_repeated():
    async def act(servers, look, heard):
        await look(5)
        assert len(servers["a"].upstream.asked) == 1
        assert not heard

    warmed(act, a=lambda: Upstream("m", error=ModelFailed("zeros")))


def test_a_server_that_may_not_be_asked_for_a_model_is_not_asked():
    fleet = read_fleet([], {"servers": [], "models": {"m": {"servers": ["a"], "sensitivity": "edge"}}})

    async def act(servers, look, heard):
        await look()
        assert not servers["a"].upstream.asked

    warmed(act, fleet, "cloud", a=lambda: Upstream("m"))


@pytest.mark.parametrize(("datatype", "shape"), [("BYTES", (1,)), ("FP32", (100_000, 100_000))])
def test_what_is_no_number_or_very_large_is_not_made_up(datatype, shape):
    assert zeros(Signature({"x": TensorSpec("x", datatype, shape)})) is None


def test_a_model_that_counts_does_not_remember_the_warm_up(tmp_path):
    async def run():
        folder = write_python_model(tmp_path / "counting", COUNTING_MODEL, name="counting")
        models = LocalModels([served_model(f"m={folder}")])
        await models.start()
        policy = Hearing()
        server = Server("a", "edge", LocalUpstream(models))
        access = Access(m=Grant())
        interceptor = Interceptor([server], access, policy)
        warm_ups = WarmUps(interceptor.servers, interceptor.balancers, lambda: None)
        try:
            await server.upstream.look()
            warm_ups.start()
            while not policy.heard:
                await asyncio.sleep(0.01)
            assert policy.heard[0].compute_s > 0.0
            body = encode_request("m", "", {"x": np.zeros((1, 3), np.float32)})
            answers = [decode_response(await interceptor.infer(body, ALICE, None)) for _ in range(2)]
            assert [float(next(iter(each.tensors.values())).flat[0]) for each in answers] == [1.0, 2.0]
            late = encode_request("m", "", {"x": np.zeros((1, 3), np.float32)}, parameters={"rilaas_warm_up": True})
            with pytest.raises(Exception, match="asked already"):
                await interceptor.infer(late, ALICE, None)
        finally:
            await warm_ups.stop()
            await models.stop()

    asyncio.run(run())
