"""Weights in TensorFlow Lite's flat buffer, computed by LiteRT on the CPU.

Whatever a file has inside, a session takes and gives float. Integer inputs are ``q = clip(round(x / s) + z)`` and
integer outputs are ``y = (q - z) * s``. Source: Jacob et al., Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference, eq. 1.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import (
    DATATYPES,
    InvalidInput,
    InvalidModelFolder,
    MissingDependency,
    Tensors,
    TensorSpec,
)
from rilaas.infer.session import Kernels
from rilaas.infer.standard_error import standard_error_without

_NOISE = b"Created TensorFlow Lite XNNPACK delegate"  # told when a process loads its first file

_MULTIPLY = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL", "CONV_3D")
_INTEGER = ("INT8", "UINT8", "INT16", "INT4")


@dataclass(frozen=True, slots=True)
class _Tensor:
    """An input or output of the file.

    Attributes:
        index: Its number in the file.
        shape: As the file has it; -1 is free.
        dtype: What the file stores.
        scale: Of a quantized tensor; 0 where it is not quantized.
        zero: The integer that stands for 0.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float = 0.0
    zero: int = 0

    def quantized(self, name: str, values: Any) -> NDArray[Any]:
        """Integers for floats: rounded, and at the end of the range where they lie outside.

        Raises:
            InvalidInput: One is not a number; integers have nothing for that.
        """
        floats = np.asarray(values, np.float32)
        if np.isnan(np.dot(floats.ravel(), floats.ravel())):  # NaN only where an element is: squares do not cancel
            raise InvalidInput(f"Input {name!r} has NaN, which integer weights cannot take.", "Send numbers.")
        limits = np.iinfo(self.dtype)
        rounded = np.rint(floats / np.float32(self.scale)) + np.float32(self.zero)
        clipped: NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(self.dtype)
        return clipped

    def dequantized(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Floats for integers."""
        return (values.astype(np.float32) - np.float32(self.zero)) * np.float32(self.scale)


class LiteRtSession:
    """The weights of a model, ready to run.

    Attributes:
        inputs: What the file takes, by the names of its signature; FP32 where it is quantized.
        outputs: What it gives, likewise.

    Args:
        path: The ``.tflite`` file.
        threads: Threads to compute with.

    Raises:
        MissingDependency: LiteRT is not installed.
        InvalidModelFolder: LiteRT cannot load the file.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._path = path
        kind = _import_interpreter()
        try:
            with standard_error_without(_NOISE):
                self._interpreter = kind(str(path), num_threads=threads)
                takes, gives = _sides(path, self._interpreter)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            said = " ".join(str(error).replace(str(path), path.name).split())
            raise InvalidModelFolder(f"LiteRT cannot load {path.name}: {said}") from error
        self._inputs = {name: _tensor(path, name, details) for name, details in takes.items()}
        self._outputs = {name: _tensor(path, name, details) for name, details in gives.items()}
        self._shapes = {name: tuple(int(size) for size in details["shape"]) for name, details in takes.items()}
        self.inputs: Mapping[str, TensorSpec] = {name: _spec(name, each) for name, each in self._inputs.items()}
        self.outputs: Mapping[str, TensorSpec] = {name: _spec(name, each) for name, each in self._outputs.items()}
        self._wanted = tuple(self._outputs.items())

    def run(self, inputs: Tensors) -> dict[str, Any]:
        """Compute.

        Args:
            inputs: By the file's own names. Another batch size than the last call's costs a new memory plan.

        Returns:
            Outputs by the file's own names.
        """
        interpreter = self._interpreter
        self._fit({name: np.shape(inputs[name]) for name in self._inputs})
        for name, tensor in self._inputs.items():
            values = inputs[name]
            interpreter.set_tensor(
                tensor.index, tensor.quantized(name, values) if tensor.scale else np.asarray(values, tensor.dtype)
            )
        interpreter.invoke()
        found = {}
        for name, tensor in self._wanted:
            values = interpreter.get_tensor(tensor.index)
            found[name] = tensor.dequantized(values) if tensor.scale else values
        return found

    def only(self, names: tuple[str, ...]) -> LiteRtSession:
        """The same weights, giving these outputs alone; LiteRT computes all of them."""
        session = copy.copy(self)
        session._wanted = tuple((name, self._outputs[name]) for name in names)
        return session

    def kernels(self) -> Kernels:
        """See ``Session``. Integer weights on float activations count: LiteRT rounds those on the way in."""
        return kernels_of(self._path.read_bytes())

    def _fit(self, shapes: dict[str, tuple[int, ...]]) -> None:
        if shapes == self._shapes:
            return
        for name, tensor in self._inputs.items():
            given = shapes[name]
            fits = len(given) == len(tensor.shape) and all(
                want in (-1, have) for want, have in zip(tensor.shape, given, strict=True)
            )
            if not fits or 0 in given:
                raise InvalidInput(f"Input {name!r} has the shape {list(given)}; it has to be {self.inputs[name]}.")
        for name, tensor in self._inputs.items():
            if shapes[name] != self._shapes.get(name):
                self._interpreter.resize_tensor_input(tensor.index, shapes[name])
        self._shapes.clear()  # shared by ``only``; empty until the new plan stands
        self._interpreter.allocate_tensors()
        self._shapes.update(shapes)


class LiteRt:
    """LiteRT as a backend."""

    name = "litert"
    precisions = ("fp32", "fp16")

    def missing(self) -> str:
        """See ``Backend``."""
        try:
            _import_interpreter()
        except MissingDependency as error:
            return str(error)
        return ""

    def open(self, path: Path, *, precision: str = "fp32", threads: int = 1) -> LiteRtSession:
        """See ``Backend``; the file decides what is computed in, float16 weights compute in float32."""
        if precision not in self.precisions:
            raise InvalidInput(f"litert computes in {' or '.join(self.precisions)}, not in {precision!r}.")
        return LiteRtSession(path, threads)


LITERT = LiteRt()


def kernels_of(data: bytes) -> Kernels:
    """How many operators of a flat buffer multiply, and how many of them multiply integers.

    An operator multiplies integers where its weights are integers when they reach it; weights that are only stored
    as integers or float16 pass through DEQUANTIZE first, and do not count.
    """
    from ai_edge_litert import schema_py_generated as schema

    operators = {getattr(schema.BuiltinOperator, name) for name in _MULTIPLY}
    integer = {getattr(schema.TensorType, name) for name in _INTEGER}
    model = schema.Model.GetRootAs(data)
    graph = model.Subgraphs(0)
    kinds = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        if max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) in operators:
            kinds.append(graph.Tensors(operator.Inputs(1)).Type())
    return Kernels(len(kinds), sum(kind in integer for kind in kinds))


def _import_interpreter() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingDependency(
            "The backend litert is not installed.", "Install it with: pip install 'rilaas[litert]'"
        ) from error
    return Interpreter


def _sides(path: Path, interpreter: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Details of inputs and outputs, by name of the signature; by the tensors' own names where there is none."""
    keys = list(interpreter.get_signature_list())
    if len(keys) > 1:
        raise InvalidModelFolder(
            f"{path.name} has {len(keys)} signatures: {', '.join(keys)}.", "Convert one function into a file."
        )
    if keys:
        runner = interpreter.get_signature_runner(keys[0])
        return runner.get_input_details(), runner.get_output_details()
    return (
        {details["name"]: details for details in interpreter.get_input_details()},
        {details["name"]: details for details in interpreter.get_output_details()},
    )


def _tensor(path: Path, name: str, details: Mapping[str, Any]) -> _Tensor:
    dtype = np.dtype(details["dtype"])
    if dtype not in DATATYPES.values():
        raise InvalidModelFolder(
            f"{path.name} has {name!r} of type {dtype}, which the protocol cannot carry.",
            f"Valid: {', '.join(DATATYPES)}.",
        )
    parameters = details["quantization_parameters"]
    scales, zeros = parameters["scales"], parameters["zero_points"]
    if len(scales) > 1:
        raise InvalidModelFolder(f"{path.name} has {name!r} with a scale for each channel; one was expected.")
    shape = tuple(int(size) for size in details["shape_signature"])
    is_quantized = len(scales) == 1 and dtype.kind in "iu"
    return _Tensor(
        details["index"],
        shape,
        dtype,
        float(scales[0]) if is_quantized else 0.0,
        int(zeros[0]) if is_quantized and len(zeros) else 0,
    )


def _spec(name: str, tensor: _Tensor) -> TensorSpec:
    stored = next(datatype for datatype, dtype in DATATYPES.items() if dtype == tensor.dtype)
    return TensorSpec(name, "FP32" if tensor.scale else stored, tensor.shape)
