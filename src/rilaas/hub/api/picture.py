"""Pictures as answers: of strangers' data, so they may do nothing but be looked at."""

from __future__ import annotations

from django.http import HttpResponse

_ALONE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


def picture(data: bytes, kind: str) -> HttpResponse:
    """Answer with a picture, which one browser may keep for a day.

    Args:
        data: The file.
        kind: ``image/png`` or ``image/svg+xml``.
    """
    headers = {"Content-Security-Policy": _ALONE, "Cache-Control": "private, max-age=86400"}
    return HttpResponse(data, content_type=kind, headers=headers)
