"""Small model folders for tests: an ONNX model y = a * x + b, and a model that is only Python."""

import textwrap
from pathlib import Path

import onnx
from onnx import TensorProto, helper

ITERATIVE_MODEL = '''
class Model:
    """Newton's iteration for the square root: a model with its own loop, as grasp planning has one."""

    def __init__(self, folder, session):
        self.calls = 0

    def predict(self, inputs):
        self.calls += 1
        x = inputs["x"]
        y = x * 0 + 1
        for _ in range(30):
            y = (y + x / y) / 2
        return {"y": y}

    def reset(self):
        self.calls = 0
'''

COUNTING_MODEL = """
class Model:
    def __init__(self, folder, session):
        self.calls = 0

    def predict(self, inputs):
        self.calls += 1
        return {"y": inputs["x"] * 0 + self.calls}

    def reset(self):
        self.calls = 0
"""


def affine_onnx(path, *, a=2.0, b=1.0, size=3, x="x", y="y", axis="batch", extra_nodes=()):
    """An ONNX file with input x FP32 [axis, size] and output y = a * x + b."""
    graph = helper.make_graph(
        [helper.make_node("Mul", [x, "a"], ["ax"]), helper.make_node("Add", ["ax", "b"], [y]), *extra_nodes],
        "affine",
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [axis, size])],
        [helper.make_tensor_value_info(y, TensorProto.FLOAT, [axis, size])],
        [helper.make_tensor("a", TensorProto.FLOAT, [], [a]), helper.make_tensor("b", TensorProto.FLOAT, [], [b])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return Path(path)


def write_affine_model(folder, *, name="affine", a=2.0, b=1.0, size=3, hooks="", toml="", **weights):
    """A model folder of the backend onnxruntime: x FP32 [-1, size] -> y = a * x + b, FP32 [-1, size].

    Args:
        folder: Made where it does not exist.
        name: The model's name.
        a: Factor.
        b: Summand.
        size: Length of the second axis.
        hooks: Text of hooks.py; none where empty.
        toml: Text added at the end of model.toml, such as a table [batching].
        weights: More for ``affine_onnx``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    affine_onnx(folder / "weights.onnx", a=a, b=b, size=size, **weights)
    lines = f"""
        name = "{name}"
        task = "affine"
        description = "y = {a} * x + {b}"
        backend = "onnxruntime"
        weights = "weights.onnx"
        {'hooks = "hooks.py"' if hooks else ""}
        [inputs.x]
        datatype = "FP32"
        shape = [-1, {size}]
        unit = "m"
        meaning = "where it is"
        [outputs.y]
        datatype = "FP32"
        shape = [-1, {size}]
    """
    (folder / "model.toml").write_text(textwrap.dedent(lines) + textwrap.dedent(toml))
    if hooks:
        (folder / "hooks.py").write_text(textwrap.dedent(hooks))
    return folder


def write_python_model(folder, source=ITERATIVE_MODEL, *, name="iterative", size=3, toml=""):
    """A model folder of the backend python: x FP32 [-1, size] -> y FP32 [-1, size] by the class Model in ``source``.

    Args:
        folder: Made where it does not exist.
        source: Text of hooks.py.
        name: The model's name.
        size: Length of the second axis.
        toml: Text added at the end of model.toml.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lines = f"""
        name = "{name}"
        task = "test"
        backend = "python"
        hooks = "hooks.py"
        [inputs.x]
        datatype = "FP32"
        shape = [-1, {size}]
        [outputs.y]
        datatype = "FP32"
        shape = [-1, {size}]
    """
    (folder / "model.toml").write_text(textwrap.dedent(lines) + textwrap.dedent(toml))
    (folder / "hooks.py").write_text(textwrap.dedent(source))
    return folder
