"""Where ``rilaas optimize`` has its samples from: a data set that was given, or the task, driven and recorded."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rilaas.cli.optimize_options import OptimizeOptions
from rilaas.cli.output import Output
from rilaas.core import MissingDependency

if TYPE_CHECKING:
    from rilaas.optimize.samples import Data, Samples
    from rilaas.optimize.subject import Subject

DRIVING = "lane-following"
"""The task whose models we can drive, and whose data we can record."""
_KEPT = 4  # recordings that stay in the cache, 300 MB each with 5,000 frames


def find_data(subject: Subject, options: OptimizeOptions, home: Path, output: Output) -> Data | None:
    """The samples of a model in their four parts.

    Args:
        subject: The model.
        options: Of this call.
        home: Where recordings are kept.
        output: Where the talk goes.

    Returns:
        None where nobody gave any and the task is not one that can be recorded here.

    Raises:
        NotFound: There is nothing at the path.
        InvalidInput: It does not fit the model, or is too little.
        MissingDependency: The task cannot be driven without more packages.
    """
    from rilaas.optimize.samples import split

    if options.dataset is not None:
        samples, what = _given(subject, options.dataset), str(options.dataset)
    elif subject.folder.manifest.task == DRIVING:
        samples, what = _recorded(subject, options, home, output), "recorded in the tile world, the expert answers"
    else:
        return None
    data = split(samples, seed=options.seed)
    toward = "what was expected" if samples.targets is not None else "the float model's answers"
    parts = (data.training, data.calibration, data.validation, data.test)
    counts = ", ".join(
        f"{len(part):,} {name}"
        for part, name in zip(parts, ("training", "calibration", "validation", "test"), strict=True)
    )
    output.talk(f"samples: {counts}; {what}; errors are against {toward}")
    return data


def _given(subject: Subject, path: Path) -> Samples:
    from rilaas.evaluate.offline import open_datasets
    from rilaas.optimize.dataset import read_samples

    with open_datasets(path) as datasets:
        return read_samples(datasets, subject)


def _recorded(subject: Subject, options: OptimizeOptions, home: Path, output: Output) -> Samples:
    from rilaas.optimize.dataset import samples_of

    path = home / "optimize" / "recordings" / f"{subject.folder.version}-{options.samples}-{options.seed}.npz"
    if not path.is_file():
        _record(subject, options, path, output)
    with np.load(path, allow_pickle=False) as file:
        fields = {name: file[name] for name in file.files}
    expected = {name[len("expected/") :]: array for name, array in fields.items() if name.startswith("expected/")}
    raw = {name[len("inputs/") :]: array for name, array in fields.items() if name.startswith("inputs/")}
    return samples_of(raw, expected, raw.pop("recording").astype(np.int64), subject)


def _record(subject: Subject, options: OptimizeOptions, path: Path, output: Output) -> None:
    """Drive and record into a file; it is there whole, or not at all."""
    try:
        from rilaas.learn.record import record_demonstrations
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"To record a driving model's samples, the tile world needs the package {error.name}.",
            "Install it: pip install 'rilaas[learn]'. Or give recordings of your own with --dataset.",
        ) from None
    output.talk(f"driving and recording {options.samples:,} frames; they are kept for the next time")
    start = time.monotonic()

    def show(done: int, total: int) -> None:
        if done % 50 == 0:
            left_s = (time.monotonic() - start) / done * (total - done)
            output.progress(f"recorded {done:,} of {total:,} frames, {left_s:.0f} s left")

    demonstrations = record_demonstrations(
        subject.folder, frames=options.samples, seed=options.seed, on_progress=show
    )
    output.progress_done()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    demonstrations.write(partial)
    partial.replace(path)
    older = sorted(path.parent.glob("*.npz"), key=lambda each: each.stat().st_mtime, reverse=True)[_KEPT:]
    for each in older:
        each.unlink(missing_ok=True)
