"""What a robot is told when a model's own code fails: what happened, but nothing of the machine it happened on."""

from __future__ import annotations

import logging
import re

from rilaas.core import ModelFailed
from rilaas.store import ModelFolder

_log = logging.getLogger("rilaas.infer")
_PATH = re.compile(r"(?<![\w.])/(?:[^\s/:'\",;()]+/)+([^\s/:'\",;()]+)")
_MAX_MESSAGE = 300


def model_failed(folder: ModelFolder, doing: str, error: BaseException) -> ModelFailed:
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
    return ModelFailed(
        f"The model {name} failed in {doing}: {type(error).__name__}{f': {said}' if said else ''}.".replace(
            "..", "."
        ),
        "The traceback is in the log of the machine that ran it.",
    )
