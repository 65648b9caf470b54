"""One sample as a picture: the image it was asked about, the answer on it, and every number below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from rilaas.core import Signature
from rilaas.report.overlay.canvas import STYLE, Canvas, image_part
from rilaas.report.overlay.objects import draw_boxes, draw_grasps, is_boxes, is_grasps
from rilaas.report.overlay.raster import Picture, find_picture
from rilaas.report.overlay.steering import draw_wheels
from rilaas.report.overlay.strip import draw_tensor
from rilaas.report.svg import box, picture, text
from rilaas.report.text import plain

_PAD = 12.0
_LEAST_WIDTH = 380.0
_MOST_TENSORS = 16
_WHEELS = ("wheels", "wheel_commands")
_STEERING = ("steering", "steering_angle")
_WITH_BOXES = ("boxes", "scores", "labels", "classes", "class_ids")
Tensors = Mapping[str, np.ndarray]


def draw(
    inputs: Tensors,
    outputs: Tensors,
    expected: Tensors | None = None,
    *,
    task: str = "",
    signature: Signature | None = None,
    max_px: int = 480,
) -> bytes:
    """Draw outputs on inputs, beside what was expected.

    What is drawn on the image is chosen by names, shapes and task: ``wheels`` or ``steering``, ``boxes`` with
    ``scores`` and ``labels``, ``grasps``. Every tensor is shown as numbers too. Of a batch the first row is drawn.

    Args:
        inputs: What the model was asked.
        outputs: What it answered; may hold anything, NaN and nothing included.
        expected: What it should have answered, by the same names.
        task: Of the model, such as ``lane-following``.
        signature: Of the model, for units.
        max_px: Longer side of the image [px].

    Returns:
        An SVG file.
    """
    with np.errstate(all="ignore"):  # a model may answer the largest number that there is
        return _draw(inputs, outputs, expected or {}, task, signature, max_px)


def _draw(
    inputs: Tensors, outputs: Tensors, expected: Tensors, task: str, signature: Signature | None, max_px: int
) -> bytes:
    found = find_picture(inputs)
    outputs, wanted = _first_rows(outputs, found), _first_rows(expected, found)
    canvas = _canvas(found, max(32, min(4096, max_px)))
    parts: list[str] = [STYLE]
    notes: list[str] = []
    width = _LEAST_WIDTH + 2 * _PAD
    y = _PAD
    if canvas is not None and found is not None:
        parts.append(image_part(canvas, found.pixels, max_px))
        shapes, notes = _on_image(canvas, outputs, wanted, task)
        clip = f"{canvas.left:.1f} {canvas.top:.1f} {canvas.width:.1f} {canvas.height:.1f}".split()
        # A nested picture cuts off what is outside of the image.
        parts.append(
            f'<svg x="{clip[0]}" y="{clip[1]}" width="{clip[2]}" height="{clip[3]}" viewBox="{" ".join(clip)}">'
            f"{''.join(shapes)}</svg>"
        )
        width = max(width, canvas.width + 2 * _PAD)
        y = canvas.top + canvas.height + 10
        if found.rows > 1:
            notes.append(f"The first of {found.rows} rows.")
    below, y = _numbers(y, width - 2 * _PAD, outputs, wanted, task, signature)
    for note in notes:
        below.append(text(_PAD, y + 12, note, "muted small"))
        y += 20
    return picture(width, y + _PAD / 2, [f"<title>{_title(outputs, wanted)}</title>", *parts, *below])


def _on_image(canvas: Canvas, outputs: Tensors, wanted: Tensors, task: str) -> tuple[list[str], list[str]]:
    shapes: list[str] = []
    notes: list[str] = []
    wheels = _wheels(outputs, task)
    if wheels is not None:
        shapes += draw_wheels(canvas, wheels, _wheels(wanted, task))
    if "boxes" in outputs and is_boxes(outputs["boxes"]):
        boxes = wanted.get("boxes")
        more, note = draw_boxes(canvas, outputs, boxes if boxes is not None and is_boxes(boxes) else None)
        shapes, notes = shapes + more, [*notes, note]
    name = _grasps(outputs, task)
    if name:
        grasps = wanted.get(name)
        more, note = draw_grasps(canvas, outputs[name], grasps if grasps is not None and is_grasps(grasps) else None)
        shapes, notes = shapes + more, [*notes, note]
    return shapes, [note for note in notes if note]


def _wheels(tensors: Tensors, task: str) -> np.ndarray | None:
    """Duty cycles of the left and right wheel, or None."""
    names = [name for name in _WHEELS if name in tensors]
    if not names and task == "lane-following":
        names = [name for name, array in tensors.items() if array.size == 2]
    for name in names:
        if tensors[name].dtype.kind in "iuf" and tensors[name].size == 2:
            return tensors[name].astype(np.float64).ravel()
    for name in _STEERING:
        if name in tensors and tensors[name].dtype.kind in "iuf" and tensors[name].size == 1:
            angle = float(tensors[name].ravel()[0])
            return np.array([0.5 - angle / 2, 0.5 + angle / 2])  # to the left where it is positive
    return None


def _grasps(tensors: Tensors, task: str) -> str:
    for name, array in tensors.items():
        if is_grasps(array) and (name in ("grasps", "grasp") or "grasp" in task):
            return name
    return ""


def _numbers(
    y: float, width: float, outputs: Tensors, wanted: Tensors, task: str, signature: Signature | None
) -> tuple[list[str], float]:
    names = [*outputs, *(name for name in wanted if name not in outputs)]
    parts: list[str] = []
    if wanted:
        parts += [box(_PAD, y + 4, 12, 10, "s0", corner=2), text(_PAD + 18, y + 13, "output", "small")]
        parts += [box(_PAD + 74, y, 2.5, 18, "tick", corner=1), box(_PAD + 83, y + 4, 13, 10, "hollow")]
        parts += [text(_PAD + 102, y + 13, "expected", "small")]
        y += 26
    for name in names[:_MOST_TENSORS]:
        spec = signature.outputs.get(name) if signature else None
        array = outputs.get(name, wanted.get(name))
        unit, labels = spec.unit if spec else "", _labels(name, array, task)
        more, y = draw_tensor(_PAD, y, width, name, outputs.get(name), wanted.get(name), unit, labels)
        parts, y = parts + more, y + 6
    if not names:
        parts.append(text(_PAD, y + 14, "no outputs", "muted small"))
        y += 22
    if len(names) > _MOST_TENSORS:
        parts.append(text(_PAD, y + 12, f"and {len(names) - _MOST_TENSORS} more tensors", "muted small"))
        y += 20
    return parts, y


def _labels(name: str, array: np.ndarray | None, task: str) -> Sequence[str]:
    if array is None:
        return ()
    if array.size == 2 and (name in _WHEELS or task == "lane-following"):
        return ("left", "right")
    if name == "boxes" and is_boxes(array):
        return ("left", "top", "right", "bottom")
    if is_grasps(array) and ("grasp" in name or "grasp" in task):
        return ("x", "y", "angle", "opening", "quality")[: array.shape[1]]
    return ()


def _canvas(found: Picture | None, max_px: int) -> Canvas | None:
    if found is None:
        return None
    rows, columns = found.pixels.shape[:2]
    scale = max_px / max(rows, columns)
    return Canvas(_PAD, _PAD, max(8.0, columns * scale), max(8.0, rows * scale), columns, rows)


def _first_rows(tensors: Tensors, found: Picture | None) -> dict[str, np.ndarray]:
    """Outputs of the image that is drawn: the first row where the image has a batch axis, and arrays in any case."""
    arrays = {name: np.asarray(array) for name, array in tensors.items()}
    if found is None or not found.rows:
        return {name: _unbatched(name, array) for name, array in arrays.items()}
    return {
        name: array[0] if array.ndim > 1 and len(array) == found.rows else array for name, array in arrays.items()
    }


def _unbatched(name: str, array: np.ndarray) -> np.ndarray:
    return array[0] if array.ndim > 1 and len(array) == 1 and name in _WITH_BOXES and array.ndim == 3 else array


def _title(outputs: Tensors, wanted: Tensors) -> str:
    names = ", ".join(outputs) or "nothing"
    return escape(plain(f"The model's outputs: {names[:300]}{', beside what was expected' if wanted else ''}."))
