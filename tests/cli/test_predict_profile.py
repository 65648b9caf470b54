"""Measuring a model: what is printed, what is kept, and where."""

import json

import numpy as np
import pytest

from rilaas.cli.fleet import FleetServer
from rilaas.core import ModelRef
from rilaas.store import LatencyRow, Shelf, Times, read_model_folder
from tests.file_fleet import FileFleet
from tests.hub_process import HubProcess
from tests.model_folders import COUNTING_MODEL, write_affine_model, write_python_model

SLOW = Times(0.5, 0.6, 0.7, 0.8, 0.9)
ELSEWHERE = LatencyRow(
    "a slower processor", 4, (), {"onnxruntime": "1.0"}, 1, 30, SLOW, SLOW, 0.0, "2026-01-01T00:00:00Z"
)


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "home")


@pytest.fixture
def varied(call, tmp_path):
    """A version and its variant in the local store."""
    call("push", write_affine_model(tmp_path / "one"))
    call("push", write_affine_model(tmp_path / "two", a=2.01), "--as", "affine:1", "--variant", "int8")


def latency_of(done):
    report = json.loads(done.out)
    return next(table for table in report["tables"] if table["title"] == "Latency")


def test_a_stored_variant_is_measured_and_its_row_is_kept(call, varied, shelf):
    done = call("predict", "affine:1@int8", "--profile", "30")
    assert done.code == 0, done.err
    assert "drawn values that fit the signature are asked" in done.err
    assert "kept in the local store beside affine:1@int8" in done.err
    (row,) = shelf.latencies(shelf.folder(ModelRef.parse("affine:1@int8")).digest)
    assert (row.n, row.threads) == (30, 1)
    assert 0.0 < row.compute.p50_s <= row.total.p50_s <= row.total.p99_s <= row.total.worst_s
    assert {"rilaas", "onnxruntime"} == set(row.versions)
    assert shelf.latencies(shelf.folder(ModelRef.parse("affine:1")).digest) == []  # the original was not measured


def test_rows_of_other_machines_stand_beside_those_of_this_one(call, varied, shelf):
    digest = shelf.folder(ModelRef.parse("affine:1@int8")).digest
    shelf.note_latency(digest, ELSEWHERE)
    table = latency_of(call("predict", "affine:1@int8", "--profile", "5", "--json", "-"))
    assert [row[:2] for row in table["rows"]] == [
        ["this machine", "policy"],
        ["this machine", "weights alone"],
        ["a slower processor, 4 cores", "policy"],
        ["a slower processor, 4 cores", "weights alone"],
    ]
    columns = dict(zip(table["columns"], table["rows"][2], strict=True))
    assert columns["p50 [ms]"] == 500.0
    assert columns["worst [ms]"] == 900.0
    assert columns["n"] == 30


def test_of_a_machine_that_was_measured_twice_the_newest_row_is_shown(call, varied, shelf):
    digest = shelf.folder(ModelRef.parse("affine:1@int8")).digest
    newer = LatencyRow.of({**ELSEWHERE.as_json(), "stamp_utc": "2026-02-01T00:00:00Z", "n": 31})
    for row in (newer, ELSEWHERE):
        shelf.note_latency(digest, row)
    table = latency_of(call("predict", "affine:1@int8", "--profile", "5", "--json", "-"))
    assert [row[6] for row in table["rows"]] == [5, 5, 31, 31]


def test_an_input_that_was_given_is_what_is_asked(call, tmp_path):
    (tmp_path / "model").mkdir()
    write_python_model(tmp_path / "model", COUNTING_MODEL)
    np.savez(tmp_path / "in.npz", x=np.zeros((1, 3), np.float32))
    assert "drawn values" not in call("predict", tmp_path / "model", tmp_path / "in.npz", "--profile", "3").err
    np.savez(tmp_path / "bad.npz", y=np.zeros((1, 3), np.float32))
    assert call("predict", tmp_path / "model", tmp_path / "bad.npz", "--profile", "3").code == 2


def test_a_folder_that_is_not_in_the_store_leaves_nothing_there(call, tmp_path):
    folder = write_affine_model(tmp_path / "one")
    done = call("predict", folder, "--profile", "3", "-q")
    assert done.code == 0
    assert not (tmp_path / "home" / "store" / "latencies").exists()


def test_without_a_number_200_predictions_are_measured(call, varied):
    report = json.loads(call("predict", "affine:1", "--profile", "--json", "-").out)
    assert report["metrics"]["total_s"]["n"] == 200
    assert (report["kind"], report["verdict"]) == ("latency profile", "measured")


def test_a_deadline_is_told_as_the_share_that_came_later(call, varied):
    done = call("predict", "affine:1", "--profile", "10", "--deadline", "0.0000001", "--json", "-")
    assert json.loads(done.out)["metrics"]["deadline_miss_share"]["mean"] == 1.0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--profile", "0"), "no number of predictions from 1 to 1,000,000"),
        (("--profile", "frame.npz"), "Write the file before the flag: frame.npz --profile"),
        (("--profile", "5", "--out", "x.npz"), "Leave --out or --profile away"),
        (("--hub", "http://127.0.0.1:9"), "Add --profile, or leave --hub away"),
        ((), "INPUT.npz is missing"),
    ],
    ids=lambda words: "_".join(words) if isinstance(words, tuple) else "",
)
def test_what_cannot_be_measured_is_told(call, varied, words, told):
    done = call("predict", "affine:1", *words)
    assert done.code == 2
    assert told in done.error


def test_a_fleet_is_measured_as_round_trips_by_server(call, make_model, tmp_path):
    model = make_model(tmp_path / "model", "straight")
    with FileFleet(tmp_path / "fleet", model, "straight", (FleetServer("edge-1", "edge"),)) as fleet:
        remote = ("--target", fleet.address, "--key", fleet.key_path, "--ca", fleet.ca_path)
        done = call("predict", "straight", "--profile", "8", *remote, "--json", "-")
    report = json.loads(done.out)
    assert report["metrics"]["total_s"]["servers"]["edge-1"]["n"] == 8
    rows = report["tables"][0]["rows"]
    assert [row[:2] for row in rows] == [[fleet.address, "round trip"], [fleet.address, "weights alone"]]
    assert rows[1][2] <= rows[0][2]
    assert "kept" not in done.err


def test_a_hub_keeps_the_row_beside_its_variant_and_a_pull_brings_it(call, tmp_path, monkeypatch):
    with HubProcess(tmp_path / "hub-home") as hub:
        monkeypatch.setenv("RILAAS_TOKEN", hub.token)
        one, two = write_affine_model(tmp_path / "one"), write_affine_model(tmp_path / "two", a=2.01)
        call("push", one, "--hub", hub.url)
        call("push", two, "--hub", hub.url, "--as", "affine:1", "--variant", "int8")
        call("push", one)
        call("push", two, "--as", "affine:1", "--variant", "int8")
        done = call("predict", "affine:1@int8", "--profile", "5", "--hub", hub.url)
        assert done.code == 0, done.err
        assert "kept at the hub beside local/affine" in done.err
        pulled = call("pull", "affine:1@int8", "--hub", hub.url, "--home", tmp_path / "other")
        assert (pulled.code, pulled.out) == (0, "affine:1@int8\n")
        assert "with version 1, which it was made from" in pulled.err
        there = Shelf(tmp_path / "other")
        (row,) = there.latencies(read_model_folder(two).digest)
        assert row.n == 5
        assert there.folder(ModelRef.parse("affine:1")).digest == read_model_folder(one).digest
        three = write_affine_model(tmp_path / "three", a=2.02)
        call("push", three)
        refused = call("predict", "affine:2", "--profile", "5", "--hub", hub.url)
        assert (refused.code, "Push it there first" in refused.error) == (3, True)
