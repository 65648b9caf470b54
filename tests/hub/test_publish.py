"""The policy in a real Redis: each change, and everything again after Redis was away."""

import json
import time

import pytest

from rilaas.hub.actions.robot import add_keys, add_robot, delete_robot, revoke_key
from rilaas.hub.models import RobotKey
from rilaas.hub.publish import Publisher, redis_status
from rilaas.hub.queries.policy import policy_since
from rilaas.route import redis_policy
from tests.hub.fleet_of import make_server
from tests.hub.ssh_keys import public_line
from tests.hub_process import HubProcess
from tests.redis_server import RedisServer


@pytest.fixture
def redis(tmp_path):
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def publisher(redis, db):
    publisher = Publisher(redis.url)
    yield publisher
    publisher._client.close()


def held(redis):
    """What Redis holds: epoch, rows by key, shared."""
    with redis.client() as client:
        epoch = client.get(redis_policy.EPOCH)
        rows = {kid.decode(): json.loads(row) for kid, row in client.hgetall(redis_policy.KEYS).items()}
        shared = {part.decode(): json.loads(row) for part, row in client.hgetall(redis_policy.SHARED).items()}
    return epoch and int(epoch), rows, shared


def expected():
    document = policy_since(-1).document
    rows = {}
    for name, robot in document["robots"].items():
        rows.update(redis_policy.rows_of(name, robot))
    return document["epoch"], rows, {"public": document["public"], "fleet": document["fleet"]}


def test_each_change_is_in_redis_and_what_is_gone_is_not(alice, publisher, redis, tmp_path):
    publisher.step()
    assert held(redis) == expected()
    add_robot(alice, "lab-1", public_line(tmp_path, "a") + public_line(tmp_path, "b"))
    publisher.step()
    assert held(redis) == expected()
    assert len(held(redis)[1]) == 2
    revoke_key(alice, "alice", "lab-1", RobotKey.objects.first().kid)
    make_server()
    publisher.step()
    assert held(redis) == expected()
    assert len(held(redis)[1]) == 1
    delete_robot(alice, "alice", "lab-1")
    publisher.step()
    assert held(redis) == expected()
    assert held(redis)[1] == {}


def test_several_changes_are_told_in_one_message_with_all_their_keys(alice, publisher, redis, tmp_path):
    publisher.step()
    with redis.client() as client, client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(redis_policy.CHANNEL)
        channel.get_message(timeout=5.0)
        add_robot(alice, "lab-1", public_line(tmp_path, "a"))
        add_keys(alice, "alice", "lab-1", public_line(tmp_path, "b"))
        publisher.step()
        message = json.loads(_message(channel)["data"])
    assert message == {"epoch": 2, "kids": sorted(held(redis)[1]), "shared": False}


def test_a_redis_that_was_emptied_or_killed_is_filled_again(alice, publisher, redis, tmp_path):
    add_robot(alice, "lab-1", public_line(tmp_path))
    publisher.step()
    with redis.client() as client:
        client.flushall()
    publisher._next_beat = 0.0  # a second is over
    publisher.step()
    assert held(redis) == expected()
    redis.kill()
    add_robot(alice, "lab-2", public_line(tmp_path, "b"))
    publisher.step()
    status = redis_status()
    assert status.problem
    publisher.step()
    assert redis_status().since == status.since
    redis.start()
    publisher._next_beat = 0.0
    publisher.step()
    assert redis_status().problem == ""
    assert held(redis) == expected()


def test_a_redis_from_the_future_is_set_to_what_the_database_says(alice, publisher, redis, tmp_path):
    add_robot(alice, "lab-1", public_line(tmp_path))
    with redis.client() as client:
        client.set(redis_policy.EPOCH, 900)
        client.hset(redis_policy.KEYS, "SHA256:old", "{}")
    publisher.step()
    assert held(redis) == expected()


def test_a_hub_that_starts_writes_everything_for_what_is_there_may_be_another_hubs(publisher, redis):
    with redis.client() as client:
        client.set(redis_policy.EPOCH, 0)
        client.hset(redis_policy.KEYS, "SHA256:another", "{}")
    publisher.step()
    assert held(redis) == expected()
    with redis.client() as client:
        client.hset(redis_policy.KEYS, "mark", "{}")
    publisher._next_beat = 0.0
    publisher.step()  # later nothing is written where nothing changed
    assert "mark" in held(redis)[1]


def test_a_hub_publishes_by_itself_and_says_on_its_pages_that_redis_is_gone(redis, tmp_path):
    with HubProcess(tmp_path / "home", RILAAS_REDIS_URL=redis.url) as hub, hub.connect() as api:
        api.post("/api/v1/robots", {"name": "lab-1", "keys": public_line(tmp_path)})
        assert _until(lambda: len(held(redis)[1]) == 1)
        with redis.client() as client:
            assert _until(lambda: client.get(redis_policy.HEARTBEAT) is not None)  # it is written after the policy
            beat = json.loads(client.get(redis_policy.HEARTBEAT))
        assert beat["epoch"] >= 0
        from tests.hub_process import Visitor

        visitor = Visitor(hub.ready["entry"])
        visitor.post(hub.ready["entry"], act="enter")
        assert "Redis is gone" not in visitor.get("/deployments")
        redis.kill()
        assert _until(lambda: "Redis is gone since" in visitor.get("/deployments"))
        api.post("/api/v1/robots", {"name": "lab-2", "keys": public_line(tmp_path, "b")})
        redis.start()
        assert _until(lambda: len(held(redis)[1]) == 2)
        assert _until(lambda: "Redis is gone" not in visitor.get("/deployments"))


def _message(channel):
    end = time.monotonic() + 20.0
    while (message := channel.get_message(timeout=1.0)) is None:
        assert time.monotonic() < end
    return message


def _until(condition):
    end = time.monotonic() + 20.0
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
