"""A torch module of a model folder as ONNX."""

from __future__ import annotations

from rilaas.infer.hooks import Hooks
from rilaas.store import ModelFolder


def onnx_of_folder(folder: ModelFolder, hooks: Hooks) -> bytes:
    """The module that ``hooks.network()`` gives, with the folder's safetensors, as bytes of an ONNX model."""
    raise NotImplementedError
