"""Numbers, times and addresses as people read them; loaded in every template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone

import rilaas
from rilaas.hub.pages.static import asset as _asset

register = template.Library()
register.simple_tag(_asset, name="asset")

_DIGEST = re.compile(r"\bsha256:([0-9a-f]{12})[0-9a-f]{52}\b")
_SCOPES: Mapping[str, str] = {
    "read": "see and download what you may see",
    "write": "upload models, datasets and reports, and change what is yours",
    "deploy": "deploy, promote and roll back",
    "metrics": "post numbers of your own",
    "interceptor": "be an interceptor: it learns which robots may ask what",
    "server": "be a server: it fetches the models that it is to run",
}
_STEPS = ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600), (30 * 86400, "days", 86400))


@register.filter
def size(count: Any) -> str:
    """Bytes: ``1.2 MB``."""
    if not isinstance(count, (int, float)):  # a manifest that lacks it is '' to a template
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
def field(value: float | None) -> str:
    """A number as it stands in a form: ``1000``, ``7.5``."""
    return "" if value is None else f"{value:.12g}"


@register.filter
def duration(seconds: Any) -> str:
    """Seconds as ``1.3 ms``, ``12 s``, ``3 min``."""
    if not isinstance(seconds, (int, float)):
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


@register.filter
def listed(form: Any, key: str) -> list[str]:
    """All values that a form had under a name."""
    return list(form.getlist(key)) if hasattr(form, "getlist") else []


@register.filter
def before_colon(text: Any) -> str:
    """What stands before the colon of a reference: ``alice/track``."""
    return str(text).partition(":")[0]


@register.filter
def spaced(text: Any) -> str:
    """A name of the program's as words: ``least connections``."""
    return str(text).replace("_", " ")


@register.filter
def brief(text: str) -> str:
    """A text whose digests are as short as ``short`` makes them."""
    return _DIGEST.sub(r"sha256 \1", text)


@register.filter
def scope_words(scope: str) -> str:
    """What a token with a scope may do."""
    return _SCOPES.get(scope, "")


@register.simple_tag
def version() -> str:
    """The program's version."""
    return rilaas.__version__


@register.simple_tag(takes_context=True)
def twin(context: Mapping[str, Any]) -> str:
    """The address of the page's JSON; '' where it has none for the reader."""
    request = context.get("request")
    if request is None or context.get("page") in (None, "", "refusal") or not request.user.is_authenticated:
        return ""
    query = request.META.get("QUERY_STRING", "")
    return f"{request.path.rstrip('/') or '/home'}.json" + (f"?{query}" if query else "")
