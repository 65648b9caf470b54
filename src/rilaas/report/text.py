"""A report for a terminal: aligned tables, colour only where it is wanted."""

from __future__ import annotations

import math
import os
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TextIO

from rilaas.report.document import Cell, Episode, Report, Table
from rilaas.report.group import absent_table, groups, headline
from rilaas.report.metric import Metric
from rilaas.report.number import episode_text, interval_text, mean_text, spread_texts, table_texts, value_text
from rilaas.report.provenance import Provenance

EPISODES_SHOWN = 10
_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+(?: [%a-z]{1,5})?|-")
_CODES = {"red": "31", "green": "32", "bold": "1", "dim": "2"}


def colour_wanted(stream: TextIO) -> bool:
    """Whether a stream is a terminal whose user has not asked for plain text (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, *, colour: bool) -> str:
    """Text in ``red`` (failure only), ``green``, ``bold`` or ``dim``; unchanged without colour."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if colour else text


def plain(text: str) -> str:
    """Text that cannot move the cursor or begin a line, whoever wrote it."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned lines with a head; a column of numbers is set to the right.

    Args:
        columns: Heads.
        rows: Cells, one per column.
    """
    rows = [[plain(cell) for cell in row] for row in rows]
    right = [bool(rows) and all(_NUMBER.fullmatch(row[i]) for row in rows) for i in range(len(columns))]
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]
    lines = [columns, ["-" * width for width in widths], *rows]
    return [
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]


def to_text(report: Report, *, colour: bool = False, width: int = 100) -> str:
    """See ``Report.to_text``."""
    style = {"failed": "red", "passed": "green"}.get(report.verdict, "bold")
    lines = [f"{paint(plain(report.kind), 'bold', colour=colour)}: {paint(report.verdict, style, colour=colour)}"]
    lines += textwrap.wrap(plain(report.summary), width, break_on_hyphens=False)
    for title, body in _sections(report, colour, width):
        lines += ["", paint(title, "bold", colour=colour), *body]
    lines += ["", *(paint(line, "dim", colour=colour) for line in provenance_lines(report.provenance))]
    return "\n".join(lines) + "\n"


def provenance_lines(source: Provenance) -> list[str]:
    """Version, commit, seeds, machine and command in three lines."""
    commit = f" ({source.commit[:12]}{'-dirty' if source.commit.endswith('-dirty') else ''})" if source.commit else ""
    what = [f"rilaas {source.version}{commit}"]
    if source.seeds:
        what.append(f"seeds {seeds_text(source.seeds)}")
    if source.created_utc:
        what.append(source.created_utc)
    return [plain(", ".join(what)), plain(machine_text(source)), plain(f"$ {source.command}")]


def machine_text(source: Provenance) -> str:
    """``Some CPU, 2 cores, 8.0 GiB, Debian 12 (x86_64), Python 3.11.7``."""
    machine = source.machine
    parts = [str(machine.get("cpu", "unknown CPU"))]
    if cores := machine.get("cores"):
        parts.append(f"{cores} core{'s' if cores != 1 else ''}")
    if isinstance(memory := machine.get("memory_bytes"), int):
        parts.append(f"{memory / 1024**3:.1f} GiB")
    parts += [str(machine["os"])] if "os" in machine else []
    parts += [f"Python {machine['python']}"] if "python" in machine else []
    return ", ".join(parts)


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds with runs written as ranges: ``1-20, 42``."""
    parts: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if parts and seed == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], seed]
        else:
            parts.append([seed])
    return ", ".join("-".join(str(end) for end in part) for part in parts)


def worst_first(report: Report) -> list[Episode]:
    """Failures first, then by the first metric that has a direction."""
    ranked = [(name, m.direction) for name, m in report.metrics.items() if m.direction]
    name, direction = ranked[0] if ranked else ("", "")
    sign = -1.0 if direction == "lower" else 1.0

    def rank(episode: Episode) -> tuple[bool, float]:
        value = episode.metrics.get(name, math.nan)
        return not episode.failed, sign * value if math.isfinite(value) else -math.inf

    return sorted(report.episodes, key=rank)


def episode_columns(report: Report) -> tuple[str, ...]:
    """The metrics of the headline that episodes have, and what they have that the report has no metric of."""
    known = [name for name in headline(report) if any(name in e.metrics for e in report.episodes)]
    return (*known, *sorted({name for e in report.episodes for name in e.metrics} - set(report.metrics)))


def value_of(report: Report, episode: Episode, name: str) -> str:
    """An episode's value in the unit of the report's metric of that name."""
    value = episode.metrics.get(name, math.nan)
    return episode_text(value, report.metrics[name]) if name in report.metrics else value_text(value)


def servers_table(report: Report) -> Table | None:
    """Percentiles per server of every metric that has them; None where no metric does."""
    rows: list[tuple[Cell, ...]] = [
        (name, server, *(value_text(v, metric.unit) for v in (part.p50, part.p95, part.p99)), part.n)
        for name, metric in report.metrics.items()
        for server, part in metric.servers.items()
    ]
    return Table("Per server", ("metric", "server", "p50", "p95", "p99", "n"), tuple(rows)) if rows else None


def _sections(report: Report, colour: bool, width: int) -> Iterator[tuple[str, list[str]]]:
    if report.metrics:
        yield "Metrics, mean and 95 % interval", _metric_lines(report, width)
    if servers := servers_table(report):
        yield servers.title, _table_lines(servers)
    for table in (table for table in report.tables if not table.is_detail):
        yield plain(table.title), _table_lines(table)
    if report.episodes:
        yield _episode_section(report, colour, width)


def _metric_lines(report: Report, width: int) -> list[str]:
    """Those of the headline, with median and range where there is room, and how many more there are."""
    shown = headline(report)
    heads: tuple[str, ...] = ("metric", "mean", "interval", "median", "range", "better")
    lines = grid(heads, [_metric_row(name, metric) for name, metric in shown.items()])
    if all(math.isnan(metric.median) for metric in shown.values()) or max(map(len, lines)) > width:
        short = [(name, mean_text(m), interval_text(m), m.direction) for name, m in shown.items()]
        lines = grid(("metric", "mean", "interval", "better"), short)
    more = [f"{len(part)} of {title}" for title, part in groups(report).items() if title]
    if more and len(shown) < len(report.metrics):
        lines += textwrap.wrap(plain(f"Also measured: {', '.join(more)}; --report and --json have them."), width)
    if absent := absent_table(report):
        count = len({row[0] for row in absent.rows})
        words = "1 metric is" if count == 1 else f"{count} metrics are"
        lines.append(f"{words} undefined in some episodes; --report and --json say why.")
    return lines


def _metric_row(name: str, metric: Metric) -> tuple[str, ...]:
    return name, mean_text(metric), interval_text(metric), *spread_texts(metric), metric.direction


def _episode_section(report: Report, colour: bool, width: int) -> tuple[str, list[str]]:
    worst, names = worst_first(report), list(episode_columns(report))
    failed = sum(episode.failed for episode in worst)
    title = f"Episodes, worst first ({len(worst)}, {failed} failed)"
    shown = worst[:EPISODES_SHOWN]
    lines = _episode_grid(report, shown, names)
    while len(names) > 1 and max(map(len, lines)) > width:
        names.pop()
        lines = _episode_grid(report, shown, names)
    for i, episode in enumerate(shown):
        if episode.failed:
            lines[i + 2] = paint(lines[i + 2], "red", colour=colour)
    if len(shown) < len(worst) or len(names) < len(episode_columns(report)):
        lines.append(f"{len(shown)} of {len(worst)} episodes and the first columns; --json has everything.")
    return title, lines


def _episode_grid(report: Report, episodes: Sequence[Episode], names: Sequence[str]) -> list[str]:
    rows = [(e.scenario, str(e.seed), e.status, *(value_of(report, e, name) for name in names)) for e in episodes]
    return grid(("scenario", "seed", "status", *names), rows)


def _table_lines(table: Table) -> list[str]:
    lines = grid(table.columns, table_texts(table))
    return [*lines, plain(table.note)] if table.note else lines
