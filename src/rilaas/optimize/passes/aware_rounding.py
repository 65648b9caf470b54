"""Rounding that gradients pass through, in the place of a quantized graph's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from rilaas.infer.torch_graph import module_of_onnx
from rilaas.infer.torch_quantized import quantized_operators

_SMALLEST_SCALE = 1e-12


class RoundedActivation(nn.Module):
    """A tensor as its eight bits give it back; outside of its range no gradient passes.

    Args:
        scale: Of one step.
        zero_point: The integer that stands for 0.
        low: Smallest integer.
        high: Largest integer.
        widens: Whether ``observes`` may move the range.
    """

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, scale: float, zero_point: int, low: int, high: int, *, widens: bool) -> None:
        super().__init__()
        self.integers = (low, high)
        self.observes = False
        self._widens = widens
        self._is_rectified = zero_point == low  # a ReLU before it may have been left out: the range stands for it
        self.register_buffer("low", torch.tensor((low - zero_point) * scale, dtype=torch.float64))
        self.register_buffer("high", torch.tensor((high - zero_point) * scale, dtype=torch.float64))

    @property
    def scale(self) -> float:
        """Of one step."""
        low, high = self.integers
        return max(float(self.high - self.low) / (high - low), _SMALLEST_SCALE)

    @property
    def zero_point(self) -> int:
        """The integer that stands for 0."""
        low, high = self.integers
        return min(max(low, round(low - float(self.low) / self.scale)), high)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Round, and give back as float."""
        if self.training and self.observes and self._widens:
            seen = x.detach()
            self.high.copy_(torch.maximum(self.high, seen.max()))
            if not self._is_rectified:
                self.low.copy_(torch.minimum(self.low, seen.min()))
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, *self.integers)


class RoundedWeight(nn.Module):
    """Weights that are trained in float and used as their eight bits give them back: symmetric, without clipping.

    Args:
        weight: Float; becomes a parameter.
        axis: That has a scale for each of its entries; None for one scale.
        levels: Steps from 0 to the largest magnitude: 127 in eight bits.
    """

    def __init__(self, weight: torch.Tensor, axis: int | None, levels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.axis, self.levels = axis, levels

    @property
    def scale(self) -> torch.Tensor:
        """() or (C,) float32."""
        size = self.weight.detach().abs()
        if self.axis is None:
            return (size.max() / self.levels).clamp(min=_SMALLEST_SCALE)
        others = [axis for axis in range(size.dim()) if axis != self.axis]
        return (size.amax(others) / self.levels).clamp(min=_SMALLEST_SCALE)

    def forward(self) -> torch.Tensor:
        """Rounded, as float."""
        scale = self.scale
        if self.axis is None:
            return torch.fake_quantize_per_tensor_affine(self.weight, float(scale), 0, -self.levels, self.levels)
        zero = torch.zeros(len(scale), dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(self.weight, scale, zero, self.axis, -self.levels, self.levels)


@dataclass(eq=False)
class RoundedLayer:
    """A convolution or matrix product, in the file and in the module.

    Attributes:
        node: Of the file.
        weight: Its trained weights.
        is_transposed: Whether the module has them the other way round.
        bias: Its trained bias; None where it has none of its own.
    """

    node: Any
    weight: RoundedWeight
    is_transposed: bool
    bias: nn.Parameter | None


@dataclass(eq=False)
class RoundedModule:
    """A quantized ONNX graph as a module that can be trained.

    Attributes:
        module: Its forward computes what an integer runtime computes, but for the rounding of biases to 32 bits.
        activations: By the name of the initializer with their scale.
        layers: In order.
    """

    module: fx.GraphModule
    activations: dict[str, RoundedActivation] = field(default_factory=dict)
    layers: list[RoundedLayer] = field(default_factory=list)


def rounded_module(model: Any, floats: dict[str, NDArray[np.float32]], *, widens: bool) -> RoundedModule:
    """Make a quantized ONNX graph trainable.

    Args:
        model: ``onnx.ModelProto`` in QDQ form, weights stored as integers called ``NAME_quantized``.
        floats: The weights that they were rounded from, by NAME.
        widens: Whether ranges of activations may be widened.
    """
    with torch.random.fork_rng(devices=[]):  # layers are made with random weights before they get theirs
        module = module_of_onnx(model)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    made = RoundedModule(module)
    _round_activations(made, model, widens)
    _round_weights(made, model, floats)
    module.graph.eliminate_dead_code()
    module.graph.lint()
    module.delete_all_unused_submodules()
    module.recompile()
    return made


def _round_activations(made: RoundedModule, model: Any, widens: bool) -> None:
    stored = {tensor.name for tensor in model.graph.initializer}
    scales = [n.input[1] for n in model.graph.node if n.op_type == "QuantizeLinear" and n.input[0] not in stored]
    operators = quantized_operators()
    graph = made.module.graph
    nodes = [node for node in graph.nodes if node.target == operators.quantize_per_tensor.default]
    for node, name in zip(nodes, scales, strict=True):  # both in the order of the graph
        x, scale, zero_point, low, high, _ = node.args
        if name not in made.activations:
            made.activations[name] = RoundedActivation(scale, zero_point, low, high, widens=widens)
            made.module.add_submodule(f"rounded_{len(made.activations)}", made.activations[name])
        path = f"rounded_{list(made.activations).index(name) + 1}"
        with graph.inserting_before(node):
            rounded = graph.call_module(path, (x,))
        for user in list(node.users):
            assert user.target == operators.dequantize_per_tensor.default
            user.replace_all_uses_with(rounded)
            graph.erase_node(user)
        graph.erase_node(node)


def _round_weights(made: RoundedModule, model: Any, floats: dict[str, NDArray[np.float32]]) -> None:
    from onnx import numpy_helper

    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    graph, module = made.module.graph, made.module
    for (node, restore), (product, weight_node) in zip(_products_of(model), _products_in(graph), strict=True):
        source: Any = weight_node.args[0]
        stored = arrays[restore.input[0]]
        held = getattr(module, source.target)
        value = floats[restore.input[0].removesuffix("_quantized")]
        is_transposed = tuple(held.shape) != stored.shape or not np.array_equal(held.numpy(), stored)
        scale = arrays[restore.input[1]]
        axis = None
        if scale.size > 1 or scale.ndim:
            axis = next((each.i for each in restore.attribute if each.name == "axis"), 1) % stored.ndim
        levels = round(float(np.abs(value).max()) / float(scale.max())) if scale.max() > 0 else 127
        if is_transposed:
            value, axis = np.ascontiguousarray(value.T), None if axis is None else 1 - axis
        weight = RoundedWeight(torch.from_numpy(np.array(value)), axis, min(max(levels, 1), 127))
        path = f"weight_{len(made.layers) + 1}"
        module.add_submodule(path, weight)
        with graph.inserting_before(weight_node):
            weight_node.replace_all_uses_with(graph.call_module(path))
        bias = _bias_of(module, product)
        if bias is not None:
            bias.requires_grad_(True)
        made.layers.append(RoundedLayer(node, weight, is_transposed, bias))


def _products_of(model: Any) -> Iterator[tuple[Any, Any]]:
    """Nodes with quantized weights, each with the node that restores them; the first of several with the same."""
    restored = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    stored = {tensor.name for tensor in model.graph.initializer}
    seen = set()
    for node in model.graph.node:
        restore = restored.get(node.input[1]) if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul") else None
        if restore is not None and restore.input[0] in stored and restore.input[0] not in seen:
            seen.add(restore.input[0])
            yield node, restore


def _products_in(graph: fx.Graph) -> Iterator[tuple[fx.Node, fx.Node]]:
    """The same in a module's graph."""
    operators = quantized_operators()
    kinds = (operators.dequantize_per_channel.default, operators.dequantize_per_tensor.default)
    seen = set()
    for node in list(graph.nodes):
        source = node.args[0] if node.target in kinds else None
        if isinstance(source, fx.Node) and source.op == "get_attr" and source.target not in seen:
            seen.add(source.target)
            yield next(iter(node.users)), node


def _bias_of(module: fx.GraphModule, product: fx.Node) -> nn.Parameter | None:
    node = product.args[2] if len(product.args) > 2 else None
    found = getattr(module, str(node.target)) if isinstance(node, fx.Node) and node.op == "get_attr" else None
    return found if isinstance(found, nn.Parameter) else None
