"""Learning from demonstrations: an expert that sees the true lane, PilotNet, and DAgger between them.

Takes maps and a preprocessing function, gives trained weights and ONNX files. Torch is imported when first needed.
May import evaluate, infer, report, store, observe and core.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rilaas.learn.expert import Expert, ExpertPolicy
from rilaas.learn.town_expert import TownExpert, TownExpertPolicy

if TYPE_CHECKING:
    from rilaas.learn.dagger import Dagger, Outcome, Progress, train
    from rilaas.learn.demonstration import Demonstrations, collect
    from rilaas.learn.export import export_onnx
    from rilaas.learn.pilotnet import PilotNet
    from rilaas.learn.pilotnet_bev import PilotNetBev
    from rilaas.learn.record import RecordedDemonstrations, record_demonstrations

_LAZY = {
    "Dagger": "dagger",
    "Outcome": "dagger",
    "Progress": "dagger",
    "train": "dagger",
    "Demonstrations": "demonstration",
    "collect": "demonstration",
    "export_onnx": "export",
    "PilotNet": "pilotnet",
    "PilotNetBev": "pilotnet_bev",
    "RecordedDemonstrations": "record",
    "record_demonstrations": "record",
}

__all__ = [
    "Dagger",
    "Demonstrations",
    "Expert",
    "ExpertPolicy",
    "Outcome",
    "PilotNet",
    "PilotNetBev",
    "Progress",
    "RecordedDemonstrations",
    "TownExpert",
    "TownExpertPolicy",
    "collect",
    "export_onnx",
    "record_demonstrations",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"rilaas.learn.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
