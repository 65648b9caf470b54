"""Models over REST."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponseBase
from ninja import Field, Router, Status

from rilaas.hub.actions.registry import delete_model, delete_version
from rilaas.hub.actions.registry_alias import promote, remove_alias, roll_back
from rilaas.hub.actions.sharing import set_visibility, share, unshare
from rilaas.hub.api.schema import AliasRow, ModelPage, Models, Move, Revision, Seen, Versions, Visibility
from rilaas.hub.api.token import caller
from rilaas.hub.blob_store import model_blobs
from rilaas.hub.models import Person
from rilaas.hub.pages.download import download
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.model import list_aliases, list_models, list_versions, show_model, show_variant
from rilaas.hub.queries.variant import find_variant

router = Router(tags=["models"])
_ONE = "/models/{owner}/{name}"
_GZIP = {"responses": {200: {"description": "A .tar.gz", "content": {"application/gzip": {}}}}}


@router.get("/models", response=Models)
def models(request: HttpRequest, search: str = "", page: int = 1) -> dict[str, Any]:
    """Models that you may see, 50 at a time."""
    return list_models(caller(request, "read"), search=search, page=str(page))


@router.get(_ONE, response=ModelPage)
def model(request: HttpRequest, owner: str, name: str, revision: str = "") -> dict[str, Any]:
    """One model: its aliases, its newest versions, and one revision in full, the newest where none is named."""
    return show_model(caller(request, "read"), owner, name, revision=revision)


@router.patch(_ONE, response=ModelPage)
def change(request: HttpRequest, owner: str, name: str, wanted: Visibility) -> dict[str, Any]:
    """Make a model private, shared or public; for its owner."""
    person = caller(request, "write")
    set_visibility(person, "model", owner, name, wanted.visibility)
    return show_model(person, owner, name)


@router.delete(_ONE, response={204: None})
def delete(request: HttpRequest, owner: str, name: str) -> Status[None]:
    """Delete a model with all its versions; for its owner, and not while it is deployed."""
    delete_model(caller(request, "write"), owner, name)
    return Status(204, None)


@router.put(_ONE + "/collaborators/{person}", response={204: None})
def add_collaborator(request: HttpRequest, owner: str, name: str, person: str) -> Status[None]:
    """Let somebody see, use and change a model; what is private becomes shared."""
    share(caller(request, "write"), "model", owner, name, person)
    return Status(204, None)


@router.delete(_ONE + "/collaborators/{person}", response={204: None})
def remove_collaborator(request: HttpRequest, owner: str, name: str, person: str) -> Status[None]:
    """Take somebody's rights away."""
    unshare(caller(request, "write"), "model", owner, name, person)
    return Status(204, None)


@router.get(_ONE + "/versions", response=Versions)
def versions(request: HttpRequest, owner: str, name: str, page: int = 1) -> dict[str, Any]:
    """Versions with their variants, the newest first, 50 at a time."""
    return list_versions(find_model(caller(request, "read"), owner, name), str(page))


@router.get(_ONE + "/versions/{revision}", response=Revision)
def version(request: HttpRequest, owner: str, name: str, revision: str) -> dict[str, Any]:
    """One revision in full: 3, 3@int8, an alias, digits of the digest."""
    return show_variant(find_variant(caller(request, "read"), owner, name, revision))


@router.delete(_ONE + "/versions/{revision}", response={204: None})
def remove_version(request: HttpRequest, owner: str, name: str, revision: str) -> Status[None]:
    """Delete a version with its variants, or one variant; for the owner, and not while it is used."""
    delete_version(caller(request, "write"), owner, name, revision)
    return Status(204, None)


@router.get(_ONE + "/versions/{revision}/archive", openapi_extra=_GZIP)
def archive(request: HttpRequest, owner: str, name: str, revision: str) -> HttpResponseBase:
    """Download a revision: a .tar.gz of the model folder, with the SHA-256 that archive_sha256 says."""
    variant = find_variant(caller(request, "read"), owner, name, revision)
    sha256 = variant.archive_sha256
    filename = f"{name}-{variant.revision.replace('@', '-')}.tar.gz"
    return download(request, model_blobs().open(sha256), filename, sha256=sha256)


@router.get(_ONE + "/aliases", response=list[AliasRow])
def aliases(request: HttpRequest, owner: str, name: str) -> list[dict[str, Any]]:
    """Where each alias points."""
    return list_aliases(find_model(caller(request, "read"), owner, name))


@router.put(_ONE + "/aliases/{alias}", response=AliasRow)
def move_alias(request: HttpRequest, owner: str, name: str, alias: str, wanted: Move) -> dict[str, Any]:
    """Point an alias to a revision; 409 says who moved it since you looked."""
    person = caller(request, "deploy")
    promote(person, owner, name, alias, wanted.revision, wanted.generation)
    return _alias(person, owner, name, alias)


@router.post(_ONE + "/aliases/{alias}/rollback", response=AliasRow)
def roll_alias_back(request: HttpRequest, owner: str, name: str, alias: str, seen: Seen) -> dict[str, Any]:
    """Point an alias to where it was before."""
    person = caller(request, "deploy")
    roll_back(person, owner, name, alias, seen.generation)
    return _alias(person, owner, name, alias)


@router.delete(_ONE + "/aliases/{alias}", response={204: None})
def drop_alias(
    request: HttpRequest, owner: str, name: str, alias: str, generation: Annotated[int, Field(ge=0, le=2**31 - 1)]
) -> Status[None]:
    """Delete an alias; what it points to stays."""
    remove_alias(caller(request, "deploy"), owner, name, alias, generation)
    return Status(204, None)


def _alias(person: Person, owner: str, name: str, alias: str) -> dict[str, Any]:
    rows = list_aliases(find_model(person, owner, name))
    return next(row for row in rows if row["name"] == alias)
