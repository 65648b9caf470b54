"""Style sheet, scripts and icons: a few files, held in memory, cached by their content's hash.

The player of recordings is the one that pages on a disk have inlined.
"""

from __future__ import annotations

import functools
import hashlib
import mimetypes
from pathlib import Path

from django.http import HttpRequest, HttpResponse

from rilaas.core import NotFound
from rilaas.hub.pages.page import refusal
from rilaas.report.playback import PLAYER_FILES, player_file

_FOLDER = Path(__file__).resolve().parents[1] / "static"
_YEAR_S = 365 * 24 * 3600


@functools.cache
def _files() -> dict[str, bytes]:
    own = {path.relative_to(_FOLDER).as_posix(): path.read_bytes() for path in _FOLDER.rglob("*") if path.is_file()}
    return own | {name: player_file(name).encode() for name in PLAYER_FILES}


@functools.cache
def asset(name: str) -> str:
    """The address of a static file; it changes with the content, so it may be cached for ever."""
    return f"/static/{name}?v={hashlib.sha256(_files()[name]).hexdigest()[:12]}"


def static_file(request: HttpRequest, name: str) -> HttpResponse:
    """Answer with a file of ``static``."""
    body = _files().get(name)
    if body is None:
        return refusal(request, NotFound(f"There is no file {name}."))
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return HttpResponse(body, content_type=kind, headers={"Cache-Control": f"public, max-age={_YEAR_S}, immutable"})
