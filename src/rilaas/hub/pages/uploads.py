"""The pages with which a person uploads a model, or a version of one."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.core import InvalidInput
from rilaas.hub.actions.registry import Push, Pushed
from rilaas.hub.actions.upload import push_files
from rilaas.hub.pages.form_files import form_files
from rilaas.hub.pages.models import model_address
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.model import revisions


def _new_model(request: HttpRequest) -> Data:
    return {"owner": person_of(request).username}


def _push_model(request: HttpRequest) -> tuple[str, str]:
    return _push(request, person_of(request).username, request.POST.get("name", "").strip())


def _new_version(request: HttpRequest, owner: str, name: str) -> Data:
    model = find_model(person_of(request), owner, name, to="change")
    return {"ref": str(model), "owner": owner, "name": name, "variants": revisions(model)}


def _push_version(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    return _push(request, owner, name)


def _push(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    files = [*request.FILES.getlist("file"), *request.FILES.getlist("folder")]
    if not files:
        raise InvalidInput("No file was chosen.", "Choose an archive, or the folder of a model.")
    post = request.POST
    wanted = Push(
        owner,
        name,
        post.get("note", "").replace("\r\n", "\n"),
        post.get("variant", "").strip(),
        _number(request, "of"),
        _number(request, "parent"),
    )
    pushed = push_files(person_of(request), form_files(files, post.get("paths", "")), wanted)
    owner, _, name = pushed.model.partition("/")
    return model_address(owner, name, pushed.revision), sentence(pushed)


def sentence(pushed: Pushed) -> str:
    """What became of an upload."""
    return f"{pushed.ref} is stored." if pushed.is_new else f"The same content is there already, as {pushed.ref}."


def _number(request: HttpRequest, field: str) -> int | None:
    text = request.POST.get(field, "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidInput(f"{text[:20]!r} is no number of a version.", "Choose one of the list.")
    return int(text)


PAGES = (
    Page("models/new", "hub/new-model.html", _new_model, {"push": _push_model}),
    Page("models/<part:owner>/<part:name>/new", "hub/new-version.html", _new_version, {"push": _push_version}),
)
