"""An ONNX graph as the converter reads it: constants known, nodes in order, and who uses what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network

_SHAPES = ("Shape", "Size")


@dataclass(frozen=True)
class Node:
    """An operator.

    Attributes:
        operator: Its type, such as ``Conv``.
        name: Its name, or that of its first output.
        inputs: Names; '' where an optional one is left out.
        outputs: Names.
        fields: Its attributes as Python values.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fields: Mapping[str, Any]

    def input(self, index: int) -> str:
        """Name of an input; '' where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they can be computed.

    Attributes:
        inputs: Shape with the batch axis (-1 where free) and datatype of each, by name.
        outputs: Names.
        nodes: Without those that only compute constants.
        constants: By name.
        users: Nodes that take a tensor, by its name; an output of the graph counts as None.
    """

    inputs: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]
    users: Mapping[str, tuple[Node | None, ...]]

    def only_user(self, name: str) -> Node | None:
        """The one node that takes a tensor; None where there are others, or it is an output of the graph."""
        users = self.users.get(name, ())
        return users[0] if len(users) == 1 else None


def read_graph(network: Network) -> Graph:
    """Read an ONNX network; what depends on constants alone is computed.

    Raises:
        InvalidModelFolder: It is not ONNX.
        InvalidInput: An input has no batch axis, or a size besides the batch is free.
    """
    import onnx
    from onnx import numpy_helper

    model = network.to_onnx()
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    inputs = {
        each.name: (_shape(each), np.dtype(onnx.helper.tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type)))
        for each in model.graph.input
        if each.name not in constants
    }
    nodes = []
    for proto in model.graph.node:
        if proto.op_type not in _SHAPES and all(name in constants for name in proto.input if name):
            constants.update(_computed(model, proto, constants))
            continue
        fields = {each.name: onnx.helper.get_attribute_value(each) for each in proto.attribute}
        nodes.append(
            Node(proto.op_type, proto.name or proto.output[0], tuple(proto.input), tuple(proto.output), fields)
        )
    outputs = tuple(each.name for each in model.graph.output)
    users: dict[str, list[Node | None]] = {}
    for node in nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)
    for name in outputs:
        users.setdefault(name, []).append(None)
    return Graph(inputs, outputs, tuple(nodes), constants, {name: tuple(each) for name, each in users.items()})


def _shape(value: Any) -> tuple[int, ...]:
    sizes = tuple(each.dim_value if each.HasField("dim_value") else -1 for each in value.type.tensor_type.shape.dim)
    if not sizes:
        raise InvalidInput(f"Input {value.name!r} has no batch axis, which TensorFlow's layers need.")
    if -1 in sizes[1:]:
        raise InvalidInput(
            f"Input {value.name!r} has the shape {list(sizes)}: TensorFlow's passes take a free first axis only.",
            "Put the pass shape.fix before them.",
        )
    return sizes


def _computed(model: Any, node: Any, constants: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Outputs of a node that takes constants only."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    graph = helper.make_graph(
        [node],
        "constant",
        [helper.make_value_info(name, _type_of(constants[name])) for name in dict.fromkeys(node.input) if name],
        [helper.make_empty_tensor_value_info(name) for name in node.output if name],
    )
    made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    names = [name for name in node.output if name]
    values = ReferenceEvaluator(made).run(names, {name: constants[name] for name in node.input if name})
    return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}


def _type_of(array: NDArray[Any]) -> Any:
    from onnx import helper

    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
