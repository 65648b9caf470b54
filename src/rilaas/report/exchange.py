"""A report as JSON, and back.

The names are a contract that others script against::

    kind, verdict, summary
    metrics     {name: {unit, mean, low, high, n, direction, median, minimum, maximum, group,
                        servers: {name: {p50, p95, p99, n}}}}
    episodes    [{scenario, seed, status, failed, metrics: {name: value}, absent: {name: reason}, link}]
    tables      [{title, columns, rows, note, is_detail}]
    provenance  {version, commit, seeds, machine, command, created_utc}
    figures     [{title, media_type, alt, caption, table, data}], data in base64
    samples     {name: [value]}, some of the single values behind a metric

``servers``, ``absent``, ``link``, ``is_detail`` and ``samples`` are there only where there is something in them;
``median``, ``minimum``, ``maximum`` and ``group`` are missing in reports from before they were kept. A number that
does not exist (NaN, infinity) is null: the file is strict JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from rilaas.core import InvalidInput
from rilaas.report.document import Cell, Episode, Figure, Report, Table
from rilaas.report.metric import Metric, Percentiles
from rilaas.report.provenance import Provenance

_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a character beyond 16 bits, as JSON writes it


def to_json(report: Report) -> str:
    """See ``Report.to_json``."""
    document: dict[str, Any] = {
        "kind": report.kind,
        "verdict": report.verdict,
        "summary": report.summary,
        "metrics": {name: metric_row(metric) for name, metric in report.metrics.items()},
        "episodes": [_from_episode(episode) for episode in report.episodes],
        "tables": [_from_table(table) for table in report.tables],
        "provenance": _from_provenance(report.provenance),
        "figures": [_from_figure(figure) for figure in report.figures],
    }
    if report.samples:
        document["samples"] = {name: [_null(value) for value in part] for name, part in report.samples.items()}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Report:
    """See ``Report.from_json``."""
    try:
        document = json.loads(text)
        if _HALF.search(text):
            json.dumps(document, ensure_ascii=False).encode()  # half a character could not be written again
        return Report(
            kind=_text(document["kind"]),
            verdict=_text(document["verdict"]),
            summary=_text(document.get("summary", "")),
            metrics={name: read_metric(metric) for name, metric in document["metrics"].items()},
            episodes=tuple(_to_episode(episode) for episode in document["episodes"]),
            tables=tuple(_to_table(table) for table in document["tables"]),
            provenance=_to_provenance(document["provenance"]),
            figures=tuple(_to_figure(figure) for figure in document.get("figures", ())),
            samples={name: tuple(map(_nan, part)) for name, part in document.get("samples", {}).items()},
        )
    except KeyError as error:
        raise InvalidInput(f"This is not a report: it has no {error}.", "Pass a file that --json wrote.") from None
    except (OverflowError, RecursionError):
        raise InvalidInput(
            "This is not a report: a number is too large, or it is nested too deeply.",
            "Pass a file that --json wrote.",
        ) from None
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise InvalidInput(f"This is not a report: {error}.", "Pass a file that --json wrote.") from None


def metric_row(metric: Metric) -> dict[str, Any]:
    """A metric as it stands in a report's JSON."""
    row: dict[str, Any] = {
        "unit": metric.unit,
        "mean": _null(metric.mean),
        "low": _null(metric.low),
        "high": _null(metric.high),
        "n": metric.n,
        "direction": metric.direction,
        "median": _null(metric.median),
        "minimum": _null(metric.minimum),
        "maximum": _null(metric.maximum),
        "group": metric.group,
    }
    if metric.servers:
        row["servers"] = {
            name: {"p50": _null(part.p50), "p95": _null(part.p95), "p99": _null(part.p99), "n": part.n}
            for name, part in metric.servers.items()
        }
    return row


def read_metric(row: Mapping[str, Any]) -> Metric:
    """A metric from what ``metric_row`` made of it, by this version or an earlier one.

    Raises:
        KeyError: It has no mean, interval or unit.
        ValueError: A value is of the wrong kind; TypeError too.
    """
    servers = {
        name: Percentiles(_nan(part["p50"]), _nan(part["p95"]), _nan(part["p99"]), int(part["n"]))
        for name, part in row.get("servers", {}).items()
    }
    mean, low, high = (_nan(row[key]) for key in ("mean", "low", "high"))
    median, minimum, maximum = (_nan(row.get(key)) for key in ("median", "minimum", "maximum"))
    return Metric(
        _text(row["unit"]),
        mean,
        low,
        high,
        int(row["n"]),
        row.get("direction", ""),
        servers,
        median,
        minimum,
        maximum,
        _text(row.get("group", "")),
    )


def _from_episode(episode: Episode) -> dict[str, Any]:
    row: dict[str, Any] = {
        "scenario": episode.scenario,
        "seed": episode.seed,
        "status": episode.status,
        "failed": episode.failed,
        "metrics": {name: _null(value) for name, value in episode.metrics.items()},
    }
    if episode.absent:
        row["absent"] = dict(episode.absent)
    return {**row, "link": episode.link} if episode.link else row


def _to_episode(row: Mapping[str, Any]) -> Episode:
    return Episode(
        _text(row["scenario"]),
        int(row["seed"]),
        _text(row["status"]),
        {name: _nan(value) for name, value in row["metrics"].items()},
        bool(row.get("failed", False)),
        {name: _text(reason) for name, reason in row.get("absent", {}).items()},
        _text(row.get("link", "")),
    )


def _from_table(table: Table) -> dict[str, Any]:
    rows = [[_null(cell) if isinstance(cell, float) else cell for cell in row] for row in table.rows]
    document = {"title": table.title, "columns": list(table.columns), "rows": rows, "note": table.note}
    return {**document, "is_detail": True} if table.is_detail else document


def _to_table(row: Mapping[str, Any]) -> Table:
    rows = tuple(tuple(_cell(cell) for cell in cells) for cells in row["rows"])
    columns = tuple(_text(column) for column in row["columns"])
    return Table(_text(row["title"]), columns, rows, _text(row.get("note", "")), bool(row.get("is_detail", False)))


def _from_figure(figure: Figure) -> dict[str, Any]:
    return {
        "title": figure.title,
        "media_type": figure.media_type,
        "alt": figure.alt,
        "caption": figure.caption,
        "table": _from_table(figure.table) if figure.table else None,
        "data": base64.b64encode(figure.data).decode("ascii"),
    }


def _to_figure(row: Mapping[str, Any]) -> Figure:
    table = row.get("table")
    return Figure(
        title=_text(row["title"]),
        data=base64.b64decode(row["data"], validate=True),
        media_type=_text(row["media_type"]),
        alt=_text(row["alt"]),
        caption=_text(row.get("caption", "")),
        table=_to_table(table) if table else None,
    )


def _from_provenance(source: Provenance) -> dict[str, Any]:
    return {
        "version": source.version,
        "commit": source.commit,
        "seeds": list(source.seeds),
        "machine": dict(source.machine),
        "command": source.command,
        "created_utc": source.created_utc,
    }


def _to_provenance(row: Mapping[str, Any]) -> Provenance:
    return Provenance(
        version=_text(row["version"]),
        commit=_text(row["commit"]),
        seeds=tuple(int(seed) for seed in row["seeds"]),
        machine={
            str(name): value if isinstance(value, int) else _text(value) for name, value in row["machine"].items()
        },
        command=_text(row["command"]),
        created_utc=_text(row.get("created_utc", "")),
    )


def _null(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _nan(value: Any) -> float:
    return math.nan if value is None else float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"{value!r} is not a table's cell")
