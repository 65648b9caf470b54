"""The kinds of jobs: what the worker can do."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rilaas.hub.worker.work import Work

TRIAL, UPLOAD, LONG = LANES = ("trial", "upload", "long")  # the first is waited for; the last takes what it takes
_MODULES = ("freeze", "dataset_run", "evaluation", "optimization", "trial")

Do = Callable[[Work], "dict[str, Any]"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.

    Attributes:
        name: As in ``Job.kind``.
        lane: One of ``LANES``: jobs of one lane never wait for those of another.
        do: Does the work; returns the job's result: ``address`` is where it can be seen.
    """

    name: str
    lane: str
    do: Do


_KINDS: dict[str, Kind] = {}


def job_kind(name: str, lane: str = LONG) -> Callable[[Do], Do]:
    """Make a function a kind of job.

    Args:
        name: As in ``Job.kind``.
        lane: One of ``LANES``.
    """
    assert lane in LANES

    def enter(do: Do) -> Do:
        _KINDS[name] = Kind(name, lane, do)
        return do

    return enter


def kinds() -> dict[str, Kind]:
    """All kinds by name; loads their modules."""
    for module in _MODULES:
        importlib.import_module(f"rilaas.hub.worker.{module}")
    return _KINDS
