"""A very small camera policy as a model folder, samples of what it sees, and passes that do simple things."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.samples import Data, Samples
from rilaas.optimize.subject import read_subject
from rilaas.store import read_model_folder

HOOKS = '''
import numpy as np

from . import scale
from .scale import FACTOR


def preprocess(inputs):
    """(N, 8, 8, 3) uint8 to (N, 3, 8, 8) float32."""
    return {"input": (inputs["image"].astype(np.float32) / FACTOR - 1.0).transpose(0, 3, 1, 2)}


def postprocess(outputs):
    return {"wheels": np.clip(outputs["command"], -9.0, 9.0)}
'''
TOML = """
name = "small"
task = "test"
description = "says \\"yes\\""
backend = "onnxruntime"
weights = "weights.onnx"
hooks = "hooks.py"

[inputs.image]
datatype = "UINT8"
shape = [-1, 8, 8, 3]
unit = "1"
meaning = "a frame, RGB"

[outputs.wheels]
datatype = "FP32"
shape = [-1, 2]

[batching]
max_size = 4
max_wait_s = 0.01

[placement]
sensitivity = "edge"
"""


def tensors(seed=0, channels=8):
    draw = np.random.default_rng(seed)
    shapes = {"c.w": (channels, 3, 3, 3), "c.b": (channels,), "f.w": (16, channels * 9), "f.b": (16,)}
    shapes |= {"o.w": (2, 16), "o.b": (2,)}
    return {name: draw.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def network_of(weights):
    """Conv 3x3 stride 2, ReLU, 16 hidden neurons, 2 outputs."""
    nodes = [
        helper.make_node("Conv", ["input", "c.w", "c.b"], ["c"], "conv", strides=[2, 2], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c"], ["cr"], "relu"),
        helper.make_node("Flatten", ["cr"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "f.w", "f.b"], ["f"], "hidden", transB=1),
        helper.make_node("Relu", ["f"], ["fr"], "relu2"),
        helper.make_node("Gemm", ["fr", "o.w", "o.b"], ["command"], "last", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("command", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return Network.of_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


def write_small_robot(folder, *, toml=TOML, hooks=HOOKS):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.onnx").write_bytes(network_of(tensors()).data)
    (folder / "model.toml").write_text(toml)
    (folder / "hooks.py").write_text(hooks)
    (folder / "scale.py").write_text("FACTOR = 127.5\n")
    (folder / "train.py").write_text("import torch  # never run\n")
    (folder / "README.md").write_text("# small\n\nA test.\n")
    (folder / "LICENSE").write_text("Apache-2.0\n")
    return read_model_folder(folder)


def samples_of(subject, count, seed, *, targets=True, noise=0.1):
    draw = np.random.default_rng(seed)
    raw = {"image": draw.integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)}
    samples = Samples(raw, subject.preprocess)
    if not targets:
        return samples
    with open_network(subject.network) as session:
        answers = outputs_of(session, samples)["command"]
    command = answers + draw.normal(0, noise, answers.shape).astype(np.float32)
    return Samples(raw, subject.preprocess, {"command": command})


def data_of(subject, *, count=24, targets=True):
    return Data(*(samples_of(subject, count, seed, targets=targets) for seed in range(1, 5)))


def small_robot(folder):
    return read_subject(write_small_robot(folder))


def edited(network, change):
    """A network whose tensors went through ``change(name, array) -> array``."""
    model = network.to_onnx()
    for tensor in model.graph.initializer:
        array = np.array(change(tensor.name, numpy_helper.to_array(tensor)))
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return Network.of_onnx(model)


CALLS = []
"""What passes below were asked: (name, parts that they saw, target)."""


class Seen:
    def apply(self, network, context):
        parts = {part for part in ("training", "calibration", "validation") if getattr(context, part) is not None}
        CALLS.append((self.name, parts, str(context.target)))
        context.tell(0.5, "half")
        return self.work(network, context)


@dataclass(frozen=True)
class Scale(Seen):
    """Multiplies the last layer; learns from training data in name only."""

    name: ClassVar[str] = "finetune"
    needs: ClassVar[frozenset[str]] = frozenset({"training", "validation"})
    version: ClassVar[int] = 1
    factor: float = 1.0

    def work(self, network, context):
        return edited(network, lambda name, array: array * np.float32(self.factor if name == "o.w" else 1))


@dataclass(frozen=True)
class Round(Seen):
    """Rounds weights, as a quantizer would."""

    name: ClassVar[str] = "quantize.round"
    needs: ClassVar[frozenset[str]] = frozenset({"calibration"})
    version: ClassVar[int] = 1
    step: float = 0.01

    def work(self, network, context):
        step = np.float32(self.step)
        return edited(network, lambda name, array: (array / step).round() * step)


@dataclass(frozen=True)
class Diverge(Seen):
    name: ClassVar[str] = "finetune"
    needs: ClassVar[frozenset[str]] = frozenset({"training"})
    version: ClassVar[int] = 1

    def work(self, network, context):
        return edited(network, lambda name, array: array * np.float32("nan") if name == "f.w" else array)


@dataclass(frozen=True)
class Interrupt(Seen):
    name: ClassVar[str] = "prune.interrupt"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    def work(self, network, context):
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Rename(Seen):
    """Breaks the interface: the output gets another name."""

    name: ClassVar[str] = "prune.rename"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    def work(self, network, context):
        model = network.to_onnx()
        model.graph.node[-1].output[0] = model.graph.output[0].name = "wheels"
        onnx.checker.check_model(model)
        return Network.of_onnx(model)
