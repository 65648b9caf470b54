"""Uploads over REST: resumable by hash, or files of a form at once."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, File, Form, Router, Status
from ninja.files import UploadedFile

from rilaas.core import InvalidInput
from rilaas.hub.actions.registry import Push, Pushed
from rilaas.hub.actions.upload import MAX_PART_BYTES, push_files, push_upload, receive, received
from rilaas.hub.api.models import router as models
from rilaas.hub.api.schema import Made, NewVersion, PushForm, Upload
from rilaas.hub.api.token import caller
from rilaas.hub.pages.form_files import form_files
from rilaas.store import Part

router = Router(tags=["uploads"])
_BYTES = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}
_FORMS = ("multipart/", "application/json", "application/x-www-form-urlencoded", "text/")


@router.api_operation(["GET", "HEAD"], "/uploads/{sha256}", response=Upload)
def upload(request: HttpRequest, response: HttpResponse, sha256: str, size_bytes: int) -> dict[str, Any]:
    """How far your upload of this content came; the header Upload-Offset says it too."""
    return _told(response, received(caller(request, "write"), sha256, size_bytes))


@router.put("/uploads/{sha256}", response=Upload, openapi_extra=_BYTES)
def take(
    request: HttpRequest,
    response: HttpResponse,
    sha256: str,
    size_bytes: int,
    offset: Annotated[int, Field(ge=0)] = 0,
) -> dict[str, Any]:
    """Send the next bytes of an upload: the body, as it is, of at most 64 MiB. When this answers they are kept."""
    person = caller(request, "write")
    kind = request.content_type or ""
    if kind.startswith(_FORMS):
        raise InvalidInput(
            f"The body is {kind[:80]!r}; an upload's part is application/octet-stream.",
            "Send the bytes themselves, with this content type.",
        )
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > MAX_PART_BYTES:
        raise InvalidInput(f"A part has at most {MAX_PART_BYTES} bytes, not {length}.", "Send it in several.")
    return _told(response, receive(person, sha256, size_bytes, offset, request))


@models.post("/models/{owner}/{name}/versions", response={201: Made, 200: Made})
def make_version(request: HttpRequest, owner: str, name: str, wanted: NewVersion) -> Status[dict[str, Any]]:
    """Make a version, or a variant of one, of a complete upload; 200 where the same content was there already."""
    push = Push(owner, name, wanted.note, wanted.variant, wanted.of, wanted.parent)
    person = caller(request, "write")
    return _made(push_upload(person, wanted.sha256, wanted.size_bytes, wanted.filename, push))


@models.post("/models", response={201: Made, 200: Made})
def push_form(
    request: HttpRequest,
    file: File[list[UploadedFile]],
    said: Form[PushForm],
) -> Status[dict[str, Any]]:
    """Make a version of one archive, or of all files of a model folder; all mistakes are told at once."""
    person = caller(request, "write")
    push = Push(said.owner or person.username, said.name, said.note, said.variant, said.of, said.parent)
    return _made(push_files(person, form_files(file, said.paths), push))


def _told(response: HttpResponse, part: Part) -> dict[str, Any]:
    response.headers["Upload-Offset"] = str(part.received_bytes)
    return {
        "sha256": part.sha256,
        "size_bytes": part.size_bytes,
        "received_bytes": part.received_bytes,
        "is_complete": part.is_complete,
    }


def _made(pushed: Pushed) -> Status[dict[str, Any]]:
    return Status(
        201 if pushed.is_new else 200,
        {
            "ref": pushed.ref,
            "model": pushed.model,
            "revision": pushed.revision,
            "digest": pushed.digest,
            "is_new": pushed.is_new,
        },
    )
