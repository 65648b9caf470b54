"""Variants in the local store: beside their version, told apart by content, replaced by intent alone; latencies."""

import json
import subprocess
import sys
import threading

import pytest

from rilaas.core import Conflict, InvalidInput, InvalidModelFolder, ModelRef, NotFound, SignatureMismatch
from rilaas.store import LatencyRow, Shelf, Times, read_model_folder
from rilaas.store.shelf import MAX_LATENCIES
from tests.model_folders import write_affine_model

TIMES = Times(0.001, 0.002, 0.003, 0.004, 0.005)


def row(n=100, **more):
    said = {
        "machine": "a processor",
        "cores": 2,
        "features": ("AVX2",),
        "versions": {"onnxruntime": "1.31.1"},
        "threads": 1,
        "n": n,
        "compute": TIMES,
        "total": TIMES,
        "load_average": 0.5,
        "stamp_utc": "2026-11-21T21:00:00Z",
    }
    return LatencyRow(**{**said, **more})


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "home")


@pytest.fixture
def affine(tmp_path):
    """``affine(a)``: a model folder y = a x + 1; ``parent`` writes a record that names one."""

    def make(a=2.0, parent=None, record=None, **more):
        folder = write_affine_model(tmp_path / f"a-{a}-{len(more)}", a=a, **more)
        if parent is not None:
            record = json.dumps({"parent": parent})
        if record is not None:
            (folder / "variant.json").write_text(record)
        return read_model_folder(folder)

    return make


def ref(text):
    return ModelRef.parse(text)


def test_a_variant_is_found_beside_the_version_that_it_was_made_from(shelf, affine):
    first, second = shelf.push(affine(2.0)), shelf.push(affine(3.0))
    small = affine(2.01, parent=first.digest)
    stored = shelf.push_variant(small, ref("affine:1"), "int8")
    assert (str(stored.ref), stored.is_new, stored.original) == ("affine:1@int8", True, first.digest)
    assert shelf.folder(ref("affine:1@int8")).digest == small.digest
    assert shelf.folder(ref(f"affine:{first.digest[7:19]}@int8")).digest == small.digest
    assert shelf.folder(ref("affine:1")).digest == first.digest
    assert [str(each.ref) for each in shelf.variants(ref("affine:1"))] == ["affine:1@int8"]
    assert shelf.variants(ref("affine")) == []  # of the newest version
    assert second.digest == shelf.folder(ref("affine")).digest


def test_the_version_that_is_meant_without_a_number_is_the_newest(shelf, affine):
    shelf.push(affine(2.0))
    shelf.push(affine(3.0))
    assert str(shelf.push_variant(affine(3.01), ref("affine"), "int8").ref) == "affine:2@int8"


def test_a_push_of_a_version_keeps_the_variants_of_the_others(shelf, affine):
    shelf.push(affine(2.0))
    shelf.push_variant(affine(2.01), ref("affine:1"), "int8")
    shelf.push(affine(3.0))
    assert [each.ref.variant for each in shelf.variants(ref("affine:1"))] == ["int8"]


def test_the_same_content_is_the_same_variant(shelf, affine):
    shelf.push(affine(2.0))
    shelf.push_variant(affine(2.01), ref("affine:1"), "int8")
    again = shelf.push_variant(affine(2.01), ref("affine:1"), "int8")
    assert not again.is_new


def test_another_content_takes_the_place_of_a_variant_only_where_that_is_said(shelf, affine):
    shelf.push(affine(2.0))
    old = shelf.push_variant(affine(2.01), ref("affine:1"), "int8")
    with pytest.raises(Conflict, match=r"affine:1@int8 is there with other content.*--replace"):
        shelf.push_variant(affine(2.02), ref("affine:1"), "int8")
    assert shelf.folder(ref("affine:1@int8")).digest == old.digest
    new = shelf.push_variant(affine(2.02), ref("affine:1"), "int8", replace=True)
    assert shelf.folder(ref("affine:1@int8")).digest == new.digest


def test_what_takes_other_tensors_is_no_variant(shelf, affine):
    shelf.push(affine(2.0))
    with pytest.raises(SignatureMismatch, match=r"affine:1.*x: FP32 \[-1, 3\] there, x: FP32 \[-1, 4\] here"):
        shelf.push_variant(affine(2.0, size=4), ref("affine:1"), "int8")
    assert shelf.variants(ref("affine:1")) == []


def test_a_variant_may_fix_the_free_batch_axis_to_one(shelf, affine):
    shelf.push(affine(2.0))
    folder = affine(2.01).path
    (folder / "model.toml").write_text((folder / "model.toml").read_text().replace("[-1, 3]", "[1, 3]"))
    fixed = read_model_folder(folder)
    assert shelf.push_variant(fixed, ref("affine:1"), "static").is_new
    shelf.push(fixed)
    with pytest.raises(SignatureMismatch):
        shelf.push_variant(affine(2.02), ref("affine:2"), "free")  # of an original that takes one sample


def test_a_variant_of_another_version_is_refused_with_both_digests(shelf, affine):
    first, second = shelf.push(affine(2.0)), shelf.push(affine(3.0))
    with pytest.raises(Conflict, match=f"{first.digest[:19]}, and affine:2 is {second.digest[:19]}"):
        shelf.push_variant(affine(2.01, parent=first.digest), ref("affine:2"), "int8")


@pytest.mark.parametrize("record", ["{", "[]", '{"parent": 3}', '{"parent": NaN}', "[" * 100_000])
def test_a_record_that_cannot_be_read_is_refused(shelf, affine, record):
    shelf.push(affine(2.0))
    with pytest.raises(InvalidModelFolder, match=r"variant\.json"):
        shelf.push_variant(affine(2.01, record=record), ref("affine:1"), "int8")
    assert shelf.variants(ref("affine:1")) == []


def test_a_variant_that_is_not_there_is_answered_with_those_that_are(shelf, affine):
    shelf.push(affine(2.0))
    with pytest.raises(NotFound, match=r"affine:1 has no variant 'int4'.*It has none.*rilaas push FOLDER --as"):
        shelf.folder(ref("affine@int4"))
    shelf.push_variant(affine(2.01), ref("affine:1"), "int8")
    with pytest.raises(NotFound, match="Did you mean 'int8'"):
        shelf.folder(ref("affine@int4"))


@pytest.mark.parametrize("index", ['{"digests": [], "variants": 3}', "[]", '{"variants": {}}'])
def test_a_damaged_index_is_told_and_stays_as_it_is(shelf, affine, tmp_path, index):
    shelf.push(affine(2.0))
    path = tmp_path / "home" / "store" / "models" / "affine.json"
    path.write_text(index)
    with pytest.raises(InvalidInput, match="damaged"):
        shelf.push(affine(3.0))
    assert path.read_text() == index


def test_two_processes_that_push_variants_at_once_both_keep_theirs(shelf, affine, tmp_path):
    shelf.push(affine(2.0))
    folders = [affine(2.0 + i / 100).path for i in range(1, 4)]
    command = [sys.executable, "-m", "rilaas.cli", "push", "--home", str(tmp_path / "home"), "-q", "--as", "affine:1"]
    processes = [
        subprocess.Popen([*command, str(folder), "--variant", f"v{i}"], stdout=subprocess.DEVNULL)
        for i, folder in enumerate(folders)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0] * 3
    assert [each.ref.variant for each in shelf.variants(ref("affine:1"))] == ["v0", "v1", "v2"]


def test_measurements_of_a_content_are_kept_in_order(shelf, affine):
    digest = shelf.push(affine(2.0)).digest
    assert shelf.latencies(digest) == []
    shelf.note_latency(digest, row(1))
    shelf.note_latency(digest, row(2))
    assert shelf.latencies(digest) == [row(1), row(2)]


def test_of_many_measurements_the_newest_stay(shelf):
    for n in range(1, MAX_LATENCIES + 3):
        shelf.note_latency("sha256:" + 64 * "0", row(n))
    kept = shelf.latencies("sha256:" + 64 * "0")
    assert (len(kept), kept[0].n, kept[-1].n) == (MAX_LATENCIES, 3, MAX_LATENCIES + 2)


def test_measurements_noted_at_once_are_all_kept(tmp_path):
    digest = "sha256:" + 64 * "1"
    threads = [threading.Thread(target=Shelf(tmp_path).note_latency, args=(digest, row(n))) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.n for each in Shelf(tmp_path).latencies(digest)) == list(range(1, 9))


def test_a_row_comes_back_from_json_as_it_was():
    assert LatencyRow.of(json.loads(json.dumps(row().as_json()))) == row()


@pytest.mark.parametrize(
    "change",
    [
        {"machine": ""},
        {"machine": "a\nb"},
        {"machine": "x" * 201},
        {"machine": 3},
        {"threads": 0},
        {"threads": True},
        {"n": 1.5},
        {"features": ["x"] * 21},
        {"versions": ["a"]},
        {"load_average": -1.0},
        {"load_average": 10**400},
        {"stamp_utc": "yesterday"},
        {"compute": None},
        {"total": {"p50_s": 2.0, "p90_s": 1.0, "p95_s": 3.0, "p99_s": 4.0, "worst_s": 5.0}},
        {"total": {"p50_s": float("nan"), "p90_s": 1.0, "p95_s": 3.0, "p99_s": 4.0, "worst_s": 5.0}},
        {"total": {"p50_s": 0.0, "p90_s": 1.0, "p95_s": 3.0, "p99_s": 4.0, "worst_s": 1e9}},
    ],
    ids=str,
)
def test_a_row_that_makes_no_sense_is_refused(change):
    with pytest.raises(InvalidInput):
        LatencyRow.of({**row().as_json(), **change})
