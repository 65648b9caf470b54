"""The file of a learned policy: what goes in comes out, and what is wrong with one is said."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from rilaas.balance.learned_file import read_learned, write_learned
from rilaas.core import InvalidInput, NotFound

CARD = {"servers": ["edge", "cloud"], "seed": 3}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "deep" / "q.npz"
    write_learned(path, "q_learning", {"values": np.arange(6.0).reshape(2, 3)}, CARD)
    return path


@given(
    array=arrays_of.arrays(
        st.sampled_from(["f4", "f8", "i2", "u8", "?"]),
        arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False},
    )
)
def test_what_was_written_is_read_again(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("learned") / "a.npz"
    write_learned(path, "deep_q", {"a": array, "b.c": array}, CARD)
    arrays, card = read_learned(path, "deep_q")
    assert card == {**CARD, "format": 1, "kind": "deep_q"}
    assert list(arrays) == ["a", "b.c"]
    for read in arrays.values():
        assert read.dtype == array.dtype
        assert read.shape == array.shape
        assert np.array_equal(read, array)


def test_the_same_arrays_and_card_make_the_same_bytes(path, tmp_path):
    arrays, card = read_learned(path, "q_learning")
    write_learned(tmp_path / "again.npz", "q_learning", arrays, card)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_nothing_is_left_beside_the_file(path):
    write_learned(path, "q_learning", {}, {})
    assert [each.name for each in path.parent.iterdir()] == ["q.npz"]


def test_a_file_that_is_not_there_is_answered_with_how_to_make_one(tmp_path):
    with pytest.raises(NotFound) as caught:
        read_learned(tmp_path / "q.npz", "q_learning")
    assert "rilaas learn balancer --policy q_learning --out" in caught.value.hint


def test_a_file_of_another_policy_is_refused_with_its_name(path):
    with pytest.raises(InvalidInput, match="trained for the policy 'q_learning', not for 'deep_q'") as caught:
        read_learned(path, "deep_q")
    assert f"q_learning={path}" in caught.value.hint


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_was_cut_off_is_refused(tmp_path_factory, share):
    path = tmp_path_factory.mktemp("cut") / "q.npz"
    write_learned(path, "q_learning", {"values": np.arange(1000.0)}, CARD)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InvalidInput, match="no file of a learned policy"):
        read_learned(path, "q_learning")


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_damaged_file_is_read_as_it_was_or_refused(tmp_path_factory, position, bit):
    path = tmp_path_factory.mktemp("bit") / "q.npz"
    values = np.random.default_rng(0).normal(size=100)
    write_learned(path, "q_learning", {"values": values}, CARD)
    data = bytearray(path.read_bytes())
    data[int(position * len(data))] ^= 1 << bit
    path.write_bytes(data)
    try:
        arrays, _ = read_learned(path, "q_learning")
    except InvalidInput:
        return
    assert all(np.array_equal(array, values) for array in arrays.values())


def test_pickled_objects_are_never_loaded(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, card=np.array([{"kind": "q_learning"}], dtype=object))
    with pytest.raises(InvalidInput, match="no file of a learned policy"):
        read_learned(path, "q_learning")


def test_an_archive_that_would_unpack_to_gigabytes_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("values.npy", bytes(65 * 2**20))
    with pytest.raises(InvalidInput, match="unpacks to more than 64 MiB"):
        read_learned(path, "q_learning")


@pytest.mark.parametrize("card", [[], {}, {"kind": 3}, "q_learning"])
def test_a_card_that_names_no_kind_is_refused(tmp_path, card):
    path = tmp_path / "q.npz"
    np.savez(path, card=np.frombuffer(json.dumps(card).encode(), np.uint8))
    with pytest.raises(InvalidInput, match="its card names no kind"):
        read_learned(path, "q_learning")


def test_a_newer_format_is_refused_with_its_number(tmp_path):
    path = tmp_path / "q.npz"
    np.savez(path, card=np.frombuffer(json.dumps({"kind": "q_learning", "format": 2}).encode(), np.uint8))
    with pytest.raises(InvalidInput, match="of format 2; this rilaas reads 1"):
        read_learned(path, "q_learning")


def test_numbers_that_are_not_finite_are_neither_written_nor_read(tmp_path):
    path = tmp_path / "q.npz"
    with pytest.raises(ValueError, match="not finite"):
        write_learned(path, "q_learning", {"values": np.array([np.nan])}, CARD)
    card = np.frombuffer(json.dumps({"kind": "q_learning", "format": 1}).encode(), np.uint8)
    np.savez(path, card=card, values=np.array([np.inf]))
    with pytest.raises(InvalidInput, match="not finite"):
        read_learned(path, "q_learning")


def test_words_are_no_arrays(tmp_path):
    with pytest.raises(ValueError, match="not numbers"):
        write_learned(tmp_path / "q.npz", "q_learning", {"names": np.array(["a"])}, CARD)


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_learned(tmp_path / "file" / "q.npz", "q_learning", {}, {})


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_learned(tmp_path, "q_learning")


def test_an_archive_without_a_card_is_refused(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, values=np.zeros(3))
    (tmp_path / "q.npz").write_bytes(buffer.getvalue())
    with pytest.raises(InvalidInput, match="no file of a learned policy"):
        read_learned(tmp_path / "q.npz", "q_learning")
