"""Our rows beside the published ones, each against its own baseline, because machines, data and versions differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rilaas.optimize.bootstrap import Interval
from rilaas.optimize.gate import mse_ratio
from rilaas.optimize.published import DEFECTS, TABLES, PublishedRow, PublishedTable
from rilaas.optimize.published_online import F_SOURCE, F_TITLE, F
from rilaas.optimize.report_tables import closed_loop_table, interval_words, notes_table, samples_words
from rilaas.optimize.row import Row, speedup
from rilaas.report import Cell, Table, provenance
from rilaas.report.number import table_texts

_BASELINES = {"paper.tf.": "paper.tf.baseline", "paper.torch.": "paper.torch.baseline"}


@dataclass(frozen=True, slots=True)
class Ratios:
    """A variant against the baseline of its own study.

    Attributes:
        smaller: Times as small; NaN where nobody knows.
        faster: Times as fast.
        error: Mean squared error, times the baseline's.
    """

    smaller: float
    faster: float
    error: float


@dataclass(frozen=True, eq=False)
class Reproduced:
    """One method of the study, theirs and ours.

    Attributes:
        recipe: Ours.
        published: Each table with its row of this method.
        ours: Measured here, or None.
        baseline: What ours is held against, or None.
    """

    recipe: str
    published: tuple[tuple[PublishedTable, PublishedRow], ...]
    ours: Row | None
    baseline: Row | None


def published_ratios(table: PublishedTable, row: PublishedRow) -> Ratios:
    """Of a published row against its table's baseline."""
    base = table.row(table.baseline)

    def ratio(over: float | None, under: float | None) -> float:
        return over / under if over is not None and under is not None else math.nan

    return Ratios(ratio(base.size_mb, row.size_mb), ratio(base.time_s, row.time_s), ratio(row.mse, base.mse))


def reproduced(rows: Sequence[Row], reference: Row) -> list[Reproduced]:
    """Every recipe of ours that a published row names, in the study's order."""
    ours = {row.recipe.name: row for row in rows if row.recipe is not None}
    recipes = dict.fromkeys(row.recipe for table in TABLES for row in table.rows if row.recipe)
    found = []
    for recipe in recipes:
        published = tuple((table, row) for table in TABLES if (row := table.of_recipe(recipe)) is not None)
        base = ours.get(next((own for start, own in _BASELINES.items() if recipe.startswith(start)), ""), reference)
        found.append(Reproduced(recipe, published, ours.get(recipe), base))
    return found


def reproduction_tables(rows: Sequence[Row], reference: Row) -> tuple[Table, ...]:
    """For a report: the comparison, and what is wrong with the published figures."""
    cells = [tuple(_cells(each, reference)) for each in reproduced(rows, reference)]
    columns = (
        "recipe",
        "published",
        "× smaller",
        "× faster",
        "MSE ratio",
        "ours × smaller",
        "ours × faster",
        "ours MSE ratio",
        "see",
    )
    note = (
        "Each against the baseline of its own study and table; ours with 95 % intervals. See: the numbered defects."
    )
    defects = tuple((number, words) for number, words in DEFECTS.items())
    return (
        Table("Beside the published figures", columns, tuple(cells), note),
        Table("Known defects of the published figures", ("number", "what"), defects, is_detail=True),
    )


def to_markdown(
    rows: Sequence[Row], reference: Row, *, command: str = "", absent: Sequence[tuple[str, str]] = ()
) -> str:
    """A page for docs: our figures, the published ones beside them, the defects, and what could not be run.

    Args:
        rows: Measured in one run.
        reference: The float model among them.
        command: What makes this page again.
        absent: Recipes that could not be run here, with the reason.
    """
    parts = [
        "# The document reproduced",
        "",
        "Every technique of the first source document (Paniego, Paliwal, Cañas, RA-L 9(1), 2024) as a recipe with "
        "the document's names and hyper-parameters, on our own data. Machines, data and versions differ, so every "
        "figure is held against the baseline of its own study.",
        "",
        *_machine(rows),
    ]
    if command:
        parts += ["Made by:", "", "```console", f"$ {command}", "```", ""]
    parts += ["## Measured here", "", *_ours(rows, reference)]
    if (driven := closed_loop_table(rows, reference)) is not None:
        parts += ["", "## In closed loop", "", *_grid(driven.columns, table_texts(driven)), "", driven.note]
    parts += ["", "## Beside the published figures", "", *_beside(rows, reference)]
    if (notes := notes_table(rows, reference)) is not None:
        parts += ["", "## What one has to know", "", *(f"- **{name}**: {words}" for name, words in notes.rows)]
    if absent:
        parts += ["", "## Not run here", "", *_grid(("recipe", "why"), [list(each) for each in absent])]
    parts += ["", "## The published rows", "", *_published(), "## Known defects of the published figures", ""]
    parts += [f"{number}. {words}" for number, words in DEFECTS.items()]
    return "\n".join(parts) + "\n"


def _cells(each: Reproduced, reference: Row) -> Iterator[Cell]:
    """One row of the comparison; the published ratios are of all tables that have the method."""
    theirs = [published_ratios(table, row) for table, row in each.published]
    yield each.recipe
    keys = dict.fromkeys(table.key.split(" ")[0] for table, _ in each.published)
    yield f"{each.published[-1][1].method} ({', '.join(keys)})"
    for name in ("smaller", "faster", "error"):
        yield _range([getattr(ratios, name) for ratios in theirs])
    if each.ours is None or each.baseline is None:
        yield from ("not run", "-", "-")
    else:
        own, base = each.ours.measured, each.baseline.measured
        yield f"{base.weight.size_bytes / own.weight.size_bytes:.2f}"
        yield "1" if each.ours is each.baseline else interval_words(speedup(own, base))
        yield "1" if each.ours is each.baseline else interval_words(mse_ratio(own, base), 3)
    yield ", ".join(str(number) for number in sorted({n for _, row in each.published for n in row.footnotes}))


def _range(values: Sequence[float]) -> str:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "-"
    low, high = f"{min(known):.3g}", f"{max(known):.3g}"
    return low if low == high else f"{low} to {high}"


def _machine(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    source = provenance()
    loads = [row.measured.load_average for row in rows]
    machine, calls = source.machine, len(rows[0].measured.compute_s)
    commit = f", commit {source.commit[:12]}" if source.commit else ""
    return [
        f"Measured on {machine.get('cpu', 'a processor')} with {machine.get('cores', '?')} cores, one thread, "
        f"batch 1, {calls} calls of each variant in alternating rounds, load average {min(loads):.1f} to "
        f"{max(loads):.1f}; rilaas {source.version}{commit}.",
        "",
    ]


def _ours(rows: Sequence[Row], reference: Row) -> list[str]:
    head = (
        "recipe",
        "target",
        "size [MB]",
        "gzip [MB]",
        "MSE",
        "MSE ratio",
        "p50 [ms]",
        "p99 [ms]",
        "× float",
        "kernels",
    )
    cells = []
    for row in rows:
        own = row.measured
        kernels = "not told" if own.kernels is None else f"{own.kernels.integer}/{own.kernels.total} int8"
        alone = Interval(1.0, 1.0, 1.0, 1)
        cells.append(
            [
                row.name,
                own.target,
                f"{own.weight.size_bytes / 1e6:.3g}",
                f"{own.weight.gzip_bytes / 1e6:.3g}",
                f"{own.mse:.4g}",
                interval_words(alone if row is reference else mse_ratio(own, reference.measured), 3),
                f"{own.p50_s * 1e3:.3g}",
                f"{own.p99_s * 1e3:.3g}",
                interval_words(alone if row is reference else speedup(own, reference.measured)),
                kernels + ("" if own.is_really_integer is not False else " (float kernels)"),
            ]
        )
    against = f"{reference.name} on {reference.measured.target}"
    words = f"× float: against {against}. {samples_words(reference)}, 95 % intervals."
    return [*_grid(head, cells), "", words]


def _beside(rows: Sequence[Row], reference: Row) -> list[str]:
    table = reproduction_tables(rows, reference)[0]
    return [*_grid(table.columns, table_texts(table)), "", table.note]


def _published() -> Iterator[str]:
    for table in TABLES:
        yield f"### {table.key}: {table.title}"
        yield ""
        yield f"{table.source}; {table.hardware}. Ratios against {table.baseline}."
        yield ""
        cells = []
        for row in table.rows:
            ratios = published_ratios(table, row)
            figures = [_exact(value) for value in (row.size_mb, row.mse, row.time_s)]
            more = [_range([value]) for value in (ratios.smaller, ratios.faster, ratios.error)]
            marks = ", ".join(map(str, row.footnotes))
            cells.append([row.method, f"`{row.recipe}`" if row.recipe else "-", *figures, *more, marks])
        head = ("method", "recipe", "MB", "MSE", "s", "× smaller", "× faster", "MSE ratio", "see")
        yield from _grid(head, cells)
        yield ""
    yield f"### F: {F_TITLE}"
    yield ""
    yield f"{F_SOURCE}. 'Deviation' is mean(1000 ** distance): 7.4 is about 0.29 m, 17.0 about 0.41 m."
    yield ""
    head = ("circuit", "method", "speed [m/s]", "deviation", "brain [Hz]", "inference [s]", "real time", "m", "lap")
    lap = {True: "yes", False: "no", None: "-"}
    yield from _grid(
        head,
        [
            [
                row.circuit,
                row.method,
                *map(
                    _exact,
                    (
                        row.average_speed_m_s,
                        row.deviation,
                        row.frequency_hz,
                        row.inference_s,
                        row.real_time_factor,
                        row.distance_m,
                    ),
                ),
                lap[row.completed],
            ]
            for row in F
        ],
    )
    yield ""


def _exact(value: float | None) -> str:
    return "-" if value is None else repr(value)


def _grid(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    def words(cell: Cell) -> str:
        return str(cell).replace("|", "\\|").replace("\n", " ")

    lines = [f"| {' | '.join(map(words, head))} |", f"|{'|'.join(' --- ' for _ in head)}|"]
    return [*lines, *(f"| {' | '.join(map(words, row))} |" for row in rows)]
