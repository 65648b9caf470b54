"""A small network with weights, samples for it, and recipes that take no time."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rilaas.hub.actions.optimization import Wish, start_optimization
from rilaas.hub.actions.sharing import share
from rilaas.hub.models import Evaluation, Person
from rilaas.hub.worker import optimization as worker_optimization
from tests.hub.model_folder import push_folder
from tests.hub.run_parts import make_dataset, npz

MODEL, DATA = ("alice", "dense"), ("alice", "rows", None)
WEIGHTS = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
TOML = """
name = "dense"
task = "regression"
backend = "onnxruntime"
weights = "weights.onnx"
{hooks}
[inputs.x]
datatype = "FP32"
shape = [-1, 8]
[outputs.y]
datatype = "FP32"
shape = [-1, 3]
"""
RECIPE = """
name = "{name}"
target = "cpu/onnxruntime/{precision}"
{passes}
[gate]
{gate}
"""
STATIC = '[[pass]]\nname = "quantize.static"'
DYNAMIC = '[[pass]]\nname = "quantize.dynamic"'


def recipe(name="mine", precision="int8", passes=STATIC, gate="integer = false\nmax_mse_ratio = 100.0"):
    return RECIPE.format(name=name, precision=precision, passes=passes, gate=gate)


def write_dense(folder, hooks="", scale=1.0):
    """y = x W, as a model folder; ``hooks`` is the text of its hooks.py."""
    folder.mkdir(parents=True)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(WEIGHTS * np.float32(scale), "w")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(folder / "weights.onnx"),
    )
    (folder / "model.toml").write_text(TOML.format(hooks='hooks = "hooks.py"' if hooks else ""))
    if hooks:
        (folder / "hooks.py").write_text(hooks)
    return folder


def push_dense(alice, tmp_path, hooks=""):
    """Alice's model, on which Bob works too, and her data set for it."""
    push_folder(alice, write_dense(tmp_path / "dense", hooks))
    if Person.objects.filter(username="bob").exists():
        share(alice, "model", *MODEL, "bob")
    x = np.random.default_rng(1).standard_normal((80, 8)).astype(np.float32)
    noise = 0.1 * np.random.default_rng(2).standard_normal((80, 3)).astype(np.float32)
    make_dataset(alice, tmp_path, npz(x=x, expected__y=x @ WEIGHTS + noise))
    return MODEL


def started(person, toml=None, **more):
    said = {"recipe_toml": recipe() if toml is None else toml, "dataset": DATA, **more}
    return start_optimization(person, MODEL, "1", Wish(**said))


def fresh(evaluation):
    return Evaluation.objects.select_related("job", "variant").get(pk=evaluation.pk)


def quick(monkeypatch):
    """Measure as few calls as there can be, and not on torch."""
    job_of = worker_optimization._job

    def with_few(*arguments):
        job, visible = job_of(*arguments)
        return {**job, "calls": 2, "rounds": 2, "eager": False}, visible

    monkeypatch.setattr(worker_optimization, "_job", with_few)
