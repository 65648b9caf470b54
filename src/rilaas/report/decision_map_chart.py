"""What a load-balancing policy chose, over what was in flight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.report.document import Cell, Figure, Table
from rilaas.report.svg import SVG, WIDTH, box, line, picture, text

_LEFT, _TOP, _GAP, _BELOW, _LEGEND = 48.0, 44.0, 56.0, 40.0, 26.0
_LARGEST, _PER_ROW = 24.0, 2
_LEAST = 0.34  # side of a cell with one decision, as a share of one with the most
_KINDS = ("s0", "s1")


@dataclass(frozen=True, slots=True, eq=False)
class DecisionMap:
    """The decisions about one model's requests.

    Attributes:
        name: Whose requests.
        counts: (X, Y, 2) int: decisions for the first and for the second server, or group of servers, where x
            requests were in flight on the first and y on the second.
        most: The row and column with this number also hold what is above.
    """

    name: str
    counts: NDArray[np.int64]
    most: int


def decision_map_chart(
    maps: Sequence[DecisionMap], servers: tuple[str, str], *, title: str = "Map of decisions", caption: str = ""
) -> Figure:
    """A square for each state that was met: its area tells how often, its colours which share went where.

    Args:
        maps: One per model, all of the same size.
        servers: What the two axes are.
        title: Of the figure.
        caption: A sentence below.

    Raises:
        ValueError: There is no map, or their sizes differ.
    """
    if len({each.counts.shape for each in maps}) != 1:
        raise ValueError("maps of decisions need one size")
    across, up, _ = maps[0].counts.shape
    columns = min(_PER_ROW, len(maps))
    cell = min(_LARGEST, (WIDTH - columns * (_LEFT + _GAP) + _GAP) / columns / across)
    tall = _TOP + cell * up + _BELOW
    most = max(int(each.counts.sum(axis=2).max()) for each in maps)
    shapes = _legend(servers)
    for i, each in enumerate(maps):
        left = _LEFT + (i % columns) * (_LEFT + cell * across + _GAP)
        shapes += _panel(each, servers, left, _LEGEND + (i // columns) * tall + _TOP, cell, most)
    height = _LEGEND + math.ceil(len(maps) / columns) * tall
    first, second = servers
    caption = caption or "The larger a square, the more often the state was met (on a logarithmic scale)."
    names = ("model", f"in flight on {first}", f"in flight on {second}", "decisions", f"to {first} [%]")
    table = Table(title, names, tuple(row for each in maps for row in _rows(each)))
    return Figure(title, picture(WIDTH, height, shapes), SVG, _alt(maps, servers), caption, table)


def _panel(each: DecisionMap, servers: tuple[str, str], left: float, top: float, cell: float, most: int) -> list[str]:
    across, up, _ = each.counts.shape
    bottom = top + cell * up
    shapes = [text(left, top - 12, each.name, "strong")]
    shapes += [line(left, bottom, left + cell * across, bottom, "axis"), line(left, top, left, bottom, "axis")]
    for x, y in zip(*np.nonzero(each.counts.sum(axis=2)), strict=True):
        one, other = (int(count) for count in each.counts[x, y])
        scale = math.log1p(one + other) / math.log1p(most)
        side = (cell - 2.0) * (_LEAST + (1.0 - _LEAST) * scale)
        at_x, at_y = left + cell * (x + 0.5) - side / 2, bottom - cell * (y + 0.5) - side / 2
        share = one / (one + other)
        if share > 0:
            shapes.append(box(at_x, at_y, side * share, side, _KINDS[0]))
        if share < 1:
            shapes.append(box(at_x + side * share, at_y, side * (1.0 - share), side, _KINDS[1]))
    every = 1 if max(across, up) <= 10 else 2 if max(across, up) <= 20 else 5
    for k in range(0, across, every):
        shapes.append(text(left + cell * (k + 0.5), bottom + 16, _tick(k, each.most), "muted small", "middle"))
    for k in range(0, up, every):
        shapes.append(text(left - 7, bottom - cell * (k + 0.5) + 4, _tick(k, each.most), "muted small", "end"))
    middle = left + 0.5 * cell * across
    shapes.append(text(middle, bottom + 34, f"in flight on {servers[0]}", "muted small", "middle"))
    return shapes


def _legend(servers: tuple[str, str]) -> list[str]:
    x, shapes = _LEFT, []
    for name, kind in zip(servers, _KINDS, strict=True):
        shapes += [box(x, 6, 12, 12, kind), text(x + 18, 17, f"to {name}", "small")]
        x += 48.0 + 7.0 * len(name)
    return [*shapes, text(x, 17, f"upwards: in flight on {servers[1]}", "small muted")]


def _tick(k: int, most: int) -> str:
    return f"{k}+" if k == most else str(k)


def _rows(each: DecisionMap) -> list[tuple[Cell, ...]]:
    totals = each.counts.sum(axis=2)
    return [
        (each.name, int(x), int(y), int(totals[x, y]), round(100.0 * float(each.counts[x, y, 0] / totals[x, y]), 1))
        for x, y in zip(*np.nonzero(totals), strict=True)
    ]


def _alt(maps: Sequence[DecisionMap], servers: tuple[str, str]) -> str:
    told = []
    for each in maps:
        total = int(each.counts.sum())
        share = 100.0 * float(each.counts[..., 0].sum()) / total if total else math.nan
        told.append(f"{each.name}: {share:.0f} % of {total:,} decisions for {servers[0]}")
    return f"Decisions over requests in flight on {servers[0]} and {servers[1]}. {'; '.join(told)}."
