"""A torch module as ONNX."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from rilaas.core import InvalidInput, MissingDependency
from rilaas.infer.hooks import Hooks
from rilaas.infer.torch_quantized import quantized_operators
from rilaas.store import ModelFolder

OPSET = 18


class _Ordered(nn.Module):
    """A module that gives a tuple in a known order, whatever the one inside gives."""

    def __init__(self, inner: nn.Module, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.inner, self.outputs = inner, outputs

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return in_order(self.inner(*inputs), self.outputs)


def onnx_of_module(module: nn.Module, examples: Mapping[str, Tensor], outputs: Sequence[str]) -> onnx.ModelProto:
    """Export a module as one ONNX model with its weights inside, without traces of where it was made.

    The first axis of every input is free. The module stays as it is; it is exported in evaluation mode.

    Args:
        module: Gives a tensor, a tuple or list of tensors, or a dict of them by name.
        examples: One tensor for each parameter of ``forward``, by the names that the inputs shall have: in the order
            of the parameters, or with their names.
        outputs: Names of the outputs, in the order of the tuple; or the keys of the dict.

    Returns:
        With operator set 18; the same module gives the same bytes.

    Raises:
        InvalidInput: It computes something that cannot be exported, or the first axis cannot be free.
        MissingDependency: onnxscript is not installed.
    """
    ordered = _by_parameter(module, examples)
    given = tuple(_two_rows(tensor) for tensor in ordered.values())
    wrapped = _Ordered(module, tuple(outputs))
    with evaluating(module), _quiet():
        with torch.no_grad():
            wrapped(*given)  # its own errors are clearer than the exporter's
        model = _exported(wrapped, given, list(ordered), list(outputs))
    _forget_origin(model)
    _without_wrapper(model)
    _name_batch(model.graph)
    onnx.checker.check_model(model, full_check=True)
    return model


def onnx_of_folder(folder: ModelFolder, hooks: Hooks) -> bytes:
    """The module that ``hooks.network()`` gives, with the folder's safetensors, as bytes of an ONNX model."""
    from rilaas.infer.torch_folder import examples_of_folder, network_of_folder

    network = network_of_folder(folder, hooks)
    examples = examples_of_folder(folder, hooks, network)
    data: bytes = onnx_of_module(network.module, examples, tuple(network.outputs)).SerializeToString(
        deterministic=True
    )
    return data


def in_order(made: Any, outputs: tuple[str, ...]) -> tuple[Tensor, ...]:
    """What a module gave, as a tuple in the order of its outputs.

    Raises:
        InvalidInput: They are not as many, or not of these names.
    """
    if isinstance(made, Mapping):
        if set(made) != set(outputs):
            raise InvalidInput(f"The module gives {', '.join(map(str, made))}; {', '.join(outputs)} were expected.")
        return tuple(made[name] for name in outputs)
    given = tuple(made) if isinstance(made, tuple | list) else (made,)
    if len(given) != len(outputs) or not all(isinstance(each, Tensor) for each in given):
        raise InvalidInput(
            f"The module gives {len(given)} values; {len(outputs)} tensors were expected: {', '.join(outputs)}.",
            "Let forward return one tensor for each output, or a dict of tensors by name.",
        )
    return given


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """A module in evaluation mode for a while; then every part of it is as it was."""
    before = [(each, each.training) for each in module.modules()]
    for each, _ in before:
        each.training = False
    try:
        yield
    finally:
        for each, was in before:
            each.training = was


def _by_parameter(module: nn.Module, examples: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = [
        name
        for name, parameter in inspect.signature(module.forward).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if set(names[: len(examples)]) == set(examples):
        return {name: examples[name] for name in names[: len(examples)]}
    return dict(examples)


def _two_rows(tensor: Tensor) -> Tensor:
    """At least two rows: torch takes an axis of 1 for fixed."""
    if not tensor.dim() or not tensor.shape[0]:
        raise InvalidInput("An example has no rows; its first axis counts samples.")
    return tensor.detach() if tensor.shape[0] > 1 else torch.cat([tensor.detach()] * 2)


def _exported(module: nn.Module, given: tuple[Tensor, ...], inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    batch = torch.export.Dim("batch")
    try:
        program = torch.export.export(module, given, dynamic_shapes=(tuple({0: batch} for _ in given),), strict=False)
        made = torch.onnx.export(
            program, input_names=inputs, output_names=outputs, opset_version=OPSET, dynamo=True, verbose=False,
            custom_translation_table=_dynamic_quantization() if "choose_qparams" in str(program.graph) else None,
        )  # fmt: skip
    except ImportError as error:
        raise MissingDependency(
            "Exporting a torch module needs onnxscript.", "Install it with: pip install 'rilaas[optimize]'"
        ) from error
    except Exception as error:  # the exporter raises everything that there is
        raise InvalidInput(
            f"The torch module cannot be exported to ONNX: {_said(error)}",
            "Its forward may use tensors only, without branches that depend on their values, and has to take any "
            "number of rows.",
        ) from error
    if made is None:
        raise AssertionError("the exporter gave no program")
    model: onnx.ModelProto = made.model_proto
    if any(node.op_type == "DynamicQuantizeLinear" for node in model.graph.node):
        del model.graph.value_info[:]  # torch's scales are float64
    return model


def _dynamic_quantization() -> dict[Any, Any]:
    """Ranges that are found while the network runs, which the exporter does not know: DynamicQuantizeLinear."""
    from onnxscript import opset18

    operators = quantized_operators()

    def choose(input: Any, quant_min: int, quant_max: int, eps: float, dtype: int) -> Any:
        _, scale, zero_point = opset18.DynamicQuantizeLinear(input)
        return scale, zero_point

    def quantize(input: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int, dtype: int) -> Any:
        return opset18.QuantizeLinear(input, scale, zero_point)

    def dequantize(
        input: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int, dtype: int, out_dtype: int = 1
    ) -> Any:
        return opset18.DequantizeLinear(input, scale, zero_point)

    return {
        operators.choose_qparams.tensor: choose,
        operators.quantize_per_tensor.tensor: quantize,
        operators.dequantize_per_tensor.tensor: dequantize,
    }


def _said(error: BaseException) -> str:
    """The innermost reason, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"[:300]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own warnings: deprecations in it, and torchvision, which it does not need."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _forget_origin(model: onnx.ModelProto) -> None:
    """Remove stack traces and paths, which the exporter writes into every node."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    model.graph.doc_string = model.doc_string = ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
        value.doc_string = ""


def _without_wrapper(model: onnx.ModelProto) -> None:
    """Weights under their own names: ``features.0.weight``, not ``inner.features.0.weight``."""
    graph = model.graph
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    renamed = {
        tensor.name: tensor.name.removeprefix("inner.")
        for tensor in graph.initializer
        if tensor.name.startswith("inner.") and tensor.name.removeprefix("inner.") not in taken
    }
    for tensor in graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
    for value in graph.value_info:
        value.name = renamed.get(value.name, value.name)


def _name_batch(graph: onnx.GraphProto) -> None:
    """The free axis under the name that people know."""
    symbol = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in [*graph.value_info, *graph.input, *graph.output]:
        for size in value.type.tensor_type.shape.dim:
            if symbol and size.dim_param == symbol:
                size.dim_param = "batch"
