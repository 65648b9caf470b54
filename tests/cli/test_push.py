"""A model folder becomes a version of the local store."""

import json
import subprocess
import sys

import pytest

from rilaas.core import InvalidInput, ModelRef, NotFound
from rilaas.store import Shelf, read_model_folder, unpack


def test_push_prints_the_digest_and_says_what_to_do_next(call, model):
    done = call("push", model)
    assert done.code == 0
    assert done.out == f"{read_model_folder(model).digest}\n"
    assert done.err.splitlines()[-2:] == [
        "stored as straight:1",
        "next: rilaas evaluate straight:1 --suite lf",
    ]


def test_the_same_content_is_the_same_version_and_other_content_the_next(call, model):
    first, again = call("push", model), call("push", model)
    assert first.out == again.out
    assert "already there as straight:1" in again.err
    (model / "README.md").write_text("changed")
    other = call("push", model)
    assert other.out != first.out
    assert "stored as straight:2" in other.err


def test_with_out_an_archive_is_written_and_the_store_stays_as_it_is(call, model, tmp_path):
    done = call("push", model, "--out", tmp_path / "dist")
    (archive,) = (tmp_path / "dist").iterdir()
    assert unpack(archive, tmp_path / "again").digest == done.out.strip()
    assert not (tmp_path / "home" / "store").exists()
    assert "next: rilaas serve" in done.err


def test_a_stored_variant_is_packed_by_its_reference_and_not_pushed_to_where_it_is(call, model, tmp_path):
    call("push", model)
    call("push", model, "--variant", "int8", "--as", "straight:1")
    done = call("push", "straight:1@int8", "--out", tmp_path / "dist")
    assert done.out.strip() == read_model_folder(model).digest
    refused = call("push", "straight:1@int8")
    assert refused.code == 2
    assert refused.error.startswith("error: straight:1@int8 is in the local store already.")


def test_q_says_nothing_but_the_digest(call, model):
    done = call("push", model, "-q")
    assert (done.err, len(done.out.splitlines())) == ("", 1)


def test_json_is_a_report_in_a_file_or_on_standard_output(call, model, tmp_path):
    to_file = call("push", model, "--json", tmp_path / "new" / "push.json")
    assert to_file.out.startswith("sha256:")
    report = json.loads((tmp_path / "new" / "push.json").read_text())
    assert (report["kind"], report["verdict"]) == ("push", "passed")
    assert report["tables"][0]["rows"][0][:2] == ["straight:1", to_file.out.strip()]
    assert report["metrics"]["size_bytes"]["mean"] > 0
    to_stdout = call("push", model, "--json", "-")
    assert json.loads(to_stdout.out)["kind"] == "push"


def test_every_mistake_of_a_folder_is_told_at_once(call, model):
    text = (model / "model.toml").read_text()
    (model / "model.toml").write_text(text.replace('"python"', '"pyton"').replace("UINT8", "UNIT8"))
    done = call("push", model)
    assert done.code == 2
    assert "'pyton'" in done.error
    assert "'UNIT8'" in done.err


@pytest.mark.parametrize(("what", "code"), [("gone", 3), (".", 2)])
def test_what_is_no_model_folder_is_refused(call, what, code, tmp_path):
    done = call("push", tmp_path / what)
    assert done.code == code
    assert done.error.startswith("error: ")


def test_an_unwritable_json_path_is_told_without_a_traceback(call, model):
    done = call("push", model, "--json", "/proc/no/such/place.json")
    assert done.code == 2
    assert "cannot be written" in done.error


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "home")


def test_a_version_is_found_by_number_by_digest_and_newest_without_either(shelf, make_model, tmp_path):
    folders = [read_model_folder(make_model(tmp_path / f"m{i}", "driver", left=i / 10)) for i in range(3)]
    stored = [shelf.push(folder) for folder in folders]
    assert [str(s.ref) for s in stored] == ["driver:1", "driver:2", "driver:3"]
    for text, index in (("driver", 2), ("driver:1", 0), (f"driver:{folders[1].version}", 1)):
        assert shelf.folder(ModelRef.parse(text)).digest == folders[index].digest
    assert shelf.folder(ModelRef.parse("driver:1")).path == shelf.folder(ModelRef.parse("driver:1")).path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drivr", "Did you mean 'driver'"),
        ("driver:2", "Available: 1"),
        ("driver:0", "Available: 1"),
        ("driver:prod", "Available: 1"),
        ("driver@int8", "no variant 'int8'"),
        ("alice/driver", "no model 'alice/driver'"),
    ],
)
def test_what_is_not_in_the_store_is_answered_with_what_is(shelf, make_model, tmp_path, text, message):
    shelf.push(read_model_folder(make_model(tmp_path / "m", "driver")))
    with pytest.raises(NotFound, match=message):
        shelf.folder(ModelRef.parse(text))


def test_a_damaged_index_is_told_and_not_overwritten(shelf, model, tmp_path):
    folder = read_model_folder(model)
    shelf.push(folder)
    index = tmp_path / "home" / "store" / "models" / "straight.json"
    index.write_text("{")
    with pytest.raises(InvalidInput, match="damaged"):
        shelf.push(folder)
    assert index.read_text() == "{"


def test_two_processes_that_push_at_once_get_two_versions(make_model, tmp_path):
    folders = [make_model(tmp_path / f"m{i}", "driver", left=i / 10) for i in range(4)]
    home = tmp_path / "home"
    processes = [
        subprocess.Popen([sys.executable, "-m", "rilaas.cli", "push", str(folder), "--home", str(home), "-q"])
        for folder in folders
    ]
    assert [process.wait(timeout=60) for process in processes] == [0] * 4
    digests = json.loads((home / "store" / "models" / "driver.json").read_text())["digests"]
    assert set(digests) == {read_model_folder(folder).digest for folder in folders}
