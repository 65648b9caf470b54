"""Recordings of episodes over REST."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Router, Schema, Status

from rilaas.hub.actions.recording import keep_recording
from rilaas.hub.api.token import caller
from rilaas.hub.pages.download import download
from rilaas.hub.queries.recording import find_recording, player_json, recording_file

router = Router(tags=["evaluations"])
_ADDRESS = "/evaluations/{int:evaluation_id}/episodes/{int:index}/recording"
_FILE = {"responses": {200: {"description": "The file", "content": {"application/octet-stream": {}}}}}


class NewRecording(Schema):
    """An upload that is complete, see `PUT /uploads/{sha256}`."""

    sha256: str
    size_bytes: int


class KeptRecording(Schema):
    """A recording that is kept."""

    sha256: str
    size_bytes: int
    marks: int


@router.post(_ADDRESS, response={201: KeptRecording})
def keep(request: HttpRequest, evaluation_id: int, index: int, wanted: NewRecording) -> Status[dict[str, Any]]:
    """Keep an upload as the recording of an episode of yours, as `rilaas evaluate --record` wrote it."""
    person = caller(request, "write")
    kept = keep_recording(person, evaluation_id, index, wanted.sha256, wanted.size_bytes)
    return Status(201, {"sha256": kept.sha256, "size_bytes": kept.size_bytes, "marks": kept.marks})


@router.get(f"{_ADDRESS}.json")
def player(request: HttpRequest, evaluation_id: int, index: int) -> HttpResponse:
    """An episode as the player on its page takes it: pictures, poses and signals on one clock."""
    recording = find_recording(caller(request, "read"), evaluation_id, index)
    tag = f'"{recording.sha256}"'
    # Asked for again each time, so that who lost the right to see it loses it; sent again only where it has changed.
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("If-None-Match") == tag:
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(player_json(recording), content_type="application/json", headers=headers)


@router.get(f"{_ADDRESS}.npz", openapi_extra=_FILE)
def file(request: HttpRequest, evaluation_id: int, index: int) -> HttpResponseBase:
    """The recording as a file for NumPy."""
    recording = find_recording(caller(request, "read"), evaluation_id, index)
    stream, name = recording_file(recording)
    return download(request, stream, name, sha256=recording.sha256, content_type="application/octet-stream")
