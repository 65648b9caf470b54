"""Servers that come, move and go while they are asked: real fronts in this process."""

import asyncio

import numpy as np

from rilaas.balance import RoundRobin, make_balancer, registry
from rilaas.route.access import Grant, Registered, RobotAccess, SourceStatus
from rilaas.route.fleet import read_fleet
from rilaas.route.follower import FleetFollower
from rilaas.route.interceptor import Interceptor
from rilaas.route.remote import RemoteUpstream
from rilaas.route.running import _connected
from rilaas.route.upstream import Server
from rilaas.serve.front import Front
from rilaas.serve.service import Caller, ModelState, OpenGate
from rilaas.wire import decode_response, encode_request, encode_response, peek

BODY = encode_request("a/m", "1", {"x": np.zeros(1, np.float32)}, request_id="r")
ALICE = Caller("alice/lab", "SHA256:alice", "test")


class Service:
    def __init__(self, name):
        self.name, self.asked, self.release = name, 0, asyncio.Event()
        self.release.set()

    async def infer(self, body, caller, deadline):
        self.asked += 1
        await self.release.wait()
        parameters = {"who": self.name}
        return encode_response("a/m", "1", {}, request_id=peek(body).request_id, parameters=parameters)

    def models(self, caller):
        return [ModelState("a/m", "1", True)]


class Access:
    def __init__(self):
        self.table = read_fleet([], {"servers": [], "models": {}})

    def set(self, balancer="", **ports):
        servers = [
            {"name": name.replace("_", "-"), "kind": "edge", "address": f"127.0.0.1:{port}", "insecure": True}
            for name, port in ports.items()
        ]
        names = [row["name"] for row in servers]
        self.table = read_fleet([], {"servers": servers, "models": {"a/m": {"servers": names, "balancer": balancer}}})

    def find(self, kid):
        return Registered(RobotAccess("alice/lab", {"a/m": Grant()}), None)

    def fleet(self):
        return self.table

    def status(self):
        return SourceStatus("hub", 1)


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never happened")


def following(action, servers=()):
    async def run():
        access, fronts, services = Access(), [], []
        interceptor = Interceptor(servers, access, make_balancer("round_robin"))
        follower = FleetFollower(interceptor, access, lambda row: _connected(row, None))

        async def serve(name):
            service = Service(name)
            front = Front(service, OpenGate())
            services.append(service)
            fronts.append(front)
            return service, await front.start("127.0.0.1:0", None)

        async def ask():
            return decode_response(await interceptor.infer(BODY, ALICE, None)).parameters["who"]

        try:
            await action(access, interceptor, follower, serve, ask)
        finally:
            for service in services:
                service.release.set()
            await follower.stop()
            for front in fronts:
                await front.drain(5.0)

    asyncio.run(run())


def test_servers_come_and_go_with_the_table():
    async def act(access, interceptor, follower, serve, ask):
        _, port_a = await serve("a")
        _, port_b = await serve("b")
        access.set(edge_1=port_a)
        await follower.start()
        assert {await ask() for _ in range(4)} == {"a"}, "what the table names at the start is there at once"
        access.set(edge_1=port_a, edge_2=port_b)
        await until(lambda: len(interceptor.servers) == 2)
        assert {await ask() for _ in range(4)} == {"a", "b"}
        access.set(edge_2=port_b)
        await until(lambda: len(interceptor.servers) == 1)
        assert {await ask() for _ in range(4)} == {"b"}

    following(act)


def test_a_policy_that_could_not_be_made_is_made_when_the_table_changes(monkeypatch, caplog):
    async def act(access, interceptor, follower, serve, ask):
        _, port = await serve("a")
        access.set(edge_1=port, balancer="soon")
        await follower.start()
        for _ in range(3):
            await ask()
        assert "soon" not in [policy.name for policy in interceptor.balancers.all()]
        assert caplog.text.count("go by the default") == 1, "it is not tried with every request"
        monkeypatch.setattr(registry, "BALANCERS", {**registry.BALANCERS, "soon": lambda setting: RoundRobin()})
        await ask()
        assert "soon" not in [policy.name for policy in interceptor.balancers.all()]
        access.set(edge_1=port, balancer="soon")
        await until(lambda: not interceptor.balancers._failed)
        await ask()
        assert interceptor.decisions.last()[0].balancer == "soon"

    following(act)


def test_a_request_in_flight_is_answered_by_the_server_that_left():
    async def act(access, interceptor, follower, serve, ask):
        service, port_a = await serve("a")
        _, port_b = await serve("b")
        access.set(edge_1=port_a)
        await follower.start()
        service.release.clear()
        waiting = asyncio.ensure_future(ask())
        await until(lambda: service.asked)
        access.set(edge_1=port_b)
        await until(lambda: interceptor.servers["edge-1"].upstream.address.endswith(str(port_b)))
        assert await ask() == "b"
        access.set()
        await until(lambda: not interceptor.servers)
        assert not waiting.done()
        service.release.set()
        assert await waiting == "a"

    following(act)


def test_a_server_that_moved_to_where_nobody_is_comes_back_with_the_table():
    async def act(access, interceptor, follower, serve, ask):
        _, port = await serve("a")
        access.set(edge_1=1)
        await follower.start()
        access.set(edge_1=port)
        await until(lambda: interceptor.servers["edge-1"].upstream.models())
        assert await ask() == "a"

    following(act)


def test_a_server_in_clear_text_elsewhere_is_left_out_and_the_log_says_so(caplog):
    async def act(access, interceptor, follower, serve, ask):
        access.set(edge_1=1)
        row = {"name": "far", "kind": "cloud", "address": "10.0.0.7:1", "insecure": True}
        access.table = read_fleet([], {"servers": [row, {**row, "name": "tls", "insecure": False}], "models": {}})
        await follower.start()
        assert not interceptor.servers

    following(act)
    assert "not loopback" in caplog.text
    assert "no [tls] authority" in caplog.text


def test_a_server_of_ones_own_configuration_stays_and_keeps_its_name(caplog):
    async def act(access, interceptor, follower, serve, ask):
        _, port = await serve("a")
        remote = RemoteUpstream(f"127.0.0.1:{port}", None)
        await remote.start()
        mine = Server("edge-1", "edge", remote)
        interceptor.add(mine)
        access.set(edge_1=1)
        await follower.start()
        access.set()
        await asyncio.sleep(0.3)
        assert interceptor.servers == {"edge-1": mine}
        await remote.stop()

    following(act)
    assert "configured here" in caplog.text
