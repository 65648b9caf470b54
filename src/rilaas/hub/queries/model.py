"""Models as pages and programs see them."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Max, Prefetch, Q

from rilaas.core import NotFound
from rilaas.hub.models import Deployment, Model, Person, Variant, Version
from rilaas.hub.queries.access import OWNER, STRANGER, find_model, role_of, visible_models
from rilaas.hub.queries.lineage import lineage
from rilaas.hub.queries.paging import paged
from rilaas.hub.queries.variant import variant_of

MAX_FILES = 60  # that a page lists; a program gets all
MAX_CHOICES = 60  # revisions that a form offers, the newest first
_MAX_DESCRIPTION = _MAX_NOTE = 300  # characters in lists


def list_models(person: Person, *, search: str = "", page: str = "") -> dict[str, Any]:
    """Models that the person may see, the newest change first."""
    models = visible_models(person).select_related("owner").order_by("-updated_at", "-pk")
    if search:
        owner, _, name = search[:200].replace("\0", "").rpartition("/")
        found = Q(name__icontains=name) | Q(task__icontains=name) | Q(owner__username__icontains=name)
        models = models.filter(Q(name__icontains=name, owner__username=owner) if owner else found)
    listed = paged(models, page, _row)
    newest = _newest(row["id"] for row in listed["rows"])
    for row in listed["rows"]:
        row["newest"], row["versions"] = newest.get(row["id"], (None, 0))
    return {**listed, "search": search}


def show_model(person: Person, owner: str, name: str, *, revision: str = "", page: str = "") -> dict[str, Any]:
    """One model: a page of its versions, its aliases, and one revision in full.

    Args:
        person: Who asks.
        owner: The model's owner.
        name: The model.
        revision: Which is shown in full; '' is the newest.
        page: Of its versions.

    Raises:
        NotFound: There is no such model or revision, or it is hidden from the person.
    """
    model = find_model(person, owner, name)
    role = role_of(person, model)
    shown = _shown(model, revision)
    deployed = Deployment.objects.filter(model=model, is_stopped=False).exists()
    return {
        **_row(model),
        "description": model.description,
        "role": role,
        "may_change": role != STRANGER,
        "is_owner": role == OWNER,
        "is_deployed": deployed,
        "edge_only": model.edge_only,
        "aliases": list_aliases(model),
        **list_versions(model, page),
        "variants": revisions(model),
        "shown": shown,
        "lineage": lineage(model),
        "collaborators": sorted(model.collaborators.values_list("username", flat=True)) if role != STRANGER else [],
    }


def list_versions(model: Model, page: str = "") -> dict[str, Any]:
    """Versions with their variants, the newest first; deleted ones are left out."""
    light = Variant.objects.defer("manifest", "files", "card", "record").order_by("name")
    versions = (
        model.versions.filter(variants__name="")
        .select_related("parent", "created_by")
        .prefetch_related(Prefetch("variants", light))
        .order_by("-number")
    )
    return paged(versions, page, _version)


def list_aliases(model: Model) -> list[dict[str, Any]]:
    """Where each alias points, and where it was."""
    aliases = model.aliases.select_related("variant__version", "previous__version", "moved_by").defer(
        "variant__manifest",
        "variant__files",
        "variant__card",
        "variant__record",
        "previous__manifest",
        "previous__files",
        "previous__card",
        "previous__record",
    )
    return [
        {
            "name": alias.name,
            "revision": alias.variant.revision,
            "previous": alias.previous.revision if alias.previous else None,
            "generation": alias.generation,
            "moved_at": alias.moved_at,
            "moved_by": alias.moved_by.username,
        }
        for alias in aliases.order_by("name")
    ]


def show_variant(variant: Variant, max_files: int | None = None) -> dict[str, Any]:
    """A revision in full: manifest, files, card.

    Args:
        variant: Its ``version`` is loaded.
        max_files: How many files are listed; None is all.
    """
    version = variant.version
    return {
        **_light(variant),
        "number": version.number,
        "parent": version.parent.number if version.parent else None,
        "note": version.note,
        "archive_sha256": variant.archive_sha256,
        "manifest": variant.manifest,
        "files": variant.files[:max_files],
        "files_count": len(variant.files),
        "card": variant.card,
    }


def _shown(model: Model, revision: str) -> dict[str, Any] | None:
    try:
        return show_variant(variant_of(model, revision), MAX_FILES)
    except NotFound:
        if revision:
            raise
        return None  # all versions were deleted


def revisions(model: Model) -> list[dict[str, Any]]:
    """The revisions that a form offers, the newest first."""
    rows = (
        Variant.objects.filter(version__model=model)
        .order_by("-version__number", "name")
        .values("pk", "name", "version__number", "digest")[:MAX_CHOICES]
    )
    return [
        {
            "id": row["pk"],
            "revision": f"{row['version__number']}@{row['name']}" if row["name"] else str(row["version__number"]),
            "digest": row["digest"],
        }
        for row in rows
    ]


def _newest(models: Any) -> dict[int, tuple[int, int]]:
    rows = Version.objects.filter(model__in=list(models), variants__name="").values("model")
    counted = rows.annotate(newest=Max("number"), count=Count("pk"))
    return {row["model"]: (row["newest"], row["count"]) for row in counted}


def _version(version: Version) -> dict[str, Any]:
    variants = [_light(variant) for variant in version.variants.all()]
    return {
        "number": version.number,
        "digest": version.digest,
        "parent": version.parent.number if version.parent else None,
        "note": version.note[:_MAX_NOTE],
        "created_at": version.created_at,
        "created_by": version.created_by.username,
        "variants": variants,
    }


def _light(variant: Variant) -> dict[str, Any]:
    return {
        "id": variant.pk,
        "name": variant.name,
        "revision": variant.revision,
        "digest": variant.digest,
        "size_bytes": variant.size_bytes,
        "archive_bytes": variant.archive_bytes,
        "created_at": variant.created_at,
    }


def _row(model: Model) -> dict[str, Any]:
    return {
        "id": model.pk,
        "ref": str(model),
        "owner": model.owner.username,
        "name": model.name,
        "task": model.task,
        "description": model.description[:_MAX_DESCRIPTION],
        "visibility": model.visibility,
        "updated_at": model.updated_at,
    }
