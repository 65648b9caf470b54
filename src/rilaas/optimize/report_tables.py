"""Tables of a report on variants."""

from __future__ import annotations

import math
import platform
import re
from collections.abc import Mapping, Sequence

import numpy as np

from rilaas.infer.target import processor_features
from rilaas.optimize.bootstrap import Interval, mean_interval
from rilaas.optimize.gate import SCORE, score_loss
from rilaas.optimize.passes.registry import fields_of
from rilaas.optimize.row import Row, baseline_of, eager_of, mse_ratio, notes_of, speedup
from rilaas.report import Cell, Table

_OUTPUTS = 10  # more elements than this are not listed one by one
_CLOSED_LOOP = (
    "driven_lane_m",
    "lateral_deviation_m_s",
    "position_deviation_mean_m",
    "lane_time_share",
    "effective_completed_distance_m",
)


def variants_table(rows: Sequence[Row], reference: Row, front: Sequence[str]) -> Table:
    """One row a variant: what it costs."""
    eager = eager_of(rows)
    base = eager or reference
    cells: list[tuple[Cell, ...]] = []
    for row in rows:
        own = row.measured
        cells.append(
            (
                f"{row.name} *" if row.name in front else row.name,
                _gate_words(row, reference),
                own.target,
                own.weight.size_bytes / 1e6,
                own.p50_s * 1e3,
                own.p99_s * 1e3,
                interval_words(speedup(own, base.measured)) if row is not base else "1",
                interval_words(mse_ratio(own, reference.measured), 3) if row is not reference else "1",
                _lost(row, reference),
            )
        )
    against = f"{base.name} on {base.measured.target}"
    name = "torch eager" if eager else base.name
    columns = (
        "variant",
        "gate",
        "target",
        "size [MB]",
        "p50 [ms]",
        "p99 [ms]",
        f"× {name}",
        "MSE ratio",
        "score lost",
    )
    note = (
        "Times of the weights alone, one sample, the input ready in memory, "
        f"n={len(reference.measured.compute_s)} calls each in alternating rounds. Speed against "
        f"{against}. MSE against {reference.name} on "
        f"{samples_words(reference)}, in pairs. 95 % intervals."
    )
    if any(row.name in front for row in rows):
        note += " * Nobody beats it in both time and error; in a search, in time, error, size and score."
    return Table("Variants", columns, tuple(cells), note)


def details_table(rows: Sequence[Row]) -> Table:
    """What does not fit into the first table."""
    cells: list[tuple[Cell, ...]] = []
    for row in rows:
        own, base = row.measured, baseline_of(rows, row)
        cells.append(
            (
                row.name,
                own.weight.gzip_bytes / 1e6,
                interval_words(speedup(own, base.measured)) if base is not None else "-",
                base.name if base is not None else "-",
                float(np.percentile(own.compute_s, 90)) * 1e3,
                float(np.percentile(own.total_s, 50)) * 1e3,
                float(np.percentile(own.total_s, 99)) * 1e3,
                own.load_s * 1e3,
                _kernel_words(row),
                own.weight.parameters,
                own.weight.macs / 1e6,
                100.0 * own.weight.sparsity,
                own.weight.unique_weights,
                own.load_average,
            )
        )
    columns = (
        "variant",
        "gzip [MB]",
        "× own runtime",
        "that is",
        "p90 [ms]",
        "policy p50 [ms]",
        "policy p99 [ms]",
        "load [ms]",
        "kernels",
        "parameters",
        "MMAC",
        "zeros [%]",
        "distinct weights",
        "load average",
    )
    note = "Own runtime: the float model on the runtime of the variant. Policy: with pre- and postprocessing."
    return Table("Variants in detail", columns, tuple(cells), note, is_detail=True)


def outputs_table(rows: Sequence[Row], reference: Row) -> Table:
    """Mean squared error of each output element; where there are many, of the one that lost most."""
    names = list(reference.measured.output_mse)
    if len(names) <= _OUTPUTS:
        cells = [(row.name, *(f"{row.measured.output_mse[name]:.4g}" for name in names)) for row in rows]
        return Table("MSE of each output", ("variant", *names), tuple(cells), is_detail=True)
    cells = []
    for row in rows:
        own, base = row.measured.output_mse, reference.measured.output_mse
        worst = max(names, key=lambda name: own[name] - base[name])
        cells.append((row.name, worst, f"{own[worst]:.4g}", f"{base[worst]:.4g}"))
    columns = ("variant", "output that lost most", "MSE", f"MSE of {reference.name}")
    return Table("MSE of each output", columns, tuple(cells), f"Of {len(names)} output elements.", is_detail=True)


def closed_loop_table(rows: Sequence[Row], reference: Row) -> Table | None:
    """What driving with each variant's own latency gave; None where nobody drove."""
    driven = [(row, row.driven) for row in rows if row.driven is not None]
    if not driven:
        return None
    first = driven[0][1]
    names = [name for name in (SCORE, *_CLOSED_LOOP) if name in first.scores]
    names = names or list(first.scores)[:4]
    cells: list[tuple[Cell, ...]] = []
    for row, each in driven:
        values = [_mean_words(each.scores.get(name)) for name in names]
        cells.append(
            (row.name, *values, _lost(row, reference), _mean_words(each.frequency_hz), len(each.frequency_hz))
        )
    units = [
        f"{name} [{first.units[name]}]" if first.units.get(name, "") not in ("", "1") else name for name in names
    ]
    columns = ("variant", *units, "score lost", "frequency [Hz]", "episodes")
    note = (
        f"Each variant drives {_suite_words(first.suite)} with its own measured latency, on the same seeds. Score "
        f"lost: {reference.name} less the variant, in pairs; the interval leaves out 0 where the difference can "
        "be measured. The world moves in steps of 1 ms: latencies are rounded to these, and two below half a step "
        "drive alike."
    )
    return Table("Closed loop", columns, tuple(cells), note)


def passes_table(rows: Sequence[Row]) -> Table:
    """Each recipe's passes with what they took."""
    cells: list[tuple[Cell, ...]] = []
    for row in rows:
        passes = () if row.recipe is None else row.recipe.passes
        for number, made in enumerate(passes, 1):
            step = row.steps[number - 1] if number <= len(row.steps) else None
            fields = ", ".join(f"{key}={value}" for key, value in fields_of(made).items())
            cells.append(
                (
                    row.name,
                    number,
                    made.name,
                    fields,
                    None if step is None else step.seconds,
                    "cached" if step is not None and step.was_cached else "",
                )
            )
    columns = ("variant", "step", "pass", "configuration", "seconds", "")
    note = "What is cached took these seconds when it was made."
    return Table("Passes", columns, tuple(cells), note, is_detail=True)


def machine_table(rows: Sequence[Row], machine: Mapping[str, str | int], threads: int) -> Table:
    """What the times hold for."""
    loads = [row.measured.load_average for row in rows]
    facts: list[tuple[Cell, ...]] = [
        ("cpu", str(machine.get("cpu", platform.machine()))),
        ("cores", machine.get("cores", "unknown")),
        ("features", ", ".join(processor_features()) or "unknown"),
        ("threads of each variant", threads),
        ("load average", f"{min(loads):.1f} to {max(loads):.1f}"),
    ]
    return Table("Machine", ("fact", "value"), tuple(facts))


def absent_table(absent: Mapping[str, str]) -> Table | None:
    """Targets or recipes that could not be used here, and why; None where all could."""
    if not absent:
        return None
    return Table("Absent", ("target or recipe", "why"), tuple(absent.items()))


def notes_table(rows: Sequence[Row], reference: Row) -> Table | None:
    """What a reader has to know, by variant; None where nothing."""
    cells = [(row.name, words) for row in rows for words in dict.fromkeys(notes_of(row, rows, reference))]
    return Table("Notes", ("variant", "note"), tuple(cells)) if cells else None


def interval_words(value: Interval, digits: int = 2) -> str:
    """``6.85 [6.71-6.98]``; ``-`` where there is none."""
    if not math.isfinite(value.mean):
        return "-"
    low, high = f"{value.low:.{digits}f}", f"{value.high:.{digits}f}"
    return f"{value.mean:.{digits}f} [{low}{' to ' if value.low < 0 else '-'}{high}]"


def samples_words(row: Row) -> str:
    """How many samples, and of how many recordings: those are what intervals are drawn from."""
    count, recordings = len(row.measured.squared_error), row.measured.recordings
    of = "" if recordings is None else f" of {_counted(len(np.unique(recordings)), 'recording')}"
    return f"{count} test samples{of}"


def _suite_words(suite: str) -> str:
    """Name and the beginning of the digest: all of it is in the name of no page."""
    return re.sub(r"(sha256:[0-9a-f]{12})[0-9a-f]+", r"\1", suite) or "the suite"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _mean_words(values: np.ndarray | None) -> str:
    finite = np.array([]) if values is None else values[np.isfinite(values)]
    if not finite.size:
        return "-"
    return interval_words(mean_interval(finite), 3 if abs(float(finite.mean())) < 1.0 else 1)


def _lost(row: Row, reference: Row) -> str:
    if row is reference or row.driven is None or reference.driven is None:
        return "-"
    if SCORE not in row.driven.scores or SCORE not in reference.driven.scores:
        return "-"
    return interval_words(score_loss(row.driven, reference.driven), 1)


def _gate_words(row: Row, reference: Row) -> str:
    if row.violations:
        return f"failed: {', '.join(dict.fromkeys(each.limit for each in row.violations))}"
    return "passed" if row.has_limits else "-"


def _kernel_words(row: Row) -> str:
    found = row.measured.kernels
    if found is None:
        return "not told"
    return f"{found.integer} of {found.total} integer"
