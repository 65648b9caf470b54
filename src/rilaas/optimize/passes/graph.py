"""An ONNX graph that is being rewritten: who makes a tensor, who takes it, which ones are constant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, did_you_mean

MATRIX_OPS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True, slots=True)
class Layer:
    """A node that multiplies by constant weights.

    Attributes:
        name: Of the node.
        op: Of ``MATRIX_OPS``.
        weight: Name of the weights.
        parameters: How many weights there are.
        macs: Multiplications of one sample; 0 where the shapes are not known.
    """

    name: str
    op: str
    weight: str
    parameters: int
    macs: int


class Graph:
    """Reads and rewrites a model in place; ``Network`` keeps the bytes that it came from.

    Args:
        model: An ``onnx.ModelProto`` of the caller's own.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.nodes = model.graph.node
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.outputs = tuple(value.name for value in model.graph.output)
        self.inputs = tuple(value.name for value in model.graph.input if value.name not in self._constants)
        self._names = {name for node in self.nodes for name in (*node.input, *node.output)} | set(self._constants)
        self._inner = set(_inner_names(self.nodes))
        for number, node in enumerate(self.nodes):
            node.name = node.name or f"{node.op_type}_{number}"

    def array(self, name: str) -> NDArray[Any] | None:
        """The value of a constant; None where the tensor is computed, or is left out."""
        from onnx import numpy_helper

        tensor = self._constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def constant(self, array: NDArray[Any], stem: str) -> str:
        """A new constant; gives its name."""
        from onnx import numpy_helper

        name = self.fresh(stem)
        self.add(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, tensor: Any) -> None:
        """A new constant from its ``TensorProto``."""
        self.model.graph.initializer.append(tensor)
        self._constants[tensor.name] = self.model.graph.initializer[-1]
        self._names.add(tensor.name)

    def fresh(self, stem: str) -> str:
        """A name that nobody has."""
        name, number = stem, 1
        while name in self._names:
            name, number = f"{stem}_{number}", number + 1
        self._names.add(name)
        return name

    def producer(self, name: str) -> Any | None:
        """The node that computes a tensor."""
        return next((node for node in self.nodes if name in node.output), None)

    def consumers(self, name: str) -> list[Any]:
        """The nodes that take a tensor."""
        return [node for node in self.nodes if name in node.input]

    def only_consumer(self, name: str) -> Any | None:
        """The node that alone takes a tensor; None where others see it too."""
        found = self.consumers(name)
        is_seen = name in self.outputs or name in self._inner
        return found[0] if len(found) == 1 and not is_seen and list(found[0].input).count(name) == 1 else None

    def bypass(self, node: Any, source: str) -> None:
        """Take a node out: who took its first output takes ``source``, and its name where the network gives it."""
        out = node.output[0]
        self.nodes.remove(node)
        if out in self.outputs or out in self._inner:
            self.rename(source, out)
            return
        for other in self.consumers(out):
            for at, name in enumerate(other.input):
                if name == out:
                    other.input[at] = source

    def rename(self, old: str, new: str) -> None:
        """Call a computed tensor by another name."""
        for node in self.nodes:
            for side in (node.input, node.output):
                for at, name in enumerate(side):
                    if name == old:
                        side[at] = new

    def tidy(self) -> Any:
        """Leave out what nobody takes; gives the model."""
        graph = self.model.graph
        while dead := [node for node in self.nodes if not any(self._is_taken(name) for name in node.output)]:
            for node in dead:
                self.nodes.remove(node)
        taken = {name for node in self.nodes for name in node.input} | self._inner | set(self.outputs)
        for values in (graph.initializer, graph.value_info):
            kept = [value for value in values if value.name in taken]
            del values[:]
            values.extend(kept)
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        return self.model

    def layers(self) -> list[Layer]:
        """Nodes with constant weights, in order."""
        from onnx import shape_inference

        shapes = {
            value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
            for value in shape_inference.infer_shapes(self.model).graph.value_info
        } | {v.name: [s.dim_value for s in v.type.tensor_type.shape.dim] for v in self.model.graph.output}
        found = []
        for node in self.nodes:
            weight = self._weight(node)
            if weight:
                array = self.array(weight)
                assert array is not None
                macs = _macs(node, array, shapes.get(node.output[0], []))
                found.append(Layer(node.name, node.op_type, weight, array.size, macs))
        return found

    def small_layers(self, min_macs: int) -> set[str]:
        """Names of layers that are known to multiply less often than this for one sample."""
        return {layer.name for layer in self.layers() if 0 < layer.macs < min_macs}

    def check_layers(self, names: Sequence[str], where: str) -> None:
        """Raise ``InvalidInput`` where a name is no layer's."""
        valid = [layer.name for layer in self.layers()]
        for name in names:
            if name not in valid:
                raise InvalidInput(f"{where}: the network has no layer {name!r}.", did_you_mean(name, valid))

    def _weight(self, node: Any) -> str:
        """Name of the constant that a node multiplies by, also behind DequantizeLinear or Cast; or ''."""
        if node.op_type not in MATRIX_OPS:
            return ""
        for name in node.input[1:2] if node.op_type != "MatMul" else reversed(node.input[:2]):
            maker = self.producer(name)
            source = maker.input[0] if maker is not None and maker.op_type in ("DequantizeLinear", "Cast") else name
            if source in self._constants:
                return str(source)
        return ""

    def _is_taken(self, name: str) -> bool:
        return name in self.outputs or name in self._inner or any(name in node.input for node in self.nodes)


def attribute(node: Any, name: str, default: Any) -> Any:
    """The value of a node's attribute."""
    from onnx import helper

    found = next((each for each in node.attribute if each.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def set_attribute(node: Any, name: str, value: Any) -> None:
    """Give a node's attribute another value."""
    from onnx import helper

    kept = [each for each in node.attribute if each.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def _macs(node: Any, weight: NDArray[Any], out: Sequence[int]) -> int:
    """One multiplication for each weight and place of the output where it is used; the batch axis is one sample."""
    if node.op_type == "Conv":
        return int(weight.size * np.prod(out[2:])) if len(out) > 2 else 0
    if node.op_type == "ConvTranspose":
        return int(np.prod(out[1:]) * weight[0, 0].size * weight.shape[0] / attribute(node, "group", 1)) if out else 0
    return int(weight.size * np.prod(out[1:-1])) if node.op_type == "MatMul" else int(weight.size)


def _inner_names(nodes: Any) -> Iterator[str]:
    """What graphs inside nodes (If, Loop) take from outside."""
    for node in nodes:
        for each in node.attribute:
            for inner in (each.g, *each.graphs):
                for below in inner.node:
                    yield from below.input
                yield from _inner_names(inner.node)
                yield from (value.name for value in inner.output)
