"""Which rules were broken how often, and in which scenarios."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rilaas.report.document import Cell, Figure, Table
from rilaas.report.svg import SERIES, SVG, WIDTH, box, label_width, line, picture, round_ticks, text

_RIGHT, _TOP, _ROW, _LEGEND = 170.0, 8.0, 30.0, 22.0
OTHERS = "other scenarios"


def infraction_chart(
    counts: Mapping[str, Mapping[str, int]],
    episodes: int,
    *,
    title: str = "Infractions by kind",
) -> Figure:
    """A bar per kind, its parts the scenarios; the kind that was broken most comes first.

    Args:
        counts: How often each kind of rule was broken, by kind and scenario.
        episodes: In how many episodes.
        title: Of the figure.

    Raises:
        ValueError: A count is negative.
    """
    totals = {kind: sum(parts.values()) for kind, parts in counts.items()}
    if any(count < 0 for parts in counts.values() for count in parts.values()):
        raise ValueError("counts of infractions are not negative")
    kinds = sorted((kind for kind, total in totals.items() if total), key=lambda kind: (-totals[kind], kind))
    scenarios = _scenarios(counts)
    shown = scenarios if len(scenarios) <= SERIES else [*scenarios[: SERIES - 1], OTHERS]
    ticks = round_ticks(max(totals.values(), default=0), 4)
    left, bottom = 24.0 + label_width(map(_words, kinds)), _TOP + _ROW * len(kinds)

    def x_of(value: float) -> float:
        return left + (WIDTH - left - _RIGHT) * value / ticks[-1]

    shapes = []
    for tick in (tick for tick in ticks if tick == int(tick)):
        shapes.append(line(x_of(tick), _TOP, x_of(tick), bottom, "grid"))
        shapes.append(text(x_of(tick), bottom + 18, f"{tick:g}", "muted small", "middle"))
    for row, kind in enumerate(kinds):
        middle, start = _TOP + _ROW * (row + 0.5), 0
        shapes.append(text(left - 14, middle + 4, _words(kind), "strong", "end"))
        for series, count in enumerate(_parts(counts[kind], shown)):
            width = x_of(start + count) - x_of(start)
            shapes.append(box(x_of(start), middle - 9, max(0.0, width - 1.0), 18, f"s{series}", corner=2))
            start += count
        shapes.append(text(WIDTH - _RIGHT + 16, middle + 4, str(totals[kind]), "strong"))
        shapes.append(
            text(WIDTH - 4, middle + 4, f"{totals[kind] / max(1, episodes):.2g} an episode", "small muted", "end")
        )
    if not kinds:
        shapes = [text(left, _TOP + 14, "no rule was broken", "strong")]
    else:
        shapes.append(line(left, _TOP, left, bottom, "axis"))
    legend, rows = _legend(shown, left, bottom + 46) if len(shown) > 1 else ([], 0)
    height = bottom + 28 + rows * _LEGEND
    told = ", ".join(f"{_words(kind)} {totals[kind]}" for kind in kinds) or "none"
    many = f"{episodes} episode{'s' if episodes != 1 else ''}"
    caption = f"How often in {many}" + ("; colours are scenarios." if len(shown) > 1 else ".")
    alt = f"Infractions in {many}: {told}."
    table = _table(title, counts, kinds, scenarios, episodes)
    return Figure(title, picture(WIDTH, height, [*shapes, *legend]), SVG, alt, caption, table)


def _table(
    title: str, counts: Mapping[str, Mapping[str, int]], kinds: Sequence[str], scenarios: Sequence[str], episodes: int
) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kind in kinds:
        total = sum(counts[kind].values())
        rows.append((kind, *(counts[kind].get(name, 0) for name in scenarios), total, total / max(1, episodes)))
    return Table(title, ("kind", *scenarios, "all", "an episode"), tuple(rows))


def _scenarios(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Those with most infractions first."""
    total: Counter[str] = Counter()
    for parts in counts.values():
        total.update(parts)
    return [name for name, count in sorted(total.items(), key=lambda item: (-item[1], item[0])) if count]


def _parts(counts: Mapping[str, int], shown: Sequence[str]) -> list[int]:
    """Counts of the scenarios that have a colour."""
    named = [counts.get(name, 0) for name in shown if name != OTHERS]
    return [*named, sum(counts.values()) - sum(named)] if OTHERS in shown else named


def _legend(names: Sequence[str], left: float, top: float) -> tuple[list[str], int]:
    """Names with their colours, and how many rows they take."""
    shapes: list[str] = []
    x, row = left, 0
    for series, name in enumerate(names):
        width = 34.0 + 7.2 * len(name)
        if x > left and x + width > WIDTH - 4:
            x, row = left, row + 1
        y = top + row * _LEGEND
        shapes += [box(x, y - 10, 12, 12, f"s{series}", corner=2), text(x + 18, y, name, "small")]
        x += width
    return shapes, row + 1


def _words(kind: str) -> str:
    return kind.replace("_", " ")
