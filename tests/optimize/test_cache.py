"""The cache of networks: whole or not at all, found by content, bounded."""

import os

import pytest

from rilaas.optimize.cache import Cache, key_of
from rilaas.optimize.network import Network

KEY, OTHER, THIRD = (key_of({"n": number}) for number in range(3))


def entry(cache, key):
    return cache.folder / key[:2] / f"{key}.network"


def test_what_was_kept_comes_back_with_its_format_and_what_it_took(tmp_path):
    cache = Cache(tmp_path)
    cache.put(KEY, Network(b"TFL3", "tflite"), 1.5)
    kept = cache.get(KEY)
    assert (kept.network.data, kept.network.format, kept.seconds) == (b"TFL3", "tflite", 1.5)


def test_what_was_never_kept_is_not_there(tmp_path):
    assert Cache(tmp_path / "none").get(KEY) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:-1] + b"\0",
        lambda data: b"",
        lambda data: b"not JSON\nabc",
        lambda data: data.replace(b'"onnx"', b'"exec"'),
        lambda data: b"\xff" * 10_000,
    ],
    ids=["cut", "changed", "empty", "no head", "another format", "noise"],
)
def test_a_damaged_entry_is_none_and_goes(tmp_path, damage):
    cache = Cache(tmp_path)
    cache.put(KEY, Network(b"weights"), 1.0)
    path = entry(cache, KEY)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(KEY) is None
    assert not path.exists()


def test_an_interrupted_write_leaves_no_entry(tmp_path, monkeypatch):
    cache = Cache(tmp_path)

    def interrupted(number, mode):
        os.close(number)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fdopen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.put(KEY, Network(b"weights"), 1.0)
    assert cache.get(KEY) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_was_not_used_for_the_longest_time_goes_first(tmp_path):
    cache = Cache(tmp_path, limit_bytes=2600)
    for age, key in ((30, KEY), (20, OTHER)):
        cache.put(key, Network(bytes(1000)), 1.0)
        os.utime(entry(cache, key), ns=(0, 10**18 - age))
    assert cache.get(KEY)  # used just now
    cache.put(THIRD, Network(bytes(1000)), 1.0)
    assert [cache.get(key) is not None for key in (KEY, OTHER, THIRD)] == [True, False, True]
    assert cache.size_bytes() <= 2600


def test_a_disk_that_takes_nothing_costs_the_entry_and_not_the_work(tmp_path):
    (tmp_path / KEY[:2]).write_text("a file where a folder should be")
    cache = Cache(tmp_path)
    cache.put(KEY, Network(b"weights"), 1.0)
    assert cache.get(KEY) is None


def test_keys_depend_on_every_part_and_not_on_the_order():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1, "b": 2}) != key_of({"a": 1, "b": 3})
