"""Making variants from the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import ModelRef
from rilaas.optimize.record import read_record
from rilaas.store import Shelf, read_model_folder
from tests.optimize.small_robot import samples_of, small_robot

MODELS = Path(__file__).resolve().parents[2] / "models"
RECIPE = """
name = "mine"
target = "cpu/onnxruntime/int8"
[[pass]]
name = "quantize.static"
min_macs = 0
[gate]
max_mse_ratio = {ratio}
"""


@pytest.fixture
def robot(tmp_path):
    return small_robot(tmp_path / "small")


@pytest.fixture
def frames(tmp_path, robot):
    """Six recordings of a robot, with what its network was to answer."""
    samples = samples_of(robot, 120, 5)
    path = tmp_path / "frames.npz"
    np.savez(
        path,
        **{
            "inputs/image": samples.raw["image"],
            "inputs/recording": np.arange(120) // 20,
            "expected/command": samples.targets["command"],
        },
    )
    return path


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE.format(ratio=2.0))
    return path


def shelf(tmp_path):
    return Shelf(tmp_path / "home")


def test_a_variant_is_made_measured_and_kept_with_its_lineage(call, robot, frames, recipe, tmp_path):
    done = call(
        *("optimize", tmp_path / "small", "--recipe", recipe, "--dataset", frames),
        *("--report", tmp_path / "r.html", "--json", tmp_path / "r.json"),
    )
    assert done.code == 0, done.err
    assert done.out.startswith("optimization: passed")
    assert done.out.rstrip().endswith("small:1@mine")
    assert "next: rilaas predict small:1@mine --profile" in done.err
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["kind"] == "optimization"
    rows = next(table for table in report["tables"] if table["title"] == "Variants")["rows"]
    assert [row[0].removesuffix(" *") for row in rows] == ["float", "eager", "mine"]
    page = (tmp_path / "r.html").read_text()
    assert "Sensitivity" in page
    variant = shelf(tmp_path).folder(ModelRef.parse("small:1@mine"))
    record = read_record(variant)
    assert record.parent_digest == read_model_folder(tmp_path / "small").digest
    assert (record.recipe, record.target, record.passed) == ("mine", "cpu/onnxruntime/int8", True)
    assert record.measured.smaller > 1.0
    assert record.machine["cpu"]
    again = call("predict", "small:1@mine", one_frame(tmp_path))
    assert "wheels" in again.out


def one_frame(tmp_path):
    np.savez(tmp_path / "one.npz", image=np.zeros((1, 8, 8, 3), np.uint8))
    return tmp_path / "one.npz"


def test_a_second_run_takes_finished_passes_from_the_cache(call, robot, frames, recipe, tmp_path):
    arguments = ("optimize", tmp_path / "small", "--recipe", recipe, "--dataset", frames, "--out", tmp_path / "out")
    assert "from the cache" not in call(*arguments).err
    assert "1 of 1 passes from the cache" in call(*arguments).err
    assert read_model_folder(tmp_path / "out" / "mine").manifest.backend == "onnxruntime"
    with pytest.raises(Exception, match="no variant"):
        shelf(tmp_path).folder(ModelRef.parse("small:1@mine"))


def test_a_variant_that_fails_its_gate_is_told_and_kept_nowhere(call, robot, frames, recipe, tmp_path):
    done = call(
        "optimize", tmp_path / "small", "--recipe", recipe, "--dataset", frames, "--limit", "max_size_bytes=9"
    )
    assert done.code == 20
    assert done.out.startswith("optimization: failed")
    assert "mine is not kept, for it does not pass its gate:" in done.err
    assert "allowed are 9" in done.err
    assert shelf(tmp_path).variants(ModelRef("small")) == []


def test_a_recipe_that_cannot_be_followed_is_left_out_where_there_are_others(call, robot, frames, recipe, tmp_path):
    arguments = ("optimize", tmp_path / "small", "--dataset", frames, "--recipe", "paper.tensorrt.tf_int8")
    alone = call(*arguments)
    assert alone.code == 10
    assert "is not available here" in alone.error
    beside = call(*arguments, "--recipe", recipe)
    assert beside.code == 0
    assert "paper.tensorrt.tf_int8: left out." in beside.err
    assert "small:1@mine" in beside.out


def test_without_samples_the_error_is_on_drawn_inputs_and_says_so(call, robot, tmp_path):
    done = call("optimize", tmp_path / "small", "--preset", "fast", "--target", "cpu/onnxruntime/fp32")
    assert done.code == 0, done.err
    assert "drawn at random, and tell little" in done.err
    refused = call("optimize", tmp_path / "small", "--preset", "balanced")
    assert refused.code == 2
    assert "needs calibration data" in refused.error
    assert "--dataset" in refused.error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Nothing says how to optimize."),
        (("--search", "--preset", "fast"), "--search finds the recipes itself."),
        (("--preset", "fast", "--preset", "balanced", "--name", "x"), "--name is for one variant."),
        (("--preset", "fast", "--limit", "max_mse=2"), "A gate has no limit 'max_mse'."),
        (("--preset", "fast", "--limit", "max_mse_ratio"), "is no limit"),
        (("--preset", "fast", "--target", "cpu/tpu/int8"), "There is no runtime 'tpu'."),
        (("--recipe", "balancd"), "Did you mean 'balanced'?"),
        (("--recipe", "nothing.*"), "No recipe is called like 'nothing.*'."),
        (("--preset", "fast", "--keep", "small"), "names no version"),
        (("--search",), "A search needs samples"),
        (("--preset", "fast", "--name", "Foo/bar"), "A variant cannot be called 'Foo/bar'."),
    ],
)
def test_what_does_not_go_together_is_told_before_any_work(call, robot, tmp_path, arguments, words):
    done = call("optimize", tmp_path / "small", *arguments)
    assert done.code in (2, 3)
    assert words in done.error


@pytest.mark.parametrize(
    ("recipes", "words"),
    [
        (("paper.tensorrt.tf_int8",), "cuda/tensorrt/int8 is not available here"),
        (("paper.tensorrt.*",), "None of the 6 recipes can be followed here. paper.tensorrt.tf_fp16:"),
        (("{}",), "prune.structured cannot stand after quantize.static"),
    ],
)
def test_what_no_data_could_save_is_told_before_any_are_recorded(call, tmp_path, recipes, words):
    shutil.copytree(MODELS / "lane-following", tmp_path / "lane")
    (tmp_path / "wrong.toml").write_text(RECIPE.format(ratio=2.0) + '[[pass]]\nname = "prune.structured"\n')
    done = call(
        "optimize", tmp_path / "lane", "--recipe", *(each.format(tmp_path / "wrong.toml") for each in recipes)
    )
    assert done.code in (2, 10)
    assert words in done.error
    assert "recording" not in done.err
    assert not (tmp_path / "home" / "optimize").exists()


def test_what_was_done_to_make_data_fit_and_what_is_not_used_is_told(call, robot, frames, recipe, tmp_path):
    with np.load(frames) as known:
        wide = np.repeat(known["inputs/image"], 2, axis=2)
        np.savez(tmp_path / "wide.npz", **{"inputs/camera": wide, "expected/wheels": known["expected/command"]})
    done = call("optimize", tmp_path / "small", "--recipe", recipe, "--dataset", tmp_path / "wide.npz", "--out", "x")
    assert "The field camera is the input image." in done.err
    assert "camera was resized from 16 x 8 to 8 x 8 pixels" in done.err
    assert "Not used as a target: wheels; the outputs of the weights are called command." in done.err
    assert "batch axis" not in done.err


def test_a_driving_model_is_recorded_and_drives_with_its_own_latency(call, tmp_path):
    shutil.copytree(MODELS / "lane-following", tmp_path / "lane")
    done = call(
        *("optimize", tmp_path / "lane", "--preset", "fast", "--samples", 300),
        *("--suite", "quick-look", "--episodes", 1, "--json", tmp_path / "r.json"),
    )
    assert done.code in (0, 20), done.err  # so few samples may well break the gate
    assert "driving and recording 300 frames" in done.err
    assert "fast drives quick-look, with a median latency of" in done.err
    closed = next(
        table for table in json.loads((tmp_path / "r.json").read_text())["tables"] if table["title"] == "Closed loop"
    )
    assert [row[0] for row in closed["rows"]] == ["float", "fast"]
