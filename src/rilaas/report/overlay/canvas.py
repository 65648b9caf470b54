"""The image, and where its pixels are in the drawing."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

import numpy as np

from rilaas.report.overlay.raster import shrunk, to_png

FAR = 1e5  # what lies further outside is not drawn: no renderer likes such numbers

# Marks lie on photographs: each has a dark edge, so that it can be seen on snow and on tar.
STYLE = """<style>
.on{fill:#2f95ff;fill-opacity:.62;stroke:#fff;stroke-width:1.6;stroke-linejoin:round}
.line{fill:none;stroke:#49a6ff;stroke-width:3.2;stroke-linecap:round;stroke-linejoin:round}
.edge{fill:none;stroke:#06121f;stroke-opacity:.55;stroke-width:5.4;stroke-linecap:round;stroke-linejoin:round}
.want{fill:none;stroke:#fff;stroke-width:2;stroke-dasharray:6 4;stroke-linejoin:round}
.dot{fill:#fff;stroke:#06121f;stroke-width:1.4}
text.halo{fill:#fff;paint-order:stroke;stroke:#06121f;stroke-opacity:.8;stroke-width:3.5px;stroke-linejoin:round}
.frame{fill:none;stroke:#8b97a1;stroke-opacity:.5}.track{fill:#8b97a1;opacity:.2}
.tick{fill:#1c2733}.hollow{fill:none;stroke:#1c2733;stroke-width:1.4;stroke-dasharray:3 2}text.bad{fill:#c02a30}
@media (prefers-color-scheme:dark){.tick{fill:#f2f5f8}.hollow{stroke:#f2f5f8}text.bad{fill:#f0767a}}
</style>"""


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where an image is drawn.

    Attributes:
        left: Of the image [px of the drawing].
        top: Of the image [px of the drawing].
        width: Of the image [px of the drawing].
        height: Of the image [px of the drawing].
        columns: Of the image [pixels].
        rows: Of the image [pixels].
    """

    left: float
    top: float
    width: float
    height: float
    columns: int
    rows: int

    def at(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of the image as places in the drawing."""
        x, y = np.clip(x, -FAR, FAR), np.clip(y, -FAR, FAR)
        return (
            np.clip(self.left + x * self.width / self.columns, -FAR, FAR),
            np.clip(self.top + y * self.height / self.rows, -FAR, FAR),
        )


def image_part(canvas: Canvas, pixels: np.ndarray, max_px: int) -> str:
    """The image itself."""
    data = b64encode(to_png(shrunk(pixels, max_px))).decode("ascii")
    x, y, w, h = (f"{v:.1f}" for v in (canvas.left, canvas.top, canvas.width, canvas.height))
    frame = f'<rect x="{x}" y="{y}" width="{w}" height="{h}" class="frame"/>'
    return f'<image x="{x}" y="{y}" width="{w}" height="{h}" href="data:image/png;base64,{data}"/>{frame}'


def path(points: np.ndarray, kind: str, *, closed: bool = False, more: str = "") -> str:
    """A line through (N, 2) places of the drawing."""
    if len(points) < 2 or not np.isfinite(points).all():
        return ""
    words = "L".join(f"{x:.1f} {y:.1f}" for x, y in np.clip(points, -FAR, FAR))
    return f'<path d="M{words}{"Z" if closed else ""}" class="{kind}"{more}/>'
