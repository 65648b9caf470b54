"""Judging a policy on a data set from the command line."""

import json

import numpy as np
import pytest


@pytest.fixture
def samples(tmp_path):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 255, (4, 120, 160, 3)).astype(np.uint8)
    np.savez(tmp_path / "samples.npz", image=images, **{"expected/wheels": np.full((4, 2), 0.25, np.float32)})
    return tmp_path / "samples.npz"


def test_a_model_is_judged_on_samples_and_told_in_text_json_and_html(call, model, samples, tmp_path):
    done = call(
        "evaluate", model, "--dataset", samples, "--report", tmp_path / "r.html", "--json", tmp_path / "r.json"
    )
    assert done.code == 0
    assert done.out.startswith("offline evaluation: measured")
    report = json.loads((tmp_path / "r.json").read_text())
    assert {"mse", "mae", "inference_time_s", "inference_frequency_hz"} <= set(report["metrics"])
    assert report["metrics"]["mse"]["n"] == 4
    assert "Offline metrics" in (tmp_path / "r.html").read_text()


def test_batches_and_the_first_samples_can_be_asked_for(call, model, samples):
    done = call("evaluate", model, "--dataset", samples, "--batch", 2, "--samples", 3, "--json", "-")
    report = json.loads(done.out)
    assert report["metrics"]["mse"]["n"] == 3
    assert report["metrics"]["inference_time_s"]["n"] == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--suite", "lf"), "--suite is about driving; with --dataset nobody drives."),
        (("--latency", "none"), "--latency is about driving"),
        (("--dataset", "nowhere"), "There is no data set nowhere"),
        (("--batch", "0"), "not in the range x>=1"),
    ],
)
def test_flags_that_make_no_sense_are_refused_by_name(call, model, samples, flags, message):
    done = call("evaluate", model, "--dataset", samples, *flags)
    assert done.code != 0
    assert message in done.err


def test_a_batch_without_a_data_set_is_refused(call, model):
    done = call("evaluate", model, "--batch", 2)
    assert done.code != 0
    assert "--batch and --samples are about a data set" in done.err


def test_ctrl_c_keeps_what_was_answered_and_ends_with_130(call, model, samples, monkeypatch):
    """The first of two calls is done when it comes."""

    def interrupted(self, text):
        if text:  # '' clears the line
            raise KeyboardInterrupt

    monkeypatch.setattr("rilaas.cli.output.Output.progress", interrupted)
    done = call("evaluate", model, "--dataset", samples, "--batch", 2)
    assert done.code == 130
    assert "Interrupted after 2 of 4 samples: 2 answered" in " ".join(done.out.split())
