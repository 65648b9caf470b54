"""Weights in ONNX, computed by OpenVINO on the CPU.

The cheapest call that its Python API has: shapes are fixed, input and output tensors are bound once, and a call
copies into them, computes on the calling thread and copies out. Against a call with a dictionary on a model with a
free batch axis that is 25 us of 175 us for the int8 network of the RA-L study (PilotNet, batch 1, one thread). Around
the kernels 6 us are left; nothing is won by binding the caller's own array (3 us more than copying it).

OpenVINO 2025 and newer sends a telemetry event whenever it is imported (openvino/tools/ovc/__init__.py) by the
package openvino_telemetry, which only a file in the home folder or an environment that looks like a CI switches off;
this is the only place that imports it, and it is kept from finding that package. Nothing is cached on disk. A
processor without arithmetic for bf16 or fp16 computes in float32; OpenVINO alone would take bf16 for fp16 then, which
has three bits less.
"""

from __future__ import annotations

import re
import sys
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, InvalidModelFolder, MissingDependency, Tensors, TensorSpec
from rilaas.infer.kernel_count import kernels_of_openvino
from rilaas.infer.session import Kernels

MAX_SHAPES = 16  # compiled ones that are kept, each with its own buffers; others are computed with free axes
_INSTALL = "Install it with: pip install 'rilaas[openvino]'"
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_CAPABILITIES = {"bf16": "BF16", "fp16": "FP16"}
_DATATYPES = {
    "boolean": "BOOL",
    "u8": "UINT8",
    "u16": "UINT16",
    "u32": "UINT32",
    "u64": "UINT64",
    "i8": "INT8",
    "i16": "INT16",
    "i32": "INT32",
    "i64": "INT64",
    "f16": "FP16",
    "f32": "FP32",
    "f64": "FP64",
}
_TURNED = -1  # before the shape of an image whose channels lie together in memory
Shapes = tuple[tuple[int, ...], ...]


class OpenVinoSession:
    """The weights of a model, compiled.

    A free first axis is the batch: one sample is compiled when the file is opened, other sizes when they are first
    asked for. Where another axis is free, or after ``MAX_SHAPES`` sizes, a form with free axes computes, more slowly.

    Attributes:
        inputs: What the file takes, by name.
        outputs: What it gives, by name.
        computes_in: What the float parts are really computed in: ``fp32`` where the processor has nothing else.

    Args:
        path: The ONNX file.
        precision: What the float parts are to be computed in.
        threads: Threads to compute with.

    Raises:
        MissingDependency: OpenVINO is not installed.
        InvalidModelFolder: OpenVINO cannot load the file, or lacks one of its operators.
        InvalidInput: It does not know the precision.
    """

    def __init__(self, path: Path, precision: str = "fp32", threads: int = 1) -> None:
        if precision not in _HINTS:
            raise InvalidInput(f"openvino computes in {', '.join(_HINTS)}, not in {precision!r}.")
        self._core = import_openvino().Core()
        self._label = path.name
        self.computes_in = _possible(self._core, precision)
        self._config = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": _HINTS[self.computes_in],
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # replicas of one machine would all be pinned to the same core
            "CACHE_DIR": "",
        }
        try:
            self._start(self._core.read_model(str(path)))
        except RuntimeError as error:
            raise _unusable(path, error) from error

    def _start(self, model: Any) -> None:
        self._model = model
        self.inputs = {port.any_name: _spec(self._label, port) for port in model.inputs}
        self.outputs = {port.any_name: _spec(self._label, port) for port in model.outputs}
        self._takes = tuple(self.inputs)
        self._bound: dict[Shapes, _Bound] = {}
        self._free: Any = None
        shapes = tuple(
            (1, *spec.shape[1:]) if spec.shape[:1] == (-1,) else spec.shape for spec in self.inputs.values()
        )
        if any(size < 0 for shape in shapes for size in shape):
            self._any_shape()
        else:
            self._bound[shapes] = self._compiled(shapes)

    def run(self, inputs: Tensors) -> dict[str, Any]:
        """Compute.

        Args:
            inputs: By the file's own names, of its datatypes.

        Returns:
            Outputs by the file's own names, the caller's to keep.

        Raises:
            KeyError: An input is missing.
            ValueError: An input's shape does not fit.
            TypeError: An input's datatype does not fit.
        """
        arrays = [np.asarray(inputs[name]) for name in self._takes]
        key = tuple([array.shape if array.flags.c_contiguous else _as_lies(array) for array in arrays])
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bind(arrays, key)
        return self._run_free(arrays) if bound is None else bound.run(arrays)

    def only(self, names: tuple[str, ...]) -> OpenVinoSession:
        """The same weights, computing these outputs alone."""
        if set(names) == set(self.outputs):
            return self
        openvino = import_openvino()
        model = self._model.clone()
        results = [port.node for name in names for port in model.outputs if name in port.names]
        session = OpenVinoSession.__new__(OpenVinoSession)
        session._core, session._label, session._config = self._core, self._label, self._config
        session.computes_in = self.computes_in
        session._start(openvino.Model(results, model.get_parameters(), self._label))
        return session

    def kernels(self) -> Kernels | None:
        """See ``Session``; as the compiled graph says it."""
        compiled = next(iter(self._bound.values())).compiled if self._bound else self._any_shape()
        return kernels_of_openvino(compiled.get_runtime_model())

    def _bind(self, arrays: list[Any], key: Shapes) -> _Bound | None:
        """The compiled form for these arrays, made now; None where that with free axes has to do."""
        for array, (name, spec) in zip(arrays, self.inputs.items(), strict=True):
            if len(array.shape) != len(spec.shape) or any(
                want not in (-1, have) for want, have in zip(spec.shape, array.shape, strict=True)
            ):
                raise ValueError(f"input {name!r} has shape {list(array.shape)}; {self._label} takes {spec}")
        free_elsewhere = any(-1 in spec.shape[1:] for spec in self.inputs.values())
        if free_elsewhere or len(self._bound) >= MAX_SHAPES or any(0 in array.shape for array in arrays):
            return None
        bound = self._bound[key] = self._compiled(key)
        return bound

    def _compiled(self, key: Shapes) -> _Bound:
        """Compile for shapes, and for images whose channels lie together in memory.

        What ``frames.transpose(0, 3, 1, 2)`` gives lies as the kernels want it. Taken as it lies it is not turned
        twice, in numpy and inside: 138 us instead of 155 for the int8 network of the RA-L study.
        """
        model = self._model.clone()
        model.reshape({at: [size for size in shape if size != _TURNED] for at, shape in enumerate(key)})
        turned = tuple(shape[:1] == (_TURNED,) for shape in key)
        if any(turned):
            model = _with_turned_inputs(model, turned)
        return _Bound(self._core.compile_model(model, "CPU", self._config), tuple(self.outputs), turned)

    def _any_shape(self) -> Any:
        if self._free is None:
            self._free = self._core.compile_model(self._model, "CPU", self._config)
            self._request = self._free.create_infer_request()
        return self._free

    def _run_free(self, arrays: list[Any]) -> dict[str, Any]:
        self._any_shape()
        for array, (name, spec) in zip(arrays, self.inputs.items(), strict=True):
            if array.dtype != spec.dtype:
                raise TypeError(f"input {name!r} is of type {array.dtype}; {self._label} takes {spec}")
        given = dict(enumerate(np.ascontiguousarray(array) for array in arrays))
        self._request.infer(given)
        return {name: self._request.get_output_tensor(at).data.copy() for at, name in enumerate(self.outputs)}


class _Bound:
    """A compiled network of fixed shapes with its buffers.

    Attributes:
        compiled: It.
    """

    def __init__(self, compiled: Any, names: tuple[str, ...], turned: tuple[bool, ...]) -> None:
        openvino = import_openvino()
        self.compiled, self._names = compiled, names
        self._request = compiled.create_infer_request()
        tensors = []
        for at, port in enumerate(compiled.inputs):
            tensors.append(openvino.Tensor(port.element_type, port.shape))
            self._request.set_input_tensor(at, tensors[-1])
        buffers = [tensor.data for tensor in tensors]
        self._buffers = [
            buffer.transpose(0, 3, 1, 2) if is_turned else buffer
            for buffer, is_turned in zip(buffers, turned, strict=True)
        ]
        self._kept = tensors  # the buffers are theirs
        self._infer = self._request.infer
        self._outputs: list[Any] = []
        if not any(port.partial_shape.is_dynamic for port in compiled.outputs):
            self._outputs = [self._request.get_output_tensor(at).data for at in range(len(names))]

    def run(self, arrays: list[Any]) -> dict[str, Any]:
        """Compute; arrays of these very shapes."""
        for buffer, array in zip(self._buffers, arrays, strict=True):
            np.copyto(buffer, array, casting="no")
        self._infer()
        # Sizes that depend on values, as those of detections do, are known now only.
        found = self._outputs or [self._request.get_output_tensor(at).data for at in range(len(self._names))]
        return {name: array.copy() for name, array in zip(self._names, found, strict=True)}


class OpenVino:
    """OpenVINO as a backend."""

    name = "openvino"
    precisions = tuple(_HINTS)

    def missing(self) -> str:
        """See ``Backend``."""
        return "" if util.find_spec("openvino") else f"The backend openvino is not installed. {_INSTALL}"

    def open(self, path: Path, *, precision: str = "fp32", threads: int = 1) -> OpenVinoSession:
        """See ``Backend``."""
        return OpenVinoSession(path, precision, threads)


OPENVINO = OpenVino()


def import_openvino() -> Any:
    """The module openvino, without its telemetry.

    Raises:
        MissingDependency: It is not installed.
    """
    without_telemetry()
    try:
        import openvino
    except ImportError as error:
        raise MissingDependency("The backend openvino is not installed.", _INSTALL) from error
    return openvino


def _as_lies(array: Any) -> tuple[int, ...]:
    """The shape of an array that is not contiguous, marked where its channels lie together in memory."""
    if array.ndim == 4 and array.transpose(0, 2, 3, 1).flags.c_contiguous:
        return (_TURNED, *array.shape)
    shape: tuple[int, ...] = array.shape
    return shape


def _with_turned_inputs(model: Any, turned: tuple[bool, ...]) -> Any:
    """The same model, taking some of its images with the channels last."""
    openvino = import_openvino()
    from openvino.preprocess import PrePostProcessor

    processor = PrePostProcessor(model)
    for at, is_turned in enumerate(turned):
        if is_turned:
            processor.input(at).tensor().set_layout(openvino.Layout("NHWC"))
            processor.input(at).model().set_layout(openvino.Layout("NCHW"))
    return processor.build()


def without_telemetry() -> None:
    """Keep OpenVINO and NNCF, which send what they are used for, from finding the package that they send it with."""
    sender: Any = sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    if sender is not None:  # somebody else had imported it before
        sender.Telemetry.send_event = lambda *_, **__: None


def _possible(core: Any, precision: str) -> str:
    """What OpenVINO is told to compute in; fp32 where the processor has no such arithmetic."""
    wanted = _CAPABILITIES.get(precision)
    has_it = wanted is None or wanted in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return precision if has_it else "fp32"


def _spec(label: str, port: Any) -> TensorSpec:
    kind = port.element_type.get_type_name()
    datatype = _DATATYPES.get(kind)
    if datatype is None:
        raise InvalidModelFolder(
            f"{label} has {port.any_name!r} of type {kind}, which the protocol cannot carry.",
            f"Valid: {', '.join(_DATATYPES.values())}.",
        )
    shape = port.partial_shape
    if shape.rank.is_dynamic:
        return TensorSpec(port.any_name, datatype, ())
    return TensorSpec(port.any_name, datatype, tuple(-1 if size.is_dynamic else size.get_length() for size in shape))


def _unusable(path: Path, error: RuntimeError) -> InvalidModelFolder:
    """What OpenVINO said about a file, in one line, with the operators that it lacks."""
    said = str(error).replace(str(path), path.name)
    lacking = re.search(r"(?:not support the following ONNX operations|rule found for operations): *([^\n]+)", said)
    if lacking:
        return InvalidModelFolder(
            f"openvino cannot load {path.name}: it has no operator {lacking.group(1).strip(' .')}.",
            "Use the backend onnxruntime, or export the model without this operator.",
        )
    lines = [
        line.strip()
        for line in said.splitlines()
        if line.strip() and not line.startswith(("Exception from", "Check '"))
    ]
    return InvalidModelFolder(f"openvino cannot load {path.name}: {(lines or [said.strip()])[-1]}")
