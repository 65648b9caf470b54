"""The ways of several variants on the same map, side by side, and how far each is from the first one's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rilaas.report.document import Cell, Figure, Table
from rilaas.report.svg import SERIES, SVG, WIDTH, box, cross, dot, line, path, picture, round_ticks, text

Poses = NDArray[np.float64]
Extent = tuple[float, float, float, float]
"""Least x, least y, largest x and largest y [m]."""

_GAP, _HEAD, _TALLEST = 16.0, 26.0, 420.0
_LEFT, _RIGHT, _STRIP = 56.0, 16.0, 120.0
_STEP_PX = 1.0  # points of a way that are nearer to each other are left out
_WAY, _REFERENCE, _FAILED, _EDGE = "#6fd0ff", "#ffffff", "#ff3b3b", "#1c2229"


def trajectory_chart(
    ways: Mapping[str, Poses],
    *,
    failed: Sequence[str] = (),
    map_svg: str = "",
    extent_m: Extent | None = None,
    title: str = "Trajectories side by side",
    where: str = "",
) -> Figure:
    """One map for each variant, with the reference's way as a thin white line beneath its own; below, the distance.

    Args:
        ways: (N, 3) float64 [m, m, rad] poses by variant, x right and y up; the first is the reference.
        failed: Variants that ended in failure: their way is red.
        map_svg: Shapes of the map in metres, x right and y up, without a surrounding ``svg``; drawn beneath.
        extent_m: What of the map is shown; what the ways need where None.
        title: Of the figure.
        where: Scenario and seed, for the caption.

    Raises:
        ValueError: There is no way, or one has no pose.
    """
    if not ways or not all(len(poses) for poses in ways.values()):
        raise ValueError("trajectories need at least one way, and each way a pose")
    points = {name: np.asarray(poses, np.float64)[:, :2] for name, poses in ways.items()}
    extent = extent_m or _extent(list(points.values()))
    columns = min(len(points), 2)
    wide = (WIDTH - _GAP * (columns - 1)) / columns
    scale = min(wide / (extent[2] - extent[0]), _TALLEST / (extent[3] - extent[1]))
    tall = scale * (extent[3] - extent[1])
    reference = next(iter(points))
    shapes, top = [], 0.0
    for i, name in enumerate(points):
        left, top = (i % columns) * (wide + _GAP), (i // columns) * (tall + _HEAD + _GAP)
        shapes.append(text(left, top + 17, name, "strong"))
        beneath = None if name == reference else points[reference]
        frame = (left, top + _HEAD, wide, tall)
        shapes += _panel(points[name], beneath, frame, extent, scale, map_svg, name in failed)
    bottom = top + _HEAD + tall
    apart = {name: _apart(way, points[reference]) for name, way in points.items() if name != reference}
    if apart:
        shapes += _strip(points, apart, reference, bottom + 34.0)
        bottom += 34.0 + _STRIP + 44.0
    caption = f"{where}: " if where else ""
    caption += f"a dot is the start; the white line beneath is the way of {reference}."
    if apart:
        caption += f" Below: the distance of each way from the nearest point of that of {reference}."
    table = _table(title, points, apart, failed, reference)
    return Figure(title, picture(WIDTH, bottom, shapes), SVG, _alt(points, apart, failed, reference), caption, table)


def _extent(ways: Sequence[Poses]) -> Extent:
    every = np.concatenate(ways)
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.12 * max(float((high - low).max()), 1e-3)
    return float(low[0] - margin), float(low[1] - margin), float(high[0] + margin), float(high[1] + margin)


def _panel(
    way: Poses,
    beneath: Poses | None,
    frame: tuple[float, float, float, float],
    extent: Extent,
    scale: float,
    map_svg: str,
    failed: bool,
) -> list[str]:
    left, top, wide, tall = frame
    middle = left + 0.5 * (wide - scale * (extent[2] - extent[0]))

    def at(point: Poses) -> tuple[float, float]:
        return middle + scale * (float(point[0]) - extent[0]), top + scale * (extent[3] - float(point[1]))

    # A nested picture cuts off what of the map is outside the panel.
    shapes = [f'<svg x="{left:.2f}" y="{top:.2f}" width="{wide:.2f}" height="{tall:.2f}" overflow="hidden">']
    if map_svg:
        place = f"translate({middle - left - scale * extent[0]:.3f} {scale * extent[3]:.3f})"
        move = f"{place} scale({scale:.4f} {-scale:.4f})"
        shapes.append(
            f'<rect width="100%" height="100%" fill="#6d9a5b"/><g fill="none" transform="{move}">{map_svg}</g>'
        )
    else:
        shapes.append('<rect width="100%" height="100%" rx="8" fill="#4a4e55"/>')
    shapes.append("</svg>")
    if beneath is not None:
        shapes.append(_stroke([at(point) for point in beneath], _REFERENCE, 1.4))
    colour = _FAILED if failed else _WAY
    drawn = [at(point) for point in way]
    shapes += [_stroke(drawn, _EDGE, 4.2), _stroke(drawn, colour, 2.6)]
    (x, y), (end_x, end_y) = drawn[0], drawn[-1]
    shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}" stroke="#fff" stroke-width="1.5"/>')
    if failed:
        shapes.append(cross(end_x, end_y, 12.0))
    return shapes


def _stroke(points: Sequence[tuple[float, float]], colour: str, width: float) -> str:
    kept = [points[0]]
    for point in points[1:-1]:
        if math.dist(kept[-1], point) >= _STEP_PX:
            kept.append(point)
    kept.append(points[-1])
    way = "L".join(f"{x:.1f} {y:.1f}" for x, y in kept)
    return f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"/>'


def _apart(way: Poses, reference: Poses) -> Poses:
    """(N,) distance of each point from the nearest one of the reference's way [m]."""
    return np.array([np.hypot(*(reference - point).T).min() for point in way])


def _driven(way: Poses) -> Poses:
    """(N,) length of the way up to each point [m]."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(way, axis=0).T))])


def _strip(points: Mapping[str, Poses], apart: Mapping[str, Poses], reference: str, top: float) -> list[str]:
    bottom = top + _STRIP
    x_ticks = round_ticks(max(float(_driven(points[name])[-1]) for name in apart), 6)
    y_ticks = round_ticks(100.0 * max(float(each.max()) for each in apart.values()), 4)

    def x_of(metres: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * metres / x_ticks[-1]

    def y_of(centimetres: float) -> float:
        return bottom - _STRIP * centimetres / y_ticks[-1]

    shapes = [text(12, top - 12, f"distance from {reference} [cm]", "small muted")]
    for tick in y_ticks:
        shapes += [
            line(_LEFT, y_of(tick), WIDTH - _RIGHT, y_of(tick), "grid"),
            text(_LEFT - 10, y_of(tick) + 4, f"{tick:g}", "muted small", "end"),
        ]
    shapes += [text(x_of(tick), bottom + 18, f"{tick:g}", "muted small", "middle") for tick in x_ticks]
    shapes.append(text(WIDTH - _RIGHT, bottom + 36, "driven [m]", "small muted", "end"))
    for i, (name, distance) in enumerate(apart.items()):
        shapes += _curve(_driven(points[name]), 100.0 * distance, x_of, y_of, i, name, len(apart) > 1, top)
    return [*shapes, line(_LEFT, bottom, WIDTH - _RIGHT, bottom, "axis")]


def _curve(
    driven: Poses,
    distance: Poses,
    x_of: Callable[[float], float],
    y_of: Callable[[float], float],
    index: int,
    name: str,
    named: bool,
    top: float,
) -> list[str]:
    places = [(x_of(float(x)), y_of(float(y))) for x, y in zip(driven, distance, strict=True)]
    every = max(1, len(places) // 400)
    shapes = [path([*places[::every], places[-1]], f"line{index % SERIES}")]
    largest = int(distance.argmax())
    shapes.append(dot(*places[largest], 3.5, f"s{index % SERIES}"))
    if named:
        x = 220.0 + 150.0 * (index % 3)
        shapes += [box(x, top - 20, 10, 10, f"s{index % SERIES}"), text(x + 16, top - 11, name, "small")]
    return shapes


def _table(
    title: str,
    points: Mapping[str, Poses],
    apart: Mapping[str, Poses],
    failed: Sequence[str],
    reference: str,
) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, way in points.items():
        parts = (
            (float(100.0 * apart[name].mean()), float(100.0 * apart[name].max())) if name in apart else (None, None)
        )
        rows.append((name, float(_driven(way)[-1]), *parts, "failed" if name in failed else ""))
    columns = ("variant", "driven [m]", f"mean distance from {reference} [cm]", "largest [cm]", "end")
    return Table(title, columns, tuple(rows))


def _alt(points: Mapping[str, Poses], apart: Mapping[str, Poses], failed: Sequence[str], reference: str) -> str:
    words = [f"The ways of {', '.join(points)} on the same map."]
    for name, distance in apart.items():
        words.append(
            f"{name} is {100.0 * distance.mean():.3g} cm from the way of {reference} on average, "
            f"{100.0 * distance.max():.3g} cm at most."
        )
    if failed:
        words.append(f"Failed: {', '.join(failed)}.")
    return " ".join(words)
