"""The model folder that is optimized, taken apart: its network, and the code around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rilaas.core import InvalidModelFolder, Tensors
from rilaas.infer.hooks import Hooks, read_hooks
from rilaas.optimize.network import Network
from rilaas.store import ModelFolder


@dataclass(frozen=True, eq=False)
class Subject:
    """A model folder's parts.

    Attributes:
        folder: It.
        network: Its weights, float.
        hooks: Its own code, which stays as it is around every variant.
    """

    folder: ModelFolder
    network: Network
    hooks: Hooks

    @property
    def preprocess(self) -> Callable[[dict[str, Any]], Tensors] | None:
        """From what the robot sends to what the network takes; None where that is the same."""
        return self.hooks.preprocess


def read_subject(folder: ModelFolder) -> Subject:
    """Take a model folder apart. Its hooks are Python code and run with this process's rights.

    Raises:
        InvalidModelFolder: It has no weights that can be optimized.
    """
    manifest = folder.manifest
    if manifest.backend == "python" or not manifest.weights:
        raise InvalidModelFolder(
            f"{manifest.name} has no weights that a runtime runs: its backend is {manifest.backend}.",
            "Only weights in ONNX, or a torch module with safetensors, can be optimized.",
        )
    hooks = read_hooks(folder) if manifest.hooks else Hooks()
    path = folder.path / manifest.weights
    if path.suffix == ".onnx":
        return Subject(folder, _one_file(path), hooks)
    if path.suffix == ".safetensors":
        from rilaas.infer.torch_export import onnx_of_folder

        return Subject(folder, Network(onnx_of_folder(folder, hooks)), hooks)
    raise InvalidModelFolder(
        f"{manifest.weights} cannot be optimized any more: {path.suffix} is a finished form.",
        "Optimize the original, which has ONNX or safetensors.",
    )


def _one_file(path: Any) -> Network:
    """An ONNX file with all tensors inside."""
    import onnx

    return Network.of_onnx(onnx.load(path))
