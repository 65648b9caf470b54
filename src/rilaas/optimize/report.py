"""Variants of a model as a report: what each costs, what it lost, which is best, and what one has to know."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from rilaas.optimize.bootstrap import Interval
from rilaas.optimize.gate import SCORE, UNEXPLAINED, score_loss
from rilaas.optimize.report_tables import (
    absent_table,
    closed_loop_table,
    details_table,
    interval_words,
    machine_table,
    notes_table,
    outputs_table,
    passes_table,
    variants_table,
)
from rilaas.optimize.reproduction import reproduction_tables
from rilaas.optimize.row import Row, baseline_of, eager_of, mse_ratio, reference_of, speedup
from rilaas.optimize.sensitivity import LayerError
from rilaas.report import (
    Candidate,
    Figure,
    Metric,
    Report,
    agreement_chart,
    bytes_text,
    latency_chart,
    pareto_chart,
    provenance,
    sensitivity_chart,
    summarize,
    trajectory_chart,
    value_text,
)

_NO_LOSS = 1.05  # a variant with a larger error is the best only where nobody has a smaller one
_DRAWN = 6  # rows of the chart of latencies


def build_report(
    rows: Sequence[Row],
    *,
    subject: str,
    reference: str = "float",
    front: Sequence[str] = (),
    sensitivity: Sequence[LayerError] | None = None,
    deadline_s: float | None = None,
    absent: Mapping[str, str] | None = None,
    recommended: str | None = None,
    published: bool = False,
    command: Sequence[str] | None = None,
    seeds: Sequence[int] = (),
    threads: int = 1,
) -> Report:
    """Put everything that is known about variants into one report.

    Args:
        rows: The variants, the reference among them; best beside a float model on torch eager.
        subject: What was optimized, in words, such as ``local/lane-following:1``.
        reference: Name of the row that the others are held against.
        front: Names of those that nobody beats.
        sensitivity: Of each layer, where somebody measured it.
        deadline_s: What the weights may take [s].
        absent: Why a target or recipe could not be used, by its name.
        recommended: What a search recommends, '' where nothing; that decides whether it passed, for most of what a
            search tries is not kept. None where nobody searched.
        published: Whether the document's own figures stand beside.
        command: Program and arguments; ``sys.argv`` where None.
        seeds: Those that were used.
        threads: That each variant computed with.

    Raises:
        ValueError: There is no row of the reference's name.
    """
    base = reference_of(rows, reference)
    source = provenance(seeds, command=command)
    best = _best(rows, base)
    if recommended is not None:
        best = next((row for row in rows if row.name == recommended), None)
    tables = [
        variants_table(rows, base, front),
        closed_loop_table(rows, base),
        notes_table(rows, base),
        absent_table(absent or {}),
        *(reproduction_tables(rows, base) if published else ()),
        details_table(rows),
        outputs_table(rows, base),
        passes_table(rows),
        machine_table(rows, source.machine, threads),
    ]
    return Report(
        "optimization",
        _verdict(rows) if recommended is None else "passed" if best is not None else "failed",
        _metrics(rows, base, best),
        source,
        _summary(rows, base, best, subject),
        tables=tuple(table for table in tables if table is not None and table.rows),
        figures=tuple(_figures(rows, base, best, front, sensitivity, deadline_s)),
    )


def _best(rows: Sequence[Row], base: Row) -> Row | None:
    """The fastest of those that keep their gate, without a worse error where there is such a one."""
    kept = [row for row in rows if row is not base and row.recipe is not None and not row.violations]
    good = [row for row in kept if mse_ratio(row.measured, base.measured).mean <= _NO_LOSS]
    return min(good or kept, key=lambda row: row.measured.p50_s, default=None)


def _verdict(rows: Sequence[Row]) -> str:
    if any(row.violations for row in rows):
        return "failed"
    return "passed" if any(row.has_limits for row in rows) else "measured"


def _summary(rows: Sequence[Row], base: Row, best: Row | None, subject: str) -> str:
    judged = [row for row in rows if row is not base and row.recipe is not None]
    broken = [row for row in judged if row.violations]
    if best is None:
        if not judged:
            return f"{subject}: nothing was made."
        count = "1 variant, which does not keep" if len(judged) == 1 else f"{len(judged)} variants, none keeps"
        return f"{subject}: {count} its gate: {', '.join(row.name for row in broken) or '-'}."
    eager = eager_of(rows)
    fast, against = speedup(best.measured, (eager or base).measured), "torch eager" if eager else base.runtime
    smaller = base.measured.weight.size_bytes / best.measured.weight.size_bytes
    error = mse_ratio(best.measured, base.measured)
    words = (
        f"{subject}: of {len(judged)} variant{'s' if len(judged) > 1 else ''} {best.name} "
        f"({best.measured.target}) is the best: "
        f"{interval_words(fast, 1)} times as fast as the float model on {against} (median "
        f"{value_text(best.measured.p50_s, 's')}, n={fast.n}) and {smaller:.1f} times as small "
        f"({bytes_text(best.measured.weight.size_bytes)}); its error is {interval_words(error, 3)} times the float "
        f"model's (n={error.n})"
    )
    if best.driven is not None and base.driven is not None and SCORE in best.driven.scores:
        lost = score_loss(best.driven, base.driven)
        words += f"; of the driving score it loses {interval_words(lost, 1)} points (n={lost.n})"
    if broken:
        words += f". {len(broken)} failed the gate: {', '.join(row.name for row in broken)}"
    return f"{words}."


def _metrics(rows: Sequence[Row], base: Row, best: Row | None) -> dict[str, Metric]:
    metrics: dict[str, Metric] = {}
    eager = eager_of(rows)
    if best is not None:
        name = "speedup_over_torch_eager" if eager else "speedup"
        metrics[name] = _metric(speedup(best.measured, (eager or base).measured), "higher")
        metrics["mse_ratio"] = _metric(mse_ratio(best.measured, base.measured), "lower")
        metrics["times_smaller"] = summarize(
            [base.measured.weight.size_bytes / best.measured.weight.size_bytes], "", "higher"
        )
        if best.driven is not None and base.driven is not None and SCORE in best.driven.scores:
            metrics["score_lost"] = _metric(score_loss(best.driven, base.driven), "lower")
        metrics["compute_s"] = summarize(best.measured.compute_s, "s", "lower")
    for row in rows:
        own = row.measured
        metrics[f"{row.name}.compute_s"] = summarize(own.compute_s, "s", "lower", group="Time of the weights")
        if eager is not None and row is not eager:
            fast = speedup(own, eager.measured)
            metrics[f"{row.name}.speedup_over_torch_eager"] = _metric(fast, "higher", "Speed against torch eager")
        if (same := baseline_of(rows, row)) is not None:
            fast = speedup(own, same.measured)
            metrics[f"{row.name}.speedup_own_runtime"] = _metric(fast, "higher", "Speed against the own runtime")
        if row is not base:
            ratio = mse_ratio(own, base.measured)
            metrics[f"{row.name}.mse_ratio"] = _metric(ratio, "lower", "Error against the float model's")
        if row.driven is not None and SCORE in row.driven.scores:
            scores = row.driven.scores[SCORE]
            metrics[f"{row.name}.{SCORE}"] = summarize(
                scores[np.isfinite(scores)], "", "higher", group="Driving score"
            )
    return {name: metric for name, metric in metrics.items() if math.isfinite(metric.mean)}


def _metric(value: Interval, direction: str, group: str = "") -> Metric:
    return Metric("", value.mean, value.low, value.high, value.n, direction, group=group)


def _figures(
    rows: Sequence[Row],
    base: Row,
    best: Row | None,
    front: Sequence[str],
    sensitivity: Sequence[LayerError] | None,
    deadline_s: float | None,
) -> Iterator[Figure]:
    runtimes = [row.runtime for row in rows]
    yield pareto_chart([_by_error(row, base) for row in rows], front=front, deadline_s=deadline_s, runtimes=runtimes)
    scored = [row for row in rows if row.driven is not None and SCORE in row.driven.scores]
    if len(scored) > 1:
        yield pareto_chart(
            [_by_score(row) for row in scored],
            front=front,
            metric=SCORE,
            direction="higher",
            deadline_s=deadline_s,
            title="What each variant costs in closed loop",
            runtimes=runtimes,
        )
    yield latency_chart(
        {row.name: row.measured.compute_s for row in _drawn(rows, base, best)},
        deadline_s=deadline_s,
        title="Time of the weights",
        each="variant",
    )
    if best is not None:
        differences = {name: best.measured.difference[:, k] for k, name in enumerate(best.measured.elements)}
        if all(np.isfinite(values).all() for values in differences.values()):
            yield agreement_chart(
                differences, variant=best.name, title=f"Agreement of {best.name} with the float model"
            )
        if (ways := _ways(base, best)) is not None:
            yield ways
    if sensitivity:
        yield _sensitivity(sensitivity, base, best)


def _by_error(row: Row, base: Row) -> Candidate:
    ratio = mse_ratio(row.measured, base.measured)
    value = (1.0, 1.0, 1.0) if row is base else (ratio.mean, ratio.low, ratio.high)
    return _candidate(row, value)


def _by_score(row: Row) -> Candidate:
    assert row.driven is not None
    scores = row.driven.scores[SCORE]
    found = summarize(scores[np.isfinite(scores)], "")
    return _candidate(row, (found.mean, found.low, found.high))


def _candidate(row: Row, value: tuple[float, float, float]) -> Candidate:
    low, middle, high = (float(each) for each in np.percentile(row.measured.compute_s, (10, 50, 90)))
    size = row.measured.weight.size_bytes
    return Candidate(row.name, (middle, low, high), value, size, row.runtime, bool(row.violations))


def _drawn(rows: Sequence[Row], base: Row, best: Row | None) -> list[Row]:
    """The reference, torch eager, the best, and the fastest others."""
    first = [row for row in (base, eager_of(rows), best) if row is not None]
    others = sorted((row for row in rows if row not in first), key=lambda row: row.measured.p50_s)
    chosen = list(dict.fromkeys([*first, *others]))[:_DRAWN]
    return sorted(chosen, key=lambda row: -row.measured.p50_s)


def _ways(base: Row, best: Row) -> Figure | None:
    """The episode in which the two are furthest apart in score, of those whose ways both kept."""
    if base.driven is None or best.driven is None:
        return None
    shared = [key for key in base.driven.trajectories if key in best.driven.trajectories]
    shared = [key for key in shared if len(base.driven.trajectories[key]) and len(best.driven.trajectories[key])]
    if not shared:
        return None
    order = {key: k for k, key in enumerate(base.driven.trajectories)}
    scores = [row.scores.get(SCORE, np.array([])) for row in (base.driven, best.driven)]

    def apart(key: str) -> float:
        k = order[key]
        both = [each[k] for each in scores if k < len(each)]
        return abs(float(both[0] - both[1])) if len(both) == 2 and np.isfinite(both).all() else 0.0

    where = max(shared, key=apart)
    return trajectory_chart(
        {base.name: base.driven.trajectories[where], best.name: best.driven.trajectories[where]},
        map_svg=base.driven.map_svg.get(where, ""),
        title=f"{base.name} and {best.name} side by side",
        where=f"{where}, where their scores are furthest apart",
    )


def _sensitivity(layers: Sequence[LayerError], base: Row, best: Row | None) -> Figure:
    """Growth of the error by layer, against the float model's error as the gate takes it."""
    own = base.measured.mse if base.measured.has_targets else UNEXPLAINED * base.measured.answer_variance
    own = own or math.nan
    ratios = {
        layer.name: 1.0
        + (layer.mse if layer.increase is None or not base.measured.has_targets else layer.increase) / own
        for layer in layers
    }
    gate = None if best is None or best.recipe is None else best.recipe.gate.max_mse_ratio
    return sensitivity_chart(ratios, limit=gate)
