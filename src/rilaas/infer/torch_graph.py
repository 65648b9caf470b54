"""An ONNX model as a torch module: layers with their weights, and functions between them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import fx

from rilaas.core import InvalidInput
from rilaas.infer import torch_elementwise, torch_layer, torch_pool, torch_quantized, torch_shape
from rilaas.infer.torch_reader import Operation, Reader, Sizes, identifier

OPERATORS = {
    **torch_elementwise.OPERATORS,
    **torch_layer.OPERATORS,
    **torch_pool.OPERATORS,
    **torch_quantized.OPERATORS,
    **torch_shape.OPERATORS,
}
"""All ONNX operators that can be converted."""

_DOMAINS = {"", "ai.onnx"}
_QUANTIZED_DOMAINS = {"com.microsoft"}  # onnxruntime's own QuantizeLinear is ONNX's newer one
_OLDEST = 13


def module_of_onnx(model: onnx.ModelProto) -> fx.GraphModule:
    """Make a torch module of an ONNX model, in evaluation mode and float32.

    Weights become the parameters of real layers (``nn.Conv2d``, ``nn.Linear``, ``nn.BatchNorm2d`` ...) that are named
    after the weights, such as ``features.0``; everything else becomes functions and buffers. Quantized weights stay
    integers (``QuantizeLinear`` and ``DequantizeLinear`` become ``torch.ops.quantized_decomposed``).

    Args:
        model: With its tensors inside, as ``onnx.load`` gives it. It stays as it is.

    Returns:
        Its ``forward`` takes the graph's inputs in their order and gives a tuple of the graph's outputs in theirs.

    Raises:
        InvalidInput: It has an operator that is not converted; the message names it, its node, and what to do.
    """
    model = _prepared(model)
    shapes = _shapes(model)
    reader = Reader(shapes, _uses(model.graph))
    for tensor in model.graph.initializer:
        made = _tensor(tensor)
        reader.values[tensor.name], reader.names[id(made)] = made, tensor.name
    for given in model.graph.input:
        if given.name not in reader.values:
            reader.values[given.name] = reader.graph.placeholder(identifier(given.name))
    for node in model.graph.node:
        _convert(reader, _operation(node), node.domain)
    results = [_result(reader, each.name) for each in model.graph.output]
    reader.graph.output(tuple(results))
    module = fx.GraphModule(reader.root, reader.graph, "Network")
    module.graph.eliminate_dead_code()
    module.graph.lint()
    module.delete_all_unused_submodules()
    module.recompile()
    return module.eval()


def input_names(model: onnx.ModelProto) -> tuple[str, ...]:
    """Inputs of a graph that are no weights, in their order."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return tuple(given.name for given in model.graph.input if given.name not in stored)


def _prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """With one operator set of today and without functions of its own."""
    version = next((entry.version for entry in model.opset_import if entry.domain in _DOMAINS), 0)
    if version < _OLDEST:
        try:
            model = onnx.version_converter.convert_version(model, _OLDEST)
        except Exception as error:  # its exceptions have no common base but this
            raise InvalidInput(
                f"The ONNX file has operator set {version}, which cannot be converted to {_OLDEST}: "
                f"{str(error).splitlines()[0]}",
                f"Export it again with operator set {_OLDEST} or newer.",
            ) from error
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # a wrong shape somewhere: what needs shapes says so
        inferred = model
    graph = inferred.graph
    return {
        value.name: tuple(
            size.dim_value if size.HasField("dim_value") else None for size in value.type.tensor_type.shape.dim
        )
        for value in [*graph.value_info, *graph.input, *graph.output]
        if value.type.tensor_type.HasField("shape")
    }


def _uses(graph: onnx.GraphProto) -> dict[str, int]:
    """How often each tensor is taken; an output of the graph counts."""
    taken = [name for node in graph.node for name in node.input] + [each.name for each in graph.output]
    return dict(Counter(taken))


def _operation(node: onnx.NodeProto) -> Operation:
    attributes: dict[str, Any] = {}
    for each in node.attribute:
        value = onnx.helper.get_attribute_value(each)
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        elif isinstance(value, onnx.TensorProto):
            value = _tensor(value)
        attributes[each.name] = list(value) if each.type in (each.INTS, each.FLOATS) else value
    name = node.name or next(iter(node.output), "")
    return Operation(node.op_type, name, tuple(node.input), tuple(node.output), attributes)


def _convert(reader: Reader, step: Operation, domain: str) -> None:
    function = OPERATORS.get(step.type)
    is_known = domain in _DOMAINS or (domain in _QUANTIZED_DOMAINS and step.type in torch_quantized.OPERATORS)
    if function is None or not is_known:
        operator = f"{domain}::{step.type}" if domain not in _DOMAINS else step.type
        raise InvalidInput(
            f"PyTorch cannot run this ONNX model: its operator {operator} (node {step.name!r}) is not converted.",
            "Run it on another backend, such as onnxruntime, or export the network without this operator. "
            f"Converted are: {', '.join(sorted(OPERATORS))}.",
        )
    made = function(reader, step)
    results = made if isinstance(made, tuple) else (made,)
    for name, result in zip(step.outputs, results, strict=False):
        reader.values[name] = result
        if isinstance(result, torch.Tensor):
            reader.names.setdefault(id(result), name)


def _result(reader: Reader, name: str) -> Any:
    value = reader.values.get(name)
    if value is None:
        raise InvalidInput(f"The ONNX model's output {name!r} is computed by no node.", "Export it again.")
    if isinstance(value, fx.Node):
        return value
    step = Operation("Output", name, (name,), (), {})
    kept = value.as_tensor() if isinstance(value, Sizes) else reader.tensor(step, 0)
    if kept is None:
        raise step.refused("it is the size of a free axis")
    return reader.stored(kept)


def _tensor(proto: onnx.TensorProto) -> torch.Tensor:
    array = np.array(numpy_helper.to_array(proto))  # a copy that may be written
    if array.dtype.kind in "OUS":
        raise InvalidInput(f"The ONNX model's tensor {proto.name!r} is text, which torch cannot compute with.")
    return torch.from_numpy(array)
