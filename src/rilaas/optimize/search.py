"""The fastest variant that keeps the gate: successive halving over recipes, then a test, then closed loop.

Sources: Jamieson, Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016;
Li et al., Hyperband, JMLR 18, 2018. Every recipe is trained for a few epochs; what promises most goes on with three
times as many, until few are left for a long training. A recipe begins anew in each rung, so what is found is a recipe
like any other, and what a rung made comes from the cache when the search is run again or was interrupted.

What is made and what goes on is decided on the validation part and by measured time. The test part is seen once, by
the rows at the end; which of these at most eight is recommended depends on whether they keep the gate there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, MissingDependency, ModelFailed
from rilaas.infer.target import Target
from rilaas.optimize.cache import Cache
from rilaas.optimize.candidates import candidates
from rilaas.optimize.engine import Made
from rilaas.optimize.gate import SCORE, Gate, check
from rilaas.optimize.measure import REFERENCE, Entry, measure, own_target
from rilaas.optimize.measured import Driven, Measured
from rilaas.optimize.pareto import pareto_ranks
from rilaas.optimize.passes.contract import Tell, silent
from rilaas.optimize.row import Row
from rilaas.optimize.rung import Rungs, Tried
from rilaas.optimize.samples import Data
from rilaas.optimize.subject import Subject
from rilaas.optimize.time_left import TimeLeft
from rilaas.optimize.variant import write_variant
from rilaas.store import ModelFolder

Judge = Callable[[str, ModelFolder, NDArray[np.float64]], Driven]
"""Drives a variant: its name, its folder, and measured times of the whole policy [s]."""

GATE = Gate(max_mse_ratio=1.02)
"""What a found variant keeps unless somebody says otherwise: two in a hundred is less than the tests' intervals."""

_FINALISTS = 8
_DRIVEN = 4  # variants beside the float model: each is a whole suite
_TRAINING = 0.75  # of the budget; the rest is for measuring and driving
_TESTED_AT = 0.85


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes:
        rows: The float model first, then the finalists by time.
        made: Their networks by name, without the float model's.
        front: Names of those that no other beats in time, error, size and, where they were driven, score.
        recommended: The fastest that keeps its gate and the deadline; '' where none does.
        dropped: Recipes that failed, with the reason.
        tried: How many trainings and networks were tried.
    """

    rows: tuple[Row, ...]
    made: Mapping[str, Made]
    front: tuple[str, ...]
    recommended: str
    dropped: Mapping[str, str]
    tried: int


def search(
    subject: Subject,
    data: Data,
    *,
    deadline_s: float | None,
    targets: Sequence[Target],
    seed: int = 0,
    judge: Judge | None = None,
    cache: Cache | None = None,
    budget_s: float | None = None,
    gate: Gate = GATE,
    tell: Tell = silent,
) -> Found:
    """Look for the fastest recipe.

    Args:
        subject: The model.
        data: Four parts of samples.
        deadline_s: What the weights may take at the 99th percentile [s].
        targets: Where it may run; those that are not there are left out.
        seed: Everything random is drawn from it.
        judge: Drives a variant in closed loop; None where nobody can.
        cache: Where networks and figures are kept; a second search takes all from there.
        budget_s: What all may take [s]; training gets three quarters of it, by what trainings were measured to take.
        gate: What a variant has to keep; the deadline is added.
        tell: Progress.

    Raises:
        MissingDependency: None of the targets is there.
        ModelFailed: No recipe gave a variant; the reasons are listed.
        InvalidInput: A number is out of its bounds.
    """
    for name, value in (("deadline_s", deadline_s), ("budget_s", budget_s)):
        if value is not None and not value > 0.0:
            raise InvalidInput(f"{name} = {value:g}: it is above 0.")
    there = [target for target in targets if not target.missing()]
    if not there:
        said = "; ".join(f"{target}: {target.missing()}" for target in targets) or "no target was given"
        raise MissingDependency(f"There is nothing to search on: {said}")
    if deadline_s is not None:
        gate = replace(gate, max_p99_s=min(deadline_s, gate.max_p99_s or deadline_s))

    tell = TimeLeft(tell)

    def part(share: float, words: str) -> None:
        tell(_TESTED_AT * share, words)

    training_s = None if budget_s is None else _TRAINING * budget_s
    with tempfile.TemporaryDirectory(prefix="rilaas-search-") as place:
        kept = cache or Cache(Path(place))  # one training serves several targets in any case
        rungs = Rungs(subject, data, gate, kept, seed=seed, budget_s=training_s, tell=part)
        tried = rungs.climb(candidates(there), deadline_s)
    if not tried:
        said = "; ".join(f"{name}: {why}" for name, why in rungs.dropped.items())
        raise ModelFailed(f"No recipe gave a variant. {said:.1000}", "Try other targets.")
    finalists = _finalists(tried, deadline_s, gate)
    rows = _judged(subject, data, finalists, gate, judge, seed, tell)
    tell(1.0, "found")
    return Found(
        rows,
        {each.candidate.name: each.made for each in finalists},
        _front(rows),
        _recommended(rows),
        dict(rungs.dropped),
        rungs.count,
    )


def _finalists(tried: Sequence[Tried], deadline_s: float | None, gate: Gate) -> list[Tried]:
    """The best by validation error, time and size, the fastest first; within the deadline where some are."""
    kept = [each for each in tried if deadline_s is None or each.trial.p50_s <= deadline_s] or list(tried)
    ranks = pareto_ranks([(each.trial.mse, each.trial.p50_s, each.trial.size_bytes) for each in kept])
    allowed = gate.max_mse_ratio or float("inf")

    def order(index: int) -> tuple[bool, int, float]:
        """Who keeps the gate first; of those that do not beat each other, a small product of error and time."""
        trial = kept[index].trial
        breaks = trial.base_mse > 0.0 and trial.mse > allowed * trial.base_mse
        return breaks, int(ranks[index]), trial.mse * trial.p50_s

    chosen = [kept[index] for index in sorted(range(len(kept)), key=order)[:_FINALISTS]]
    return sorted(chosen, key=lambda each: each.trial.p50_s)


def _judged(
    subject: Subject,
    data: Data,
    finalists: Sequence[Tried],
    gate: Gate,
    judge: Judge | None,
    seed: int,
    tell: Tell,
) -> tuple[Row, ...]:
    """Measured on the test part, and driven where somebody can."""
    with tempfile.TemporaryDirectory(prefix="rilaas-search-") as place:
        folders = {REFERENCE: subject.folder}
        threads = finalists[0].candidate.target.threads
        entries = [Entry(REFERENCE, subject.folder, own_target(subject.folder, threads=threads))]
        for each in finalists:
            name = each.candidate.name
            folders[name] = write_variant(subject, each.made, Path(place, name), name=name, record={})
            entries.append(Entry(name, folders[name], each.candidate.target))

        def part(share: float, words: str) -> None:
            tell(_TESTED_AT + 0.05 * share, words)

        measured = measure(entries, data.test, seed=seed, tell=part)
        driven = _drive(measured, folders, gate, judge, tell)
    base = measured[0]
    rows: list[Row] = []
    for each in finalists:
        one = measured[1 + len(rows)]
        own_gate = gate if driven else replace(gate, max_score_loss=None)
        own_gate = own_gate if one.name in driven else replace(own_gate, max_score_loss=None)
        broken = check(own_gate, one, base, driven.get(one.name), driven.get(REFERENCE))
        recipe = replace(each.made.recipe, gate=own_gate)
        rows.append(Row(one, driven.get(one.name), recipe, tuple(broken), each.made.steps))
    return (Row(base, driven.get(REFERENCE)), *rows)


def _drive(
    measured: Sequence[Measured], folders: Mapping[str, ModelFolder], gate: Gate, judge: Judge | None, tell: Tell
) -> dict[str, Driven]:
    """The float model and the fastest that keep the gate so far; all others would be driven for nothing."""
    if judge is None:
        return {}
    base = measured[0]
    offline = replace(gate, max_score_loss=None)
    worth = sorted((each for each in measured[1:] if not check(offline, each, base)), key=lambda each: each.p50_s)
    driven = {}
    asked = [base, *worth[:_DRIVEN]]
    for number, each in enumerate(asked):
        tell(_TESTED_AT + 0.05 + 0.1 * number / len(asked), f"{each.name} drives")
        driven[each.name] = judge(each.name, folders[each.name], each.total_s)
    return driven


def _front(rows: Sequence[Row]) -> tuple[str, ...]:
    """Time, error, size and score; who was not driven counts as having none."""
    table = []
    for row in rows:
        scores = row.driven.scores.get(SCORE) if row.driven is not None else None
        lost = -float(np.nanmean(scores)) if scores is not None and np.isfinite(scores).any() else 0.0
        table.append((row.measured.p50_s, row.measured.mse, row.measured.weight.size_bytes, lost))
    ranks = pareto_ranks(table)
    return tuple(row.name for row, rank in zip(rows, ranks, strict=True) if rank == 0)


def _recommended(rows: Sequence[Row]) -> str:
    """The fastest that keeps its gate; where some were driven, of these alone: of the others nobody knows enough."""
    driven = [row for row in rows[1:] if row.driven is not None]
    good = [row for row in driven or rows[1:] if not row.violations]
    return min(good, key=lambda row: row.measured.p50_s).name if good else ""
