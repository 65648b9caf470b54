"""A file as an answer, in pieces: however large it is, a few megabytes of memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import IO

from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse

_CHUNK = 2**20


def download(
    request: HttpRequest, file: IO[bytes], name: str, *, sha256: str = "", content_type: str = "application/gzip"
) -> HttpResponseBase:
    """Answer with a file, which is closed when it was sent.

    Args:
        request: What is answered.
        file: Open for reading; ``Blobs.open`` gives one.
        name: Under which a browser saves it: ASCII.
        sha256: Of its bytes, as the answer's ETag; '' where it is not known.
        content_type: Of the answer.
    """
    if isinstance(request, ASGIRequest):
        connections.close_all()  # whoever fetches slowly keeps no connection to the database open
        # Django would read a synchronous file to its end before it sends the first byte.
        answer: StreamingHttpResponse = StreamingHttpResponse(_pieces(file), content_type=content_type)
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        answer.headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
    else:
        answer = FileResponse(file, as_attachment=True, filename=name, content_type=content_type)
    if sha256:
        answer.headers["ETag"] = f'"{sha256}"'
    return answer


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
    finally:
        file.close()
