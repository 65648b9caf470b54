"""Weights in ONNX, computed by TensorRT on an NVIDIA card.

The engine is built on the machine that runs it, for it holds for one card and one version only, and is kept in a
folder of the user's own: building takes seconds to minutes, loading milliseconds. An engine is code: TensorRT runs
what is in it, so nobody else may write there. Names and signatures were checked against the Python bindings of
TensorRT 10.16 and 11.4. Inputs and outputs travel through pinned memory and buffers that are bound once per batch.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rilaas.core import InvalidModelFolder, MissingDependency, Tensors, TensorSpec
from rilaas.infer.nvidia import missing_for
from rilaas.infer.session import Kernels
from rilaas.infer.tensorrt_graph import as_tensorrt_takes
from rilaas.infer.tensorrt_kernels import kernels_of_engine

MAX_BATCH = 32  # larger batches are computed in parts
_WORKSPACE_BYTES = 2**30
_FORMAT = 1  # raised when engines of the same file would be built otherwise
_PACKAGES = {"tensorrt": "rilaas[tensorrt]", "torch": "rilaas[optimize]"}
_DATATYPES = {
    "FLOAT": "FP32",
    "HALF": "FP16",
    "INT8": "INT8",
    "UINT8": "UINT8",
    "INT32": "INT32",
    "INT64": "INT64",
    "BOOL": "BOOL",
}


class TensorRtSession:
    """An engine with its buffers.

    Attributes:
        inputs: What the file takes, by name.
        outputs: What it gives, by name.

    Args:
        engine: A deserialized ``ICudaEngine``.
    """

    def __init__(self, engine: Any) -> None:
        trt = _tensorrt()
        self._engine = engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        sides: dict[bool, dict[str, TensorSpec]] = {True: {}, False: {}}
        for name in names:
            is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            sides[is_input][name] = _spec(
                name, engine.get_tensor_dtype(name).name, tuple(engine.get_tensor_shape(name))
            )
        self.inputs: Mapping[str, TensorSpec] = sides[True]
        self.outputs: Mapping[str, TensorSpec] = sides[False]
        self._names = tuple(self.outputs)
        self._bound = _Bound(engine.create_execution_context(), self.inputs, self.outputs)

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
        arrays = {name: _checked(np.asarray(inputs[name]), spec) for name, spec in self.inputs.items()}
        batched = [array for name, array in arrays.items() if self.inputs[name].shape[:1] == (-1,)]
        rows = max((len(array) for array in batched), default=1)
        if rows <= MAX_BATCH:
            return self._bound.run(arrays, self._names)
        parts = []
        for start in range(0, rows, MAX_BATCH):
            some = slice(start, start + MAX_BATCH)
            parts.append(
                self._bound.run(
                    {n: a[some] if self.inputs[n].shape[:1] == (-1,) else a for n, a in arrays.items()}, self._names
                )
            )
        return {name: np.concatenate([part[name] for part in parts]) for name in self._names}

    def only(self, names: tuple[str, ...]) -> TensorRtSession:
        """The same weights, giving these outputs alone; the engine computes all."""
        session = copy.copy(self)
        session._names = tuple(names)
        return session

    def kernels(self) -> Kernels | None:
        """See ``Session``; as the engine's inspector says it."""
        trt = _tensorrt()
        inspector = self._engine.create_engine_inspector()
        return kernels_of_engine(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


class _Bound:
    """An execution context with buffers for one set of shapes; shared by sessions that give some outputs only."""

    def __init__(self, context: Any, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec]) -> None:
        import torch

        self._context, self._inputs, self._outputs = context, inputs, outputs
        self._stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._host: dict[str, Any] = {}
        self._device: dict[str, Any] = {}

    def run(self, arrays: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        """Compute these outputs."""
        import torch

        shapes = {name: array.shape for name, array in arrays.items()}
        if shapes != self._shapes:
            self._bind(shapes)
        for name, array in arrays.items():
            self._host[name].numpy()[...] = array
        with torch.cuda.stream(self._stream):
            for name in self._inputs:
                self._device[name].copy_(self._host[name], non_blocking=True)
            if not self._context.execute_async_v3(self._stream.cuda_stream):
                raise RuntimeError("TensorRT could not compute; its log has the reason")
            for name in names:
                self._host[name].copy_(self._device[name], non_blocking=True)
        self._stream.synchronize()
        return {name: self._host[name].numpy().copy() for name in names}

    def _bind(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Buffers for inputs of these shapes, and the outputs that they give."""
        import torch

        self._shapes = {}
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise ValueError(f"{name} has shape {list(shape)}; the weights take {self._inputs[name]}")
        sizes = {**shapes, **{name: tuple(self._context.get_tensor_shape(name)) for name in self._outputs}}
        for name, shape in sizes.items():
            if any(size < 0 for size in shape):
                raise ValueError(f"the size of {name} depends on what the inputs hold: tensorrt cannot bind it")
            kind = _torch_type((self._inputs if name in self._inputs else self._outputs)[name].datatype)
            self._host[name] = torch.empty(shape, dtype=kind, pin_memory=True)
            self._device[name] = torch.empty(shape, dtype=kind, device="cuda")
            self._context.set_tensor_address(name, self._device[name].data_ptr())
        torch.cuda.synchronize()  # new buffers are there before another stream fills them
        self._shapes = shapes


class TensorRt:
    """TensorRT as a backend."""

    name = "tensorrt"
    precisions = ("fp32", "bf16", "fp16")

    def missing(self) -> str:
        """See ``Backend``."""
        return missing_for(_PACKAGES)

    def open(self, path: Path, *, precision: str = "fp32", threads: int = 1) -> TensorRtSession:
        """See ``Backend``. TF32 is off: fp32 is float32; ``threads`` mean nothing on a card."""
        if reason := self.missing():
            raise MissingDependency(f"The backend tensorrt cannot be used here: {reason}.")
        import torch

        trt = _tensorrt()
        data = _onnx_bytes(path, precision)
        logger = trt.Logger(trt.Logger.ERROR)
        kept = engine_folder() / f"{engine_key(data, torch.cuda.get_device_name(), trt.__version__)}.engine"
        engine = _kept_engine(trt, logger, kept)
        if engine is None:
            plan = _build(trt, logger, data, path.name)
            _keep(kept, plan)
            engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
        if engine is None:
            raise InvalidModelFolder(f"TensorRT built an engine of {path.name} that it cannot load.")
        return TensorRtSession(engine)


TENSORRT = TensorRt()


def engine_key(data: bytes, card_name: str, version: str) -> str:
    """Hexadecimal key of everything that an engine depends on: graph, card, TensorRT, and how it is built here."""
    said = f"{_FORMAT}\0{card_name}\0{version}\0{MAX_BATCH}\0{_WORKSPACE_BYTES}\0".encode()
    return hashlib.sha256(said + data).hexdigest()


def engine_folder() -> Path:
    """Where engines are kept: a folder that is this user's alone."""
    return Path(os.environ.get("RILAAS_HOME") or Path.home() / ".rilaas") / "engines"


def _tensorrt() -> Any:
    import tensorrt

    return tensorrt


def _onnx_bytes(path: Path, precision: str) -> bytes:
    import onnx

    model = as_tensorrt_takes(onnx.load(path), precision)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _build(trt: Any, logger: Any, data: bytes, label: str) -> bytes:
    """A serialized engine.

    Raises:
        InvalidModelFolder: TensorRT lacks an operator or cannot build it; the message names the node.
    """
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(data):
        said = "; ".join(_parser_words(parser.get_error(index)) for index in range(parser.num_errors))
        raise InvalidModelFolder(f"TensorRT cannot read {label}: {said:.600}", "Use the backend onnxruntime for it.")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    config.clear_flag(trt.BuilderFlag.TF32)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # the inspector tells types only then
    profile, is_free = builder.create_optimization_profile(), False
    for index in range(network.num_inputs):
        given = network.get_input(index)
        shape = tuple(given.shape)
        if -1 in shape:
            profile.set_shape(given.name, *batch_range(given.name, shape))
            is_free = True
    if is_free:
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise InvalidModelFolder(f"TensorRT cannot build an engine of {label}; its log has the reason.")
    return bytes(plan)


def batch_range(name: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Smallest, usual and largest shape of an input with a free batch axis: 1, 1 and ``MAX_BATCH`` samples.

    Raises:
        InvalidModelFolder: Another axis than the first is free.
    """
    if -1 in shape[1:]:
        raise InvalidModelFolder(
            f"The input {name!r} has shape {list(shape)}: TensorRT needs every axis but the batch axis fixed.",
            "Add the pass shape.fix to the recipe.",
        )
    return (1, *shape[1:]), (1, *shape[1:]), (MAX_BATCH, *shape[1:])


def _parser_words(error: Any) -> str:
    return f"{error.node_operator()} {error.node_name()!r}: {error.desc()}"


def _kept_engine(trt: Any, logger: Any, path: Path) -> Any:
    """The engine that was built before; None where there is none, or TensorRT does not take it."""
    try:
        if path.stat().st_uid != os.getuid() or path.parent.stat().st_mode & 0o022:
            return None  # somebody else could have written it
        plan = path.read_bytes()
    except OSError:
        return None
    return trt.Runtime(logger).deserialize_cuda_engine(plan)


def _keep(path: Path, plan: bytes) -> None:
    """Write it beside and rename it; a folder that cannot be written costs time, nothing else."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".engine-", delete=False) as file:
            file.write(plan)
        Path(file.name).replace(path)


def _checked(array: Any, spec: TensorSpec) -> Any:
    fits = len(array.shape) == len(spec.shape) and all(
        want in (-1, have) for want, have in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{spec.name} has shape {list(array.shape)}; the weights take {spec}")
    if array.dtype != spec.dtype:
        raise TypeError(f"{spec.name} is {array.dtype}; the weights take {spec}")
    return array


def _spec(name: str, kind: str, shape: tuple[int, ...]) -> TensorSpec:
    if kind not in _DATATYPES:
        raise InvalidModelFolder(f"{name!r} is of TensorRT's type {kind}, which the protocol cannot carry.")
    return TensorSpec(name, _DATATYPES[kind], tuple(int(size) for size in shape))


def _torch_type(datatype: str) -> Any:
    import torch

    return {
        "FP32": torch.float32,
        "FP16": torch.float16,
        "INT8": torch.int8,
        "UINT8": torch.uint8,
        "INT32": torch.int32,
        "INT64": torch.int64,
        "BOOL": torch.bool,
    }[datatype]
