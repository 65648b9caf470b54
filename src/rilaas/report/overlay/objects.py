"""Boxes around things, and the two fingers of a gripper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from rilaas.report.overlay.canvas import Canvas, path
from rilaas.report.text import plain

_MOST_BOXES, _MOST_GRASPS = 50, 20
# Bright enough for photographs, apart for most kinds of colour vision; red is for failure only.
_COLOURS = ("#49a6ff", "#ffc247", "#4fd8bd", "#c7a5ff", "#ff9ad5", "#b6e35a")
_LABEL_LENGTH = 24


def draw_boxes(
    canvas: Canvas, outputs: Mapping[str, np.ndarray], expected: np.ndarray | None
) -> tuple[list[str], str]:
    """Boxes with their class and score, the best ones on top; expected ones dashed.

    Args:
        canvas: Where the image is.
        outputs: ``boxes`` (N, 4): left, top, right, bottom in pixels, or in shares of the image; ``scores`` (N,) and
            ``classes`` or ``labels`` (N,) where there are any.
        expected: (M, 4), or None.

    Returns:
        The shapes, and a sentence about what is not shown.
    """
    boxes, unit = _in_pixels(outputs["boxes"], canvas, 4)
    scores = _column(outputs.get("scores"), len(boxes))
    order = np.argsort(np.where(np.isfinite(scores), scores, -1.0), kind="stable")[::-1]
    usable = order[np.isfinite(boxes[order]).all(axis=1)] if len(boxes) else order
    labels = next((outputs[name] for name in ("labels", "classes", "class_ids") if name in outputs), None)
    words = np.asarray(labels).ravel() if labels is not None else np.zeros(0)
    parts = []
    if expected is not None:
        wanted, _ = _in_pixels(expected, canvas, 4, unit)
        for box in wanted[:_MOST_BOXES]:
            parts += [path(_corners(canvas, box), kind, closed=True) for kind in ("edge", "want")]
    taken: list[tuple[float, float]] = []
    shapes: list[list[str]] = []
    for i in usable[:_MOST_BOXES]:
        word = _word(words[i]) if i < len(words) else ""
        colour = _COLOURS[_number_of(words[i]) % len(_COLOURS)] if i < len(words) else _COLOURS[0]
        corners = _corners(canvas, boxes[i])
        caption = f"{word} {scores[i]:.2f}" if np.isfinite(scores[i]) else word
        line = path(corners, "line", closed=True, more=f' style="stroke:{colour}"')
        shapes.append([path(corners, "edge", closed=True), line, _caption(canvas, corners, caption.strip(), taken)])
    parts += [shape for each in reversed(shapes) for shape in each]
    hidden = len(boxes) - min(len(usable), _MOST_BOXES)
    return [part for part in parts if part], f"{hidden} of {len(boxes)} boxes are not drawn." if hidden else ""


def draw_grasps(canvas: Canvas, grasps: np.ndarray, expected: np.ndarray | None) -> tuple[list[str], str]:
    """Where the fingers close, the best grasp on top.

    Args:
        canvas: Where the image is.
        grasps: (N, 3 to 5): x, y, angle [rad], opening, quality. Places and opening in pixels, or in shares of the
            image; the angle from the image's x axis towards its y axis.
        expected: The same, or None.

    Returns:
        The shapes, and a sentence about what is not shown.
    """
    rows, unit = _in_pixels(grasps, canvas, 2)
    quality = rows[:, 4] if rows.shape[1] > 4 else np.full(len(rows), np.nan)
    order = np.argsort(np.where(np.isfinite(quality), quality, -1.0), kind="stable")[::-1]
    usable = order[np.isfinite(rows[order][:, :3]).all(axis=1)] if len(rows) else order
    parts = []
    if expected is not None:
        for row in _in_pixels(expected, canvas, 2, unit)[0][:_MOST_GRASPS]:
            parts += [*_glyph(canvas, row, "edge"), *_glyph(canvas, row, "want")]
    for rank, i in reversed(list(enumerate(usable[:_MOST_GRASPS]))):
        faint = "" if rank == 0 else ' opacity="0.45"'
        shapes = [*_glyph(canvas, rows[i], "edge"), *_glyph(canvas, rows[i], "line")]
        x, y = canvas.at(rows[i][:1], rows[i][1:2])
        shapes.append(f'<circle cx="{x[0]:.1f}" cy="{y[0]:.1f}" r="3" class="dot"/>')
        if rank == 0 and np.isfinite(quality[i]):
            shapes.append(f'<text x="{x[0] + 9:.1f}" y="{y[0] - 9:.1f}" class="halo strong">{quality[i]:.2f}</text>')
        parts.append(f"<g{faint}>{''.join(shapes)}</g>")
    hidden = len(rows) - min(len(usable), _MOST_GRASPS)
    return [part for part in parts if part], f"{hidden} of {len(rows)} grasps are not drawn." if hidden else ""


def is_boxes(array: np.ndarray) -> bool:
    """Whether an array can be boxes."""
    return array.ndim == 2 and array.shape[1] == 4 and array.dtype.kind in "iuf"


def is_grasps(array: np.ndarray) -> bool:
    """Whether an array can be grasps."""
    return array.ndim == 2 and 3 <= array.shape[1] <= 5 and array.dtype.kind in "iuf"


def _in_pixels(array: np.ndarray, canvas: Canvas, places: int, unit: bool | None = None) -> tuple[np.ndarray, bool]:
    """Rows with places in pixels, and whether they were shares of the image."""
    rows = np.array(array, np.float64)
    near = rows[:, :places][np.isfinite(rows[:, :places])]
    shares = unit if unit is not None else bool(near.size and np.abs(near).max() <= 1.5)
    if shares:
        rows[:, :places] *= np.resize([canvas.columns, canvas.rows], places)
        if places == 2 and rows.shape[1] > 3:
            rows[:, 3] *= canvas.columns
    return rows, shares


def _corners(canvas: Canvas, box: np.ndarray) -> np.ndarray:
    x, y = canvas.at(box[[0, 2, 2, 0]], box[[1, 1, 3, 3]])
    return np.stack([x, y], axis=1)


def _caption(canvas: Canvas, corners: np.ndarray, words: str, taken: list[tuple[float, float]]) -> str:
    """Words above a box, unless those of a better one are there."""
    if not words or not np.isfinite(corners).all():
        return ""
    left = float(np.clip(corners[:, 0].min(), canvas.left, canvas.left + canvas.width - 30)) + 3
    top = float(corners[:, 1].min())
    top = top - 5 if top > canvas.top + 18 else top + 16
    top = float(np.clip(top, canvas.top + 14, canvas.top + canvas.height - 4))
    if any(abs(left - x) < 70 and abs(top - y) < 13 for x, y in taken):
        return ""
    taken.append((left, top))
    return f'<text x="{left:.1f}" y="{top:.1f}" class="halo small strong">{escape(words)}</text>'


def _glyph(canvas: Canvas, row: np.ndarray, kind: str) -> Sequence[str]:
    x, y, angle = row[:3]
    default = 0.12 * canvas.columns
    opening = abs(row[3]) if len(row) > 3 and np.isfinite(row[3]) else default
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    middle = np.array([x, y])
    lines = [(middle - along * opening / 2, middle + along * opening / 2)]
    for side in (-0.5, 0.5):
        finger = middle + along * opening * side
        lines.append((finger - across * opening * 0.28, finger + across * opening * 0.28))
    shapes = []
    for number, line in enumerate(lines):
        points = np.array(line)
        thin = "" if number or kind == "edge" else ' style="stroke-width:1.2"'
        shapes.append(path(np.stack(canvas.at(points[:, 0], points[:, 1]), axis=1), kind, more=thin))
    return shapes


def _column(array: np.ndarray | None, count: int) -> np.ndarray:
    column = np.full(count, np.nan)
    if array is not None and np.asarray(array).dtype.kind in "biuf":
        values = np.asarray(array, np.float64).ravel()[:count]
        column[: len(values)] = values
    return column


def _word(label: object) -> str:
    if isinstance(label, bytes):
        label = label.decode("utf-8", "replace")
    if isinstance(label, (float, np.floating)):
        label = f"{label:g}"
    return plain(str(label))[:_LABEL_LENGTH]


def _number_of(label: object) -> int:
    if isinstance(label, (int, float, np.integer, np.floating)):
        return int(label) if np.isfinite(label) else 0
    return sum(_word(label).encode())
