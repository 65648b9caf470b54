import os
import threading

import pytest

from rilaas.core import InvalidModelFolder, Unavailable
from rilaas.deploy import ArchiveCache
from rilaas.store import pack, read_model_folder
from tests.model_folders import write_affine_model


@pytest.fixture
def registry(tmp_path):
    """Archives by digest, a cache of them, and a list of what was downloaded."""
    archives, downloads = {}, []
    for number in range(6):
        folder = write_affine_model(tmp_path / "models" / str(number), a=number)
        archives[read_model_folder(folder).digest] = pack(folder, tmp_path / f"{number}.tar.gz")

    def download(digest, target):
        downloads.append(digest)
        target.write_bytes(archives[digest].read_bytes())

    return list(archives), downloads, lambda **more: ArchiveCache(tmp_path / "cache", download, **more)


def test_a_model_is_fetched_once_and_verified_each_time(registry):
    digests, downloads, make = registry
    for cache in (make(), make()):  # a second process
        folder = cache.get(digests[0])
        assert read_model_folder(folder).digest == digests[0]
    assert downloads == digests[:1]
    (folder / "weights.onnx").write_bytes(b"somebody else's")
    assert read_model_folder(make().get(digests[0])).digest == digests[0]
    assert downloads == [digests[0]] * 2


def test_folders_that_nothing_uses_go_oldest_use_first(registry):
    digests, downloads, make = registry
    cache = make(keep=2)
    for digest in digests[:5]:
        cache.get(digest)
    cache.get(digests[0])
    cache.prune({digests[1]})
    kept = {path.name for path in cache.get(digests[1]).parent.iterdir()}
    assert kept == {digests[number].removeprefix("sha256:") for number in (0, 1, 4)}
    assert len(downloads) == 5


def test_two_that_ask_for_the_same_model_at_once_share_one_download(registry):
    digests, downloads, make = registry
    cache, found = make(), []
    threads = [threading.Thread(target=lambda: found.append(cache.get(digests[0]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(downloads) == 1


def test_what_a_killed_process_left_half_done_is_removed(registry, tmp_path):
    _, _, make = registry
    for name in (".fetch-1", ".unpack-2"):
        (tmp_path / "cache" / name).mkdir(parents=True)
    make().sweep()
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("size", [0, 10, 300])
def test_a_download_that_is_cut_off_leaves_nothing(registry, tmp_path, size):
    digests, _, make = registry
    whole = make()._download

    def cut(digest, target):
        whole(digest, target)
        os.truncate(target, size)

    with pytest.raises(InvalidModelFolder):
        ArchiveCache(tmp_path / "cache", cut).get(digests[0])
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_hub_that_is_away_is_told_as_such(tmp_path):
    def away(digest, target):
        raise Unavailable("The hub cannot be reached.")

    with pytest.raises(Unavailable, match="cannot be reached"):
        ArchiveCache(tmp_path / "cache", away).get(f"sha256:{'0' * 64}")
