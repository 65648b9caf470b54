"""What a robot is told when a model's own code fails: what happened, but nothing of the machine it happened on."""

from __future__ import annotations

import logging
import re
import traceback
from pathlib import Path

from rilaas.core import ModelFailed
from rilaas.store import ModelFolder

_log = logging.getLogger("rilaas.infer")
_PATH = re.compile(r"(?<![\w.])/(?:[^\s/:'\",;()]+/)+([^\s/:'\",;()]+)")
_MAX_MESSAGE = 300


class ModelCodeFailed(ModelFailed):
    """The model's own code failed; ``place`` is for the person whose process this is, and is not sent to robots.

    Args:
        message: What happened.
        hint: For a robot's person, who is elsewhere.
        place: Where in the model's code, such as ``hooks.py, line 12``; '' where it is not known.
    """

    def __init__(self, message: str, hint: str = "", place: str = "") -> None:
        super().__init__(message, hint)
        self.place = place


def model_failed(folder: ModelFolder, doing: str, error: BaseException) -> ModelCodeFailed:
    """The error to raise; the traceback goes to the log.

    Args:
        folder: Whose code it was.
        doing: What it was doing, such as ``preprocess``.
        error: What it raised.
    """
    name = folder.manifest.name
    _log.error("The model %s failed in %s.", name, doing, exc_info=error)
    said = " ".join(str(error).replace(str(folder.path), name).split())
    said = _PATH.sub(r"\1", said)[:_MAX_MESSAGE].rstrip(".")
    return ModelCodeFailed(
        f"The model {name} failed in {doing}: {type(error).__name__}{f': {said}' if said else ''}.".replace(
            "..", "."
        ),
        "The traceback is in the log of the machine that ran it.",
        _place(folder.path.resolve(), error),
    )


def _place(folder: Path, error: BaseException) -> str:
    """The innermost line of the model's own code that was being run."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename).resolve()
        if path.is_relative_to(folder):
            return f"{path.relative_to(folder)}, line {frame.lineno}"
    return ""
