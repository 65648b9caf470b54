import json
import math
import re
import time
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import (
    InvalidInput,
    ModelFailed,
    NotFound,
    Prediction,
    Signature,
    SignatureMismatch,
    TensorSpec,
    Timing,
    Unavailable,
)
from rilaas.evaluate.driving import Scenario, World, rollout
from rilaas.evaluate.offline import Progress, evaluate_dataset, open_datasets
from rilaas.infer import load
from rilaas.learn import ExpertPolicy
from rilaas.observe import Recorded
from rilaas.report import Report
from rilaas.store.dataset import Dataset, freeze_dataset

ROOT = Path(__file__).resolve().parents[3]


class Doubler:
    """Answers twice the input plus how often it was asked since the last reset, times ``memory``."""

    def __init__(self, memory=0.0, free=True, fails_at=(), error=ModelFailed):
        axis = -1 if free else 1
        self.signature = Signature.of(
            (TensorSpec("x", "FP32", (axis, 2), ""),), (TensorSpec("y", "FP32", (axis, 2), ""),)
        )
        self.memory, self.fails_at, self.error = memory, fails_at, error
        self.asked = self.since = self.resets = 0
        self.batches = []

    def predict(self, inputs, *, deadline_s=None):
        number, self.asked = self.asked, self.asked + 1
        self.batches.append(len(inputs["x"]))
        if number in self.fails_at:
            raise self.error("It broke.")
        y = 2.0 * inputs["x"] + np.float32(self.memory * self.since)
        self.since += 1
        return Prediction({"y": y}, Timing(compute_s=1e-6))

    def reset(self):
        self.resets, self.since = self.resets + 1, 0


def npz(path, x, y):
    np.savez(path, x=np.asarray(x, np.float32), **{"expected/y": np.asarray(y, np.float32)})
    return path


@pytest.fixture
def four(tmp_path):
    """x = (k, 10 k); expected 2 x but for the last sample, where it is off by 1 and by -3."""
    x = np.array([[k, 10.0 * k] for k in range(4)])
    wanted = 2.0 * x
    wanted[3] -= [1.0, -3.0]
    with open_datasets(npz(tmp_path / "four.npz", x, wanted)) as datasets:
        yield datasets


def test_the_errors_are_means_over_samples_of_means_over_numbers(four):
    """Errors of the last sample: +1 and -3; of the others 0.

    MSE: (0 + 0 + 0 + (1 + 9) / 2) / 4 = 1.25. MAE: ((1 + 3) / 2) / 4 = 0.5. By number: squares 1/4 and 9/4, mean
    errors 1/4 and -3/4.
    """
    report = evaluate_dataset(Doubler(), four, name="doubler", size_bytes=2**20, warm_up=2)
    assert report.metrics["mse"].mean == pytest.approx(1.25)
    assert report.metrics["mae"].mean == pytest.approx(0.5)
    assert report.metrics["mse"].n == 4
    assert 0.0 <= report.metrics["mse"].low <= 1.25 <= report.metrics["mse"].high
    tables = {table.title: table for table in report.tables}
    assert [row[1:] for row in tables["Errors by number"].rows] == [
        (0, pytest.approx(0.25), pytest.approx(0.25), pytest.approx(0.25)),
        (1, pytest.approx(2.25), pytest.approx(0.75), pytest.approx(-0.75)),
    ]
    assert tables["Errors by output"].rows[0][3] == pytest.approx(3.0)
    method, size_mib, mse, time_s = tables["Offline metrics"].rows[0]
    assert (method, size_mib, mse) == ("doubler", 1.0, pytest.approx(1.25))
    assert time_s > 0.0


def test_the_report_is_one_that_every_page_and_program_reads(four):
    report = evaluate_dataset(Doubler(), four, command=["x"])
    assert Report.from_json(report.to_json()).metrics == report.metrics
    assert json.loads(report.to_json())["verdict"] == "measured"
    assert "4 of 4 samples answered. MSE 1.3 [0.0-3.8], n=4. MAE 0.5" in report.to_text()
    assert "Sample 3" in report.to_html()
    assert [figure.title for figure in report.figures] == [
        "Inference time",
        "Sample 3, with one of the largest errors",
    ]


def test_calls_of_the_warm_up_are_not_counted(four):
    policy = Doubler()
    report = evaluate_dataset(policy, four, warm_up=7)
    assert policy.asked == 7 + 4
    assert report.metrics["inference_time_s"].n == 4
    part = report.metrics["inference_time_s"].servers["this process"]
    assert 0.0 < part.p50 <= part.p95 <= part.p99


def test_the_frequency_is_samples_over_the_time_of_calls(four):
    class Slow(Doubler):
        def predict(self, inputs, *, deadline_s=None):
            time.sleep(0.002)
            return super().predict(inputs)

    report = evaluate_dataset(Slow(), four, batch=2, warm_up=0)
    frequency, call = report.metrics["inference_frequency_hz"], report.metrics["inference_time_s"]
    assert call.n == 2
    assert frequency.mean == pytest.approx(2.0 / call.mean)
    assert frequency.low <= frequency.mean <= frequency.high
    assert frequency.mean < 2.0 / 0.002


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 9])
def test_a_batch_gives_the_same_errors(four, batch):
    policy = Doubler()
    report = evaluate_dataset(policy, four, batch=batch, warm_up=0)
    assert report.metrics["mse"].mean == pytest.approx(1.25)
    assert sum(policy.batches) == 4
    assert max(policy.batches) == min(batch, 4)


def test_a_policy_of_one_sample_takes_no_batch(four):
    with pytest.raises(InvalidInput, match="takes no batch of 2: the first axis of its input x: FP32"):
        evaluate_dataset(Doubler(free=False), four, batch=2)
    assert evaluate_dataset(Doubler(free=False), four).metrics["mae"].mean == pytest.approx(0.5)


def test_the_first_samples_may_be_enough(four):
    report = evaluate_dataset(Doubler(), four, samples=3)
    assert report.metrics["mse"].mean == 0.0
    assert report.summary.startswith("3 of 3 samples answered")
    with pytest.raises(InvalidInput, match="There is nothing to ask: 0 samples"):
        evaluate_dataset(Doubler(), four, samples=0)


def test_samples_without_an_answer_are_counted_and_told(four):
    report = evaluate_dataset(Doubler(fails_at=(1, 2)), four, warm_up=0)
    assert report.summary.startswith("2 of 4 samples answered")
    assert report.metrics["mse"].n == 2
    failed = next(table for table in report.tables if table.title == "Samples without an answer")
    assert failed.rows == (("model_failed", 2, "It broke."),)


def test_when_nobody_answers_there_is_a_report_without_errors_and_times(four):
    report = evaluate_dataset(Doubler(fails_at=range(99), error=Unavailable), four)
    assert report.summary.startswith("0 of 4 samples answered. Nothing was compared")
    assert "mse" not in report.metrics
    assert "inference_time_s" not in report.metrics
    report.to_html()


def test_outputs_that_are_not_finite_are_in_no_error_and_the_summary_says_so(four):
    class Broken(Doubler):
        def predict(self, inputs, *, deadline_s=None):
            answer = super().predict(inputs)
            answer["y"][0, 0] = math.nan if inputs["x"][0, 0] == 1.0 else answer["y"][0, 0]
            return answer

    report = evaluate_dataset(Broken(), four)
    assert "1 have outputs that are not finite" in report.summary
    assert report.metrics["mse"].n == 3
    assert report.figures[1].title.startswith("Sample 1")  # the worst of all
    report.to_json()


def test_ctrl_c_keeps_what_was_done(four):
    def stop(progress: Progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    report = evaluate_dataset(Doubler(), four, on_call=stop)
    assert report.summary.startswith("Interrupted after 2 of 4 samples: 2 answered")
    assert report.metrics["mse"].n == 2

    class Impatient(Doubler):
        def predict(self, inputs, *, deadline_s=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_dataset(Impatient(), four, warm_up=0)


def test_progress_goes_up_to_the_number_of_samples(four):
    seen = []
    evaluate_dataset(Doubler(), four, batch=3, on_call=seen.append)
    assert [(each.done, each.total) for each in seen] == [(3, 4), (4, 4)]


def test_a_sample_that_does_not_fit_is_refused_at_the_first_and_counted_later(tmp_path, four):
    with open_datasets(npz(tmp_path / "wide.npz", np.zeros((2, 3)), np.zeros((2, 2)))) as wide:
        with pytest.raises(SignatureMismatch):
            evaluate_dataset(Doubler(), wide)
        report = evaluate_dataset(Doubler(), [*four, *wide])
    assert report.summary.startswith("4 of 6 samples answered")


def test_data_that_expect_nothing_are_timed_only(tmp_path):
    np.savez(tmp_path / "asked.npz", x=np.zeros((3, 2), np.float32))
    with open_datasets(tmp_path / "asked.npz") as datasets:
        report = evaluate_dataset(Doubler(), datasets)
    assert set(report.metrics) == {"inference_time_s", "inference_frequency_hz"}
    assert "Nothing was compared" in report.summary


def test_several_outputs_have_errors_of_their_own(tmp_path):
    class Two(Doubler):
        def __init__(self):
            super().__init__()
            self.signature = Signature.of(
                (TensorSpec("x", "FP32", (-1, 2), ""),),
                (TensorSpec("y", "FP32", (-1, 2), ""), TensorSpec("z", "FP32", (-1, 1), "")),
            )

        def predict(self, inputs, *, deadline_s=None):
            return Prediction({"y": inputs["x"], "z": inputs["x"][:, :1]})

    zeros = np.zeros((2, 2), np.float32)
    expected = {"expected/y": zeros + 1.0, "expected/z": zeros[:, :1] + 3.0}
    np.savez(tmp_path / "two.npz", x=zeros, **expected)
    with open_datasets(tmp_path / "two.npz") as datasets:
        metrics = evaluate_dataset(Two(), datasets).metrics
    assert metrics["mse_y"].mean == pytest.approx(1.0)
    assert metrics["mse_z"].mean == pytest.approx(9.0)
    assert metrics["mse"].mean == pytest.approx((2 * 1.0 + 9.0) / 3)  # three numbers in a sample


def recording(folder, policy, scenarios):
    """Episodes of the tile world: a file each, as ``Recorded`` writes them."""
    for scenario in scenarios:
        world = World(scenario)
        recorded = Recorded(policy(world), folder)
        rollout(recorded, scenario, simulator=world)
        recorded.close()


def test_recorded_episodes_are_sequences_and_a_memory_lasts_as_long_as_one(tmp_path):
    """Two files of three calls: reset before each file (and after the warm-up), and not between its samples."""
    folder = tmp_path / "episodes"
    source = Doubler(memory=1.0)
    recorded = Recorded(source, folder)
    for _ in range(2):
        recorded.reset()
        for k in range(3):
            recorded.predict({"x": np.full((1, 2), k, np.float32)})
    recorded.close()
    policy = Doubler(memory=1.0)
    with open_datasets(folder) as datasets:
        assert [dataset.info.source for dataset in datasets] == ["episodes", "episodes"]
        assert evaluate_dataset(policy, datasets, warm_up=4).metrics["mse"].mean == 0.0
        assert policy.resets == 1 + 2
        batched = evaluate_dataset(Doubler(memory=1.0), datasets, batch=3)
    assert batched.metrics["mse"].mean > 0.0  # in one call a policy has no memory of the samples beside


def test_arrays_are_samples_by_themselves(tmp_path, four):
    policy = Doubler(memory=1.0)
    assert evaluate_dataset(policy, four).metrics["mse"].mean == pytest.approx(1.25)
    assert policy.resets >= 4


def test_pilotnet_is_judged_by_what_the_expert_did(tmp_path):
    """The expert drives 4 s of the oval; the shipped model errs by less than a tenth of what standing still would."""
    recording(tmp_path / "expert", ExpertPolicy, [Scenario("expert", "oval", 3, duration_s=4.0)])
    policy = load(ROOT / "models/lane-following", threads=1)
    with open_datasets(tmp_path / "expert") as datasets:
        report = evaluate_dataset(policy, datasets, warm_up=2)
        expected = np.array([sample.expected["wheels"] for dataset in datasets for sample in dataset])
    assert report.metrics["mse"].n == len(expected) == 80
    assert report.metrics["mse"].mean < 0.1 * float(np.square(expected).mean())
    assert any("preprocessing" in row for table in report.tables for row in table.rows)


def test_a_frozen_file_is_opened_as_it_is_and_a_folder_of_images_is_frozen_beside(tmp_path):
    frozen = tmp_path / "frozen"
    freeze_dataset(npz(tmp_path / "a.npz", np.zeros((2, 2)), np.zeros((2, 2))), "a.npz", frozen)
    with open_datasets(frozen) as [dataset]:
        assert dataset.path == frozen
        assert len(dataset) == 2
    from PIL import Image

    (tmp_path / "images").mkdir()
    for k in range(3):
        Image.fromarray(np.full((8, 8, 3), k, np.uint8)).save(tmp_path / "images" / f"{k}.png")
    with open_datasets(tmp_path / "images") as [images]:
        assert len(images) == 3
        assert images.info.source == "images"
    assert not images.path.exists()  # what was frozen beside is gone


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(NotFound, match="There is no data set"), open_datasets(tmp_path / "nowhere"):
        pass
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="is empty"), open_datasets(tmp_path / "empty"):
        pass
    (tmp_path / "text.npz").write_text("no zip")
    with pytest.raises(InvalidInput, match=r"text\.npz"), open_datasets(tmp_path / "text.npz"):
        pass


def test_an_open_data_set_is_taken_as_it_is(tmp_path):
    freeze_dataset(npz(tmp_path / "a.npz", np.zeros((2, 2)), np.zeros((2, 2))), "a.npz", tmp_path / "frozen")
    with Dataset(tmp_path / "frozen") as dataset:
        assert evaluate_dataset(Doubler(), dataset).metrics["mae"].mean == 0.0


def test_the_python_of_the_page_runs(tmp_path, monkeypatch, capsys):
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs/offline.md").read_text(), re.DOTALL)
    assert len(code) == 1
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    exec(compile(code[0], "docs/offline.md", "exec"), {})
    assert "this process" in capsys.readouterr().out
