"""Samples of a driving model: it drives, the expert answers, and what was recorded is kept for the next time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rilaas.learn.record import record_demonstrations
from rilaas.optimize.dataset import samples_of
from rilaas.optimize.samples import Samples
from rilaas.optimize.subject import Subject

DRIVING = "lane-following"
"""The task whose models we can drive, and whose samples we can record."""

_KEPT = 4  # files that stay in a folder: 300 MB each with 5,000 frames


def recorded_samples(
    subject: Subject, place: Path, *, frames: int, seed: int, on_progress: Callable[[int, int], None] | None = None
) -> Samples:
    """Frames that the model meets when it drives, with the expert's answers.

    Args:
        subject: A driving model.
        place: A folder for recordings, which has them from an earlier time perhaps; the oldest go.
        frames: How many.
        seed: Everything random is drawn from it.
        on_progress: Called after each frame with the number of frames done and wanted.

    Raises:
        InvalidInput: It is no driving model.
        ModelFailed: It failed while it drove.
    """
    path = place / f"{subject.folder.version}-{frames}-{seed}.npz"
    if not path.is_file():
        made = record_demonstrations(subject.folder, frames=frames, seed=seed, on_progress=on_progress)
        place.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        made.write(partial)
        partial.replace(path)
        for old in sorted(place.glob("*.npz"), key=lambda each: each.stat().st_mtime, reverse=True)[_KEPT:]:
            old.unlink(missing_ok=True)
    with np.load(path, allow_pickle=False) as file:
        fields = {name: file[name] for name in file.files}
    raw = {name.removeprefix("inputs/"): array for name, array in fields.items() if name.startswith("inputs/")}
    expected = {
        name.removeprefix("expected/"): array for name, array in fields.items() if name.startswith("expected/")
    }
    groups = raw.pop("recording").astype(np.int64)
    return samples_of(raw, expected, groups, subject)
