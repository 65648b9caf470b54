"""An ONNX graph on its way to a torch module: what each of its tensors has become."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from rilaas.core import InvalidInput

Size: TypeAlias = "int | fx.Node"


@dataclass(frozen=True, eq=False)
class Sizes:
    """A shape, or a part of one, that is computed with while the network runs: free axes are nodes.

    Attributes:
        items: One entry an axis.
        is_scalar: Whether it is one number and no list.
    """

    items: tuple[Size, ...]
    is_scalar: bool = False

    def as_tensor(self) -> Tensor | None:
        """As int64, where no axis is free."""
        if not all(isinstance(item, int) for item in self.items):
            return None
        return torch.tensor(self.items[0] if self.is_scalar else self.items, dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class Quantized:
    """Weights that are stored as integers: ``(data - zero_point) * scale``.

    Attributes:
        data: Integers.
        scale: () float32, or (C,) along ``axis``.
        zero_point: The same shape as ``scale``, of the integers' type.
        axis: That the scale runs along.
    """

    data: Tensor
    scale: Tensor
    zero_point: Tensor
    axis: int

    def as_float(self) -> Tensor:
        """(data - zero_point) * scale."""
        shape = [1] * self.data.dim()
        if self.scale.dim():
            shape[self.axis] = -1
        return (self.data.float() - self.zero_point.reshape(shape).float()) * self.scale.reshape(shape)

    def permuted(self, order: Sequence[int]) -> Quantized:
        """With its axes in another order."""
        axis = list(order).index(self.axis) if self.scale.dim() else self.axis
        return Quantized(self.data.permute(*order).contiguous(), self.scale, self.zero_point, axis)


Value: TypeAlias = "fx.Node | Tensor | Sizes | Quantized | None"


@dataclass(frozen=True)
class Operation:
    """A node of an ONNX graph.

    Attributes:
        type: Its operator.
        name: Its own, or that of its first output.
        inputs: Names of tensors; '' where one is left out.
        outputs: Names of tensors.
        attributes: By name, as Python values and tensors.
    """

    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def refused(self, why: str, hint: str = "") -> InvalidInput:
        """The error to raise where this node cannot be converted."""
        return InvalidInput(
            f"PyTorch cannot compute the node {self.name!r} ({self.type}): {why}.",
            hint or "Export the network without it, or run it on another backend, such as onnxruntime.",
        )


@dataclass(eq=False)
class Reader:
    """A torch module that grows, node by node.

    Attributes:
        shapes: Of tensors by name, as far as shape inference knows them; None for a free axis.
        uses: How many nodes take each tensor.
        root: Owns what has weights.
        graph: What calls it.
        values: What each tensor has become.
    """

    shapes: dict[str, tuple[int | None, ...]]
    uses: dict[str, int] = field(default_factory=dict)
    root: nn.Module = field(default_factory=nn.Module)
    graph: fx.Graph = field(default_factory=fx.Graph)
    values: dict[str, Value] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)  # of constants, by id
    _stored: dict[int, tuple[fx.Node, Tensor]] = field(default_factory=dict)

    def value(self, step: Operation, index: int) -> Value:
        """What a node takes; None where it is left out."""
        name = step.inputs[index] if index < len(step.inputs) else ""
        return self.values[name] if name else None

    def tensor(self, step: Operation, index: int) -> Any:
        """The same as a node or a constant tensor; None where it is left out.

        Raises:
            InvalidInput: It is a shape with a free axis.
        """
        value = self.value(step, index)
        if isinstance(value, Quantized):
            return value.as_float()
        if isinstance(value, Sizes):
            made = value.as_tensor()
            if made is None:
                raise step.refused(f"it computes with the size of a free axis ({step.inputs[index]})")
            return made
        return value

    def constant(self, step: Operation, index: int, what: str) -> Tensor | None:
        """The same, where it has to be known beforehand.

        Raises:
            InvalidInput: It is computed from the network's inputs.
        """
        value = self.tensor(step, index)
        if isinstance(value, fx.Node):
            raise step.refused(f"its {what} are computed from the network's inputs and have to be constant")
        known: Tensor | None = value
        return known

    def sizes(self, step: Operation, index: int, what: str) -> list[Size] | None:
        """A list of numbers, some of which may be sizes of free axes; None where it is left out."""
        value = self.value(step, index)
        if isinstance(value, Sizes):
            return list(value.items)
        known = self.constant(step, index, what)
        return None if known is None else [int(each) for each in known.reshape(-1)]

    def axes(self, step: Operation, index: int = 1) -> list[int] | None:
        """Axes, which newer operator sets give as an input and older ones as an attribute."""
        known = step.get("axes")
        if known is None:
            value = self.constant(step, index, "axes")
            known = None if value is None or not value.numel() else value.reshape(-1).tolist()
        return None if known is None else [int(axis) for axis in known]

    def rank(self, step: Operation, index: int = 0) -> int:
        """Axes of what a node takes."""
        return len(self.shape(step, index))

    def shape(self, step: Operation, index: int = 0) -> tuple[int | None, ...]:
        """Shape of what a node takes; None for a free axis.

        Raises:
            InvalidInput: Nobody knows.
        """
        value = self.value(step, index)
        if isinstance(value, Tensor):
            return tuple(value.shape)
        if isinstance(value, Quantized):
            return tuple(value.data.shape)
        if step.inputs[index] not in self.shapes:
            raise step.refused(
                f"nobody knows how many axes its input {step.inputs[index]!r} has",
                "Export the network with fixed shapes (the first axis may be free).",
            )
        return self.shapes[step.inputs[index]]

    def call(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """A call in the graph; computed at once where nothing in it depends on the network's inputs."""
        if not any(isinstance(each, fx.Node) for each in _flat((arguments, tuple(keywords.values())))):
            with torch.no_grad():
                return function(*arguments, **keywords)
        given = fx.node.map_aggregate(arguments, self.stored)
        named = fx.node.map_aggregate(keywords, self.stored)
        return self.graph.call_function(function, given, named)

    def size(self, step: Operation, index: int, axis: int) -> Size:
        """The size of an axis: a number where it is known."""
        known = self.shape(step, index)[axis]
        if known is not None:
            return known
        node: fx.Node = self.graph.call_method("size", (self.value(step, index), axis))  # type: ignore[arg-type]
        return node

    def layer(self, step: Operation, made: nn.Module, x: Any) -> Any:
        """A call of a layer, which is named after its weights; constants are computed at once."""
        if isinstance(x, Tensor):
            with torch.no_grad():
                return made(x)
        path = self._free_path(step)
        *above, last = path.split(".")
        place = self.root
        for part in above:
            if not hasattr(place, part):
                place.add_module(part, nn.Module())
            place = getattr(place, part)
        place.add_module(last, made)
        return self.graph.call_module(path, (x,))

    def parameter(self, tensor: Tensor) -> Any:
        """A constant that is trained with the rest."""
        stored = self._stored.get(id(tensor))
        if stored is None:
            name = self._attribute(self.names.get(id(tensor), "weight"))
            self.root.register_parameter(name, nn.Parameter(tensor, requires_grad=tensor.is_floating_point()))
            stored = self._stored[id(tensor)] = (self.graph.get_attr(name), tensor)
        return stored[0]

    def stored(self, value: Any) -> Any:
        """A constant as a node; anything else as it is."""
        if not isinstance(value, Tensor):
            return value
        if id(value) not in self._stored:
            name = self._attribute(self.names.get(id(value), "constant"))
            self.root.register_buffer(name, value)
            self._stored[id(value)] = (self.graph.get_attr(name), value)  # the tensor: its id is not given anew
        return self._stored[id(value)][0]

    def _attribute(self, name: str) -> str:
        made = identifier(name)
        while hasattr(self.root, made):
            made += "_"
        return made

    def _free_path(self, step: Operation) -> str:
        """``features.0`` where the weights are called ``features.0.weight``; after the node where nothing says so."""
        weights = next((name for name in step.inputs[1:] if name.endswith(".weight")), "")
        path = weights.removesuffix(".weight") or identifier(step.name or step.type)
        path = ".".join(part if part.isdigit() else identifier(part) for part in path.split(".") if part)
        taken, number = dict(self.root.named_modules()), 2
        wanted = path
        while wanted in taken or any(f"{wanted}.".startswith(f"{each}.") for each in self._leaves()):
            wanted, number = f"{path}_{number}", number + 1
        top = wanted.partition(".")[0]
        return f"layers.{wanted}" if hasattr(self.root, top) and top not in taken else wanted

    def _leaves(self) -> Iterator[str]:
        return (name for name, module in self.root.named_modules() if name and type(module) is not nn.Module)


def identifier(name: str) -> str:
    """A name that Python takes for an attribute."""
    made = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "value"
    return f"_{made}" if made[0].isdigit() else made


ARITHMETIC: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": operator.floordiv,
    "Mod": operator.mod,
}
"""On sizes, which are not negative."""


def of_sizes(reader: Reader, step: Operation) -> Sizes:
    """Arithmetic on shapes."""
    both = [reader.value(step, index) for index in (0, 1)]
    lists = [reader.sizes(step, index, "operands") or [] for index in (0, 1)]
    length = max(map(len, lists))
    left, right = (each * length if len(each) == 1 else each for each in lists)
    items = []
    for one, other in zip(left, right, strict=True):
        function = ARITHMETIC[step.type]
        is_known = isinstance(one, int) and isinstance(other, int)
        items.append(function(one, other) if is_known else reader.graph.call_function(function, (one, other)))
    is_scalar = all(each.is_scalar if isinstance(each, Sizes) else each.dim() == 0 for each in both)  # type: ignore[union-attr]
    return Sizes(tuple(items), is_scalar)


def _flat(values: Any) -> Iterator[Any]:
    if isinstance(values, list | tuple):
        for each in values:
            yield from _flat(each)
    else:
        yield values
