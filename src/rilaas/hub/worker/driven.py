"""What an evaluation has driven: a file in its folder is an episode that need not be driven again.

::

    evaluations/<id>/000003.pickle    the ``EpisodeResult`` of the suite's fourth scenario

Pickles, for an episode is a tree of our own values and arrays; read with classes of our own and of numpy alone, so
that not even somebody who can write there runs code in the worker.
"""

from __future__ import annotations

import importlib
import pickle
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rilaas.hub.blob_store import check_room

if TYPE_CHECKING:
    from rilaas.evaluate.driving import EpisodeResult, Scenario

_OURS = "rilaas.evaluate.driving."
_UNREADABLE = (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, ValueError)
_ARRAYS = ("_reconstruct", "scalar", "_frombuffer")


class Driven:
    """The folder of an evaluation, for the one who drives it.

    Args:
        folder: Made where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, index: int, result: EpisodeResult) -> None:
        """Write down an episode.

        Raises:
            Unavailable: The disk is full, or would be.
        """
        data = pickle.dumps(result, protocol=4)
        check_room(len(data))
        fresh = self._path(index).with_suffix(".part")
        fresh.write_bytes(data)
        fresh.replace(self._path(index))

    def find(self, index: int, scenario: Scenario) -> EpisodeResult | None:
        """An episode that was driven before; None where it has to be driven: also where the scenario was another."""
        from rilaas.evaluate.driving import EpisodeResult

        try:
            with self._path(index).open("rb") as file:
                result = _Reader(file).load()
        except FileNotFoundError:
            return None
        except _UNREADABLE:  # cut off, or of another version of ours: it is driven again
            return None
        return result if isinstance(result, EpisodeResult) and result.scenario == scenario else None

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06d}.pickle"


class _Reader(pickle.Unpickler):
    """Makes dataclasses of ours and arrays, nothing else (Python's documentation, "Restricting Globals")."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(_OURS):
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and is_dataclass(found):
                return found
        if module == "numpy" and name in ("dtype", "ndarray"):
            return getattr(np, name)
        if module.startswith("numpy.") and module.endswith((".multiarray", ".numeric")) and name in _ARRAYS:
            return getattr(importlib.import_module(module), name)
        raise pickle.UnpicklingError(f"{module}.{name} is no part of an episode")
