"""From camera frame to network and from network to wheels; numpy only.

The frame is cropped below the horizon, resized to 66 x 200 by bilinear interpolation, and scaled to [-1, 1].
"""

import numpy as np

FIRST_ROW = 36  # The horizon of a 160 x 120 frame is at row 32; the ground there is 2 m and more away.
FRAME = (120, 160)
SIZE = (66, 200)


def _interpolation(count: int, size: int) -> np.ndarray:
    """Matrix (size, count) float32 that resamples ``count`` values to ``size``, pixel centres aligned."""
    position = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0.0, count - 1.0)
    distance = np.abs(position[:, None] - np.arange(count)[None, :])
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


_ROWS = _interpolation(FRAME[0] - FIRST_ROW, SIZE[0]) / np.float32(127.5)
_COLUMNS = np.ascontiguousarray(_interpolation(FRAME[1], SIZE[1]).T)


def preprocess(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``image`` (N, 120, 160, 3) uint8 RGB to ``input`` (N, 3, 66, 200) float32 in [-1, 1]."""
    image = inputs["image"]
    count, channels = len(image), 3
    below = image[:, FIRST_ROW:].reshape(count, FRAME[0] - FIRST_ROW, FRAME[1] * channels).astype(np.float32)
    planes = (_ROWS @ below).reshape(count, SIZE[0], FRAME[1], channels).transpose(0, 3, 1, 2)
    resized = planes.reshape(count * channels * SIZE[0], FRAME[1]) @ _COLUMNS
    resized -= np.float32(1.0)
    return {"input": resized.reshape(count, channels, *SIZE)}


def postprocess(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``command`` (N, 2) float32, throttle and steering, to ``wheels`` (N, 2) float32 in [-1, 1]: left, right."""
    throttle, steering = outputs["command"][:, 0], outputs["command"][:, 1]
    wheels = np.stack([throttle - steering, throttle + steering], axis=1)
    return {"wheels": np.clip(wheels, -1.0, 1.0).astype(np.float32)}
