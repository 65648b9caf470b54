"""The policy through a real Redis: both ends, changes, gaps, a server that dies and comes back."""

import json
import time

import pytest

from rilaas.core import InvalidInput, Unavailable
from rilaas.route.access import Grant
from rilaas.route.redis_access import RedisAccess
from rilaas.route.redis_policy import CHANNEL, EPOCH, HEARTBEAT, KEYS, beat, publish, rows_of
from rilaas.wire import generate_key
from tests.redis_server import RedisServer
from tests.route.fake_hub import eventually, grant, robot

FLEET = {"servers": [], "models": {"alice/m": {"servers": ["edge-1"]}}}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return [generate_key(folder / f"id{number}").public for number in range(3)]


@pytest.fixture
def server(tmp_path):
    with RedisServer(tmp_path / "redis") as server:
        yield server


class Writer:
    """The hub's end."""

    def __init__(self, server):
        self.client, self.epoch = server.client(), 0

    def publish(self, rows, shared=None, full=False):
        self.epoch += 1
        publish(self.client, self.epoch, rows, shared or {}, full)
        return beat(self.client, self.epoch)


@pytest.fixture
def writer(server):
    writer = Writer(server)
    yield writer
    writer.client.close()


@pytest.fixture
def follow(server):
    made = []

    def start(**options):
        access = RedisAccess(server.url, **options)
        made.append(access)
        access.start()
        return access

    yield start
    for access in made:
        access.close()


def rows(**robots):
    """Rows of robots that have one key each."""
    found = {}
    for name, key in robots.items():
        found |= rows_of(f"alice/{name}", robot(key, models={"alice/m": grant(5.0, 2)}, names={"m": "alice/m"}))
    return found


def test_a_robot_is_looked_up_once_and_then_found_in_memory(writer, follow, keys):
    writer.publish(rows(lab=keys[0]), {"public": ["carol/grasp"], "fleet": FLEET}, full=True)
    access = follow()
    found = access.find(keys[0].fingerprint)
    assert (found.robot.name, found.key) == ("alice/lab", keys[0])
    assert found.robot.grant("alice/m") == Grant(5.0, 2)
    assert found.robot.names == {"m": "alice/m"}
    eventually(lambda: access.find(keys[0].fingerprint) is access.find(keys[0].fingerprint))
    assert access.find(keys[1].fingerprint) is None
    assert access.fleet().public == {"carol/grasp"}
    assert access.fleet().models["alice/m"].servers == {"edge-1"}
    assert (access.status().epoch, access.status().problem) == (1, "")


def test_a_change_reaches_every_interceptor(writer, follow, keys):
    writer.publish(rows(lab=keys[0]), {"public": [], "fleet": FLEET}, full=True)
    both = [follow(), follow()]
    fleets = [access.fleet() for access in both]
    for access in both:
        assert access.find(keys[0].fingerprint)
        assert access.find(keys[1].fingerprint) is None
    writer.publish({keys[0].fingerprint: None, **rows(other=keys[1])})
    for access, fleet in zip(both, fleets, strict=True):
        eventually(lambda access=access: access.find(keys[1].fingerprint))
        assert access.find(keys[0].fingerprint) is None
        assert access.fleet() is fleet, "what did not change stays the same object"
    writer.publish({}, {"public": ["carol/grasp"]})
    for access in both:
        eventually(lambda access=access: access.fleet().public == {"carol/grasp"})
        assert access.fleet().models


def test_a_message_that_was_missed_is_noticed(writer, follow, keys):
    writer.publish(rows(lab=keys[0]), full=True)
    access = follow()
    assert access.find(keys[0].fingerprint)
    writer.client.hdel(KEYS, keys[0].fingerprint)  # a change whose message got lost
    writer.client.incr(EPOCH)
    writer.epoch += 1
    eventually(lambda: access.find(keys[0].fingerprint) is None)
    writer.epoch += 1  # and one that shows as a gap in the epochs
    writer.publish(rows(lab=keys[0]))
    eventually(lambda: access.find(keys[0].fingerprint))


def test_a_connection_that_broke_misses_nothing(writer, follow, keys):
    writer.publish(rows(lab=keys[0]), full=True)
    access = follow()
    assert access.find(keys[0].fingerprint)
    for kind in ("pubsub", "normal"):
        writer.client.client_kill_filter(_type=kind, skipme=True)
    writer.publish({keys[0].fingerprint: None})
    eventually(lambda: access.find(keys[0].fingerprint) is None)


def test_redis_that_dies_and_comes_back_empty_takes_no_robot_with_it(server, writer, follow, keys):
    writer.publish(rows(lab=keys[0]), {"public": ["a/m"], "fleet": FLEET}, full=True)
    access = follow()
    assert access.find(keys[0].fingerprint)
    server.kill()
    eventually(lambda: access.status().problem)
    assert access.find(keys[0].fingerprint), "what memory holds stays in force"
    with pytest.raises(Unavailable, match="not in memory"):
        access.find(keys[1].fingerprint)
    server.start()
    eventually(lambda: "no policy" in access.status().problem)
    assert access.find(keys[0].fingerprint)
    assert access.fleet().public == {"a/m"}
    with pytest.raises(Unavailable):
        access.find(keys[1].fingerprint)
    assert not beat(writer.client, writer.epoch), "the hub sees that it has to publish everything"
    writer.publish(rows(other=keys[1]), {"public": [], "fleet": FLEET}, full=True)
    eventually(lambda: not access.status().problem)
    assert access.find(keys[0].fingerprint) is None
    assert access.find(keys[1].fingerprint)


def test_redis_that_comes_back_with_an_older_policy_is_not_believed_before_the_hub_says_so(
    server, writer, follow, keys
):
    writer.publish(rows(lab=keys[0]), full=True)
    dump = [writer.client.hgetall(KEYS), writer.client.get(EPOCH), writer.client.get(HEARTBEAT)]
    writer.publish({keys[0].fingerprint: None, **rows(other=keys[1])})
    access = follow()
    assert access.find(keys[1].fingerprint)
    server.kill()
    eventually(lambda: access.status().problem)
    server.start()
    writer.client.hset(KEYS, mapping=dump[0])
    writer.client.set(HEARTBEAT, dump[2])
    writer.client.set(EPOCH, dump[1])
    eventually(lambda: "older policy" in access.status().problem)
    with pytest.raises(Unavailable):
        access.find(keys[0].fingerprint)
    assert access.find(keys[1].fingerprint)
    assert beat(writer.client, 1)  # it is the hub that was set back
    eventually(lambda: not access.status().problem)
    assert access.find(keys[0].fingerprint)


def test_when_the_hub_is_silent_for_too_long_nobody_is_served(writer, follow, keys):
    writer.publish(rows(lab=keys[0]), full=True)
    access = follow(max_stale_s=2.0)

    def is_refused():
        try:
            access.find(keys[0].fingerprint)
        except Unavailable as error:
            return "could not be confirmed for more than 2 s" in error.message
        return False

    assert not is_refused()
    eventually(is_refused)
    assert access.status().age_s > 2.0
    beat(writer.client, writer.epoch)
    eventually(lambda: not is_refused())


def test_a_hub_whose_clock_is_set_back_is_alive(writer, follow, keys):
    writer.publish(rows(lab=keys[0]), full=True)
    access = follow(max_stale_s=3.0)
    ages, late_s = [], iter(range(3600, 0, -1))

    def has_beaten_again():
        writer.client.set(HEARTBEAT, json.dumps({"time_s": time.time() - next(late_s), "epoch": 1}))
        time.sleep(0.05)
        ages.append(access.status().age_s)
        return access.status().age_s < 0.5 and max(ages) > 1.0

    eventually(lambda: access.status().age_s > 1.0)
    eventually(has_beaten_again)
    assert access.find(keys[0].fingerprint)


def test_the_age_of_the_first_heartbeat_counts(writer, follow, keys):
    writer.publish(rows(lab=keys[0]), full=True)
    writer.client.set(HEARTBEAT, f'{{"time_s":{time.time() - 100},"epoch":1}}')
    assert 99.0 < follow().status().age_s < 200.0
    writer.client.delete(HEARTBEAT)
    with pytest.raises(Unavailable):
        follow().find(keys[0].fingerprint)


def test_an_entry_under_the_wrong_key_is_nobodys(writer, follow, keys, caplog):
    ours = rows(lab=keys[0])[keys[0].fingerprint]
    writer.publish({keys[1].fingerprint: ours, keys[2].fingerprint: {"robot": "x"}}, full=True)
    access = follow()
    assert access.find(keys[1].fingerprint) is None
    assert access.find(keys[2].fingerprint) is None
    assert "another key's" in caplog.text


def test_strangers_do_not_fill_the_memory(writer, follow, keys, monkeypatch):
    monkeypatch.setattr("rilaas.route.redis_access._MAX_STRANGERS", 10)
    writer.publish(rows(lab=keys[0]), full=True)
    access = follow()
    for number in range(25):
        assert access.find(f"SHA256:{number}") is None
    assert len(access._strangers) <= 10


def test_messages_of_strangers_on_the_channel_do_no_lasting_harm(writer, follow, keys):
    writer.publish(rows(lab=keys[0]), full=True)
    access = follow()
    for junk in ("junk", "[]", '{"epoch":"x","kids":[]}', '{"epoch":99,"kids":null,"shared":true}'):
        writer.client.publish(CHANNEL, junk)
    writer.publish({keys[0].fingerprint: None})
    eventually(lambda: access.find(keys[0].fingerprint) is None)
    eventually(lambda: not access.status().problem)


def test_what_is_no_url_is_told_without_its_password():
    with pytest.raises(InvalidInput, match="not the URL") as refusal:
        RedisAccess("http://user:secret@host")
    assert "secret" not in str(refusal.value)
