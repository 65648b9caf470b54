"""An ONNX graph as TensorRT takes it: symmetric int8, float biases, 16 bits where they are asked for.

TensorRT 11 builds strongly typed networks only: what is computed in which type stands in the graph, and the flags
``BuilderFlag.FP16`` and ``INT8`` and all calibrators are gone (docs.nvidia.com, migration from 10.x to 11.x; in 10.x
strong typing has to be asked for). Its integers are symmetric: activations and weights around zero, without
zero points.

So three things are made different, and tests hold each against onnxruntime:

- Activations in uint8, or with a zero point, become int8 around zero that cover the same range. Where they are never
  negative, as behind a ReLU, half the steps are lost: seven bits are left. Quantizers leave a ReLU out where a zero
  point of 0 clips as it does: it is put back.
- Biases in int32 become float; the products are the same.
- fp16 and bf16: all weights and everything between the graph's inputs and outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidModelFolder

MOST = 127  # of symmetric int8
_FLOAT_ALWAYS = {"Resize": (1, 2)}  # operands that stay float32 in ONNX: regions and scales
_QUANTIZED = ("QuantizeLinear", "DequantizeLinear")


def as_tensorrt_takes(model: Any, precision: str = "fp32") -> Any:
    """A new graph with the same inputs and outputs.

    Args:
        model: ``onnx.ModelProto``, with its tensors inside; it stays as it is.
        precision: ``fp32``, ``bf16`` or ``fp16``: what its float parts are computed in.

    Raises:
        InvalidModelFolder: It has loops or branches, or scales that are not known before it runs.
    """
    import onnx

    made = onnx.ModelProto()
    made.CopyFrom(model)
    for node in made.graph.node:
        if any(attribute.type in (5, 10) for attribute in node.attribute):  # a graph, graphs
            raise InvalidModelFolder(
                f"The node {node.name or node.op_type!r} ({node.op_type}) holds a graph of its own, which is not "
                "converted for TensorRT.",
                "Use the backend onnxruntime, or a model without loops and branches.",
            )
    _Quantization(made).convert()
    if precision != "fp32":
        _narrow(made, precision)
    return made


class _Quantization:
    """QuantizeLinear and DequantizeLinear of a graph, made symmetric."""

    def __init__(self, model: Any) -> None:
        self._graph = model.graph
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._makers = {name: node.op_type for node in model.graph.node for name in node.output}

    def convert(self) -> None:
        kept = []
        for node in self._graph.node:
            if node.op_type in _QUANTIZED:
                if self._is_bias(node):
                    self._store(node.output[0], self._dequantized(node))
                    continue
                kept += self._make_symmetric(node)
            kept.append(node)
        del self._graph.node[:]
        self._graph.node.extend(kept)
        used = {name for node in kept for name in node.input} | {each.name for each in self._graph.output}
        left = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(left)
        del self._graph.value_info[:]  # types have changed

    def _is_bias(self, node: Any) -> bool:
        tensor = self._stored.get(node.input[0])
        return node.op_type == "DequantizeLinear" and tensor is not None and tensor.data_type == 6  # INT32

    def _make_symmetric(self, node: Any) -> list[Any]:
        """Scale and zero point of one node, and its weights where it holds them; gives what has to come before it."""
        scale, zero = self._scale(node), self._zero(node)
        if zero.dtype == np.int8 and not zero.any():
            return []
        if zero.dtype not in (np.uint8, np.int8):
            raise InvalidModelFolder(
                f"The node {node.name or node.op_type!r} quantizes to {zero.dtype}; TensorRT takes int8.",
                "Quantize with 8 bits.",
            )
        low, high = (0, 255) if zero.dtype == np.uint8 else (-128, 127)
        reach = np.maximum(zero.astype(np.float64) - low, high - zero.astype(np.float64))
        symmetric = (scale.astype(np.float64) * reach / MOST).astype(np.float32)
        if node.input[0] in self._stored:
            values = self._dequantized(node)
            steps = np.rint(values / self._along(node, symmetric, values.ndim))
            self._replace(node, 0, np.clip(steps, -MOST, MOST).astype(np.int8))
        before = self._clip(node, scale, zero, (low, high)) if node.op_type == "QuantizeLinear" else []
        self._replace(node, 1, symmetric)
        self._replace(node, 2, np.zeros(zero.shape, np.int8))
        return before

    def _clip(self, node: Any, scale: NDArray[Any], zero: NDArray[Any], ends: tuple[int, int]) -> list[Any]:
        """What the old range cut off and the new, symmetric one would let through."""
        from onnx import helper

        below, above = int(zero.min()) - ends[0], ends[1] - int(zero.max())
        is_relu = self._makers.get(node.input[0]) == "Relu" and below == 0
        if is_relu or zero.size > 1 or abs(below - above) <= 1:
            return []
        source, name = node.input[0], f"{node.name or node.output[0]}.clipped"
        node.input[0] = name
        if below == 0:
            return [helper.make_node("Relu", [source], [name], name=name)]
        bounds = [f"{name}.low", f"{name}.high"]
        for bound, steps in zip(bounds, (-below, above), strict=True):
            self._store(bound, np.asarray(steps * scale.reshape(()), np.float32))
        return [helper.make_node("Clip", [source, *bounds], [name], name=name)]

    def _scale(self, node: Any) -> NDArray[Any]:
        if node.input[1] not in self._stored:
            raise InvalidModelFolder(
                f"The scale of {node.name or node.op_type!r} is computed while the model runs; TensorRT takes "
                "constant ones.",
                "Quantize with quantize.static, not with quantize.dynamic.",
            )
        return self._array(node.input[1])

    def _zero(self, node: Any) -> NDArray[Any]:
        if len(node.input) > 2 and node.input[2]:
            return self._array(node.input[2])
        source = self._stored.get(node.input[0])
        kind = np.uint8 if source is None else self._array(node.input[0]).dtype  # ONNX's default is uint8
        return np.zeros(self._scale(node).shape, kind)

    def _dequantized(self, node: Any) -> NDArray[np.float32]:
        values, scale = self._array(node.input[0]), self._scale(node)
        zero = self._array(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros((), values.dtype)
        centred = values.astype(np.float64) - self._along(node, zero.astype(np.float64), values.ndim)
        found: NDArray[np.float32] = centred * self._along(node, scale.astype(np.float64), values.ndim)
        return found.astype(np.float32)

    def _along(self, node: Any, parts: NDArray[Any], rank: int) -> NDArray[Any]:
        """One value per channel, spread along the node's axis."""
        if parts.size == 1:
            return parts.reshape(())
        axis = next((each.i for each in node.attribute if each.name == "axis"), 1) % rank
        return parts.reshape([-1 if k == axis else 1 for k in range(rank)])

    def _array(self, name: str) -> NDArray[Any]:
        from onnx import numpy_helper

        found: NDArray[Any] = numpy_helper.to_array(self._stored[name])
        return found

    def _replace(self, node: Any, index: int, values: NDArray[Any]) -> None:
        """A new constant for one operand: others may share the old one."""
        name = f"{node.name or node.output[0]}.symmetric.{index}"
        self._store(name, values)
        if index < len(node.input):
            node.input[index] = name
        else:
            node.input.append(name)

    def _store(self, name: str, values: NDArray[Any]) -> None:
        from onnx import numpy_helper

        tensor = numpy_helper.from_array(np.array(values, order="C"), name)
        self._stored[name] = tensor
        self._graph.initializer.append(tensor)


def _narrow(model: Any, precision: str) -> None:
    """Everything float32 between inputs and outputs in 16 bits.

    The operator set stays: TensorRT's parser asks for no newer one, though ONNX lets QuantizeLinear take float16 from
    19 on only, and Conv bfloat16 from 22 on.
    """
    from onnx import TensorProto, helper, numpy_helper

    kind = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}[precision]
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    graph = model.graph
    wide = {
        name for node in graph.node for at, name in enumerate(node.input) if at in _FLOAT_ALWAYS.get(node.op_type, ())
    }
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in wide:
            tensor.CopyFrom(numpy_helper.from_array(_fitting(numpy_helper.to_array(tensor), dtype), tensor.name))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = kind
            elif attribute.name == "value" and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(_fitting(numpy_helper.to_array(attribute.t), dtype)))
    _cast_ends(graph, kind)


def _fitting(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """In another type; what is too large becomes the largest, not infinite."""
    if np.dtype(dtype) == np.float16:
        most = float(np.finfo(np.float16).max)
        values = np.clip(values, -most, most)
    found: NDArray[Any] = values.astype(dtype)
    return found


def _cast_ends(graph: Any, kind: int) -> None:
    """Inputs and outputs stay float32; casts stand behind and before them."""
    from onnx import TensorProto, helper

    stored = {tensor.name for tensor in graph.initializer}
    first, last = [], []
    for given in graph.input:
        if given.name in stored or given.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        inner = f"{given.name}.narrow"
        for node in graph.node:
            for at, name in enumerate(node.input):
                if name == given.name:
                    node.input[at] = inner
        first.append(helper.make_node("Cast", [given.name], [inner], name=f"{inner}.cast", to=kind))
    for wanted in graph.output:
        if wanted.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        inner = f"{wanted.name}.narrow.out"
        for node in graph.node:
            for names in (node.input, node.output):
                for at, name in enumerate(names):
                    if name == wanted.name:
                        names[at] = inner
        last.append(helper.make_node("Cast", [inner], [wanted.name], name=f"{inner}.cast", to=TensorProto.FLOAT))
    nodes = [*first, *graph.node, *last]
    del graph.node[:]
    graph.node.extend(nodes)
