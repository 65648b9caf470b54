"""A variant is a model folder with the same code around other weights, and says where it comes from."""

import json

import numpy as np
import pytest

from rilaas.core import Conflict, InvalidInput, InvalidModelFolder
from rilaas.infer import load
from rilaas.infer.target import Target
from rilaas.optimize.engine import Made, Step, make
from rilaas.optimize.gate import Gate, check
from rilaas.optimize.measure import Entry, measure
from rilaas.optimize.network import Network
from rilaas.optimize.recipe import Recipe
from rilaas.optimize.record import judged, read_record
from rilaas.optimize.subject import read_subject
from rilaas.optimize.variant import write_variant
from rilaas.store import read_model_folder
from tests.optimize.small_robot import HOOKS, TOML, Round, data_of, small_robot, write_small_robot

ORT = Target()


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return small_robot(tmp_path_factory.mktemp("small") / "small")


@pytest.fixture(scope="module")
def made(subject):
    recipe = Recipe("coarse", ORT, (Round(0.05),), "rounds weights", "a document, row 3", Gate(max_mse_ratio=9.0))
    return make(recipe, subject, data_of(subject))


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_answers_like_its_network_and_keeps_what_the_original_says(subject, made, tmp_path):
    folder = write_variant(subject, made, tmp_path / "v", name="coarse", record={})
    old, new = subject.folder.manifest, folder.manifest
    assert (new.name, new.task, new.signature, new.batching) == (old.name, old.task, old.signature, old.batching)
    assert new.description == 'says "yes"'
    assert new.placement == old.placement
    image = {"image": np.full((2, 8, 8, 3), 200, np.uint8)}
    own, base = (load(each).predict(image)["wheels"] for each in (folder, subject.folder))
    assert own.shape == base.shape
    assert 0.0 < np.abs(own - base).max() < 1.0


def test_it_takes_what_the_hooks_import_along_and_leaves_training_behind(subject, made, tmp_path):
    folder = write_variant(subject, made, tmp_path / "v", name="coarse", record={})
    assert sorted(files(folder.path)) == [
        "LICENSE",
        "README.md",
        "hooks.py",
        "model.toml",
        "scale.py",
        "variant.json",
        "weights.onnx",
    ]


def test_code_whose_imports_cannot_be_followed_stays_whole(tmp_path, made):
    hooks = HOOKS + "\nimport importlib\n"
    subject = read_subject(write_small_robot(tmp_path / "small", hooks=hooks))
    folder = write_variant(subject, made, tmp_path / "v", name="coarse", record={})
    assert "train.py" in files(folder.path)


def test_the_same_work_gives_the_same_bytes(subject, made, tmp_path):
    one, two = (write_variant(subject, made, tmp_path / name, name="coarse", record={}) for name in ("a", "b"))
    assert one.digest == two.digest
    assert files(one.path) == files(two.path)


def test_the_page_begins_with_what_it_is_made_from(subject, made, tmp_path):
    folder = write_variant(subject, made, tmp_path / "v", name="coarse", record={"ref": "small:3"})
    page = (folder.path / "README.md").read_text()
    assert page.startswith("# small@coarse\n\nMade from `small:3` (`sha256:")
    assert "by the recipe `coarse` for `cpu/onnxruntime/fp32`." in page
    assert "The recipe reproduces: a document, row 3." in page
    assert "1. `quantize.round`: step = 0.05" in page
    assert page.rstrip().endswith("# small\n\nA test.")


def test_the_record_of_a_judged_variant_is_read_as_it_was_written(subject, made, tmp_path):
    data = data_of(subject)
    plain = write_variant(subject, made, tmp_path / "v", name="coarse", record={})
    entries = [Entry("float", subject.folder, ORT), Entry("coarse", plain, ORT)]
    base, own = measure(entries, data.test, calls=2, rounds=2)
    gate = Gate(max_size_bytes=10, max_mse_ratio=9.0)
    said = judged(own, base, gate, check(gate, own, base), ref="small:3", seed=4, data_digest=data.digest)
    folder = write_variant(subject, made, tmp_path / "v", name="coarse", record=said)
    record = read_record(folder)
    assert record.parent_digest == subject.folder.digest
    assert (record.parent_ref, record.seed, record.data_digest) == ("small:3", 4, data.digest)
    assert (record.recipe, record.target) == ("coarse", "cpu/onnxruntime/fp32")
    assert record.recipe_digest == made.recipe.digest
    assert [dict(row) for row in record.passes] == made.recipe.as_rows()
    assert record.measured.p50_s == own.p50_s
    assert record.measured.mse_ratio == pytest.approx(own.mse / base.mse)
    assert np.isnan(record.measured.integer)
    assert record.limits == {"max_size_bytes": 10, "max_mse_ratio": 9.0, "integer": True}
    assert [each.limit for each in record.violations] == ["max_size_bytes"]
    assert record.passed is False
    assert record.versions["onnxruntime"]
    assert "does not pass its gate" in (folder.path / "README.md").read_text()


def test_a_folder_that_is_no_variant_has_no_record(subject):
    assert read_record(subject.folder) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda said: said.update(format=2), "format 2; this version reads 1"),
        (lambda said: said.update(seed="4"), "seed = '4'"),
        (lambda said: said.pop("parent"), "parent = None"),
        (lambda said: said["recipe"].update(passes=[1]), "recipe.passes"),
        (lambda said: said["gate"].update(passed="yes"), "gate.passed"),
        (lambda said: said["gate"].update(passed=True, violations=[{}]), "lists violations"),
        (lambda said: said["gate"].update(violations=[{"limit": "x", "allowed": "y"}]), "violations.allowed"),
        (lambda said: said.update(measured={"mse": True}), "measured.mse = True"),
    ],
    ids=["format", "seed", "parent", "passes", "passed", "contradiction", "violation", "figure"],
)
def test_a_record_of_another_shape_is_refused(subject, made, tmp_path, change, words):
    folder = write_variant(subject, made, tmp_path / "v", name="coarse", record={})
    said = json.loads((folder.path / "variant.json").read_text())
    change(said)
    (folder.path / "variant.json").write_text(json.dumps(said))
    with pytest.raises(InvalidModelFolder, match=words):
        read_record(read_model_folder(folder.path))


def test_a_variant_in_the_same_place_is_replaced_and_anything_else_is_not(subject, made, tmp_path):
    write_variant(subject, made, tmp_path / "v", name="coarse", record={})
    again = write_variant(subject, made, tmp_path / "v", name="other", record={})
    assert read_record(again).variant == "other"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    with pytest.raises(Conflict, match="exists and is no variant"):
        write_variant(subject, made, tmp_path / "mine", name="coarse", record={})
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "do not touch"


def test_nothing_is_left_where_the_result_is_no_valid_folder(subject, made, tmp_path):
    before = write_variant(subject, made, tmp_path / "v", name="coarse", record={}).digest
    broken = Made(made.recipe, Network(b"no ONNX at all"), made.steps)
    with pytest.raises(Exception, match=r"ONNX|onnx"):
        write_variant(subject, broken, tmp_path / "v", name="coarse", record={})
    assert [path.name for path in tmp_path.iterdir()] == ["v"]
    assert read_model_folder(tmp_path / "v").digest == before


def test_a_name_that_no_variant_can_have_is_refused(subject, made, tmp_path):
    with pytest.raises(InvalidInput, match="Not A Name"):
        write_variant(subject, made, tmp_path / "v", name="Not A Name", record={})
    assert list(tmp_path.iterdir()) == []


def fixed(network):
    model = network.to_onnx()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return Network.of_onnx(model)


def test_weights_that_take_one_sample_are_not_batched(subject, made, tmp_path):
    one = Made(made.recipe, fixed(made.network), (Step("shape.fix", 0.0, False, ""),))
    folder = write_variant(subject, one, tmp_path / "v", name="one", record={})
    assert folder.manifest.batching is None
    assert load(folder).predict({"image": np.zeros((1, 8, 8, 3), np.uint8)})["wheels"].shape == (1, 2)


def test_weights_that_take_one_sample_need_hooks_where_the_signature_takes_any_number(made, tmp_path):
    toml = TOML.replace("inputs.image", "inputs.input").replace("outputs.wheels", "outputs.command")
    toml = toml.replace("UINT8", "FP32").replace("[-1, 8, 8, 3]", "[-1, 3, 8, 8]")
    toml = toml.replace('hooks = "hooks.py"', "")
    write_small_robot(tmp_path / "small", toml=TOML)
    for name in ("hooks.py", "scale.py", "train.py"):
        (tmp_path / "small" / name).unlink()
    (tmp_path / "small" / "model.toml").write_text(toml)
    subject = read_subject(read_model_folder(tmp_path / "small"))
    with pytest.raises(InvalidInput, match="fixes the first axis"):
        write_variant(subject, Made(made.recipe, fixed(made.network), ()), tmp_path / "v", name="one", record={})
    folder = write_variant(subject, made, tmp_path / "v", name="coarse", record={})
    assert load(folder).predict({"input": np.zeros((2, 3, 8, 8), np.float32)})["command"].shape == (2, 2)


def test_the_runtime_of_the_target_runs_it(subject, made, tmp_path):
    pytest.importorskip("openvino")
    recipe = Recipe("fast", Target.parse("cpu/openvino/bf16"))
    folder = write_variant(subject, Made(recipe, subject.network, ()), tmp_path / "v", name="fast", record={})
    assert (folder.manifest.backend, folder.manifest.precision) == ("openvino", "bf16")
