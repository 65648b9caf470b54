"""A float ONNX network as a tf_keras model with the same inputs and outputs.

Pictures are (N, C, H, W) in ONNX and (N, H, W, C) in TensorFlow. The model takes and gives what the ONNX file does;
inside, tensors of convolutions are turned once at the input, and where a picture is flattened the rows of the next
dense layer are put into the other order instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, ModelFailed
from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network
from rilaas.optimize.passes.tensorflow.framework import import_tensorflow
from rilaas.optimize.passes.tensorflow.graph import Graph, Node, read_graph

PLAIN, PICTURE = "plain", "picture"
_TOLERANCE = 1e-3  # of the largest output; float32 in another order of sums differs by 1e-6


@dataclass(frozen=True)
class Value:
    """A tensor of the Keras model.

    Attributes:
        tensor: It.
        layout: ``plain`` as in ONNX; ``picture`` is (N, H, W, C) of what ONNX has as (N, C, H, W).
        flat_of: (C, H, W) where it is (N, H * W * C) of what ONNX has as (N, C * H * W); () else.
    """

    tensor: Any
    layout: str = PLAIN
    flat_of: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes in ONNX's order without the batch axis."""
        sizes = tuple(self.tensor.shape[1:])
        return (sizes[-1], *sizes[:-1]) if self.layout == PICTURE else sizes


@dataclass
class Builder:
    """What is known while a model is built.

    Attributes:
        graph: The ONNX graph.
        values: By ONNX name.
        done: Nodes that went into an earlier one's layer, by their first output.
    """

    graph: Graph
    values: dict[str, Value] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def layers(self) -> Any:
        """``tf_keras.layers``."""
        return import_tensorflow().keras.layers

    def name(self, kind: str) -> str:
        """A name that no other layer has."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind}_{self.counts[kind]}"

    def constant(self, node: Node, index: int, what: str) -> NDArray[Any]:
        """An input that has to be a constant.

        Raises:
            InvalidInput: It is computed.
        """
        name = node.input(index)
        if name not in self.graph.constants:
            raise unsupported(node, f"its {what} is computed; only constants can be converted")
        return self.graph.constants[name]

    def optional(self, node: Node, index: int, what: str) -> NDArray[Any] | None:
        """As ``constant``; None where it is left out."""
        return self.constant(node, index, what) if node.input(index) else None

    def value(self, node: Node, index: int = 0) -> Value:
        """An input that is computed."""
        name = node.input(index)
        if name in self.values:
            return self.values[name]
        raise unsupported(node, f"its input {name!r} is a constant")

    def plain(self, value: Value) -> Any:
        """The tensor in ONNX's order."""
        layers = self.layers
        if value.flat_of:
            channels, height, width = value.flat_of
            tensor = layers.Reshape((height, width, channels), name=self.name("unflatten"))(value.tensor)
            return layers.Flatten(name=self.name("flatten"))(self.plain(Value(tensor, PICTURE)))
        if value.layout == PLAIN:
            return value.tensor
        channels, height, width = value.shape
        if height == width == 1 or channels == 1:
            return layers.Reshape((channels, height, width), name=self.name("to_plain"))(value.tensor)
        return layers.Permute((3, 1, 2), name=self.name("to_plain"))(value.tensor)

    def picture(self, node: Node, value: Value) -> Any:
        """The tensor as (N, H, W, C).

        Raises:
            InvalidInput: It has another number of axes.
        """
        if value.layout == PICTURE:
            return value.tensor
        if len(value.shape) != 3:
            raise unsupported(node, f"its input has {len(value.shape) + 1} axes; 4 were expected")
        return self.layers.Permute((2, 3, 1), name=self.name("to_picture"))(value.tensor)

    def give(self, node: Node, tensor: Any, layout: str = PLAIN, flat_of: tuple[int, ...] = ()) -> None:
        """Note the first output of a node."""
        self.values[node.outputs[0]] = Value(tensor, layout, flat_of)

    def take_next(self, name: str, operators: tuple[str, ...]) -> Node | None:
        """The one node that takes a tensor, where it is one of ``operators``: the caller computes it."""
        node = self.graph.only_user(name)
        return node if node is not None and node.operator in operators else None


@dataclass(frozen=True)
class KerasModel:
    """A Keras model that stands for an ONNX network.

    Attributes:
        model: It takes a list of tensors in the order of ``inputs`` and gives a list in the order of ``outputs``.
        inputs: Shape (-1 where the batch is free) and datatype by name, as ONNX has them.
        outputs: Names.
    """

    model: Any
    inputs: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
    outputs: tuple[str, ...]

    def with_model(self, model: Any) -> KerasModel:
        """The same names around another model."""
        return KerasModel(model, self.inputs, self.outputs)


def keras_of(network: Network) -> KerasModel:
    """Convert, and compare the outputs of both.

    Raises:
        InvalidInput: It has an operator that is not known here.
        ModelFailed: The Keras model computes something else.
    """
    from rilaas.optimize.passes.tensorflow.operators import OPERATORS

    keras = import_tensorflow().keras
    builder = Builder(read_graph(network))
    graph = builder.graph
    starts = []
    for number, (name, (shape, dtype)) in enumerate(graph.inputs.items()):
        start = keras.layers.Input(shape[1:], dtype=dtype.name, name=f"input_{number}")
        starts.append(start)
        builder.values[name] = Value(start)
    for node in graph.nodes:
        if node.operator not in OPERATORS:
            raise unsupported(node, f"TensorFlow's passes convert {', '.join(sorted(OPERATORS))}")
        if node.outputs[0] not in builder.done:
            OPERATORS[node.operator](builder, node)
    ends: list[Any] = []
    for name in graph.outputs:
        tensor = builder.plain(builder.values[name])
        if any(tensor is each for each in (*starts, *ends)):
            tensor = keras.layers.Activation("linear", name=builder.name("copy"))(tensor)
        ends.append(tensor)
    made = KerasModel(keras.Model(starts, ends), dict(graph.inputs), graph.outputs)
    _check_same(network, made)
    return made


def unsupported(node: Node, why: str) -> InvalidInput:
    """The error for a node that cannot be converted."""
    return InvalidInput(
        f"The operator {node.operator} ({node.name}) cannot be converted to TensorFlow: {why}.",
        "Use a recipe for another runtime, such as balanced.",
    )


Operator = Callable[[Builder, Node], None]


def _check_same(network: Network, made: KerasModel) -> None:
    random = np.random.default_rng(0)
    given: dict[str, NDArray[Any]] = {}
    for name, (shape, dtype) in made.inputs.items():
        size = (2 if shape[0] == -1 else shape[0], *shape[1:])
        given[name] = (
            random.standard_normal(size).astype(dtype)
            if dtype.kind == "f"
            else random.integers(0, 100, size).astype(dtype)
        )
    with open_network(network, Target()) as session:
        wanted = session.run(given)
    found = made.model(list(given.values()), training=False)
    for name, array in zip(made.outputs, found if isinstance(found, list | tuple) else [found], strict=True):
        want, have = np.asarray(wanted[name]), np.asarray(array)
        scale = float(np.abs(want).max(initial=1e-6))
        off = float(np.abs(want - have).max(initial=0.0)) / scale if want.shape == have.shape else math.inf
        if not off <= _TOLERANCE:
            raise ModelFailed(
                f"The conversion to TensorFlow changed output {name!r} by {off:.1e} of its largest value "
                f"({list(want.shape)} against {list(have.shape)}).",
                "This is a fault of the converter, or the network does not compute finite numbers.",
            )
