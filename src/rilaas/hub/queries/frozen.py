"""Samples of frozen datasets: the newest readers stay open, for opening one with many samples takes a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rilaas.core import NotFound
from rilaas.store.dataset import Dataset, Sample

_MAX_IDLE = 4
_idle: list[Dataset] = []
_lock = threading.Lock()


@contextmanager
def opened(path: Path) -> Iterator[Dataset]:
    """A reader of a frozen file, for the caller alone.

    Raises:
        NotFound: There is no such file.
    """
    with _lock:
        data = next((each for each in _idle if each.path == path), None)
        if data is not None:
            _idle.remove(data)
    data = data or Dataset(path)
    try:
        yield data
    except BaseException:
        data.close()
        raise
    with _lock:
        _idle.append(data)
        old = _idle[:-_MAX_IDLE]
        del _idle[:-_MAX_IDLE]
    for each in old:
        each.close()


def sample_at(path: Path, index: int) -> Sample:
    """One sample.

    Raises:
        NotFound: There is none.
    """
    with opened(path) as data:
        if 0 <= index < len(data):
            return data[index]
        count = len(data)
    raise NotFound(f"There is no sample {index}; valid: 0 to {count - 1}.")
