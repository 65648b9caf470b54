"""A small student learns what the float network answers.

Source: G. Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv:1503.02531, for vectors instead of
classes: the student's squared error from the teacher. It is taught long and with mixed inputs, which the teacher
answers anew, as L. Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.passes.contract import Context, check_share
from rilaas.optimize.passes.distill_student import Architecture, Convolution, Student, check_fits, count_fitting
from rilaas.optimize.passes.training import Learning, fit
from rilaas.optimize.passes.training_module import TrainedModule, network_of, one_thread

_EXAMPLES = 256  # samples that means and deviations come from
_NARROW = 16  # such layers cost nothing, and all goes through them


@dataclass(frozen=True)
class Distill(Learning):
    """Replace the network by a smaller one that the float network teaches; for vectors from a picture or vectors.

    The student is a chain of convolutions without padding and fully connected layers. What is not given is derived
    from the network that comes in: its convolutions and hidden layers in order, thinner, up to the first convolution
    whose kernel is larger than the picture that is left. Layers of up to 16 neurons stay as wide as they are.

    Attributes:
        width: Channels and hidden neurons of the derived student, as a share of the network's, in multiples of 4.
        layers: Convolutions that the derived student has: the network's first ones; 0 takes all.
        first_stride: The first convolution's stride times this: 2 leaves a quarter of the pixels to all others.
        channels: Of each convolution, instead of derived ones.
        kernels: Of each convolution [px]; 5 where only channels are given.
        strides: Of each convolution [px]; 2 where only channels are given.
        hidden: Neurons of the fully connected layers before the last, instead of derived ones.
    """

    name: ClassVar[str] = "distill"
    needs: ClassVar[frozenset[str]] = frozenset({"training", "validation"})
    version: ClassVar[int] = 1

    epochs: int = 30
    learning_rate: float = 2e-3
    rate: str = "cosine"
    toward: str = "teacher"
    mix: float = 0.5
    shift: float = 0.08
    jitter: float = 0.15
    repeat: int = 4
    width: float = 0.5
    layers: int = 0
    first_stride: int = 1
    channels: tuple[int, ...] = ()
    kernels: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("width", self.width, low=0.01, high=4.0)
        for name in ("kernels", "strides"):
            given = getattr(self, name)
            if given and len(given) != len(self.channels):
                raise InvalidInput(
                    f"{name} has {len(given)} entries, channels {len(self.channels)}.",
                    "Give one for each convolution.",
                )
        numbers = (*self.channels, *self.kernels, *self.strides, *self.hidden, self.first_stride, self.layers + 1)
        if min(numbers) < 1:
            raise InvalidInput("A student's channels, kernels, strides and hidden neurons are 1 or more.")

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        model = network.to_onnx()
        samples = context.part("training", self.name)
        some = samples.take(slice(0, _EXAMPLES))
        with open_network(context.original) as teacher:
            answers = outputs_of(teacher, some)
        stored = {tensor.name for tensor in model.graph.initializer}
        inputs = tuple(each.name for each in model.graph.input if each.name not in stored)
        outputs = tuple(each.name for each in model.graph.output)
        seen = some.inputs()
        shapes = [seen[name].shape[1:] for name in inputs]
        _check_signature(inputs, shapes, {name: answers[name] for name in outputs}, seen)
        area = next((shape[1:] for shape in shapes if len(shape) == 3), None)
        architecture = self.architecture(model, area)
        with one_thread(context.seed):
            student = Student(
                architecture,
                shapes,
                [answers[name].shape[1] for name in outputs],
                [torch.from_numpy(seen[name]) for name in inputs],
                [torch.from_numpy(answers[name]) for name in outputs],
            )
        trained = TrainedModule(student, inputs, outputs)
        fit(trained, self, context, self.name)
        student.fold()
        return network_of(trained, context)

    def architecture(self, model: Any, area: Sequence[int] | None) -> Architecture:
        """Of the student, from its fields and the network that comes in.

        Args:
            model: ``onnx.ModelProto`` of the network.
            area: Rows and columns of the picture [px]; None where the network takes none.

        Raises:
            InvalidInput: The given layers do not fit the picture, or there are none to derive a student from.
        """
        convolutions, hidden = _layers_of(model)
        neurons = self.hidden or tuple(_thinner(each, self.width) for each in hidden)
        if area is None:
            return Architecture((), neurons)
        if self.channels:
            kernels = self.kernels or (5,) * len(self.channels)
            strides = self.strides or (2,) * len(self.channels)
            chosen = [Convolution(*each) for each in zip(self.channels, kernels, strides, strict=True)]
        else:
            kept = convolutions[: self.layers or None]
            chosen = [Convolution(_thinner(each.channels, self.width), each.kernel, each.stride) for each in kept]
        if not chosen:
            raise InvalidInput("The network has no convolutions to derive a student from.", "Give channels.")
        first = chosen[0]
        chosen[0] = Convolution(first.channels, first.kernel, first.stride * self.first_stride)
        if not self.channels:
            chosen = chosen[: max(1, count_fitting(chosen, area))]
        made = Architecture(tuple(chosen), neurons)
        check_fits(made, area)
        return made


def _thinner(number: int, width: float) -> int:
    return max(4, round(number * width / 4) * 4) if number > _NARROW else number


def _layers_of(model: Any) -> tuple[list[Convolution], list[int]]:
    """Convolutions of a network, and the neurons of its fully connected layers but the last, in order."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    convolutions, neurons = [], []
    for node in model.graph.node:
        shape = shapes.get(node.input[1]) if len(node.input) > 1 else None
        attributes = {each.name: each for each in node.attribute}
        if node.op_type == "Conv" and shape is not None and len(shape) == 4:
            stride = max(attributes["strides"].ints, default=1) if "strides" in attributes else 1
            convolutions.append(Convolution(shape[0], max(shape[2:]), stride))
        elif node.op_type in ("Gemm", "MatMul") and shape is not None and len(shape) == 2:
            neurons.append(shape[0] if "transB" in attributes and attributes["transB"].i else shape[1])
    return convolutions, neurons[:-1]


def _check_signature(
    inputs: tuple[str, ...], shapes: list[Any], answers: dict[str, Any], seen: dict[str, np.ndarray]
) -> None:
    for name, answer in answers.items():
        if answer.ndim != 2:
            raise InvalidInput(
                f"A student answers with vectors; the output {name!r} has shape {answer.shape[1:]} for one sample.",
                "Make this network smaller with prune.structured.",
            )
    pictures = [name for name, shape in zip(inputs, shapes, strict=True) if len(shape) == 3]
    other = [name for name, shape in zip(inputs, shapes, strict=True) if len(shape) not in (1, 3)]
    if len(pictures) > 1 or other or any(seen[name].dtype.kind != "f" for name in inputs):
        said = "; ".join(f"{name} {seen[name].dtype} {shape}" for name, shape in zip(inputs, shapes, strict=True))
        raise InvalidInput(
            f"A student takes at most one picture (channels, rows, columns) and vectors, all float; here: {said}.",
            "Make this network smaller with prune.structured.",
        )
