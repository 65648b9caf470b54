"""How many threads numpy's matrix products use while a model's Python code runs.

numpy's OpenBLAS takes every processor unless told otherwise, and waits for its threads spinning: on a machine that
does other work too, a preprocessing step of 0.2 ms then takes 10 ms on average (measured with models/lane-following
on two busy cores). A model gets as many threads as its backend, and the rest of the program keeps its own setting.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_SPELLINGS = (
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
)


def lower_blas_threads(threads: int) -> tuple[int, ...]:
    """Let every OpenBLAS of this process use at most so many threads; nothing happens where there is none.

    There may be several: OpenCV 5 brings one besides numpy's, and which of them is loaded first is chance.

    Args:
        threads: How many.

    Returns:
        What to give to ``restore_blas_threads`` afterwards.
    """
    before = tuple(library.threads() for library in _openblas())
    for library, count in zip(_openblas(), before, strict=True):
        if count > threads:
            library.set_threads(threads)
    return before


def restore_blas_threads(before: tuple[int, ...]) -> None:
    """Undo ``lower_blas_threads``."""
    for library, count in zip(_openblas(), before, strict=True):
        if library.threads() != count:
            library.set_threads(count)


@contextmanager
def few_blas_threads(threads: int) -> Iterator[None]:
    """``lower_blas_threads`` for a while that holds many calls: to change the number at each of them costs.

    Measured with 1200 calls of models/lane-following on two busy cores: half the processor time.
    """
    before = lower_blas_threads(threads)
    try:
        yield
    finally:
        restore_blas_threads(before)


def blas_threads() -> int:
    """The most threads that an OpenBLAS of this process uses now; 0 where there is none."""
    return max((library.threads() for library in _openblas()), default=0)


class _OpenBlas(NamedTuple):
    """An OpenBLAS that is loaded: its functions to get and to set its threads."""

    threads: Callable[[], int]
    set_threads: Callable[[int], object]


@functools.lru_cache(maxsize=1)
def _openblas() -> tuple[_OpenBlas, ...]:
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return ()
    found = []
    for path in dict.fromkeys(line.split(maxsplit=5)[-1] for line in lines if "openblas" in line):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for get, set_ in _SPELLINGS:
            if hasattr(library, get) and hasattr(library, set_):
                found.append(_OpenBlas(getattr(library, get), getattr(library, set_)))
                break
    return tuple(found)
