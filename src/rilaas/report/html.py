"""A report as one HTML file: no network, no script, light and dark, readable without seeing the pictures."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files

from rilaas.report.document import Figure, Report, Table
from rilaas.report.group import absent_table, groups, headline
from rilaas.report.metric import Metric
from rilaas.report.number import interval_text, mean_text, spread_texts, table_texts, value_text
from rilaas.report.svg import SVG
from rilaas.report.text import episode_columns, machine_text, seeds_text, servers_table, value_of, worst_first

_UNITS_LEFT_OUT = ("1", "s", "m", "m s", "rad s", "m/s", "rad", "bytes")
_TILES = 4
_WRAPPED, _LONG = 44, "long"  # letters of a cell that may take several lines
_EPISODES_OPEN = 12  # longer lists of episodes are folded
# Nothing may be loaded or run, whatever a scenario's or a model's name contains.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def to_html(report: Report) -> str:
    """See ``Report.to_html``."""
    style = files("rilaas.report").joinpath("page.css").read_text(encoding="utf-8")
    title = f"{report.kind}: {report.verdict}"
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
    )
    body = "\n".join(_body(report))
    return f"{head}<body>\n{body}\n</body>\n</html>\n"


def _body(report: Report) -> Iterator[str]:
    yield f'<header>\n<p class="brand">rilaas {escape(report.provenance.version)} · report</p>'
    yield f"<h1>{escape(report.kind[:1].upper() + report.kind[1:])} {_badge(report.verdict)}</h1>"
    if report.summary:
        yield f'<p class="lead">{escape(report.summary)}</p>'
    yield "</header>\n<main>"
    if report.metrics:
        yield _headline(report)
    for figure in report.figures:
        yield _section(figure.title, _figure(figure))
    if report.metrics:
        yield _section("Metrics", _metrics(report))
    if servers := servers_table(report):
        yield _section(servers.title, _table(servers))
    for table in report.tables:
        rows = f"{len(table.rows)} row" + "s" * (len(table.rows) != 1)
        yield _section(table.title, _folded(rows, _table(table)) if table.is_detail else _table(table))
    if report.episodes:
        yield _section("Episodes, worst first", _episodes(report))
    yield "</main>\n<footer>"
    yield _section("Where these numbers come from", _source(report))
    yield "</footer>"


def _badge(verdict: str) -> str:
    sign = {"passed": "✓ ", "failed": "✗ "}.get(verdict, "")
    return f'<span class="badge {escape(verdict)}">{sign}{escape(verdict)}</span>'


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>"


def _headline(report: Report) -> str:
    shown = headline(report)
    latencies = [(name, metric) for name, metric in shown.items() if metric.servers]
    others = [(name, metric) for name, metric in shown.items() if not metric.servers]
    tiles = [
        _tile(_words(name, metric), mean_text(metric), interval_text(metric))
        for name, metric in others[: _TILES - 1 if latencies else _TILES]
    ]
    # A mean over an edge and a cloud describes neither: latencies are shown by server.
    for name, metric in latencies[:1]:
        for server, part in list(metric.servers.items())[: _TILES - 1]:
            p50, p99 = value_text(part.p50, metric.unit), value_text(part.p99, metric.unit)
            tiles.append(_tile(f"{_words(name, metric)} {server}", p50, f"median; p99 {p99}, n={part.n}"))
    return '<dl class="headline">\n' + "\n".join(tiles) + "\n</dl>"


def _tile(title: str, large: str, small: str) -> str:
    number, _, unit = large.partition(" ")
    told = f"{escape(number)} <span>{escape(unit)}</span>" if unit else escape(number)
    return (
        f'<div class="tile"><dt>{escape(title)}</dt><dd class="mean">{told}</dd>'
        f'<dd class="interval">{escape(small).replace(" ms", "&nbsp;ms")}</dd></div>'
    )


def _words(name: str, metric: Metric) -> str:
    """``driven_lane_m`` without its unit, as words; the code name stands in the table of all metrics."""
    if metric.unit not in _UNITS_LEFT_OUT:
        return _as_said(name.replace("_", " "))
    suffix = {"1": "_share"}.get(metric.unit, "_" + metric.unit.replace(" ", "_").replace("/", "_per_"))
    return _as_said(name.removesuffix(suffix).replace("_", " "))


def _as_said(words: str) -> str:
    """As a heading begins; MSE is written in capitals."""
    return re.sub(r"\bmse\b", "MSE", words[:1].upper() + words[1:], flags=re.IGNORECASE)


def _figure(figure: Figure) -> str:
    data = base64.b64encode(figure.data).decode("ascii")
    kind = ' class="chart"' if figure.media_type == SVG and figure.table else ""
    image = f'<img{kind} src="data:{figure.media_type};base64,{data}" alt="{escape(figure.alt)}">'
    scroll = f' tabindex="0" role="region" aria-label="{escape(figure.title)}"' if kind else ""
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    numbers = _folded("The numbers", _table(figure.table)) if figure.table else ""
    return f'<figure>\n<div class="picture"{scroll}>{image}</div>\n{caption}\n{numbers}\n</figure>'


def _metrics(report: Report) -> str:
    """The headline's table, then one for each group, folded where there is a headline."""
    parts = []
    for title, metrics in groups(report).items():
        table = _metric_table(title or "Metrics", metrics)
        parts.append(_folded(f"{title} ({len(metrics)})", table) if title else table)
    if absent := absent_table(report):
        parts.append(_folded(f"{absent.title} ({len({row[0] for row in absent.rows})})", _table(absent)))
    return "\n".join(parts)


def _metric_table(label: str, metrics: Mapping[str, Metric]) -> str:
    has_spread = any(not math.isnan(metric.median) for metric in metrics.values())
    heads = [("metric", ""), ("mean", "number"), ("95 % interval", "")]
    heads += [(name, "number") for name in ("median", "range") if has_spread]
    rows = []
    for name, metric in metrics.items():
        cells = [f'<th scope="row">{escape(_words(name, metric))}<code>{escape(name)}</code></th>']
        cells.append(f'<td class="number">{escape(mean_text(metric))}</td><td>{escape(interval_text(metric))}</td>')
        cells += [f'<td class="number">{escape(value)}</td>' for value in spread_texts(metric) if has_spread]
        rows.append(f"<tr>{''.join(cells)}<td>{escape(metric.direction)}</td></tr>")
    return _grid(label, [*heads, ("better", "")], rows)


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def _table(table: Table) -> str:
    heads = [(name, "number" if _numeric(table, i) else "") for i, name in enumerate(table.columns)]
    kinds = [kind for _, kind in heads]
    rows = []
    for cells in table_texts(table):
        parts = [
            f"<td{_class(kind or _LONG * (len(cell) > _WRAPPED))}>{escape(cell)}</td>"
            for cell, kind in zip(cells, kinds, strict=True)
        ]
        rows.append(f"<tr>{''.join(parts)}</tr>")
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return _grid(table.title, heads, rows) + note


def _numeric(table: Table, column: int) -> bool:
    """Whether a column holds numbers, or text that begins with one such as ``12.3 ms``."""
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(not isinstance(cell, str) or cell[:1].isdigit() or cell == "-" for cell in cells)


def _episodes(report: Report) -> str:
    names = episode_columns(report)
    heads = [("scenario", ""), ("seed", "number"), ("status", ""), *((name, "number") for name in names)]
    rows = []
    for episode in worst_first(report):
        name = escape(episode.scenario)
        link = _link(episode.link)
        cells = [f'<td><a href="{escape(link)}">{name}</a></td>' if link else f"<td>{name}</td>"]
        cells.append(f'<td class="number">{episode.seed}</td>')
        cells.append(f"<td>{escape(episode.status)}</td>")
        cells += [f'<td class="number">{escape(value_of(report, episode, name))}</td>' for name in names]
        rows.append(f"<tr{_class('failed' if episode.failed else '')}>{''.join(cells)}</tr>")
    grid = _grid("Episodes", heads, rows)
    failed = sum(episode.failed for episode in report.episodes)
    if len(rows) <= _EPISODES_OPEN:
        return grid
    return _folded(f"{len(rows)} episodes, {failed} failed", grid)


def _link(link: str) -> str:
    """A relative link, or one of the web; '' for anything else, for it could run."""
    return link if re.fullmatch(r"(?:https?://)?[\w./#=&?%@+~-]*", link) else ""


def _grid(label: str, heads: Sequence[tuple[str, str]], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col"{_class(kind)}>{escape(name)}</th>' for name, kind in heads)
    table = f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{table}</div>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _source(report: Report) -> str:
    source = report.provenance
    rows = [
        ("Version", escape(f"rilaas {source.version}")),
        ("Commit", f"<code>{escape(source.commit)}</code>" if source.commit else "not run from a clone"),
        ("Seeds", escape(seeds_text(source.seeds)) or "none"),
        ("Machine", escape(machine_text(source))),
        ("Command", f"<code>{escape(source.command)}</code>"),
        ("Made", escape(source.created_utc)),
        ("Intervals", "95 % percentile bootstrap of the mean, 2000 resamples"),
    ]
    return (
        '<dl class="source">' + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows if value) + "</dl>"
    )
