"""``rilaas evaluate POLICY --dataset PATH``: errors and inference times on a data set."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rilaas.cli.config import Settings
from rilaas.cli.evaluate_suite import Outcome
from rilaas.cli.output import Output
from rilaas.cli.policy import open_policy
from rilaas.core import InvalidInput, Policy

if TYPE_CHECKING:
    from rilaas.evaluate.offline import Progress

_F = TypeVar("_F", bound=Callable[..., Any])
_EVERY_S = 0.2
_ON_A_DATASET = ("policy", "dataset", "batch", "samples", "page", "keep", "hub", "json_path", "quiet")
_OF_THE_POLICY = ("target", "key", "ca", "deadline_s", "threads")


@dataclass(frozen=True, slots=True)
class OfflineOptions:
    """What is judged on a data set, and how.

    Attributes:
        dataset: A data set, or what can become one; see ``rilaas.evaluate.offline.open_datasets``.
        batch: Samples of one call.
        samples: At most so many; None is all.
    """

    dataset: Path
    batch: int
    samples: int | None


def offline_options(command: _F) -> _F:
    """Give a verb the flags of a data set; it gets ``offline: OfflineOptions | None``, None without ``--dataset``."""

    @click.option(
        "--dataset",
        type=click.Path(path_type=Path),
        metavar="FILE|FOLDER",
        help="Do not drive: answer these samples, and compare with what they expect.",
    )
    @click.option("--batch", type=click.IntRange(1), metavar="N", help="Samples of one call, with --dataset.")
    @click.option("--samples", type=click.IntRange(1), metavar="N", help="The first N samples, with --dataset.")
    @functools.wraps(command)
    def wrapped(*args: Any, dataset: Path | None, batch: int | None, samples: int | None, **given: Any) -> Any:
        if dataset is None and (batch or samples):
            raise InvalidInput(
                "--batch and --samples are about a data set.", "Add --dataset FILE, or leave them away."
            )
        offline = None if dataset is None else OfflineOptions(dataset, batch or 1, samples)
        return command(*args, offline=offline, **given)

    return wrapped  # type: ignore[return-value]


def run_offline(policy: str, offline: OfflineOptions, settings: Settings, output: Output) -> Outcome:
    """Judge a policy on a data set.

    Args:
        policy: As ``open_policy`` reads it.
        offline: On what, and how.
        settings: Of this call.
        output: Where the talk goes.

    Raises:
        RilaasError: The policy or the data set cannot be opened, or do not fit together.
    """
    from rilaas.evaluate.offline import evaluate_dataset, open_datasets

    shown = _Shown(output)
    with open_policy(policy, settings) as opened, open_datasets(offline.dataset) as datasets:
        there = sum(map(len, datasets))
        total = there if offline.samples is None else min(offline.samples, there)
        output.talk(f"{opened.name} {opened.where} on {offline.dataset}: {total} samples, {offline.batch} a call")
        report = evaluate_dataset(
            opened.policy,
            datasets,
            name=opened.name,
            size_bytes=weights_bytes(opened.policy),
            batch=offline.batch,
            samples=offline.samples,
            deadline_s=settings.deadline,
            on_call=shown,
        )
        output.progress_done()
    report = replace(report, summary=f"{opened.name} {opened.where}: {report.summary}")
    return Outcome(report, is_whole=shown.done == total)


def refuse_drive_flags(ctx: click.Context) -> None:
    """Refuse flags that say how to drive.

    Raises:
        InvalidInput: One was written on the command line; the message names it.
    """
    for parameter in ctx.command.params:
        name = parameter.name or ""
        is_given = ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        if is_given and name not in _ON_A_DATASET + _OF_THE_POLICY:
            flag = parameter.opts[0]
            raise InvalidInput(f"{flag} is about driving; with --dataset nobody drives.", f"Leave {flag} away.")


def weights_bytes(policy: Policy) -> int | None:
    """Size of a model's weights [bytes]; None for a policy that is no model folder here, or has no weights."""
    from rilaas.infer import LoadedModel

    if not isinstance(policy, LoadedModel):
        return None
    weights = policy.folder.manifest.weights
    # Tensors of a large ONNX file lie beside it, in files that begin with its name.
    return sum(f.size_bytes for f in policy.folder.files if weights and f.path.startswith(weights)) or None


class _Shown:
    """A line that moves: how many, how fast, how long it will take."""

    def __init__(self, output: Output) -> None:
        self._output, self._next_s = output, 0.0
        self.done = 0

    def __call__(self, progress: Progress) -> None:
        self.done = progress.done
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _EVERY_S
        rate = progress.done / max(1e-6, progress.elapsed_s)
        left_s = (progress.total - progress.done) / max(1e-6, rate)
        self._output.progress(f"sample {progress.done} of {progress.total}, {rate:.0f} a second, {left_s:.0f} s left")
