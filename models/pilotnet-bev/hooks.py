"""From camera frame to bird's-eye view and network, and from network to wheels; numpy only.

The view shows the ground in front of the robot from above: 200 rows, far to near, and 66 columns, left to right. Each
of its pixels is the mean of SAMPLES points on the ground, of which each has the colour of the camera's nearest pixel.
What the camera does not see is black.
"""

import math

import numpy as np

FRAME = (120, 160)
SIZE = (200, 66)
AHEAD_M = (0.12, 1.12)  # of the axle: from just in front of what the camera sees, to where a row of it is 10 cm deep
LEFT_M = (0.33, -0.33)  # a lane is 0.22 m wide
SAMPLES = (2, 3)  # in a pixel: along and across

# The Duckiebot's camera: a pinhole over the ground, pitched down (gym-duckietown 6.1.34, simulator.py).
VERTICAL_FOV = math.radians(75.0)
PITCH = math.radians(19.15)
HEIGHT_M = 0.108
FORWARD_M = 0.066

# Controls: as rilaas.learn.controls.ThrottleSteerBrake.
FULL_BRAKE = 0.3  # duty cycle
STEERING_LIMIT = 0.5  # duty cycle


def _centres(first: float, last: float, count: int) -> np.ndarray:
    """Centres of ``count`` equal parts of the way from ``first`` to ``last``."""
    return first + (np.arange(count) + 0.5) * (last - first) / count


def _camera_pixels() -> np.ndarray:
    """For each sample of each pixel of the view its pixel of the frame; one past the last where none sees it.

    Returns:
        (samples, 200 * 66) int64.
    """
    (rows, columns), (along, across) = SIZE, SAMPLES
    ahead_m = _centres(AHEAD_M[1], AHEAD_M[0], rows * along)[:, None] - FORWARD_M
    left_m = _centres(*LEFT_M, columns * across)[None, :]
    sin, cos = math.sin(PITCH), math.cos(PITCH)
    focal = 0.5 * FRAME[0] / math.tan(0.5 * VERTICAL_FOV)
    depth_m = ahead_m * cos + HEIGHT_M * sin
    v = 0.5 * (FRAME[0] - 1) + focal * (HEIGHT_M * cos - ahead_m * sin) / depth_m + 0.0 * left_m
    u = 0.5 * (FRAME[1] - 1) - focal * left_m / depth_m
    u, v = np.rint(u).astype(np.int64), np.rint(v).astype(np.int64)
    sees = (u >= 0) & (u < FRAME[1]) & (v >= 0) & (v < FRAME[0])
    pixel = np.where(sees, v * FRAME[1] + u, FRAME[0] * FRAME[1])
    parts = pixel.reshape(rows, along, columns, across).transpose(1, 3, 0, 2)
    return np.ascontiguousarray(parts.reshape(along * across, rows * columns))


_PIXELS = _camera_pixels()


def preprocess(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``image`` (N, 120, 160, 3) uint8 RGB to ``input`` (N, 3, 200, 66) float32 in [-1, 1]."""
    image = inputs["image"]
    views = np.empty((len(image), 3, SIZE[0] * SIZE[1]), np.float32)
    # Red, green and blue of a pixel as three 16-bit parts of one number: all of them are fetched and added at once.
    packed = np.zeros((FRAME[0] * FRAME[1] + 1, 4), np.uint16)
    numbers = packed.view(np.uint64)[:, 0]
    for view, frame in zip(views, image, strict=True):
        packed[:-1, :3] = frame.reshape(-1, 3)
        total = numbers[_PIXELS[0]]
        for pixels in _PIXELS[1:]:
            total += numbers[pixels]
        np.multiply(total.view(np.uint16).reshape(-1, 4).T[:3], np.float32(1.0 / (127.5 * len(_PIXELS))), out=view)
    views -= np.float32(1.0)
    return {"input": views.reshape(len(image), 3, *SIZE)}


def postprocess(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``controls`` (N, 3) float32, throttle, steer, brake, to ``wheels`` (N, 2) float32 in [-1, 1]: left, right."""
    throttle, steer, brake = np.clip(outputs["controls"], 0.0, 1.0).T
    duty = throttle - FULL_BRAKE * brake
    steering = STEERING_LIMIT * (1.0 - 2.0 * steer)
    wheels = np.stack([duty - steering, duty + steering], axis=1)
    return {"wheels": np.clip(wheels, -1.0, 1.0).astype(np.float32)}
