"""Numbers, times and addresses as people read them; loaded in every template."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone

from rilaas.hub.pages.static import asset as _asset

register = template.Library()
register.simple_tag(_asset, name="asset")

_STEPS = ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600), (30 * 86400, "days", 86400))


@register.filter
def size(count: float | None) -> str:
    """Bytes: ``1.2 MB``."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


@register.filter
def ago(at: Any) -> str:
    """A time as distance from now: ``3 min ago``; the template shows the stamp itself beside it."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    if not isinstance(at, datetime):
        return "never"
    seconds = (timezone.now() - at).total_seconds()
    if seconds < 5:
        return "just now"
    for bound, unit, step in _STEPS:
        if seconds < bound:
            count = int(seconds / step)
            return f"{count} {'day' if unit == 'days' and count == 1 else unit} ago"
    return f"{at:%Y-%m-%d}"


@register.filter
def stamp(at: Any) -> str:
    """A time in UTC: ``2026-11-21 14:03:12 UTC``."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if isinstance(at, datetime) else ""


@register.filter
def number(value: Any) -> str:
    """A number with three or four digits that count, and thin spaces between thousands."""
    if value is None or value == "":
        return ""
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u2009")
    return f"{float(value):.4g}"


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as ``1.3 ms``, ``12 s``, ``3 min``."""
    if seconds is None:
        return ""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@register.filter
def short(digest: str) -> str:
    """A hash as people compare it: its first twelve digits."""
    return digest.removeprefix("sha256:")[:12]


@register.filter
def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


@register.filter
def lookup(mapping: Any, key: Any) -> Any:
    """The value of a key."""
    return mapping.get(key) if hasattr(mapping, "get") else None
