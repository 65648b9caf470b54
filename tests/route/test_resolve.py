"""What a robot's names, versions and aliases mean, and where its requests may go."""

import asyncio
import collections
import random
import time

import numpy as np
import pytest

from rilaas.balance import make_balancer
from rilaas.core import NotFound, PermissionDenied, RateLimited, Unavailable
from rilaas.observe import Registry
from rilaas.route.access import Grant, Registered, RobotAccess, SourceStatus
from rilaas.route.fleet import ModelRoute, read_fleet
from rilaas.route.interceptor import Interceptor
from rilaas.route.upstream import Server
from rilaas.serve.service import Caller, ModelState
from rilaas.wire import decode_response, encode_request, encode_response, peek

ALICE = Caller("alice/lab", "SHA256:alice", "test")


class Upstream:
    """Has revisions of models; its answers carry timings."""

    def __init__(self, *revisions, error=None):
        self.asked, self.error = [], error
        self.states = tuple(ModelState(*revision.split(":"), True) for revision in revisions)

    async def infer(self, body, deadline):
        seen = peek(body)
        self.asked.append(f"{seen.model}:{seen.version}")
        if self.error is not None:
            raise self.error
        timings = {"rilaas_queue_s": 0.001, "rilaas_compute_s": 0.002, "rilaas_postprocess_s": 0.001}
        answer = {"y": np.ones(1, np.float32)}
        return encode_response(seen.model, "0a1b2c", answer, request_id=seen.request_id, parameters=timings)

    async def metadata(self, model, version):
        return f"{model}:{version}".encode()

    def models(self):
        return self.states

    async def look(self):
        pass

    def follow(self, hear):
        pass


class Access:
    def __init__(self, fleet, public=None, **models):
        robot = RobotAccess("alice/lab", models, public, {"m": "alice/m"})
        self.robots, self.table = {"SHA256:alice": Registered(robot, None)}, fleet

    def find(self, kid):
        return self.robots.get(kid)

    def fleet(self):
        return self.table

    def status(self):
        return SourceStatus("hub", 1, 2.5, "gone")


def fleet(public=(), **model):
    row = {"servers": ["edge-1", "cloud-1"], "aliases": {"prod": "3", "old": "2"}, **model}
    return read_fleet(public, {"servers": [], "models": {"alice/m": row}})


def build(upstreams, table, *, public=None, grants=None, registry=None):
    servers = [Server(name, name.partition("-")[0], upstream, is_fixed=False) for name, upstream in upstreams.items()]
    grants = {"alice/m": Grant()} if grants is None else grants
    access = Access(table, public, **grants)
    draw = random.Random(7).random
    return Interceptor(servers, access, make_balancer("round_robin"), registry, draw)


def ask(interceptor, model="m", version=""):
    body = encode_request(model, version, {"x": np.zeros(1, np.float32)}, request_id="r-1")
    return decode_response(asyncio.run(interceptor.infer(body, ALICE, time.monotonic() + 20)))


@pytest.mark.parametrize(
    ("version", "meant"),
    [("", "3"), ("prod", "3"), ("old", "2"), ("4", "4"), ("3@int8", "3@int8"), ("prod@int8", "3@int8"), ("x", "x")],
)
def test_a_version_means_what_the_aliases_say_and_numbers_pass(version, meant):
    assert ModelRoute(aliases={"prod": "3", "old": "2"}).revision(version) == meant


def test_the_answer_names_the_model_and_the_revision_that_answered():
    edge = Upstream("alice/m:3", "alice/m:2")
    interceptor = build({"edge-1": edge}, fleet())
    answer = ask(interceptor, "m", "old")
    assert (answer.model, answer.version, answer.request_id) == ("alice/m", "2", "r-1")
    assert edge.asked == ["alice/m:2"]
    assert ask(interceptor, "alice/m", "3").version == "0a1b2c", "what was asked by its own name comes back as it is"


def test_shares_of_the_traffic_are_drawn_for_each_request():
    edge = Upstream("alice/m:3", "alice/m:4", "alice/m:2")
    split = [{"revision": "3", "share": 0.9}, {"revision": "4", "share": 0.1}, {"revision": "2", "share": 0}]
    interceptor = build({"edge-1": edge}, fleet(split=split))
    answers = collections.Counter(
        ask(interceptor, "m", version).version for version in ("", "prod") for _ in range(500)
    )
    assert set(answers) == {"3", "4"}
    assert 60 < answers["4"] < 140
    assert ask(interceptor, "m", "old").version == "2", "other aliases are not drawn"


def test_a_share_that_no_server_has_ready_falls_to_the_others():
    split = [{"revision": "3", "share": 0.5}, {"revision": "4", "share": 0.5}]
    interceptor = build({"edge-1": Upstream("alice/m:3")}, fleet(split=split))
    assert {ask(interceptor).version for _ in range(20)} == {"3"}


def test_a_public_model_may_be_used_within_the_robots_public_limits():
    edge = Upstream("alice/m:3")
    interceptor = build({"edge-1": edge}, fleet(["alice/m"]), public=Grant(0.001, 2), grants={})
    for _ in range(2):
        ask(interceptor)
    with pytest.raises(RateLimited):
        ask(interceptor)
    for table, public in ((fleet(), Grant()), (fleet(["alice/m"]), None)):
        with pytest.raises(PermissionDenied, match="may not use a model 'm'"):
            ask(build({"edge-1": edge}, table, public=public, grants={}))


def test_data_of_a_model_for_the_edge_goes_to_no_other_server_whatever_the_table_says():
    edge, cloud = Upstream("alice/m:3", error=Unavailable("gone")), Upstream("alice/m:3")
    interceptor = build({"cloud-1": cloud, "edge-1": edge}, fleet(sensitivity="edge"))
    with pytest.raises(Unavailable):
        ask(interceptor)
    with pytest.raises(Unavailable, match="at the edge only"):
        ask(build({"cloud-1": cloud}, fleet(sensitivity="edge")))
    assert (cloud.asked, len(edge.asked)) == ([], 1)
    assert ask(build({"cloud-1": cloud}, fleet())).parameters["rilaas_server"] == "cloud-1"


def test_a_server_that_the_table_does_not_name_is_not_asked():
    edge, other = Upstream("alice/m:3"), Upstream("alice/m:3")
    interceptor = build({"edge-2": other, "edge-1": edge}, fleet())
    for _ in range(4):
        ask(interceptor)
    assert (len(edge.asked), other.asked) == (4, [])


def test_a_version_that_is_nowhere_is_told_and_one_that_is_starting_may_come():
    interceptor = build({"edge-1": Upstream("alice/m:2")}, fleet())
    with pytest.raises(Unavailable, match="ready now"):
        ask(interceptor)  # 3 is what the table wants
    with pytest.raises(NotFound, match="no-such|version '7'"):
        ask(interceptor, "m", "7")


def test_the_index_lists_every_name_and_alias_that_the_robot_may_use():
    table = fleet(split=[{"revision": "3", "share": 1.0}])
    interceptor = build({"edge-1": Upstream("alice/m:3", "alice/m:2", "bob/secret:1")}, table)
    seen = {(state.name, state.version) for state in interceptor.models(ALICE)}
    versions = {"2", "3", "prod", "old"}
    assert seen == {(name, version) for name in ("m", "alice/m") for version in versions}
    assert asyncio.run(interceptor.metadata("m", "prod", ALICE)) == b"alice/m:3"


def test_models_have_the_balancer_that_the_table_names_and_those_of_one_name_share_it():
    edge = Upstream("alice/m:3")
    interceptor = build({"edge-1": edge}, fleet(balancer="random"))
    ask(interceptor)
    of = interceptor.balancers.of
    first = of(fleet(balancer="random").models["alice/m"])
    assert type(first.balancer) is type(make_balancer("random"))
    assert of(fleet(balancer="random").models["alice/m"]) is first
    assert of(fleet(balancer="magic").models["alice/m"]) is of(None), "one that does not exist is no reason to stop"
    assert ask(interceptor)


def test_the_metrics_tell_robot_stage_and_policy():
    registry = Registry()
    interceptor = build({"edge-1": Upstream("alice/m:3")}, fleet(), registry=registry)
    ask(interceptor)
    text = registry.to_text()
    assert 'rilaas_route_requests_total{robot="alice/lab",model="alice/m",outcome="ok"} 1' in text
    assert 'rilaas_route_robot_seconds_count{robot="alice/lab",model="alice/m"} 1' in text
    where = 'rilaas_route_stage_seconds_sum{server="edge-1",model="alice/m",stage='
    assert f'{where}"queue"}} 0.001\n' in text
    assert f'{where}"compute"}} 0.003\n' in text
    assert f'{where}"wire"}}' in text
    assert "rilaas_route_policy_age_seconds 2.5\n" in text
    assert "rilaas_route_policy_source_up 0\n" in text
    assert list(interceptor.take_seen()) == ["alice/lab"]
    assert interceptor.take_seen() == {}
