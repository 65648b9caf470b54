"""Wheel commands as the way that the robot would drive, seen by its own camera."""

from __future__ import annotations

import numpy as np

from rilaas.report.overlay.canvas import Canvas, path

_HORIZON = 0.3  # share of the image's height; about where a robot's camera has it
_HALF_WIDTH = 0.07
_STEPS = 28
_GAIN = 2.6  # heading [rad] at the end of the way, per difference of the wheels


def draw_wheels(canvas: Canvas, wheels: np.ndarray, expected: np.ndarray | None) -> list[str]:
    """A ribbon for what was answered, a dashed outline for what was expected.

    It is a picture and no prediction: its length grows with the speed, its bend with the difference of the wheels.

    Args:
        canvas: Where the image is.
        wheels: (2,) float64, duty cycles of the left and right wheel from -1 to 1.
        expected: (2,), or None.
    """
    parts = [_ribbon(canvas, wheels, "on")]
    if expected is not None:
        parts.append(_ribbon(canvas, expected, "edge", ' style="stroke-width:3.6"'))
        parts.append(_ribbon(canvas, expected, "want"))
    return [part for part in parts if part]


def _ribbon(canvas: Canvas, wheels: np.ndarray, kind: str, more: str = "") -> str:
    if not np.isfinite(wheels).all():
        return ""
    left, right = np.clip(wheels, -1.5, 1.5)
    speed, turn = (left + right) / 2, (right - left) / 2
    length = 0.4 + 0.9 * min(1.0, abs(speed))
    heading = np.clip(_GAIN * turn, -2.4, 2.4) * np.linspace(0.0, 1.0, _STEPS)
    head = _STEPS * 2 // 3
    heading[head:] = heading[head]  # the arrow's head is straight
    step = length / _STEPS
    ahead, aside = np.cumsum(np.cos(heading)) * step, np.cumsum(np.sin(heading)) * step
    wide = np.full(_STEPS, _HALF_WIDTH)
    wide[head:] = np.linspace(2.2 * _HALF_WIDTH, 0.0, _STEPS - head)
    edge = np.stack([-np.sin(heading), np.cos(heading)])
    one = _seen(canvas, ahead + wide * edge[0], aside + wide * edge[1], backward=bool(speed < 0))
    other = _seen(canvas, ahead - wide * edge[0], aside - wide * edge[1], backward=bool(speed < 0))
    return path(np.concatenate([one, other[::-1]]), kind, closed=True, more=more)


def _seen(canvas: Canvas, ahead: np.ndarray, aside: np.ndarray, *, backward: bool) -> np.ndarray:
    """Places on the ground, forward and to the left of the robot, in the drawing; backward they come towards us."""
    depth = np.clip(ahead, -0.12, None)
    if backward:
        depth = np.clip(0.7 - ahead, -0.12, None)
    near = 0.75 / (0.75 + depth)  # 1 at the lower edge, 0 at the horizon
    bottom, horizon = canvas.top + 0.985 * canvas.height, canvas.top + _HORIZON * canvas.height
    x = canvas.left + canvas.width * (0.5 - 0.95 * aside * near)
    return np.stack([x, horizon + (bottom - horizon) * near], axis=1)
