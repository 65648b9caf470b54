"""How many threads numpy's matrix products use while a model's Python code runs.

numpy's OpenBLAS takes every processor unless told otherwise, and waits for its threads spinning: on a machine that
does other work too, a preprocessing step of 0.2 ms then takes 10 ms on average (measured with models/lane-following
on two busy cores). A model gets as many threads as its backend, and the rest of the program keeps its own setting.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path

_SPELLINGS = (
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
)


def lower_blas_threads(threads: int) -> int:
    """Let OpenBLAS use at most so many threads; nothing happens where numpy uses something else.

    Args:
        threads: How many.

    Returns:
        What to give to ``restore_blas_threads`` afterwards.
    """
    library = _openblas()
    if library is None or (before := library[0]()) <= threads:
        return 0
    library[1](threads)
    return before


def restore_blas_threads(before: int) -> None:
    """Undo ``lower_blas_threads``."""
    library = _openblas()
    if before and library is not None:
        library[1](before)


def blas_threads() -> int:
    """Threads that OpenBLAS uses now; 0 where numpy uses something else."""
    library = _openblas()
    return library[0]() if library is not None else 0


@functools.lru_cache(maxsize=1)
def _openblas() -> tuple[Callable[[], int], Callable[[int], object]] | None:
    """The functions of the OpenBLAS that numpy has loaded, to get and to set its threads."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    for path in dict.fromkeys(line.split(maxsplit=5)[-1] for line in lines if "openblas" in line):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for get, set_ in _SPELLINGS:
            if hasattr(library, get) and hasattr(library, set_):
                return getattr(library, get), getattr(library, set_)
    return None
