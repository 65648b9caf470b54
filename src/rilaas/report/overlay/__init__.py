"""What a model answered, drawn on what it was asked: one picture per sample.

Takes tensors, gives SVG without script; images are embedded. Draws anything, whatever a model or a data set holds.
"""

from rilaas.report.overlay.draw import draw
from rilaas.report.overlay.error import error_of
from rilaas.report.overlay.raster import thumbnail

__all__ = ["draw", "error_of", "thumbnail"]
