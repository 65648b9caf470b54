"""The Python file of a model folder: pre- and postprocessing functions, or a class with its own loop."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from rilaas.core import InvalidModelFolder, did_you_mean
from rilaas.infer.failure import model_failed
from rilaas.store import ModelFolder

Step = Callable[[dict[str, Any]], Mapping[str, Any]]

_NAMES = ("preprocess", "postprocess", "Model", "network")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a model folder's Python file offers.

    Attributes:
        preprocess: From the robot's inputs to those of the weights, or None.
        postprocess: From the outputs of the weights to the robot's, or None.
        model: The class ``Model``, or None; never together with the two functions.
        network: Gives the torch module that weights in safetensors are for, or None.
    """

    preprocess: Step | None = None
    postprocess: Step | None = None
    model: Callable[..., Any] | None = None
    network: Callable[[], Any] | None = None


def read_hooks(folder: ModelFolder) -> Hooks:
    """Run a model folder's Python file and find its hooks.

    The file is a package of its own: ``from . import geometry`` finds ``geometry.py`` of the folder. Each call runs
    it anew, so that two models never share module state.

    Raises:
        InvalidModelFolder: It has no hooks, or both functions and a class.
        ModelFailed: It failed while it was run.
    """
    name = folder.manifest.hooks
    module = _run(folder, folder.path / name)
    found = {key: getattr(module, key) for key in _NAMES if callable(getattr(module, key, None))}
    label = f"{folder.path.name}/{name}"
    if not found:
        own = [key for key in vars(module) if not key.startswith("_")]
        meant = next((guess for key in own if (guess := did_you_mean(key, _NAMES)).startswith("Did")), "")
        lacks = "neither preprocess(inputs), postprocess(outputs), network() nor class Model"
        raise InvalidModelFolder(f"{label} has {lacks}. {meant}".strip())
    if "Model" in found and {"preprocess", "postprocess"} & set(found):
        raise InvalidModelFolder(f"{label} has class Model and functions: write either.")
    model = found.get("Model")
    if model is not None and not callable(getattr(model, "predict", None)):
        raise InvalidModelFolder(f"{label}: class Model has no method predict(self, inputs).")
    return Hooks(found.get("preprocess"), found.get("postprocess"), model, found.get("network"))


def _run(folder: ModelFolder, path: Path) -> ModuleType:
    name = f"rilaas_model_{folder.version}_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(path.parent)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise model_failed(folder, f"loading {folder.manifest.hooks}", error) from error
    return module
