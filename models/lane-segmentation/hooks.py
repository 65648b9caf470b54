"""From camera frame to network and from the shares of cells to labels of pixels; numpy only."""

import numpy as np

FRAME = (120, 160)
CELLS = (60, 80)


def preprocess(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``image`` (N, 120, 160, 3) uint8 RGB to ``input`` (N, 3, 120, 160) float32 in [-1, 1]."""
    image = inputs["image"]
    planes = np.empty((len(image), 3, *FRAME), np.float32)
    np.multiply(image.transpose(0, 3, 1, 2), np.float32(1.0 / 127.5), out=planes)
    planes -= np.float32(1.0)
    return {"input": planes}


def _interpolation(count: int, size: int) -> np.ndarray:
    """Matrix (size, count) float32 that resamples ``count`` values to ``size``, pixel centres aligned."""
    position = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0.0, count - 1.0)
    distance = np.abs(position[:, None] - np.arange(count)[None, :])
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


_ROWS = _interpolation(CELLS[0], FRAME[0])
_COLUMNS = np.ascontiguousarray(_interpolation(CELLS[1], FRAME[1]).T)


def postprocess(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``share`` (N, 4, 60, 80) float32 to ``labels`` (N, 120, 160) uint8: the class with the largest share.

    Shares are interpolated between the middles of cells.
    """
    share = outputs["share"]
    return {"labels": (_ROWS @ share @ _COLUMNS).argmax(axis=1).astype(np.uint8)}
