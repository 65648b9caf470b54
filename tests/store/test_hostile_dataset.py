"""Data sets that an attacker or a bad disk made: an error of ours, and nothing else happens."""

import os
import sqlite3
import struct
import sys
import zipfile

import lz4.frame
import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType

from rilaas.core import InvalidInput, RilaasError, Signature, TensorSpec
from rilaas.store.dataset import Dataset, DatasetLimits, bind, freeze_dataset
from rilaas.store.dataset.message import decode_message, read_definitions
from rilaas.store.dataset.recording import Message, _decompressed
from rilaas.store.dataset.topic import topic_samples
from tests.store.recordings import save_picture, write_bag, write_mcap, write_plain_mcap

# Ten levels of a hundred of the next one, and nothing in the last.
_NESTED = "L0 x\n" + "".join(
    f"{'=' * 80}\nMSG: a/L{level}\n{f'L{level + 1}[100] x' if level < 10 else 'uint8[0] x'}\n" for level in range(11)
)
LIMITS = DatasetLimits(total_bytes=2**24, sample_bytes=2**22, samples=1000, files=1000, pixels=10**6)


@pytest.fixture(scope="module")
def uploads(tmp_path_factory):
    top = tmp_path_factory.mktemp("uploads")
    np.savez(
        top / "a.npz", x=np.arange(12.0).reshape(4, 3), t=np.array(["a", "bc", "", "d"]), y=np.zeros((4, 2), "<i2")
    )
    np.savez_compressed(top / "b.npz", x=np.arange(12.0).reshape(4, 3))
    write_mcap(top / "c.mcap")
    write_mcap(top / "d.mcap", CompressionType.NONE)
    write_plain_mcap(top / "e.mcap", [("/speed", "Speed", {"value": n}) for n in range(3)])
    (bag,) = write_bag(top / "bag").glob("*.db3")
    save_picture(top / "f.png", 1)
    save_picture(top / "g.jpg", 1)
    with zipfile.ZipFile(top / "h.zip", "w") as archive:
        archive.write(top / "f.png", "f.png")
        archive.writestr("labels.csv", "file,x\nf.png,1\n")
    return [bag.read_bytes(), *(path.read_bytes() for path in sorted(top.glob("?.*")))]


@settings(max_examples=800, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_upload_is_a_data_set_or_an_error_of_ours(uploads, tmp_path, data):
    content = bytearray(data.draw(st.sampled_from(uploads)))
    start = data.draw(st.sampled_from([0, 0, max(0, len(content) - 500)]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(start, min(len(content), start + 4000) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path, target = tmp_path / "upload", tmp_path / "frozen"
    path.write_bytes(content[: data.draw(st.sampled_from([None, None, None, len(content) // 2]))])
    target.unlink(missing_ok=True)
    try:
        info = freeze_dataset(path, "upload", target, limits=LIMITS)
        with Dataset(target) as found:
            assert len(list(found)) == info.samples
    except RilaasError:
        assert not target.exists()
    assert {each.name for each in tmp_path.iterdir()} <= {"upload", "frozen"}


@settings(max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_frozen_file_is_an_error_of_ours(uploads, tmp_path, data):
    whole = tmp_path / "whole"
    if not whole.exists():
        (tmp_path / "upload").write_bytes(uploads[1])
        freeze_dataset(tmp_path / "upload", "a.npz", whole)
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "broken").write_bytes(content)
    try:
        with Dataset(tmp_path / "broken") as found:
            list(found)
    except InvalidInput:
        pass


@settings(max_examples=300, deadline=None)
@given(text=st.text("abAB/_[]<=019 \n#=int32floatstringMSG:", max_size=200), data=st.binary(max_size=200))
def test_definitions_and_messages_are_read_or_refused(text, data):
    try:
        definitions = read_definitions("a/msg/A", text)
        decode_message("a/msg/A", b"\0\1\0\0" + data, definitions)
    except ValueError:
        pass


def test_a_definition_is_never_run_as_code(tmp_path):
    evil = "x/msg/A:\n  pass\nimport os; os.environ['OWNED'] = '1'\nclass B"
    messages = [Message("/evil", evil, "cdr", "float64 x\nfloat64 y = __import__('os')\n", b"\0\1\0\0" + bytes(16))]
    list(topic_samples(lambda: iter(messages), "x", LIMITS, []))
    assert "OWNED" not in os.environ
    assert "rosbags.usertypes" not in sys.modules or not hasattr(sys.modules["rosbags.usertypes"], "x__msg__A")


@pytest.mark.parametrize(
    ("text", "data", "why"),
    [
        ("float64[] x", struct.pack("<I", 2**32 - 1), "cut off"),
        ("float64[4000000000] x", b"", "cut off"),
        ("A x", b"", "nested more than 16 deep"),
        ("A[] x", struct.pack("<I", 2**31), "items"),
        ("string[] x", struct.pack("<I", 2**31), "items"),
        ("string x", struct.pack("<I", 2**31), "cut off"),
        ("b/B x", b"", "no definition of 'b/B'"),
        ("wstring x", b"", "wide characters"),
        ("!this is no field", b"", "has the line"),
        (_NESTED, bytes(1000), "more than 1000000 values"),
    ],
)
def test_messages_that_claim_too_much_are_refused(text, data, why):
    with pytest.raises(ValueError, match=why):
        decode_message("a/msg/A", b"\0\1\0\0" + data, read_definitions("a/msg/A", text))


def test_messages_in_both_byte_orders_are_read():
    definitions = read_definitions("a/msg/A", "uint8 a\nfloat64 b\nint16[2] c\nstring d 'x'\nuint8 E=3\nbool[<=3] f")
    for mark, order in ((0, ">"), (1, "<")):
        data = struct.pack(f"{order}B7xdhhI4sI2B", 7, 0.5, -1, 2, 4, b"abc\0", 2, 1, 0)
        found = decode_message("a/msg/A", bytes([0, mark, 0, 0]) + data, definitions)
        assert (found["a"], found["b"], list(found["c"]), found["d"]) == (7, 0.5, [-1, 2], "abc")
        assert list(found["f"]) == [1, 0]


@pytest.mark.parametrize("method", ["zstd", "lz4"])
def test_a_chunk_that_is_a_bomb_is_not_unpacked(method):
    zeros = bytes(50_000_000)
    packed = zstandard.compress(zeros) if method == "zstd" else lz4.frame.compress(zeros)
    with pytest.raises(ValueError, match="unpacks to more than 1000 bytes"):
        _decompressed(method, packed, 1000)
    assert _decompressed(method, packed, len(zeros)) == zeros


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("CREATE VIEW messages AS SELECT 1", "no table messages"),
        ("CREATE TABLE messages(id, topic_id, data BLOB GENERATED ALWAYS AS (zeroblob(1000000000)))", "is computed"),
        ("CREATE TABLE messages(id, topic_id, data)", "holds no samples|no topic"),
    ],
)
def test_a_database_that_computes_is_not_asked(tmp_path, sql, why):
    path = tmp_path / "bag.db3"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE topics(id, name, type, serialization_format)")
        database.execute(sql)
    database.close()
    with pytest.raises(InvalidInput, match=why):
        freeze_dataset(path, "bag.db3", tmp_path / "frozen")


def test_a_recording_is_bound_to_a_model_as_it_comes(tmp_path):
    freeze_dataset(write_mcap(tmp_path / "run.mcap"), "run.mcap", tmp_path / "frozen")
    specs = TensorSpec("image_raw", "UINT8", (-1, 12, 16, 3)), TensorSpec("position", "FP32", (-1, 2))
    with Dataset(tmp_path / "frozen") as data:
        found = bind(data[0].inputs, Signature.of(specs, ()))
    assert found.inputs["image_raw"].shape == (1, 12, 16, 3)
    assert any(note.startswith("Not used: cmd_vel/angular") for note in found.notes)
