import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.core import Conflict, InvalidInput, NotFound, Unavailable
from rilaas.store import Blobs
from rilaas.store import blob as blob_module

CONTENT = random.Random(1).randbytes(3_000_000)


def sha(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "blobs", max_bytes=10_000_000)


def uploaded(blobs, content, owner="alice"):
    part = blobs.part(sha(content), len(content), owner)
    blobs.finish(blobs.append(part, part.received_bytes, io.BytesIO(content[part.received_bytes :])))


def test_what_is_uploaded_in_pieces_comes_back_whole(blobs):
    part = blobs.part(sha(CONTENT), len(CONTENT), "alice")
    assert (part.received_bytes, part.is_complete) == (0, False)
    for end in (1, 1_000_000, 1_000_000, 2_999_999, 3_000_000):
        part = blobs.append(part, part.received_bytes, io.BytesIO(CONTENT[part.received_bytes : end]))
        assert part.received_bytes == end
        assert blobs.part(sha(CONTENT), len(CONTENT), "alice") == part
        assert not blobs.has(sha(CONTENT))
    path = blobs.finish(part)
    assert path == blobs.path(sha(CONTENT))
    assert path.read_bytes() == CONTENT
    with blobs.open(sha(CONTENT)) as file:
        assert file.read() == CONTENT
    assert list(blobs.hashes()) == [sha(CONTENT)]


def test_an_empty_file_can_be_stored(blobs):
    uploaded(blobs, b"")
    assert blobs.path(sha(b"")).read_bytes() == b""


def test_a_wrong_offset_is_a_conflict_that_names_the_right_one(blobs):
    part = blobs.append(blobs.part(sha(CONTENT), len(CONTENT), "alice"), 0, io.BytesIO(CONTENT[:5]))
    for offset in (0, 4, 6, -1):
        with pytest.raises(Conflict, match=f"goes to offset 5, not {offset}"):
            blobs.append(part, offset, io.BytesIO(CONTENT))
    assert blobs.part(sha(CONTENT), len(CONTENT), "alice").received_bytes == 5


def test_more_bytes_than_declared_are_refused(blobs):
    part = blobs.part(sha(b"abc"), 3, "alice")
    with pytest.raises(InvalidInput, match="longer than the 3 bytes"):
        blobs.append(part, 0, io.BytesIO(b"abcd"))
    assert blobs.part(sha(b"abc"), 3, "alice").received_bytes <= 3


@pytest.mark.parametrize("size_bytes", [10_000_001, -1, 2**63])
def test_a_size_beyond_the_limit_is_refused_before_a_byte_is_written(blobs, tmp_path, size_bytes):
    with pytest.raises(InvalidInput, match="at most 10000000 bytes"):
        blobs.part(sha(CONTENT), size_bytes, "alice")
    assert not (tmp_path / "blobs").exists()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", "é" * 64])
def test_what_is_no_hash_is_refused_everywhere(blobs, name):
    for act in (lambda: blobs.part(name, 1, "alice"), lambda: blobs.has(name), lambda: blobs.delete(name)):
        with pytest.raises(InvalidInput, match="is no SHA-256"):
            act()


def test_other_content_than_announced_is_discarded_and_told(blobs):
    part = blobs.append(blobs.part(sha(b"abc"), 3, "alice"), 0, io.BytesIO(b"abd"))
    with pytest.raises(InvalidInput, match=f"hash {sha(b'abd')}, not {sha(b'abc')}; they were discarded"):
        blobs.finish(part)
    assert not blobs.has(sha(b"abc"))
    assert not blobs.has(sha(b"abd"))
    assert blobs.part(sha(b"abc"), 3, "alice").received_bytes == 0


def test_an_upload_cannot_be_finished_before_its_end_nor_twice(blobs):
    part = blobs.append(blobs.part(sha(b"abc"), 3, "alice"), 0, io.BytesIO(b"ab"))
    with pytest.raises(Conflict, match="2 of 3 bytes"):
        blobs.finish(part)
    blobs.finish(blobs.append(part, 2, io.BytesIO(b"c")))
    with pytest.raises(Conflict, match="not there any more"):
        blobs.finish(part)
    with pytest.raises(Conflict, match="not there any more"):
        blobs.append(part, 3, io.BytesIO(b""))


def test_a_stranger_who_knows_a_hash_has_to_send_the_bytes_too(blobs):
    uploaded(blobs, CONTENT)
    assert blobs.part(sha(CONTENT), len(CONTENT), "charlie").received_bytes == 0


def test_two_uploads_of_the_same_content_at_once_are_fine(blobs):
    alice = blobs.append(blobs.part(sha(b"abc"), 3, "alice"), 0, io.BytesIO(b"ab"))
    bob = blobs.append(blobs.part(sha(b"abc"), 3, "bob"), 0, io.BytesIO(b"abc"))
    blobs.finish(bob)
    blobs.finish(blobs.append(alice, 2, io.BytesIO(b"c")))
    assert blobs.path(sha(b"abc")).read_bytes() == b"abc"


def test_many_writers_of_one_upload_leave_the_right_bytes(blobs):
    part = blobs.part(sha(CONTENT), len(CONTENT), "alice")
    problems = []

    def write():
        while not blobs.has(sha(CONTENT)):
            try:
                offset = blobs.part(sha(CONTENT), len(CONTENT), "alice").received_bytes
                now = blobs.append(part, offset, io.BytesIO(CONTENT[offset : offset + 400_000]))
                if now.is_complete:
                    blobs.finish(now)
            except Conflict:
                continue
            except Exception as error:
                problems.append(error)
                return

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert blobs.path(sha(CONTENT)).read_bytes() == CONTENT


def test_a_writer_that_was_slow_cannot_change_what_was_verified(blobs):
    part = blobs.append(blobs.part(sha(b"abcd"), 4, "alice"), 0, io.BytesIO(b"ab"))

    class Slow:
        turns = 0

        def read(self, size):
            self.turns += 1
            if self.turns == 1:  # meanwhile the other one finishes
                blobs.finish(blobs.append(part, 2, io.BytesIO(b"cd")))
                return b"XX"
            return b""

    with pytest.raises(Conflict, match="not there any more"):
        blobs.append(part, 2, Slow())
    assert blobs.path(sha(b"abcd")).read_bytes() == b"abcd"


def test_what_came_before_a_connection_broke_is_kept(blobs):
    class Broken:
        turns = 0

        def read(self, size):
            self.turns += 1
            if self.turns > 2:
                raise ConnectionResetError("cut")
            return [b"abc", b"de"][self.turns - 1]

    part = blobs.part(sha(b"abcdefg"), 7, "alice")
    with pytest.raises(ConnectionResetError):
        blobs.append(part, 0, Broken())
    part = blobs.part(sha(b"abcdefg"), 7, "alice")
    assert part.received_bytes == 5
    blobs.finish(blobs.append(part, 5, io.BytesIO(b"fg")))


def test_a_full_disk_is_told_as_such(blobs, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    part = blobs.part(sha(b"abc"), 3, "alice")
    monkeypatch.setattr(blob_module.os, "pwrite", full)
    with pytest.raises(Unavailable, match="disk is full"):
        blobs.append(part, 0, io.BytesIO(b"abc"))
    with pytest.raises(Unavailable, match="disk is full"):
        blobs.put(io.BytesIO(b"abc"))


def test_bytes_at_hand_are_stored_at_once(blobs, tmp_path):
    assert blobs.put(io.BytesIO(CONTENT)) == sha(CONTENT)
    assert blobs.put(io.BytesIO(CONTENT)) == sha(CONTENT)
    assert blobs.path(sha(CONTENT)).read_bytes() == CONTENT
    with pytest.raises(InvalidInput, match="larger than 5 bytes"):
        Blobs(tmp_path / "blobs", max_bytes=5).put(io.BytesIO(CONTENT))
    assert list((tmp_path / "blobs" / "parts").iterdir()) == []


def test_what_is_deleted_is_gone_but_whoever_reads_it_can_go_on(blobs):
    uploaded(blobs, CONTENT)
    with blobs.open(sha(CONTENT)) as file:
        assert blobs.delete(sha(CONTENT))
        assert file.read() == CONTENT
    assert not blobs.delete(sha(CONTENT))
    for act in (blobs.path, blobs.open):
        with pytest.raises(NotFound, match="no file with the hash"):
            act(sha(CONTENT))


def test_uploads_that_nobody_goes_on_with_are_cleaned_up(blobs, tmp_path):
    blobs.part(sha(b"old"), 3, "alice")
    (old,) = (tmp_path / "blobs" / "parts").iterdir()
    os.utime(old, (time.time() - 7200,) * 2)
    blobs.part(sha(b"new"), 3, "alice")
    uploaded(blobs, b"whole")
    assert blobs.clean(1.0) == 1
    assert not old.exists()
    assert blobs.clean(1.0) == 0
    assert blobs.has(sha(b"whole"))


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_pieces_of_any_size_make_the_whole(tmp_path_factory, content, cuts):
    blobs = Blobs(tmp_path_factory.mktemp("blobs"))
    part = blobs.part(sha(content), len(content), "alice")
    for end in [*sorted(cuts), 200]:
        part = blobs.append(part, part.received_bytes, io.BytesIO(content[part.received_bytes : end]))
    assert blobs.finish(part).read_bytes() == content


UPLOADER = textwrap.dedent(
    """
    import io, random, sys
    from pathlib import Path
    from rilaas.store import Blobs
    import hashlib
    blobs = Blobs(Path(sys.argv[1]))
    print("ready", flush=True)
    for seed in range(10_000):
        content = random.Random(seed).randbytes(300_000)
        part = blobs.part(hashlib.sha256(content).hexdigest(), len(content), "alice")
        while not part.is_complete:
            at = part.received_bytes
            part = blobs.append(part, at, io.BytesIO(content[at:at + 50_000]))
            print(seed, part.received_bytes, flush=True)
        blobs.finish(part)
        blobs.put(io.BytesIO(content[::-1]))
    """
)


@pytest.mark.parametrize("moment", range(8))
def test_a_process_killed_at_any_moment_leaves_nothing_half_stored(tmp_path, moment):
    process = subprocess.Popen([sys.executable, "-c", UPLOADER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        for _ in range(1 + 5 * moment):
            acknowledged = process.stdout.readline()
        time.sleep(random.Random(moment).random() * 0.02)
        process.send_signal(signal.SIGKILL)
        whole, _, _ = (acknowledged + process.stdout.read()).rpartition("\n")  # the last line may be half written
        acknowledged = whole.splitlines()[-1]
    blobs = Blobs(tmp_path)
    for name in blobs.hashes():
        assert sha(blobs.path(name).read_bytes()) == name
    if "ready" not in acknowledged:  # what was acknowledged is there, and can be gone on with
        seed, received = map(int, acknowledged.split())
        content = random.Random(seed).randbytes(300_000)
        if not blobs.has(sha(content)):
            assert blobs.part(sha(content), len(content), "alice").received_bytes >= received
            uploaded(blobs, content)
        assert blobs.path(sha(content)).read_bytes() == content
