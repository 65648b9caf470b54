"""What the policy was shown, as small pictures: an episode of a minute in a megabyte or two."""

from __future__ import annotations

import cv2

from rilaas.evaluate.driving.view.view import Frame

_QUALITY = 72
_SLACK = 1e-6  # of a period: stamps are sums of ticks


class Film:
    """Keeps pictures as they are shown, at most so many in a second.

    Args:
        rate_hz: How many [1/s]; 0 keeps none.
    """

    def __init__(self, rate_hz: float) -> None:
        self.pictures: list[tuple[float, bytes]] = []
        self._period_s = 1.0 / rate_hz if rate_hz > 0.0 else 0.0
        self._due_s = 0.0

    def show(self, t_s: float, image: Frame) -> None:
        """A picture was shown.

        Args:
            t_s: When [s].
            image: (H, W, 3) uint8 RGB.
        """
        if not self._period_s or t_s < self._due_s - _SLACK * self._period_s:
            return
        # On a grid, so that a camera of 20 Hz gives every second picture and not every third now and then.
        self._due_s = (int(t_s / self._period_s + _SLACK) + 1) * self._period_s
        data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
        self.pictures.append((t_s, data))
