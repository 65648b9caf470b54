"""Weights as a torch module, compiled by Torch-TensorRT for an NVIDIA card.

The module of the ONNX file (or of the folder's own code) is exported and compiled whole (``ir="dynamo"``). Its types
are those of its weights, as Torch-TensorRT 2.13 on TensorRT 11 has it: half weights compute in half, and
``enabled_precisions`` is not used. int8 stands in the graph: QuantizeLinear and DequantizeLinear become the operator
``tensorrt::quantize_op`` of NVIDIA's Model Optimizer, which is the one that Torch-TensorRT turns into integers
(its ``torch_tensorrt.ts.ptq`` with calibrators was removed). Names and signatures were checked against the wheels of
torch-tensorrt 2.13 and nvidia-modelopt 0.47.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, InvalidModelFolder, MissingDependency, Tensors, TensorSpec
from rilaas.core.signature import datatype_of
from rilaas.infer.nvidia import missing_for
from rilaas.infer.session import Kernels
from rilaas.infer.tensorrt_graph import as_tensorrt_takes
from rilaas.infer.tensorrt_session import MAX_BATCH, batch_range

_PACKAGES = {
    "torch": "rilaas[optimize]",
    "tensorrt": "rilaas[tensorrt]",
    "torch_tensorrt": "rilaas[tensorrt]",
}
_WORKSPACE_BYTES = 2**30


class TorchTensorRtSession:
    """A compiled module.

    Attributes:
        inputs: What the file takes, by name.
        outputs: What it gives, by name.

    Args:
        compiled: Takes the inputs in their order on the card, gives a tuple of the outputs in theirs.
        inputs: See above.
        outputs: See above.
        integer: How many products the graph computes with integers, and how many there are.
    """

    def __init__(
        self,
        compiled: Any,
        inputs: Mapping[str, TensorSpec],
        outputs: Mapping[str, TensorSpec],
        integer: Kernels | None,
    ) -> None:
        self._compiled, self._kernels = compiled, integer
        self.inputs, self.outputs = inputs, outputs
        self._names = tuple(outputs)

    def run(self, inputs: Tensors) -> dict[str, Any]:
        """Compute; see ``TensorRtSession.run``."""
        arrays = [np.ascontiguousarray(inputs[name]) for name in self.inputs]
        for array, spec in zip(arrays, self.inputs.values(), strict=True):
            if not spec.accepts(datatype_of(array), array.shape):
                raise ValueError(f"{spec.name} is {array.dtype} {list(array.shape)}; the weights take {spec}")
        free = [spec.shape[:1] == (-1,) for spec in self.inputs.values()]
        rows = max((len(array) for array, is_free in zip(arrays, free, strict=True) if is_free), default=1)
        parts = []
        for start in range(0, max(1, rows), MAX_BATCH):
            some = slice(start, start + MAX_BATCH)
            parts.append(self._run([a[some] if is_free else a for a, is_free in zip(arrays, free, strict=True)]))
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._names}

    def only(self, names: tuple[str, ...]) -> TorchTensorRtSession:
        """The same weights, giving these outputs alone; the module computes all."""
        session = copy.copy(self)
        session._names = tuple(names)
        return session

    def kernels(self) -> Kernels | None:
        """See ``Session``; as the graph that was compiled asks for it, which TensorRT has to follow."""
        return self._kernels

    def _run(self, arrays: list[Any]) -> dict[str, Any]:
        import torch

        with torch.inference_mode():
            given = [torch.from_numpy(array).to("cuda", non_blocking=True) for array in arrays]
            found = self._compiled(*given)
        answers = dict(zip(self.outputs, found, strict=True))
        return {name: answers[name].cpu().numpy() for name in self._names}  # the copy waits for the card


class TorchTensorRt:
    """Torch-TensorRT as a backend."""

    name = "torch-tensorrt"
    precisions = ("fp32", "bf16", "fp16")

    def missing(self) -> str:
        """See ``Backend``."""
        return missing_for(_PACKAGES)

    def open(self, path: Path, *, precision: str = "fp32", threads: int = 1) -> TorchTensorRtSession:
        """See ``Backend``; TF32 is off, and ``threads`` mean nothing on a card."""
        if reason := self.missing():
            raise MissingDependency(f"The backend torch-tensorrt cannot be used here: {reason}.")
        model, specs = _onnx_of(path)
        module, integer = module_for_tensorrt(model, precision)
        return TorchTensorRtSession(_compile(module, specs[0], path.name), *specs, integer)


TORCH_TENSORRT = TorchTensorRt()


def module_for_tensorrt(model: Any, precision: str = "fp32") -> tuple[Any, Kernels]:
    """A torch module whose graph says what TensorRT is to compute in which type.

    Args:
        model: ``onnx.ModelProto``.
        precision: ``fp32``, ``bf16`` or ``fp16``, between inputs and outputs that stay as they are.

    Returns:
        The module on the CPU; and its products, with those of them between two quantizations.

    Raises:
        InvalidModelFolder: It has an operator that has no form in torch, or cannot be quantized symmetrically.
        MissingDependency: It is quantized, and Model Optimizer is not installed.
    """
    from rilaas.infer.torch_graph import module_of_onnx

    try:
        module = module_of_onnx(as_tensorrt_takes(model))
    except InvalidInput as error:
        raise InvalidModelFolder(error.message, error.hint) from error
    integer = _with_quantize_op(module)
    return _typed(module, precision), integer


def _with_quantize_op(module: Any) -> Kernels:
    """Replace pairs of quantize and dequantize by the one operator that Torch-TensorRT knows; in place."""
    import torch

    from rilaas.infer.torch_quantized import quantized_operators

    ops = quantized_operators()
    ends = {ops.dequantize_per_tensor.default: 1, ops.dequantize_per_channel.default: 1}
    nodes = [node for node in module.graph.nodes if node.target in ends]
    if not nodes:
        return Kernels(sum(_is_product(module, node) for node in module.graph.nodes), 0)
    _import_modelopt()
    quantize = torch.ops.tensorrt.quantize_op.default
    for node in nodes:
        source, scale = node.args[0], node.args[1]
        values = torch.as_tensor(scale) if isinstance(scale, float) else _attribute(module, scale).detach()
        axis = node.args[3] if node.target == ops.dequantize_per_channel.default else None
        with module.graph.inserting_before(node):
            if source.op == "get_attr":
                floats = _dequantized(_attribute(module, source), values, axis)
                before = _stored(module, f"{source.target}.float".replace(".", "_"), floats)
            elif source.target in (ops.quantize_per_tensor.default, ops.quantize_per_channel.default):
                before = source.args[0]
            else:  # integers that were moved, not computed: as float they are the same
                raise InvalidModelFolder(
                    f"The node {source.name!r} works on integers between quantization and dequantization, which "
                    "Torch-TensorRT has no form for.",
                    "Use the target cuda/tensorrt/int8 for this model.",
                )
            amax = 127.0 * (values if axis is None else _along(values, axis, _rank(before, module)))
            reach = _stored(module, f"{node.name}_amax", amax.to(torch.float32))
            made = module.graph.call_function(quantize, (before, reach, 8, 0, False, False))
        node.replace_all_uses_with(made)
        module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    module.recompile()
    products = [node for node in module.graph.nodes if _is_product(module, node)]
    return Kernels(len(products), sum(_is_quantized(node, quantize) for node in products))


def _typed(module: Any, precision: str) -> Any:
    """The module with weights in 16 bits, between inputs and outputs that stay float32."""
    import torch

    if precision == "fp32":
        return module
    kind = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]

    class Narrow(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module.to(kind)

        def forward(self, *given: Any) -> Any:
            found = self.inner(*[each.to(kind) if each.is_floating_point() else each for each in given])
            return tuple(each.float() if each.is_floating_point() else each for each in found)

    return Narrow().eval()


def _compile(module: Any, inputs: Mapping[str, TensorSpec], label: str) -> Any:
    import torch
    import torch_tensorrt

    wanted = []
    for name, spec in inputs.items():
        kind = torch.from_numpy(np.zeros((), spec.dtype)).dtype
        if -1 in spec.shape:
            low, usual, high = batch_range(name, spec.shape)
            wanted.append(torch_tensorrt.Input(min_shape=low, opt_shape=usual, max_shape=high, dtype=kind))
        else:
            wanted.append(torch_tensorrt.Input(shape=spec.shape, dtype=kind))
    try:
        return torch_tensorrt.compile(
            module.cuda(),
            ir="dynamo",
            inputs=wanted,
            workspace_size=_WORKSPACE_BYTES,
            disable_tf32=True,
            min_block_size=1,
            require_full_compilation=False,
            truncate_double=True,
        )
    except Exception as error:  # torch, TensorRT and Torch-TensorRT have no common class
        raise InvalidModelFolder(f"Torch-TensorRT cannot compile {label}: {error!s:.600}") from error


def _import_modelopt() -> None:
    try:
        importlib.import_module("modelopt.torch.quantization")  # it registers tensorrt::quantize_op
    except ImportError as error:
        raise MissingDependency(
            "Torch-TensorRT computes int8 with an operator of NVIDIA's Model Optimizer, which is not installed.",
            "Install it with: pip install nvidia-modelopt; or use the target cuda/tensorrt/int8.",
        ) from error


def _onnx_of(path: Path) -> tuple[Any, tuple[dict[str, TensorSpec], dict[str, TensorSpec]]]:
    """The graph, and what it takes and gives."""
    import onnx

    from rilaas.infer.torch_graph import input_names

    if path.suffix != ".onnx":
        raise InvalidModelFolder(
            f"{path.name} cannot be opened alone: safetensors need the folder's own module.", "Export it as ONNX."
        )
    model = onnx.load(path)
    names = input_names(model)
    sides = ([each for each in model.graph.input if each.name in names], model.graph.output)
    return model, tuple({each.name: _spec(each) for each in side} for side in sides)  # type: ignore[return-value]


def _spec(value: Any) -> TensorSpec:
    from onnx import helper

    tensor = value.type.tensor_type
    shape = tuple(size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim)
    datatype = datatype_of(np.zeros((), helper.tensor_dtype_to_np_dtype(tensor.elem_type)))
    return TensorSpec(value.name, datatype, shape)


def _attribute(module: Any, node: Any) -> Any:
    found = module
    for part in str(node.target).split("."):
        found = getattr(found, part)
    return found


def _stored(module: Any, name: str, tensor: Any) -> Any:
    module.register_buffer(name, tensor)
    return module.graph.get_attr(name)


def _dequantized(values: Any, scale: Any, axis: int | None) -> Any:
    """Symmetric: there is no zero point any more."""
    return values.float() * (scale if axis is None else _along(scale, axis, values.dim()))


def _along(values: Any, axis: int, rank: int) -> Any:
    return values.reshape([-1 if k == axis % rank else 1 for k in range(rank)])


def _rank(node: Any, module: Any) -> int:
    return int(_attribute(module, node).dim()) if node.op == "get_attr" else 1


def _is_product(module: Any, node: Any) -> bool:
    if node.op == "call_module":
        return type(module.get_submodule(node.target)).__name__.startswith(("Conv", "Linear"))
    name = getattr(node.target, "__name__", str(node.target))
    return node.op == "call_function" and name.split(".")[0] in {
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "linear",
        "matmul",
        "addmm",
        "bmm",
        "mm",
    }


def _is_quantized(node: Any, quantize: Any) -> bool:
    """Whether both factors come out of a quantization."""
    return all(getattr(each, "target", None) is quantize for each in node.args[:2])
