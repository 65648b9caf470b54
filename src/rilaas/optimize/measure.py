"""Variants measured beside each other: time in rounds that alternate, error on the test part, weight.

Source of the order: Georges, Buytaert, Eeckhout, Statistically rigorous Java performance evaluation, OOPSLA 2007:
repeated rounds in random order, so that what the machine does besides hits all alike.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, ModelFailed, Policy, did_you_mean
from rilaas.infer import load
from rilaas.infer.backends import backend_named
from rilaas.infer.hooks import read_hooks
from rilaas.infer.session import Kernels, Session
from rilaas.infer.target import Target
from rilaas.optimize.deviation import Deviation, deviations
from rilaas.optimize.measured import Measured, Weight
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Tell, silent
from rilaas.optimize.samples import Samples
from rilaas.optimize.subject import read_subject
from rilaas.optimize.weigh import integer_products, weigh
from rilaas.store import ModelFolder

REFERENCE = "float"
CALLS, ROUNDS = 50, 20
"""Calls of each variant in a round, and rounds: 1000 times of each, from which a 99th percentile can be told."""

_WARM_UP = 5  # calls at the start of a turn: the caches held another variant
_ROWS = 16  # samples that are asked in turn


@dataclass(frozen=True, eq=False)
class Entry:
    """A variant that is to be measured.

    Attributes:
        name: ``float`` is the model as it came.
        folder: The variant as a model folder.
        target: Where it runs.
        notes: What a reader has to know beside.
    """

    name: str
    folder: ModelFolder
    target: Target
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Open:
    """An entry that is ready."""

    entry: Entry
    session: Session
    policy: Policy
    load_s: float
    weight: Weight
    kernels: Kernels | None


def own_target(folder: ModelFolder, *, threads: int = 1) -> Target:
    """Where a model folder runs as it is: what the float model is measured on."""
    manifest = folder.manifest
    device = "cuda" if manifest.backend in ("tensorrt", "torch-tensorrt") else "cpu"
    return Target(device, manifest.backend, manifest.precision, threads)


def measure(
    entries: Sequence[Entry],
    test: Samples,
    *,
    reference: str = REFERENCE,
    calls: int = CALLS,
    rounds: int = ROUNDS,
    seed: int = 0,
    tell: Tell = silent,
) -> list[Measured]:
    """Measure variants in one run.

    Everything runs in this process on each target's number of threads, one sample at a time, with the input ready in
    memory. Times hold for this machine and its load, their ratios for this run.

    Args:
        entries: The variants, the reference among them.
        test: Samples that nothing was learned from.
        reference: Name of the entry that errors and answers are held against.
        calls: Of each variant in a round.
        rounds: In random order each.
        seed: Draws the order.
        tell: Progress.

    Returns:
        One for each entry, in their order.

    Raises:
        InvalidInput: There is no entry of the reference's name, names repeat, or numbers are below 1.
        InvalidModelFolder: A variant cannot be loaded.
        ModelFailed: A variant failed; the message names it.
    """
    _check(entries, reference, calls, rounds)
    opened = [_open(entry, test) for entry in entries]
    names = [each.entry.name for each in opened]
    tell(0.05, "comparing answers")
    base = names.index(reference)
    found = deviations([each.session for each in opened], names, base, test)
    clock = _Clock(opened, test, seed)
    for number in range(rounds):
        tell(0.2 + 0.8 * number / rounds, f"round {number + 1} of {rounds}")
        clock.round(calls)
    tell(1.0, "measured")
    return [_measured(each, found[index], clock, index, test) for index, each in enumerate(opened)]


def _check(entries: Sequence[Entry], reference: str, calls: int, rounds: int) -> None:
    names = [entry.name for entry in entries]
    if reference not in names:
        raise InvalidInput(f"Nothing called {reference!r} is measured.", did_you_mean(reference, names))
    if len(set(names)) != len(names):
        raise InvalidInput(f"Two variants have one name: {', '.join(names)}.")
    if min(calls, rounds) < 1:
        raise InvalidInput(f"calls = {calls}, rounds = {rounds}: at least one is needed.")


def _open(entry: Entry, test: Samples) -> _Open:
    target = entry.target
    path = entry.folder.path / entry.folder.manifest.weights
    if reason := target.missing():
        raise InvalidInput(f"{entry.name} cannot be measured here: {reason}")
    network, one = _network(entry.folder), test.inputs([0])
    start = time.perf_counter()
    session = _session(entry)
    with _told(entry):
        session.run(one)
    load_s = time.perf_counter() - start
    data, kernels = path.read_bytes(), session.kernels()
    if target.precision == "int8" and (kernels is None or not kernels.total):
        total, integer = integer_products(network)
        kernels = None if integer else Kernels(total, 0)
    policy = load(entry.folder, threads=target.threads)
    return _Open(entry, session, policy, load_s, weigh(network, len(data), data), kernels)


def _session(entry: Entry) -> Session:
    """The weights alone; a torch module as the folder's own code builds it."""
    folder, target = entry.folder, entry.target
    backend, path = backend_named(target.runtime), folder.path / folder.manifest.weights
    if path.suffix == ".safetensors":
        from rilaas.infer.torch_folder import open_folder

        return open_folder(folder, read_hooks(folder), backend, target.threads)
    return backend.open(path, precision=folder.manifest.precision, threads=target.threads)


def _network(folder: ModelFolder) -> Network:
    path = folder.path / folder.manifest.weights
    if path.suffix == ".tflite":
        return Network(path.read_bytes(), "tflite")
    return read_subject(folder).network


@contextmanager
def _told(entry: Entry) -> Iterator[None]:
    """Errors of a runtime name the variant."""
    try:
        yield
    except Exception as error:  # runtimes have no common class
        raise ModelFailed(f"The variant {entry.name} failed on {entry.target}: {error!s:.300}") from error


class _Clock:
    """Times of all variants, in rounds."""

    def __init__(self, opened: Sequence[_Open], test: Samples, seed: int) -> None:
        self._opened = opened
        self._draw = np.random.default_rng(seed)
        rows = range(min(_ROWS, len(test)))
        self._ready = [test.inputs([row]) for row in rows]
        self._raw = [{name: array[row : row + 1] for name, array in test.raw.items()} for row in rows]
        self.compute_s: list[list[float]] = [[] for _ in opened]
        self.total_s: list[list[float]] = [[] for _ in opened]
        self.loads: list[float] = []

    def round(self, calls: int) -> None:
        """Every variant once, in random order."""
        self.loads.append(os.getloadavg()[0])
        for index in self._draw.permutation(len(self._opened)):
            each = self._opened[index]
            each.policy.reset()
            with _told(each.entry):
                self.compute_s[index] += times_of(each.session.run, self._ready, calls)
                self.total_s[index] += times_of(each.policy.predict, self._raw, calls)


def times_of(ask: Callable[[Any], Any], inputs: Sequence[Any], calls: int) -> list[float]:
    """Times of single calls after a warm-up; the garbage collector waits.

    Args:
        ask: What is timed.
        inputs: What it is asked, in turn; ready in memory.
        calls: How often.

    Returns:
        One for each call [s].
    """
    for index in range(_WARM_UP):
        ask(inputs[index % len(inputs)])
    times = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        for index in range(calls):
            given = inputs[index % len(inputs)]
            start = time.perf_counter()
            ask(given)
            times.append(time.perf_counter() - start)
    finally:
        if collecting:
            gc.enable()
    return times


def _measured(opened: _Open, deviation: Deviation, clock: _Clock, index: int, test: Samples) -> Measured:
    def array(values: list[float]) -> NDArray[np.float64]:
        return np.array(values, np.float64)

    return Measured(
        name=opened.entry.name,
        target=str(opened.entry.target),
        weight=opened.weight,
        load_s=opened.load_s,
        compute_s=array(clock.compute_s[index]),
        total_s=array(clock.total_s[index]),
        squared_error=deviation.squared_error,
        output_mse=deviation.output_mse,
        difference=deviation.difference,
        elements=deviation.elements,
        kernels=opened.kernels,
        wanted_integer=opened.entry.target.precision == "int8",
        load_average=float(np.mean(clock.loads)),
        notes=(*opened.entry.notes, *_notes(opened)),
        has_targets=deviation.has_targets,
        answer_variance=deviation.answer_variance,
        recordings=test.groups,
        rounds=len(clock.loads),
    )


def _notes(opened: _Open) -> Iterator[str]:
    wanted = opened.entry.folder.manifest.precision
    if (own := getattr(opened.session, "computes_in", wanted)) != wanted:
        yield f"Computed in {own}: this processor has no arithmetic for {wanted}."
