"""A real hub: killed in the middle of an upload, asked by several people at once, downloaded from."""

import contextlib
import hashlib
import threading

import pytest

from rilaas.core import Conflict, InvalidInput, Unavailable
from rilaas.store import unpack
from tests.hub.model_folder import archive_of, make_folder
from tests.hub_process import HubProcess

MODEL = "/api/v1/models/local/driver"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with HubProcess(tmp_path_factory.mktemp("killed") / "home") as hub:
        yield hub


@pytest.fixture
def archive(tmp_path):
    return archive_of(make_folder(tmp_path / "model", card="x" * 50_000))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def push(connection, data, **said):
    """As ``rilaas push``: what the hub has is not sent again, such as what came before it was killed."""
    address = f"/api/v1/uploads/{sha256(data)}"
    have = connection.get(address, size_bytes=len(data))["received_bytes"]
    if have < len(data):
        connection.put(address, data[have:], size_bytes=len(data), offset=have)
    return connection.post(f"{MODEL}/versions", {"sha256": sha256(data), "size_bytes": len(data), **said})


def test_what_was_acknowledged_is_there_after_kill_9_and_the_version_appears_whole(hub, archive, tmp_path):
    address, size = f"/api/v1/uploads/{sha256(archive)}", len(archive)
    with hub.connect() as connection:
        assert connection.get(address, size_bytes=size)["received_bytes"] == 0
        first = connection.put(address, archive[:300], size_bytes=size, offset=0)
        assert first["received_bytes"] == 300
    hub.kill()
    hub.start()
    with hub.connect() as connection:
        have = connection.get(address, size_bytes=size)["received_bytes"]
        assert have == 300
        with pytest.raises(Conflict, match="goes to offset 300"):
            connection.put(address, archive, size_bytes=size, offset=0)
        with pytest.raises(Conflict, match=f"300 of {size}"):
            connection.post(f"{MODEL}/versions", {"sha256": sha256(archive), "size_bytes": size})
        assert connection.put(address, archive[have:], size_bytes=size, offset=have)["is_complete"]
    hub.kill()
    hub.start()
    with hub.connect() as connection:
        made = connection.post(f"{MODEL}/versions", {"sha256": sha256(archive), "size_bytes": size})
        assert (made["ref"], made["is_new"]) == ("local/driver:1", True)
        revision = connection.get(f"{MODEL}/versions/1")
        fetched = connection.download(
            f"{MODEL}/versions/1/archive", tmp_path / "fetched.tar.gz", revision["archive_sha256"]
        )
    assert unpack(fetched, tmp_path / "fetched", digest=made["digest"]).manifest.name == "driver"


def test_a_hub_killed_while_it_makes_versions_has_whole_ones_only(hub, tmp_path):
    folders = [make_folder(tmp_path / f"m{speed}", speed=100 + speed) for speed in range(12)]
    archives = [archive_of(folder) for folder in folders]
    acknowledged = []

    def push_all():
        with hub.connect() as connection, contextlib.suppress(Unavailable):
            acknowledged.extend(push(connection, data)["digest"] for data in archives)

    pusher = threading.Thread(target=push_all)
    pusher.start()
    while len(acknowledged) < 3 and pusher.is_alive():
        pusher.join(0.01)
    hub.kill()
    pusher.join(60)
    hub.start()
    with hub.connect() as connection:
        rows = connection.get(f"{MODEL}/versions")["rows"]
        assert set(acknowledged) <= {row["digest"] for row in rows}
        for row in rows:
            target = tmp_path / f"whole-{row['number']}.tar.gz"
            connection.download(f"{MODEL}/versions/{row['number']}/archive", target)
            assert unpack(target, tmp_path / f"whole-{row['number']}", digest=row["digest"])
        for data in archives:  # all go on
            push(connection, data)


def test_of_many_who_promote_at_the_same_moment_exactly_one_wins(hub, tmp_path):
    with hub.connect() as connection:
        numbers = [push(connection, archive_of(make_folder(tmp_path / f"p{n}", speed=200 + n))) for n in range(3)]
    told, barrier = [], threading.Barrier(6)

    def move(revision):
        with hub.connect() as connection:
            barrier.wait(30)
            try:
                connection.put(f"{MODEL}/aliases/race", b'{"revision": "%s", "generation": 0}' % revision)
                told.append("won")
            except Conflict as error:
                told.append(error.message)

    threads = [threading.Thread(target=move, args=[numbers[n % 3]["revision"].encode()]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # Those who wanted what the winner wanted are told too: they did not see it.
    assert sorted(words[:16] for words in told) == sorted(["won", *["local moved race"] * 5])


def test_people_who_push_the_same_and_other_content_at_once_get_each_version_once(hub, tmp_path):
    archives = [archive_of(make_folder(tmp_path / f"m{n}", name="crowd", speed=300 + n)) for n in range(3)]
    made, address = [], "/api/v1/models/local/crowd/versions"

    def send(data):
        with hub.connect() as connection:
            upload = {"sha256": sha256(data), "size_bytes": len(data)}
            try:
                connection.put(f"/api/v1/uploads/{sha256(data)}", data, size_bytes=len(data), offset=0)
                made.append(connection.post(address, upload))
            except Conflict:
                return  # the same person's other hand was faster

    threads = [threading.Thread(target=send, args=[data]) for data in archives * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with hub.connect() as connection:
        rows = connection.get(address)["rows"]
    assert sorted(row["number"] for row in rows) == [1, 2, 3]
    assert {row["revision"] for row in made} == {"1", "2", "3"}


def test_bytes_with_another_hash_become_nothing(hub, archive):
    wrong = "0" * 64
    with hub.connect() as connection:
        connection.put(f"/api/v1/uploads/{wrong}", archive, size_bytes=len(archive), offset=0)
        with pytest.raises(InvalidInput, match="discarded"):
            connection.post("/api/v1/models/local/nothing/versions", {"sha256": wrong, "size_bytes": len(archive)})
        assert connection.get(f"/api/v1/uploads/{wrong}", size_bytes=len(archive))["received_bytes"] == 0
        assert "local/nothing" not in [row["ref"] for row in connection.get("/api/v1/models")["rows"]]
