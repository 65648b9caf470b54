"""Any tensor in a few lines: bars for some numbers, a profile for many, a small picture for a map."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Sequence

import numpy as np

from rilaas.report.overlay.error import comparable
from rilaas.report.overlay.raster import thumbnail
from rilaas.report.svg import box, line, text
from rilaas.report.text import plain

_BARS = 12
_BINS = 96
_ROWS, _COLUMNS = 6, 6  # of a small table
_ROW, _MAP, _PROFILE = 22.0, 96, 44.0
_NAME_LENGTH, _TEXT_LENGTH = 26, 60
_LABEL, _VALUE = 92.0, 150.0  # room left and right of a bar


def draw_tensor(
    x: float,
    y: float,
    width: float,
    name: str,
    got: np.ndarray | None,
    wanted: np.ndarray | None,
    unit: str = "",
    labels: Sequence[str] = (),
) -> tuple[list[str], float]:
    """One tensor.

    Args:
        x: Left edge.
        y: Upper edge.
        width: Room.
        name: Of the tensor.
        got: What was answered, or None.
        wanted: What was expected, or None.
        unit: Of its numbers, or ''.
        labels: Names of its values, where they have some.

    Returns:
        The shapes, and where the next tensor begins.
    """
    shown = np.asarray(got if got is not None else wanted)
    numeric = shown.dtype.kind in "biuf"
    sizes = " x ".join(str(n) for n in shown.shape) or "1"
    title = f"{plain(name)[:_NAME_LENGTH]}{f' [{plain(unit)[:12]}]' if unit else ''}"
    kind = text(x + width, y + 14, f"{shown.dtype} {sizes}", "muted small", "end")
    head = [text(x, y + 14, title, "small strong"), kind]
    y += 22
    if not shown.size:
        return [*head, text(x, y + 12, "empty", "muted small")], y + _ROW
    if not numeric:
        return [*head, text(x, y + 12, _words(shown), "small")], y + _ROW
    if shown.size <= _BARS and not (shown.ndim == 2 and len(labels) == shown.shape[1] > 2):
        parts, y = _bars(x, y, width, got, wanted, labels)
        return [*head, *parts], y
    square = np.squeeze(shown)
    if shown.ndim == 2 and 2 <= shown.shape[1] <= _COLUMNS:
        parts, y = _rows(x, y, width, shown, labels)
        return [*head, *parts], y
    if square.ndim in (2, 3) and min(square.shape[:2]) >= 8:
        parts, y = _map(x, y, width, shown)
    else:
        parts, y = _profile(x, y, width, shown.astype(np.float64).ravel())
    return [*head, *parts], y


def _bars(
    x: float, y: float, width: float, got: np.ndarray | None, wanted: np.ndarray | None, labels: Sequence[str]
) -> tuple[list[str], float]:
    if got is not None and wanted is not None and comparable(got, wanted) is None:
        wanted = None
    outputs = None if got is None else np.asarray(got, np.float64).ravel()
    marks = None if wanted is None else np.asarray(wanted, np.float64).ravel()
    both = np.concatenate([each for each in (outputs, marks) if each is not None])
    finite = both[np.isfinite(both)]
    high = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
    low = -high if finite.size and finite.min() < 0 else 0.0
    left, right = x + _LABEL, x + width - _VALUE

    def place(value: float) -> float:
        return left + (right - left) * (min(max(value, low), high) / (high - low) - low / (high - low))

    parts = []
    count = len(outputs if outputs is not None else marks if marks is not None else ())
    for i in range(count):
        label = labels[i] if i < len(labels) else f"[{i}]"
        value = outputs[i] if outputs is not None else math.nan
        mark = marks[i] if marks is not None and i < len(marks) else math.nan
        parts.append(text(left - 8, y + 13, label, "muted small", "end"))
        parts.append(box(left, y + 4, right - left, 11, "track", corner=2))
        if math.isfinite(value):
            a, b = sorted((place(0.0), place(value)))
            parts.append(box(a, y + 4, max(1.0, b - a), 11, "s0", corner=2))
        if math.isfinite(mark):
            parts.append(box(place(mark) - 1.25, y, 2.5, 19, "tick", corner=1))
        if low < 0:
            parts.append(line(place(0.0), y + 2, place(0.0), y + 17, "axis"))
        bad = " bad" if outputs is not None and not math.isfinite(value) else ""
        if outputs is not None:
            parts.append(text(right + 54, y + 13, number_text(value), f"small strong{bad}", "end"))
        if math.isfinite(mark):
            parts.append(text(x + width, y + 13, f"exp. {number_text(mark)}", "muted small", "end"))
        y += _ROW
    return parts, y + 4


def _rows(x: float, y: float, width: float, values: np.ndarray, labels: Sequence[str]) -> tuple[list[str], float]:
    """The first rows as a table."""
    step = (width - 40) / values.shape[1]
    parts = []
    if len(labels) == values.shape[1]:
        parts = [text(x + 40 + step * (i + 1), y + 13, each, "muted small", "end") for i, each in enumerate(labels)]
        y += 20
    for number, row in enumerate(values[:_ROWS].astype(np.float64)):
        parts.append(text(x, y + 13, f"{number + 1}", "muted small"))
        for i, value in enumerate(row):
            bad = "" if math.isfinite(value) else " bad"
            parts.append(text(x + 40 + step * (i + 1), y + 13, number_text(value), f"small{bad}", "end"))
        y += 20
    if len(values) > _ROWS:
        parts.append(text(x, y + 13, f"and {len(values) - _ROWS:,} more rows", "muted small"))
        y += 20
    return parts, y + 4


def _profile(x: float, y: float, width: float, values: np.ndarray) -> tuple[list[str], float]:
    """What the values do from the first to the last: a bar from the least to the largest of each part."""
    edges = np.linspace(0, len(values), min(_BINS, len(values)) + 1).astype(int)[:-1]
    finite = np.isfinite(values)
    with np.errstate(all="ignore"):
        lows = np.minimum.reduceat(np.where(finite, values, np.inf), edges)
        highs = np.maximum.reduceat(np.where(finite, values, -np.inf), edges)
    some = np.isfinite(lows) & np.isfinite(highs)
    parts = [box(x, y, width, _PROFILE, "track", corner=3)]
    if some.any():
        low, high = min(0.0, float(lows[some].min())), max(0.0, float(highs[some].max()))
        span = (high / 2 - low / 2) or 0.5
        wide = width / len(edges)
        for i in np.flatnonzero(some):
            top = y + _PROFILE * min(1.0, max(0.0, (high / 2 - max(highs[i], 0.0) / 2) / span))
            end = y + _PROFILE * min(1.0, max(0.0, (high / 2 - min(lows[i], 0.0) / 2) / span))
            parts.append(box(x + i * wide, top, max(0.6, wide * 0.86), max(0.8, end - top), "s0"))
    parts.append(text(x, y + _PROFILE + 16, _summary(values), "muted small"))
    return parts, y + _PROFILE + 28


def _map(x: float, y: float, width: float, values: np.ndarray) -> tuple[list[str], float]:
    data = b64encode(thumbnail(np.squeeze(values), _MAP)).decode("ascii")
    place = f'x="{x:.1f}" y="{y:.1f}" width="{_MAP}" height="{_MAP}" preserveAspectRatio="xMinYMin"'
    image = f'<image {place} href="data:image/png;base64,{data}"/>'
    words = _summary(values.astype(np.float64).ravel()).split(", ")
    lines = [text(x + _MAP + 12, y + 16 + 19 * i, part, "muted small") for i, part in enumerate(words)]
    return [image, *lines], y + _MAP + 10


def _summary(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    bad = len(values) - len(finite)
    if not finite.size:
        return f"none of {len(values):,} values is finite"
    with np.errstate(all="ignore"):
        mean = float(finite.mean())
    words = f"min {number_text(finite.min())}, mean {number_text(mean)}, max {number_text(finite.max())}"
    return f"{words}, {bad:,} not finite" if bad else words


def _words(values: np.ndarray) -> str:
    first = values.ravel()[:8].tolist()
    joined = plain(", ".join(v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v)[:99] for v in first))
    return joined if len(joined) <= _TEXT_LENGTH and values.size <= 8 else f"{joined[:_TEXT_LENGTH]} ..."


def number_text(value: float) -> str:
    """Three significant digits, with a real minus."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value + 0.0:.3g}".replace("-", "−")
