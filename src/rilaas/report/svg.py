"""Scalable pictures written by hand: a few shapes, one palette for light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from rilaas.report.text import plain

SVG = "image/svg+xml"
WIDTH = 760.0
_LABEL, _PX_PER_BOLD = 290.0, 8.0
SERIES = 5  # colours before they repeat

# Words have a contrast of at least 4.5 : 1 in both themes, shapes 3 : 1 (WCAG 2.2, 1.4.3 and 1.4.11).
# Red is for failure only and in no series.
_STYLE = """
:root{color-scheme:light dark}
text{font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#1c2733}
.muted{fill:#56626d}.small{font-size:12px}.strong{font-weight:600}
.grid{stroke:#dde3e8}.axis{stroke:#8b97a1}.mark{stroke:#1c2733;stroke-width:1.6;fill:none}
.limit{stroke:#1c2733;stroke-width:1.6;stroke-dasharray:5 4}.band{fill:#1c2733;opacity:.09}
.curve{stroke:#4a86c8;stroke-width:2.2;fill:none}.around{fill:#4a86c8;opacity:.18}
.line0{stroke:#4a86c8}.line1{stroke:#b97a1a}.line2{stroke:#23927f}.line3{stroke:#9170cc}.line4{stroke:#7a8793}
.line0,.line1,.line2,.line3,.line4{stroke-width:1.8;fill:none}
.front{stroke:#56626d;stroke-width:1.6;fill:none}.ring{stroke:#8b97a1;stroke-width:1.2;fill:none}
.s0{fill:#4a86c8}.s1{fill:#b97a1a}.s2{fill:#23927f}.s3{fill:#9170cc}.s4{fill:#7a8793}.fail{fill:#d63a40}.cross{stroke:#d63a40;stroke-width:2.4;fill:none}
.edge{fill:#4d6680}.cloud{fill:#d0d9e1}.quantity{fill:#8b97a1}
@media (prefers-color-scheme:dark){
text{fill:#e4eaf0}.muted{fill:#9dabb8}.grid{stroke:#2b3641}.axis{stroke:#6b7a88}
.mark,.limit{stroke:#f2f5f8}.band{fill:#e4eaf0;opacity:.12}.fail{fill:#f0565b}
.cross{stroke:#f0565b}.front{stroke:#9dabb8}.ring{stroke:#6b7a88}
.edge{fill:#a3b9ce}.cloud{fill:#3a4856}.quantity{fill:#6b7a88}}
"""


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Words at a baseline; ``anchor`` is ``start``, ``middle`` or ``end``."""
    return f'<text x="{_n(x)}" y="{_n(y)}" class="{kind}" text-anchor="{anchor}">{escape(plain(words))}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" class="{kind}"/>'


def box(x: float, y: float, width: float, height: float, kind: str, *, corner: float = 0.0) -> str:
    """A filled rectangle."""
    rounded = f' rx="{_n(corner)}"' if corner else ""
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(0.0, width))}" height="{_n(max(0.0, height))}"'
        f'{rounded} class="{kind}"/>'
    )


def dot(x: float, y: float, radius: float, kind: str) -> str:
    """A filled circle."""
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" class="{kind}"/>'


def ring(x: float, y: float, radius: float, kind: str = "ring") -> str:
    """A circle that is not filled; its class has a stroke and no fill."""
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" class="{kind}"/>'


def cross(x: float, y: float, size: float, kind: str = "cross") -> str:
    """Two strokes across each other."""
    half = 0.5 * size
    strokes = f"M{_n(x - half)} {_n(y - half)}l{_n(size)} {_n(size)}m0 {_n(-size)}l{_n(-size)} {_n(size)}"
    return f'<path d="{strokes}" class="{kind}"/>'


def path(points: Sequence[tuple[float, float]], kind: str, *, closed: bool = False) -> str:
    """Straight lines from point to point."""
    way = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
    return f'<path d="M{way}{"Z" if closed else ""}" class="{kind}"/>'


def label_width(labels: Iterable[str]) -> float:
    """Room for the longest of some bold labels; see ``short`` for those that are too long."""
    return min(_LABEL, _PX_PER_BOLD * max((len(label) for label in labels), default=0))


def short(label: str) -> str:
    """A bold label that fits into the room that labels get at most: of a long one beginning and end."""
    most = int(_LABEL / _PX_PER_BOLD)
    half = (most - 1) // 2
    return label if len(label) <= most else f"{label[: most - 1 - half]}…{label[-half:]}"


def picture(width: float, height: float, parts: Sequence[str]) -> bytes:
    """The whole file, with its style inside, so that it looks the same alone and in a page."""
    body = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" '
    return f'{head}width="{_n(width)}" height="{_n(height)}"><style>{_STYLE}</style>\n{body}\n</svg>\n'.encode()


def round_ticks(high: float, count: int = 5) -> list[float]:
    """About ``count`` round values from 0 up to at least ``high``."""
    if not high > 0:
        return [0.0, 1.0]
    step = _round_up(high / count)
    return [i * step for i in range(math.ceil(high / step - 1e-9) + 1)]


def signed_ticks(values: Iterable[float], count: int = 5) -> list[float]:
    """About ``count`` round values over 0 and all of some values, which may be negative."""
    known = [0.0, *values]
    low, high = min(known), max(known)
    if low == high:
        return [0.0, 1.0]
    step = _round_up((high - low) / count)
    return [k * step for k in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... within a range; only powers of ten where there would be many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(decades) <= 4 else (1,)
    return [f * 10.0**d for d in decades for f in factors if low <= f * 10.0**d <= high]


def _round_up(value: float) -> float:
    unit = 10.0 ** math.floor(math.log10(value))
    return next(f * unit for f in (1, 2, 2.5, 5, 10) if f * unit >= value * (1 - 1e-9))


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
