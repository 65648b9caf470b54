"""Where ``rilaas optimize`` has its samples from: a data set that was given, or the task, driven and recorded."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rilaas.cli.optimize_options import OptimizeOptions
from rilaas.cli.output import Output

if TYPE_CHECKING:
    from rilaas.optimize.samples import Data, Samples
    from rilaas.optimize.subject import Subject


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
    """
    from rilaas.learn.workshop import DRIVING
    from rilaas.optimize.samples import split

    if options.dataset is not None:
        samples, what = _given(subject, options.dataset, output), str(options.dataset)
    elif subject.folder.manifest.task == DRIVING:
        samples, what = _recorded(subject, options, home, output), "recorded in the tile world, the expert answers"
    else:
        return None
    data = split(samples, seed=options.seed)
    output.talk(f"samples, {what}: {data.words}")
    return data


def _given(subject: Subject, path: Path, output: Output) -> Samples:
    from rilaas.evaluate.offline import open_datasets
    from rilaas.optimize.dataset import read_samples

    with open_datasets(path) as datasets:
        return read_samples(datasets, subject, say=output.talk)


def _recorded(subject: Subject, options: OptimizeOptions, home: Path, output: Output) -> Samples:
    from rilaas.learn.workshop import recorded_samples

    start = time.monotonic()

    def show(done: int, total: int) -> None:
        if done == 1:
            output.talk(f"driving and recording {total:,} frames; they are kept for the next time")
        if done % 50 == 0:
            left_s = (time.monotonic() - start) / done * (total - done)
            output.progress(f"recorded {done:,} of {total:,} frames, {left_s:.0f} s left")

    place = home / "optimize" / "recordings"
    samples = recorded_samples(subject, place, frames=options.samples, seed=options.seed, on_progress=show)
    output.progress_done()
    return samples
