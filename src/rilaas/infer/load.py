"""From a model folder to something that predicts."""

from __future__ import annotations

from pathlib import Path

from rilaas.core import InvalidModelFolder
from rilaas.infer.backends import backend_named
from rilaas.infer.failure import model_failed
from rilaas.infer.hooks import Hooks, read_hooks
from rilaas.infer.model import LoadedModel
from rilaas.infer.runner import OwnLoop, Pipeline, Runner
from rilaas.infer.session import Session, check_side
from rilaas.store import ModelFolder, read_model_folder


def load(folder: Path | str | ModelFolder, *, threads: int = 1) -> LoadedModel:
    """Load a model folder into this process. Its hooks are Python code and run with this process's rights.

    Args:
        folder: A model folder, read or by its path.
        threads: Threads that the backend, and numpy in the model's own code, compute with.

    Returns:
        The model as a ``Policy``.

    Raises:
        NotFound: There is no such folder.
        InvalidModelFolder: Something in it is wrong, or its weights do not fit its signature.
        MissingDependency: Its backend is not installed.
        ModelFailed: Its own code failed while it was loaded.
    """
    model = folder if isinstance(folder, ModelFolder) else read_model_folder(folder)
    manifest = model.manifest
    hooks, session = Hooks(), None
    if manifest.backend != "python" and not _is_module(model):  # before the model's own code runs
        session = _open(model, hooks, threads)
    if _is_module(model):
        from rilaas.infer.torch_session import check_memory

        check_memory(manifest.backend)  # before hooks.py imports torch, which ends the process where it does not fit
    if manifest.hooks:
        hooks = read_hooks(model)
    if _is_module(model):
        session = _open(model, hooks, threads)
    return LoadedModel(model, _runner(model, hooks, session), threads)


def _is_module(model: ModelFolder) -> bool:
    """Whether its weights need the module that its own code builds."""
    return model.manifest.backend != "python" and model.manifest.weights.endswith(".safetensors")


def _open(model: ModelFolder, hooks: Hooks, threads: int) -> Session:
    manifest = model.manifest
    backend = backend_named(manifest.backend)
    if not _is_module(model):
        return backend.open(model.path / manifest.weights, precision=manifest.precision, threads=threads)
    from rilaas.infer.torch_folder import open_folder

    return open_folder(model, hooks, backend, threads)


def _runner(model: ModelFolder, hooks: Hooks, session: Session | None) -> Runner:
    if hooks.model is not None:
        try:
            return OwnLoop(hooks.model, model.path, session)
        except (Exception, SystemExit) as error:
            raise model_failed(model, "Model.__init__", error) from error
    if session is None:
        raise InvalidModelFolder(
            f"{model.path.name}: {model.manifest.hooks} has no class Model, which the backend python runs.",
            "Write class Model with __init__(self, folder, session), predict(self, inputs) and reset(self).",
        )
    signature, weights = model.manifest.signature, model.manifest.weights
    if hooks.preprocess is None:
        check_side(session, f"{model.path.name}/{weights}", "input", signature.inputs)
    if hooks.postprocess is None:
        check_side(session, f"{model.path.name}/{weights}", "output", signature.outputs)
        session = session.only(tuple(signature.outputs))
    return Pipeline(hooks.preprocess, session, hooks.postprocess)
