"""ONNX operators with weights, as the layers of torch that people know: convolution, linear, normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from rilaas.infer.torch_elementwise import binary
from rilaas.infer.torch_reader import Operation, Quantized, Reader, identifier

_CONV: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BIASED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_CONV_TRANSPOSE: tuple[Any, ...] = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONV_FUNCTION = (functional.conv1d, functional.conv2d, functional.conv3d)
_TRANSPOSE_FUNCTION = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)
_BATCH_NORM: tuple[Any, ...] = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_INSTANCE_NORM: tuple[Any, ...] = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def paddings(reader: Reader, step: Operation, kernel: list[int]) -> tuple[list[int], list[int]]:
    """What is added before and after each spatial axis."""
    dims, auto = len(kernel), step.get("auto_pad", "NOTSET")
    if auto == "VALID":
        return [0] * dims, [0] * dims
    if auto == "NOTSET":
        pads = list(step.get("pads") or [0] * 2 * dims)
        return pads[:dims], pads[dims:]
    strides, dilations = step.get("strides") or [1] * dims, step.get("dilations") or [1] * dims
    before, after = [], []
    for size, wide, stride, dilation in zip(reader.shape(step)[2:], kernel, strides, dilations, strict=True):
        if size is None and stride != 1:
            raise step.refused(f"auto_pad {auto} with a stride needs a fixed height and width")
        rest = 0 if size is None else (-(-size // stride) - 1) * stride + 1 - size
        total = max(0, rest + (wide - 1) * dilation)
        low = total // 2 if auto == "SAME_UPPER" else total - total // 2
        before.append(low)
        after.append(total - low)
    return before, after


def padded(reader: Reader, step: Operation, kernel: list[int], fill: float = 0.0) -> tuple[Any, tuple[int, ...]]:
    """The input, padded where both ends differ, and the padding that is left to the layer."""
    x = reader.tensor(step, 0)
    before, after = paddings(reader, step, kernel)
    if before == after:
        return x, tuple(before)
    flat = [size for low, high in reversed(list(zip(before, after, strict=True))) for size in (low, high)]
    return reader.call(functional.pad, x, flat, value=fill), (0,) * len(kernel)


def _weights(reader: Reader, step: Operation) -> tuple[Any, Any]:
    """The kernel as it is stored (integers where it is quantized), and the bias."""
    kernel = reader.value(step, 1)
    if not isinstance(kernel, Quantized):
        kernel = reader.tensor(step, 1)
    bias = reader.tensor(step, 2)
    if isinstance(bias, Tensor) and isinstance(reader.value(step, 2), Quantized):
        reader.names[id(bias)] = f"{step.inputs[2]}_float"
    return kernel, bias


def in_graph(reader: Reader, weights: Any, name: str) -> Any:
    """Weights as a node: quantized ones keep their integers and are dequantized in the graph."""
    if isinstance(weights, Quantized):
        from rilaas.infer.torch_quantized import dequantized_weights

        return dequantized_weights(reader, weights, name)
    return weights if isinstance(weights, fx.Node | None) else reader.parameter(weights)


def _conv(reader: Reader, step: Operation) -> Any:
    kernel, bias = _weights(reader, step)
    shape = list(reader.shape(step, 1))
    dims = len(shape) - 2
    if not 1 <= dims <= 3:
        raise step.refused(f"it has {dims} spatial axes; torch has convolutions with 1 to 3")
    x, padding = padded(reader, step, [int(size or 1) for size in shape[2:]])
    strides, dilations = (tuple(step.get(name) or [1] * dims) for name in ("strides", "dilations"))
    groups = step.get("group", 1)
    if not isinstance(kernel, Tensor) or isinstance(bias, fx.Node) or isinstance(x, Tensor):
        weight = in_graph(reader, kernel, step.inputs[1])
        kept = bias if isinstance(bias, fx.Node | None) else reader.parameter(bias)
        return reader.call(_CONV_FUNCTION[dims - 1], x, weight, kept, strides, padding, dilations, groups)
    layer = _CONV[dims - 1](
        kernel.shape[1] * groups, kernel.shape[0], tuple(kernel.shape[2:]), strides, padding, dilations, groups,
        bias=bias is not None,
    )  # fmt: skip
    return reader.layer(step, _filled(layer, weight=kernel, bias=bias), x)


def _conv_transpose(reader: Reader, step: Operation) -> Any:
    kernel, bias = _weights(reader, step)
    shape = [int(size or 1) for size in reader.shape(step, 1)]
    dims, groups = len(shape) - 2, step.get("group", 1)
    if step.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or step.get("output_shape"):
        raise step.refused("auto_pad and output_shape are not supported", "Export it with explicit pads.")
    strides, dilations = (tuple(step.get(name) or [1] * dims) for name in ("strides", "dilations"))
    extra = list(step.get("output_padding") or [0] * dims)
    pads = list(step.get("pads") or [0] * 2 * dims)
    cut = [after - before for before, after in zip(pads[:dims], pads[dims:], strict=True)]
    if any(size > 0 and size > more for size, more in zip(cut, extra, strict=True)) or any(size < 0 for size in cut):
        raise step.refused("its pads differ at both ends", "Export it with the same padding at both ends.")
    extra = [more - size for more, size in zip(extra, cut, strict=True)]
    x, padding = reader.tensor(step, 0), tuple(pads[:dims])
    if not isinstance(kernel, Tensor) or isinstance(bias, fx.Node) or isinstance(x, Tensor):
        weight = in_graph(reader, kernel, step.inputs[1])
        kept = bias if isinstance(bias, fx.Node | None) else reader.parameter(bias)
        function = _TRANSPOSE_FUNCTION[dims - 1]
        return reader.call(function, x, weight, kept, strides, padding, tuple(extra), groups, dilations)
    layer = _CONV_TRANSPOSE[dims - 1](
        shape[0], shape[1] * groups, tuple(shape[2:]), strides, padding, tuple(extra), groups,
        bias=bias is not None, dilation=dilations,
    )  # fmt: skip
    return reader.layer(step, _filled(layer, weight=kernel, bias=bias), x)


def _gemm(reader: Reader, step: Operation) -> Any:
    alpha, beta = step.get("alpha", 1.0), step.get("beta", 1.0)
    x, (weight, bias) = reader.tensor(step, 0), _weights(reader, step)
    if step.get("transA", 0):
        x = reader.call(torch.t, x)
    is_plain = alpha == 1.0 and (beta == 1.0 or bias is None)
    if isinstance(weight, Quantized) and is_plain and (bias is None or isinstance(bias, Tensor)):
        return linear(reader, step, x, weight if step.get("transB", 0) else weight.permuted((1, 0)), _row(bias))
    weight = weight.as_float() if isinstance(weight, Quantized) else weight
    if isinstance(weight, Tensor) and isinstance(bias, Tensor | None) and (bias is None or _is_row(bias)):
        kept = _scaled(weight if step.get("transB", 0) else weight.t().contiguous(), alpha)
        row = None if bias is None else _scaled(_row(bias).expand(kept.shape[0]).contiguous(), beta)
        return linear(reader, step, x, kept, row)
    if step.get("transB", 0):
        weight = reader.call(torch.t, weight)
    made = reader.call(torch.matmul, x, weight)
    made = made if alpha == 1.0 else reader.call(torch.mul, made, alpha)
    if bias is None:
        return made
    return reader.call(torch.add, made, bias if beta == 1.0 else reader.call(torch.mul, bias, beta))


def linear(reader: Reader, step: Operation, x: Any, weight: Tensor | Quantized, bias: Tensor | None) -> Any:
    """``x @ weight.T + bias``, the weights (out, in), as a layer."""
    if isinstance(weight, Quantized):
        kept = None if bias is None else reader.parameter(bias)
        name = identifier(step.inputs[1])
        return reader.call(functional.linear, x, in_graph(reader, weight, name), kept)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    return reader.layer(step, _filled(layer, weight=weight, bias=bias), x)


def _matmul(reader: Reader, step: Operation) -> Any:
    weight = reader.value(step, 1)
    if isinstance(weight, Quantized) and weight.data.dim() == 2:
        return linear(reader, step, reader.tensor(step, 0), weight.permuted((1, 0)), None)
    if isinstance(weight, Tensor) and weight.dim() == 2:
        return linear(reader, step, reader.tensor(step, 0), weight.t().contiguous(), None)
    return reader.call(torch.matmul, reader.tensor(step, 0), reader.tensor(step, 1))


def _add(reader: Reader, step: Operation) -> Any:
    """A bias that stands behind its layer becomes the layer's own; other additions stay what they are."""
    for index in (0, 1):
        node, bias = reader.value(step, index), reader.value(step, 1 - index)
        bias = bias.as_float() if isinstance(bias, Quantized) else bias
        is_alone = reader.uses.get(step.inputs[index], 0) == 1
        if is_alone and isinstance(node, fx.Node) and isinstance(bias, Tensor) and _takes_bias(reader, node, bias):
            return node
    return binary(reader, step)


def _takes_bias(reader: Reader, node: fx.Node, bias: Tensor) -> bool:
    if node.op == "call_function" and node.target is functional.linear and node.args[2] is None:
        weight = node.args[1]
        if not isinstance(weight, fx.Node) or bias.shape[-1:] != bias.reshape(-1).shape:
            return False
        node.args = (*node.args[:2], reader.parameter(bias.reshape(-1)))
        return True
    layer: Any = reader.root.get_submodule(str(node.target)) if node.op == "call_module" else None
    if not isinstance(layer, _BIASED) or layer.bias is not None:
        return False
    channels = layer.weight.shape[0]
    wanted = (channels,) + (1,) * (layer.weight.dim() - 2)
    shape = tuple(bias.shape)
    while len(shape) > len(wanted) and shape[0] == 1:
        shape = shape[1:]
    if shape != wanted:
        return False
    layer.register_parameter("bias", nn.Parameter(bias.reshape(-1).clone()))
    return True


def _batch_normalization(reader: Reader, step: Operation) -> Any:
    if step.get("training_mode", 0):
        raise step.refused("it is in training mode", "Export the network in evaluation mode: network.eval().")
    scale, bias, mean, variance = (reader.constant(step, index, "statistics") for index in range(1, 5))
    assert scale is not None
    layer = _BATCH_NORM[max(0, reader.rank(step) - 3)](scale.numel(), eps=step.get("epsilon", 1e-5))
    filled = _filled(layer, weight=scale, bias=bias, running_mean=mean, running_var=variance)
    return reader.layer(step, filled.eval(), reader.tensor(step, 0))


def _layer_normalization(reader: Reader, step: Operation) -> Any:
    axis, rank = step.get("axis", -1), reader.rank(step)
    shape = reader.shape(step)[axis % rank :]
    if None in shape:
        raise step.refused("it normalises over a free axis")
    scale, bias = reader.tensor(step, 1), reader.tensor(step, 2)
    sizes, epsilon = [int(size or 1) for size in shape], step.get("epsilon", 1e-5)
    if not isinstance(scale, Tensor) or isinstance(bias, fx.Node) or list(scale.shape) != sizes:
        made = reader.call(functional.layer_norm, reader.tensor(step, 0), sizes, None, None, epsilon)
        made = reader.call(torch.mul, made, scale)
        return made if bias is None else reader.call(torch.add, made, bias)
    layer = nn.LayerNorm(sizes, eps=epsilon, bias=bias is not None)
    return reader.layer(step, _filled(layer, weight=scale, bias=bias), reader.tensor(step, 0))


def _instance_normalization(reader: Reader, step: Operation) -> Any:
    scale, bias = (reader.constant(step, index, "weights") for index in (1, 2))
    assert scale is not None
    layer = _INSTANCE_NORM[max(0, reader.rank(step) - 3)](scale.numel(), eps=step.get("epsilon", 1e-5), affine=True)
    return reader.layer(step, _filled(layer, weight=scale, bias=bias), reader.tensor(step, 0))


def _group_normalization(reader: Reader, step: Operation) -> Any:
    scale, bias = (reader.constant(step, index, "weights") for index in (1, 2))
    channels, groups = reader.shape(step)[1], step.get("num_groups")
    assert scale is not None
    if scale.numel() != channels:
        raise step.refused("its weights go by group", "Export it with operator set 21, whose weights go by channel.")
    layer = nn.GroupNorm(groups, scale.numel(), eps=step.get("epsilon", 1e-5))
    return reader.layer(step, _filled(layer, weight=scale, bias=bias), reader.tensor(step, 0))


def _prelu(reader: Reader, step: Operation) -> Any:
    x, slope = reader.tensor(step, 0), reader.tensor(step, 1)
    shape = list(slope.shape) if isinstance(slope, Tensor) else []
    if isinstance(slope, Tensor) and (slope.numel() == 1 or shape == [shape[0]] + [1] * (reader.rank(step) - 2)):
        return reader.layer(step, _filled(nn.PReLU(slope.numel()), weight=slope.reshape(-1)), x)
    return reader.call(prelu, x, slope)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """X where it is positive, else x * slope, which is broadcast."""
    return torch.where(x < 0, x * slope, x)


def _einsum(reader: Reader, step: Operation) -> Any:
    given = [reader.tensor(step, index) for index in range(len(step.inputs))]
    return reader.call(torch.einsum, step.get("equation"), *given)


def _filled(layer: nn.Module, **tensors: Tensor | None) -> nn.Module:
    """A layer with these weights."""
    with torch.no_grad():
        for name, tensor in tensors.items():
            if tensor is None:
                continue
            kept = tensor.detach().clone()
            if name in dict(layer.named_buffers()):
                layer.register_buffer(name, kept)
            else:
                layer.register_parameter(name, nn.Parameter(kept))
    return layer


def _is_row(bias: Tensor) -> bool:
    return bias.numel() == (bias.shape[-1] if bias.dim() else 1)


def _row(bias: Tensor | None) -> Any:
    return None if bias is None else bias.reshape(-1)


def _scaled(tensor: Tensor, factor: float) -> Tensor:
    return tensor if factor == 1.0 else tensor * factor


OPERATORS: dict[str, Callable[[Reader, Operation], Any]] = {
    "Add": _add,
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "GroupNormalization": _group_normalization,
    "InstanceNormalization": _instance_normalization,
    "LayerNormalization": _layer_normalization,
    "MatMul": _matmul,
    "PRelu": _prelu,
}
