"""The torch module of a model folder: ``network()`` in its hooks, filled with its safetensors.

``hooks.py``::

    def network():
        return MyNetwork()          # forward(self, image, speed): the parameters are the names of what preprocess
                                    # gives, or of the inputs in model.toml; it returns a tensor for each output, in
                                    # the order of model.toml, or a dict of tensors by name
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from rilaas.core import InvalidModelFolder, MissingDependency, RilaasError, TensorSpec, did_you_mean
from rilaas.core.signature import datatype_of
from rilaas.infer.failure import model_failed
from rilaas.infer.hooks import Hooks
from rilaas.infer.profile import example_inputs
from rilaas.infer.session import Backend, Session
from rilaas.infer.torch_session import TorchNetwork, check_memory, why_no_torch
from rilaas.store import ModelFolder

if TYPE_CHECKING:
    from torch import Tensor, nn

_SHOWN = 5
_ROWS = 2  # of examples: torch takes an axis of 1 for a fixed one


def network_of_folder(folder: ModelFolder, hooks: Hooks) -> TorchNetwork:
    """Build the module and load its weights.

    Raises:
        InvalidModelFolder: There is no ``network``, the weights do not fit it, or it does not fit model.toml.
        ModelFailed: Its own code failed.
        MissingDependency: torch or safetensors is not installed.
    """
    label = f"{folder.path.name}/{folder.manifest.weights}"
    module = _module(folder, hooks)
    _fill(module, folder, label)
    examples = _examples(folder, hooks, _parameters(module, label))
    if examples is None:
        signature = folder.manifest.signature
        names = _parameters(module, label)
        unknown = {name: TensorSpec(name, "FP32", ()) for name in names}
        return TorchNetwork(label, module, {**unknown, **_known(signature.inputs, names)}, signature.outputs)
    outputs = _outputs(folder, hooks, module, examples)
    inputs = {name: _spec(name, array) for name, array in examples.items()}
    return TorchNetwork(label, module, inputs, outputs)


def open_folder(folder: ModelFolder, hooks: Hooks, backend: Backend, threads: int) -> Session:
    """The module of a folder on a backend; one that takes no modules gets it as ONNX.

    Raises:
        InvalidModelFolder: See ``network_of_folder``.
        ModelFailed: See ``network_of_folder``.
        MissingDependency: A package is not installed.
    """
    if reason := backend.missing():
        raise MissingDependency(reason)
    check_memory(folder.manifest.backend)
    precision = folder.manifest.precision
    network = network_of_folder(folder, hooks)
    if isinstance(backend, TakesModules):
        return backend.open_network(network, precision=precision, threads=threads)
    from rilaas.infer.torch_export import onnx_of_module

    model = onnx_of_module(network.module, examples_of_folder(folder, hooks, network), tuple(network.outputs))
    with tempfile.TemporaryDirectory(prefix="rilaas-network-") as place:
        path = Path(place, "weights.onnx")
        path.write_bytes(model.SerializeToString(deterministic=True))
        return backend.open(path, precision=precision, threads=threads)


@runtime_checkable
class TakesModules(Protocol):
    """A backend that computes torch modules as they are."""

    def open_network(self, network: TorchNetwork, *, precision: str = "fp32", threads: int = 1) -> Session:
        """Like ``Backend.open``."""
        ...


def examples_of_folder(folder: ModelFolder, hooks: Hooks, network: TorchNetwork) -> dict[str, Tensor]:
    """Two samples of what the module takes, as preprocess makes them.

    Raises:
        InvalidModelFolder: Nobody knows what it takes: the folder has a class Model.
    """
    import torch

    arrays = _examples(folder, hooks, tuple(network.inputs))
    if arrays is None:
        raise InvalidModelFolder(
            f"{network.label}: what its module takes is known to class Model only.",
            "Write preprocess(inputs) and postprocess(outputs) instead of class Model, or export it as ONNX.",
        )
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _module(folder: ModelFolder, hooks: Hooks) -> nn.Module:
    weights = folder.manifest.weights
    if reason := why_no_torch(folder.manifest.backend):
        raise MissingDependency(reason)
    if hooks.network is None:
        raise InvalidModelFolder(
            f"{folder.path.name}/{weights} has weights without a network.",
            f"Write network() in {folder.manifest.hooks or 'hooks.py'}, which returns the torch module, "
            "or export the network as ONNX.",
        )
    from torch import nn

    try:
        made = hooks.network()
    except (Exception, SystemExit) as error:
        raise model_failed(folder, "network", error) from error
    if not isinstance(made, nn.Module):
        raise InvalidModelFolder(
            f"{folder.path.name}/{folder.manifest.hooks}: network() gave a {type(made).__name__}.",
            "Return a torch.nn.Module.",
        )
    return made.eval()


def _fill(module: nn.Module, folder: ModelFolder, label: str) -> None:
    """Load the weights strictly: every tensor of the module is in the file, with its shape, and no other."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingDependency(
            "Weights in safetensors need the package safetensors.", "Install it with: pip install 'rilaas[optimize]'"
        ) from error
    try:
        tensors = load_file(folder.path / folder.manifest.weights)
    except (SafetensorError, OSError, ValueError) as error:
        raise InvalidModelFolder(f"{label} cannot be read: {error}") from error
    wanted = module.state_dict()
    tied = _tied(wanted)
    missing = [name for name in wanted if name not in tensors and not tied[name] & set(tensors)]
    unexpected = [name for name in tensors if name not in wanted]
    if missing or unexpected:
        parts = [
            f"it lacks {_some(missing)}" if missing else "",
            f"it has {_some(unexpected)}, which the module has not" if unexpected else "",
        ]
        hint = did_you_mean(missing[0], unexpected or tensors) if missing else did_you_mean(unexpected[0], wanted)
        raise InvalidModelFolder(f"{label} does not fit network(): {'; '.join(filter(None, parts))}.", hint)
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            raise InvalidModelFolder(
                f"{label} does not fit network(): {name} is {list(tensor.shape)} in the file and "
                f"{list(wanted[name].shape)} in the module.",
                "Build the module with the sizes that it was trained with.",
            )
    module.load_state_dict(tensors, strict=False)


def _tied(tensors: Mapping[str, Tensor]) -> dict[str, set[str]]:
    """Names of the same tensor: files hold it once."""
    places: dict[tuple[int, Any], set[str]] = {}
    for name, tensor in tensors.items():
        places.setdefault((tensor.data_ptr(), tensor.shape), set()).add(name)
    return {
        name: places[tensor.data_ptr(), tensor.shape] if tensor.numel() else {name}
        for name, tensor in tensors.items()
    }


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _parameters(module: nn.Module, label: str) -> tuple[str, ...]:
    """Names of what forward takes."""
    found = inspect.signature(module.forward).parameters.values()
    named = [each for each in found if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in found) or not named:
        raise InvalidModelFolder(
            f"{label}: the module's forward({', '.join(map(str, found))}) does not name what it takes.",
            "Name its parameters after what preprocess gives, or after the inputs in model.toml.",
        )
    return tuple(each.name for each in named if each.default is each.empty)


def _examples(folder: ModelFolder, hooks: Hooks, names: tuple[str, ...]) -> dict[str, np.ndarray] | None:
    """What the module takes, by its parameters in their order; None where a class Model alone knows."""
    if hooks.model is not None:
        return None
    given: Mapping[str, Any] = example_inputs(folder.manifest.signature, batch=_ROWS, seed=0)
    source = "model.toml has"
    if hooks.preprocess is not None:
        source = "preprocess gives"
        try:
            given = hooks.preprocess(dict(given))
        except RilaasError:
            raise
        except (Exception, SystemExit) as error:
            raise model_failed(folder, "preprocess", error) from error
    if set(given) != set(names):
        raise InvalidModelFolder(
            f"{folder.path.name}: the module's forward takes {', '.join(names)}; {source} {', '.join(given)}.",
            "Give both the same names.",
        )
    return {name: np.asarray(given[name]) for name in names}


def _known(specs: Mapping[str, TensorSpec], names: tuple[str, ...]) -> dict[str, TensorSpec]:
    return {name: specs[name] for name in names if name in specs}


def _spec(name: str, array: np.ndarray) -> TensorSpec:
    """Of an example with as many rows as were asked for; its first axis is free then."""
    shape = (-1, *array.shape[1:]) if array.shape[:1] == (_ROWS,) else array.shape
    return TensorSpec(name, datatype_of(array), shape)


def _outputs(
    folder: ModelFolder, hooks: Hooks, module: nn.Module, examples: Mapping[str, np.ndarray]
) -> dict[str, TensorSpec]:
    """What the module gives, found by asking it."""
    import torch

    wanted = tuple(folder.manifest.signature.outputs)
    try:
        with torch.inference_mode():
            made = module(*(torch.from_numpy(np.array(array)) for array in examples.values()))
    except (Exception, SystemExit) as error:
        raise model_failed(folder, "the module of network()", error) from error
    if isinstance(made, Mapping):
        named = dict(made)
    else:
        values = tuple(made) if isinstance(made, tuple | list) else (made,)
        if len(values) != len(wanted):
            raise InvalidModelFolder(
                f"{folder.path.name}: the module gives {len(values)} tensors; model.toml has the outputs "
                f"{', '.join(wanted)}.",
                "Let forward return a dict of tensors by name where postprocess makes the outputs of them.",
            )
        named = dict(zip(wanted, values, strict=True))
    for name, value in named.items():
        if not isinstance(value, torch.Tensor):
            raise InvalidModelFolder(
                f"{folder.path.name}: the module gives a {type(value).__name__} for {name!r}.", "Return tensors."
            )
    return {name: _spec(name, value.numpy()) for name, value in named.items()}
