"""Weights in ONNX, computed by onnxruntime on the CPU.

ONNX Runtime 1.29 and newer sends telemetry from Linux unless it is told not to before it is imported
(microsoft/onnxruntime pull request 27379); this is the only place that imports it, and it is told.
"""

from __future__ import annotations

import copy
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rilaas.core import InvalidInput, InvalidModelFolder, MissingDependency, Tensors, TensorSpec
from rilaas.infer.kernel_count import kernels_of_onnx
from rilaas.infer.session import Kernels

TELEMETRY_OFF = {"ORT_DISABLE_TELEMETRY": "1"}
_SPINNING = "session.intra_op.allow_spinning"  # spinning threads of several models starve each other
_PROVIDER = "CPUExecutionProvider"
_FATAL = 4  # log level; errors are raised anyway

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


class OnnxSession:
    """The weights of a model, ready to run.

    Attributes:
        inputs: What the file itself takes, by name.
        outputs: What it gives, by name.

    Args:
        path: The ONNX file.
        threads: Threads to compute with.

    Raises:
        MissingDependency: onnxruntime is not installed.
        InvalidModelFolder: onnxruntime cannot load the file.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        runtime = import_onnxruntime()
        self._path = path
        self._kernels: Kernels | None = None
        try:
            self._session = runtime.InferenceSession(str(path), _options(threads), providers=[_PROVIDER])
        except Exception as error:  # its exceptions have no common base but this
            said = str(error).replace(str(path), path.name).splitlines()[0]
            raise InvalidModelFolder(f"onnxruntime cannot load {path.name}: {said}") from error
        self.inputs = {arg.name: _spec(path, arg) for arg in self._session.get_inputs()}
        self.outputs = {arg.name: _spec(path, arg) for arg in self._session.get_outputs()}
        self._names = list(self.outputs)
        self._run = self._session.run

    def run(self, inputs: Tensors) -> dict[str, Any]:
        """Compute.

        Args:
            inputs: By the file's own names.

        Returns:
            Outputs by the file's own names.
        """
        return dict(zip(self._names, self._run(self._names, inputs), strict=True))

    def only(self, names: tuple[str, ...]) -> OnnxSession:
        """The same weights, computing these outputs alone."""
        session = copy.copy(self)
        session._names = list(names)
        return session

    def kernels(self) -> Kernels | None:
        """See ``Session``; as the graph says that onnxruntime optimized. The file is loaded once more for it.

        None where the package onnx is not installed.
        """
        if self._kernels is None and find_spec("onnx"):
            import onnx

            runtime = import_onnxruntime()
            with tempfile.TemporaryDirectory(prefix="rilaas-graph-") as place:
                options = _options(1)
                options.optimized_model_filepath = str(Path(place, "optimized.onnx"))
                runtime.InferenceSession(str(self._path), options, providers=[_PROVIDER])
                graph = onnx.load(options.optimized_model_filepath, load_external_data=False).graph
            self._kernels = kernels_of_onnx(graph)
        return self._kernels


class OnnxRuntime:
    """onnxruntime as a backend."""

    name = "onnxruntime"
    precisions = ("fp32", "fp16")

    def missing(self) -> str:
        """See ``Backend``."""
        try:
            import_onnxruntime()
        except MissingDependency as error:
            return str(error)
        return ""

    def open(self, path: Path, *, precision: str = "fp32", threads: int = 1) -> OnnxSession:
        """See ``Backend``; it computes in what the file holds: fp16 is for files whose tensors are half."""
        if precision not in self.precisions:
            raise InvalidInput(
                f"onnxruntime computes in {' or '.join(self.precisions)}, not in {precision!r}.",
                "Use the backend openvino for bf16.",
            )
        return OnnxSession(path, threads)


ONNXRUNTIME = OnnxRuntime()


def import_onnxruntime() -> Any:
    """The module onnxruntime, with its telemetry off.

    Raises:
        MissingDependency: It is not installed.
    """
    os.environ.update(TELEMETRY_OFF)
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependency(
            "The backend onnxruntime is not installed.", "Install it with: pip install 'rilaas[serve]'"
        ) from error
    onnxruntime.disable_telemetry_events()  # where somebody else had imported it before
    return onnxruntime


def _options(threads: int) -> Any:
    options = import_onnxruntime().SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.add_session_config_entry(_SPINNING, "0")
    return options


def _spec(path: Path, arg: Any) -> TensorSpec:
    datatype = _DATATYPES.get(arg.type)
    if datatype is None:
        raise InvalidModelFolder(
            f"{path.name} has {arg.name!r} of type {arg.type}, which the protocol cannot carry.",
            f"Valid: {', '.join(_DATATYPES)}.",
        )
    return TensorSpec(arg.name, datatype, tuple(size if isinstance(size, int) else -1 for size in arg.shape or ()))
