"""All runtimes by name; each is imported when it is asked for."""

from __future__ import annotations

import importlib

from rilaas.core import InvalidInput, did_you_mean
from rilaas.infer.session import Backend

# name: module and object
_BACKENDS = {
    "litert": ("rilaas.infer.litert_session", "LITERT"),
    "onnxruntime": ("rilaas.infer.onnx_session", "ONNXRUNTIME"),
    "openvino": ("rilaas.infer.openvino_session", "OPENVINO"),
    "tensorrt": ("rilaas.infer.tensorrt_session", "TENSORRT"),
    "torch": ("rilaas.infer.torch_session", "TORCH"),
    "torch-compile": ("rilaas.infer.torch_compiled", "TORCH_COMPILE"),
    "torch-tensorrt": ("rilaas.infer.torch_tensorrt_session", "TORCH_TENSORRT"),
}


def backend_named(name: str) -> Backend:
    """A runtime.

    Raises:
        InvalidInput: There is none of this name.
    """
    if name not in _BACKENDS:
        raise InvalidInput(f"There is no backend {name!r}.", did_you_mean(name, _BACKENDS))
    module, attribute = _BACKENDS[name]
    backend: Backend = getattr(importlib.import_module(module), attribute)
    return backend


def backend_names() -> tuple[str, ...]:
    """All of them."""
    return tuple(_BACKENDS)
