"""A policy over data sets, sample by sample or batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import numpy as np

from rilaas.core import (
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    Policy,
    RateLimited,
    SignatureMismatch,
    Tensors,
    Unavailable,
)
from rilaas.evaluate.offline.offline_report import build_report
from rilaas.evaluate.offline.outcome import Outcome, rows_of
from rilaas.report import Report
from rilaas.store.dataset import Dataset, Sample, bind

WARM_UP = 20
"""Calls before the first that counts: caches fill, clocks rise, kernels are chosen."""

SEQUENTIAL = ("episodes", "mcap", "rosbag2")
"""Sources whose samples follow each other in time, so that a policy with a memory keeps it from one to the next."""

_NO_ANSWER = (ModelFailed, Unavailable, RateLimited, DeadlineExceeded)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands, after each call.

    Attributes:
        done: Samples asked.
        total: Samples there are.
        elapsed_s: Since the first call that counts [s].
    """

    done: int
    total: int
    elapsed_s: float


def evaluate_dataset(
    policy: Policy,
    datasets: Dataset | Sequence[Dataset],
    *,
    name: str = "",
    size_bytes: int | None = None,
    batch: int = 1,
    samples: int | None = None,
    warm_up: int = WARM_UP,
    deadline_s: float | None = None,
    on_call: Callable[[Progress], None] | None = None,
    command: Sequence[str] | None = None,
) -> Report:
    """Errors of a policy against what data sets expect, and how long its answers take.

    The policy is reset before each data set, so that several recordings are several sequences. Within one it keeps
    its memory where the samples follow each other in time (``SEQUENTIAL``) and ``batch`` is 1; else it is reset
    before each call, so that the result of a sample depends on nothing but the sample.

    Args:
        policy: What is judged; here or far away.
        datasets: Frozen data sets. Fields are bound to the policy's inputs as ``rilaas.store.dataset.bind`` does it.
        name: What the report calls the policy.
        size_bytes: Of its weights; None where nobody knows.
        batch: Samples of one call; above 1 every input's first axis has to be free.
        samples: At most so many; None is all.
        warm_up: Calls with the first sample that are not counted.
        deadline_s: Given to the policy with every call [s].
        on_call: Called after each call.
        command: What the report calls the command line; ``sys.argv`` where None.

    Returns:
        A report of kind ``offline evaluation``, verdict ``measured``. Ctrl-C ends the run; the report then has what
        was done until then, and says so. Samples without an answer are counted by error, and have no error value.

    Raises:
        InvalidInput: Nothing to ask, or the policy does not take batches.
        SignatureMismatch: The first sample does not fit the policy.
        RilaasError: The policy refused to be asked.
        KeyboardInterrupt: Ctrl-C before the first sample was done.
    """
    sets = [datasets] if isinstance(datasets, Dataset) else list(datasets)
    there = sum(map(len, sets))
    total = there if samples is None else min(samples, there)
    if batch < 1 or total < 1:
        raise InvalidInput(f"There is nothing to ask: {total} samples in calls of {batch}.", "Both are at least 1.")
    _check_batch(policy, batch)
    run = _Run(policy, Outcome(total), batch, deadline_s)
    run.warm_up(sets[0][0], warm_up)
    start = time.perf_counter()
    try:
        for _ in run.calls(sets):
            if on_call is not None:
                on_call(Progress(run.outcome.done, total, time.perf_counter() - start))
    except KeyboardInterrupt:
        if not run.outcome.done:
            raise
    return build_report(
        run.outcome, sets, name=name, size_bytes=size_bytes, batch=batch, deadline_s=deadline_s, command=command
    )


@dataclass(slots=True, eq=False)
class _Run:
    """A run and what came of it until now."""

    policy: Policy
    outcome: Outcome
    batch: int
    deadline_s: float | None

    def warm_up(self, sample: Sample, calls: int) -> None:
        """Ask the first batch a few times; what fails here fails again when it counts."""
        bound = bind(sample.inputs, self.policy.signature)
        inputs = _joined([bound.inputs] * self.batch)
        self.policy.reset()
        with suppress(*_NO_ANSWER):
            for _ in range(calls):
                self.policy.predict(inputs)

    def calls(self, datasets: Sequence[Dataset]) -> Iterator[None]:
        """Ask every batch of every data set; yields after each."""
        for dataset in datasets:
            keeps_memory = dataset.info.source in SEQUENTIAL and self.batch == 1
            self.policy.reset()
            samples = iter(dataset)
            while part := list(islice(samples, min(self.batch, self.outcome.total - self.outcome.done))):
                if not keeps_memory:
                    self.policy.reset()
                self._ask(part)
                yield

    def _ask(self, part: Sequence[Sample]) -> None:
        outcome, first = self.outcome, self.outcome.done
        try:
            bound = [bind(sample.inputs, self.policy.signature) for sample in part]
            for each in bound:
                outcome.notes.update(dict.fromkeys(each.notes))
            inputs = _joined([each.inputs for each in bound])
            start = time.perf_counter()
            answer = self.policy.predict(inputs, deadline_s=self.deadline_s)
            spent_s = time.perf_counter() - start
        except SignatureMismatch as error:
            if not first:
                raise
            outcome.fail(error.code, error.message, len(part))
        except _NO_ANSWER as error:
            outcome.fail(error.code, error.message, len(part))
        else:
            outcome.call(spent_s, answer.timing, len(part))
            for k, (sample, outputs) in enumerate(zip(part, rows_of(answer.tensors, len(part)), strict=True)):
                outcome.answer(first + k, sample, outputs)
        outcome.done += len(part)


def _joined(inputs: Sequence[Tensors]) -> Tensors:
    """Samples as one batch.

    Raises:
        SignatureMismatch: Their shapes differ.
    """
    if len(inputs) == 1:
        return inputs[0]
    try:
        return {name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]}
    except ValueError:
        shapes = sorted({f"{name} {list(array.shape)}" for each in inputs for name, array in each.items()})
        raise SignatureMismatch(f"Samples of different shapes are no batch: {', '.join(shapes)}.") from None


def _check_batch(policy: Policy, batch: int) -> None:
    fixed = [spec for spec in policy.signature.inputs.values() if not spec.shape or spec.shape[0] != -1]
    if batch > 1 and fixed:
        raise InvalidInput(
            f"The policy takes no batch of {batch}: the first axis of its input {fixed[0]} is not free.",
            "Ask for one sample a call.",
        )
