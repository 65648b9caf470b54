"""Asking once: a folder, a version of the store, a fleet."""

import json
import os

import numpy as np
import pytest

from rilaas.cli.fleet import FleetServer
from rilaas.cli.predict import write_tensors
from tests.file_fleet import FileFleet


def test_a_folder_answers_with_its_outputs_and_where_the_time_went(call, model, frame):
    done = call("predict", model, frame)
    assert done.code == 0
    assert done.out == "wheels: FP32 [1, 2]  0.2 0.2\n"
    assert "answered in" in done.err
    assert "compute" in done.err
    assert done.err.splitlines()[-1].startswith("next: rilaas predict")


def test_a_version_of_the_store_answers_too(call, model, frame):
    call("push", model)
    assert call("predict", "straight", frame, "-q").out == call("predict", "straight:1", frame, "-q").out


def test_out_writes_the_outputs_as_arrays(call, model, frame, tmp_path):
    assert call("predict", model, frame, "--out", tmp_path / "out.npz").code == 0
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["wheels"].tolist() == [[np.float32(0.2), np.float32(0.2)]]


def test_bytes_are_written_without_pickle(tmp_path):
    write_tensors(tmp_path / "b.npz", {"names": np.array([b"a", b"bc"], object)})
    with np.load(tmp_path / "b.npz", allow_pickle=False) as arrays:
        assert arrays["names"].tolist() == [b"a", b"bc"]


def test_json_on_standard_output_is_a_report_alone(call, model, frame):
    report = json.loads(call("predict", model, frame, "--json", "-").out)
    assert report["kind"] == "prediction"
    assert report["metrics"]["total_s"]["mean"] > 0
    assert report["tables"][0]["rows"] == [["wheels", "FP32", "[1, 2]", "0.2 0.2"]]


def bad_inputs(folder):
    (folder / "text.npz").write_text("hello")
    (folder / "empty.npz").write_bytes(b"")
    np.save(folder / "single.npy", np.zeros(3))
    np.savez(folder / "object.npz", image=np.array([{}], object))
    np.savez(folder / "name.npz", imgae=np.zeros((1, 120, 160, 3), np.uint8))
    np.savez(folder / "dtype.npz", image=np.zeros((1, 120, 160, 3), np.float32))
    np.savez(folder / "axis.npz", image=np.zeros((120, 160, 3), np.uint8))


@pytest.mark.parametrize(
    ("file", "code", "words"),
    [
        ("gone.npz", 3, ["There is no file", "numpy.savez"]),
        ("text.npz", 2, ["cannot be read as .npz", "numpy.savez"]),
        ("empty.npz", 2, ["cannot be read as .npz", "numpy.savez"]),
        ("single.npy", 2, ["without a name", "numpy.savez"]),
        ("object.npz", 2, ["cannot be read as .npz"]),
        ("name.npz", 2, ["no input 'imgae'", "Did you mean 'image'?"]),
        ("dtype.npz", 2, ["FP32", "UINT8", ".astype('uint8')"]),
        ("axis.npz", 2, ["[120, 160, 3]", "[-1, 120, 160, 3]", "image[None]"]),
        (".", 2, ["cannot be read"]),
    ],
)
def test_every_kind_of_bad_input_is_answered_with_message_and_hint(call, model, tmp_path, file, code, words):
    bad_inputs(tmp_path)
    done = call("predict", model, tmp_path / file)
    assert done.code == code
    assert all(word in done.error for word in words), done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("ref", "code", "words"),
    [
        ("no-such-model", 3, ["no model 'no-such-model'", "rilaas push"]),
        ("./gone", 3, ["no folder ./gone"]),
        ("Not A Ref", 2, ["not a model reference"]),
    ],
)
def test_an_unknown_model_is_answered_with_what_could_be_done(call, frame, ref, code, words):
    done = call("predict", ref, frame)
    assert done.code == code
    assert all(word in done.error for word in words), done.err


def test_a_model_whose_code_fails_is_told_by_its_own_error_and_exit_code(call, model, frame):
    (model / "hooks.py").write_text((model / "hooks.py").read_text().replace("wheels = np", "wheels = nonsense"))
    done = call("predict", model, frame)
    assert done.code == 9
    assert done.error.startswith("error: The model straight failed in predict: NameError: name 'nonsense' is not")
    assert done.err.splitlines()[1] == "hint: See hooks.py, line 10; RILAAS_DEBUG=1 shows the traceback."


@pytest.mark.parametrize("debug", ["0", "1"])
def test_the_traceback_of_a_models_code_is_shown_for_debugging_only(start, model, frame, debug):
    (model / "hooks.py").write_text((model / "hooks.py").read_text().replace("wheels = np", "wheels = nonsense"))
    process = start("predict", model, frame, "-q", env={**os.environ, "RILAAS_DEBUG": debug})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (9, "")
    assert ("Traceback" in err) == (debug == "1")
    assert len(err.splitlines()) == 2 or debug == "1"


def test_a_model_whose_code_fails_while_it_is_loaded_is_told_with_file_and_line(call, model, frame):
    (model / "helper.py").write_text("import math\n\nmath.sqrt(-1)\n")
    (model / "hooks.py").write_text("from . import helper\n" + (model / "hooks.py").read_text())
    done = call("predict", model, frame)
    assert done.code == 9
    assert "hint: See helper.py, line 3;" in done.error


def test_a_deadline_that_cannot_be_kept_has_its_own_exit_code(call, model, frame):
    hooks = (model / "hooks.py").read_text()
    (model / "hooks.py").write_text(
        hooks.replace("        wheels", "        import time; time.sleep(0.05)\n        wheels")
    )
    assert call("predict", model, frame, "--deadline", "0.01").code == 7
    short = call("predict", model, frame, "--deadline", "0.00001")
    assert (short.code, "the deadline was 0.01 ms" in short.error) == (7, True)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory, make_model):
    folder = tmp_path_factory.mktemp("fleet")
    model = make_model(folder / "model", "straight")
    with FileFleet(folder / "fleet", model, "straight", (FleetServer("edge-1", "edge"),)) as running:
        yield running


def remote(fleet):
    return ("--target", fleet.address, "--key", fleet.key_path, "--ca", fleet.ca_path)


def test_a_fleet_answers_and_says_which_server_did(call, fleet, frame):
    done = call("predict", "straight", frame, *remote(fleet))
    assert done.code == 0
    assert done.out == "wheels: FP32 [1, 2]  0.2 0.2\n"
    assert "answered by edge-1 in" in done.err


def test_a_fleet_can_be_named_by_the_environment(call, fleet, frame, monkeypatch):
    for name, value in (("TARGET", fleet.address), ("KEY", fleet.key_path), ("CA", fleet.ca_path)):
        monkeypatch.setenv(f"RILAAS_{name}", str(value))
    assert "answered by edge-1 in" in call("predict", "straight", frame).err


def test_a_fleet_drives_an_evaluation_and_the_report_has_its_servers_percentiles(call, fleet, suite, tmp_path):
    done = call("evaluate", "straight", "--suite", suite, *remote(fleet), "--json", tmp_path / "r.json")
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "r.json").read_text())
    assert {"p50", "p95", "p99", "n"} <= report["metrics"]["round_trip_s"]["servers"]["edge-1"].keys()


def test_a_model_that_a_robot_may_not_use_and_a_key_that_nobody_knows_are_refused(call, fleet, frame, tmp_path):
    from rilaas.wire import generate_key

    assert call("predict", "other", frame, *remote(fleet)).code in (3, 5)
    generate_key(tmp_path / "stranger")
    done = call("predict", "straight", frame, *remote(fleet)[:2], "--key", tmp_path / "stranger", *remote(fleet)[4:])
    assert done.code == 4
    assert done.error.startswith("error: ")


def test_doctor_reaches_a_fleet_and_tells_when_it_does_not(call, fleet):
    good = call("doctor", *remote(fleet))
    assert good.code == 0, good.out
    assert "answers, TLSv1" in good.out
    bad = call("doctor", "--target", "127.0.0.1:1", *remote(fleet)[2:])
    assert bad.code == 20
    assert "target: Is the interceptor running" in bad.err


def test_a_missing_certificate_is_answered_with_the_flag_that_names_it(call, tmp_path):
    np.savez(tmp_path / "in.npz", image=np.zeros((1, 120, 160, 3), np.uint8))
    asked = ("predict", "lane-following", tmp_path / "in.npz", "--target", "127.0.0.1:1")
    done = call(*asked, "--ca", tmp_path / "ca.pem")
    assert done.code == 3
    assert "Give the certificate of the fleet's authority with --ca" in done.error
