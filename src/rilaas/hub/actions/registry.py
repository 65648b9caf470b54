"""Models and their versions come and go.

What was pushed never changes: a version is its content's hash, and the same content pushed again is the same version,
also after it was deleted.
The archive is on the disk before a row names it, so a hub that is killed at any moment leaves no half version.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from rilaas.core import Conflict, InvalidInput, NotFound, PermissionDenied
from rilaas.hub.actions.event import record
from rilaas.hub.actions.fleet import model_changed, model_deleted
from rilaas.hub.actions.registry_manifest import card_text, difference, files_json, manifest_json
from rilaas.hub.actions.registry_record import record_and_gate
from rilaas.hub.blob_store import blobs_locked, model_blobs, scratch
from rilaas.hub.models import Deployment, Model, Person, Variant, Version
from rilaas.hub.models.name import checked_name
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.variant import variant_of
from rilaas.store import ModelFolder, pack

MAX_NOTE = 4000  # characters
_MAX_DESCRIPTION = 2000


@dataclass(frozen=True, slots=True)
class Push:
    """What a person says with an upload.

    Attributes:
        owner: Whose model it goes to.
        name: The model's name; '' is the one that ``model.toml`` gives.
        note: What is new, for people.
        variant: '' makes a version; a name, such as ``int8``, a variant of an existing one.
        of: The version that the variant belongs to; None is the newest.
        parent: The version that this one was made from; None is the newest, 0 is none.
    """

    owner: str
    name: str = ""
    note: str = ""
    variant: str = ""
    of: int | None = None
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of it.

    Attributes:
        model: ``owner/name``.
        revision: ``3`` or ``3@int8``.
        digest: Of the content.
        is_new: False where the same content was there already.
    """

    model: str
    revision: str
    digest: str
    is_new: bool

    @property
    def ref(self) -> str:
        """``owner/name:3@int8``."""
        return f"{self.model}:{self.revision}"


def check_push(person: Person, wanted: Push) -> Model | None:
    """Look at what can be wrong before anything is read.

    Returns:
        The model; None where the push makes it.

    Raises:
        InvalidInput: A name or the note cannot be.
        NotFound: The model, its owner, or the version that is meant, is not there, or hidden from the person.
        PermissionDenied: The person may only look at it.
    """
    for name, what in ((wanted.owner, "person"), (wanted.name, "model"), (wanted.variant, "variant")):
        if name:
            checked_name(name, what)
    if len(wanted.note) > MAX_NOTE or "\0" in wanted.note:
        raise InvalidInput(f"A note has at most {MAX_NOTE} characters, all of them visible.")
    model = _existing(person, wanted) if wanted.name else None
    if model is None and wanted.name and wanted.variant:
        raise NotFound(f"There is no model {wanted.owner}/{wanted.name} that this could be a variant of.")
    if model is not None:
        if wanted.variant:
            variant_of(model, str(wanted.of or ""))
        elif wanted.parent:
            variant_of(model, str(wanted.parent))
    elif wanted.owner != person.username:
        raise PermissionDenied(f"New models of yours are called {person.username}/NAME.", "Leave the owner away.")
    return model


def push(person: Person, folder: ModelFolder, wanted: Push) -> Pushed:
    """Make a version, or a variant of one; the model too where it is the person's and new.

    Raises:
        Conflict: The variant exists with other content, or says that it was made from another version.
        InvalidInput: It is no variant: its signature is another one, or its record is none.
        NotFound: See ``check_push``; so further errors.
    """
    wanted = replace(wanted, name=wanted.name or folder.manifest.name)
    model = check_push(person, wanted)
    if model is not None and (same := _same(model, folder, wanted)):
        return same
    with scratch() as place:
        archive = pack(folder, place / "model.tar.gz")
        while True:
            with archive.open("rb") as file:
                sha256 = model_blobs().put(file)
            with blobs_locked():
                if model_blobs().has(sha256):  # else somebody deleted the same content just now
                    return _add(person, folder, wanted, sha256, archive.stat().st_size)


def delete_model(person: Person, owner: str, name: str) -> None:
    """Delete a model with all its versions.

    Raises:
        NotFound: There is none, or it is hidden from the person.
        PermissionDenied: It is somebody else's.
        Conflict: It is deployed.
    """
    with transaction.atomic():
        model = find_model(person, owner, name, to="own")
        Model.objects.select_for_update().get(pk=model.pk)
        if Deployment.objects.filter(model=model, is_stopped=False).exists():
            raise Conflict(f"{model} is deployed: robots are being served by it.", "Stop its deployment first.")
        archives = list(Variant.objects.filter(version__model=model).values_list("archive_sha256", flat=True))
        model_deleted(model)
        record(person, "model deleted", str(model), f"{len(archives)} variants")
        model.delete()
    _drop(archives)


def delete_version(person: Person, owner: str, name: str, revision: str) -> None:
    """Delete a version with its variants, or one variant (``3@int8``); its number is not given again.

    Raises:
        NotFound: There is none, or it is hidden from the person.
        PermissionDenied: The model is somebody else's.
        Conflict: It is deployed, or an alias points to it.
    """
    with transaction.atomic():
        model = find_model(person, owner, name, to="own")
        Model.objects.select_for_update().get(pk=model.pk)
        variant = variant_of(model, revision)
        gone = Variant.objects.filter(pk=variant.pk)
        if not variant.name:
            gone = Variant.objects.filter(version=variant.version)
        _check_unused(model, variant, list(gone.values_list("pk", flat=True)))
        archives = list(gone.values_list("archive_sha256", flat=True))
        record(person, "version deleted", str(model), f"{variant.revision} {variant.digest}")
        gone.delete()  # the row of the version stays: its number means this content and never another
        if not variant.name:
            Version.objects.filter(pk=variant.version_id).update(note="")
    _drop(archives)


def _check_unused(model: Model, variant: Variant, gone: list[int]) -> None:
    aliases = list(model.aliases.filter(variant__in=gone).values_list("name", flat=True))
    if aliases:
        raise Conflict(
            f"{' and '.join(aliases)} of {model} points to {variant.revision}.", "Move the alias elsewhere first."
        )
    used = Deployment.objects.filter(model=model, is_stopped=False)
    if any(used.filter(**{f"{role}__in": gone}).exists() for role in ("serving", "previous", "canary")) or (
        used.filter(placements__variant__in=gone).exists()
    ):
        raise Conflict(f"{model}:{variant.revision} is deployed.", "Change or stop its deployment first.")


def _existing(person: Person, wanted: Push) -> Model | None:
    try:
        return find_model(person, wanted.owner, wanted.name, to="change")
    except NotFound:
        if wanted.owner != person.username:
            raise
        return None


def _same(model: Model, folder: ModelFolder, wanted: Push) -> Pushed | None:
    """The version or variant that has this content already."""
    known = Variant.objects.select_related("version").filter(version__model=model, digest=folder.digest)
    if wanted.variant:
        version = variant_of(model, str(wanted.of or "")).version
        known = known.filter(version=version, name=wanted.variant)
    else:
        known = known.filter(name="")
    found = known.first()
    return Pushed(str(model), found.revision, folder.digest, False) if found else None


def _add(person: Person, folder: ModelFolder, wanted: Push, sha256: str, archive_bytes: int) -> Pushed:
    with transaction.atomic():
        model = _existing(person, wanted)
        is_first = model is None
        if model is None:
            model, _ = Model.objects.get_or_create(owner=person, name=wanted.name)
        model = Model.objects.select_for_update(of=("self",)).select_related("owner").get(pk=model.pk)
        if same := _same(model, folder, wanted):
            return same
        manifest = manifest_json(folder)
        record_said: dict[str, Any] = {}
        gate = ""
        if wanted.variant:
            version = _version_for(model, folder, wanted, manifest)
            record_said, gate = record_and_gate(folder, version)
        else:
            version = _new_version(person, model, folder, wanted)
        variant = Variant.objects.create(
            version=version,
            name=wanted.variant,
            digest=folder.digest,
            archive_sha256=sha256,
            archive_bytes=archive_bytes,
            size_bytes=folder.size_bytes,
            manifest=manifest,
            files=files_json(folder),
            card=card_text(folder),
            record=record_said,
            gate=gate,
        )
        if not wanted.variant:
            model.task, model.description = folder.manifest.task[:100], folder.manifest.description[:_MAX_DESCRIPTION]
        model.save(update_fields=["task", "description", "updated_at"])
        if is_first:
            model_changed(model)
        record(person, "version pushed", str(model), f"{variant.revision} {folder.digest}")
        return Pushed(str(model), variant.revision, folder.digest, True)


def _version_for(model: Model, folder: ModelFolder, wanted: Push, manifest: dict[str, object]) -> Version:
    original = variant_of(model, str(wanted.of or ""))
    version = original.version
    if version.variants.filter(name=wanted.variant).exists():
        raise Conflict(
            f"{model}:{version.number}@{wanted.variant} exists with other content; what was pushed never changes.",
            "Give the variant another name, or push a new version.",
        )
    if differs := difference(original.manifest, manifest):
        raise InvalidInput(
            f"This is no variant of {model}:{version.number}, for its signature is another one: {differs}.",
            "Push it as a version.",
        )
    return version


def _new_version(person: Person, model: Model, folder: ModelFolder, wanted: Push) -> Version:
    """The next number; the one that it had where the same content was deleted before."""
    newest = model.versions.order_by("-number").first()
    if wanted.parent is None:
        parent = model.versions.filter(variants__name="").order_by("-number").first()
    else:
        parent = variant_of(model, str(wanted.parent)).version if wanted.parent else None
    again = model.versions.filter(digest=folder.digest).first()
    version = again or Version(model=model, digest=folder.digest, number=newest.number + 1 if newest else 1)
    version.note, version.created_by = wanted.note, person
    version.parent = None if parent == again else parent
    version.save()
    return version


def _drop(archives: Iterable[str]) -> None:
    """Delete archives that no row names any more; called when the rows are gone for good."""
    with blobs_locked():
        for sha256 in set(archives):
            if not Variant.objects.filter(archive_sha256=sha256).exists():
                model_blobs().delete(sha256)


def sweep() -> int:
    """Delete archives that a killed hub left without a row; returns how many."""
    removed = 0
    for sha256 in model_blobs().hashes():
        with blobs_locked():
            if not Variant.objects.filter(archive_sha256=sha256).exists():
                removed += model_blobs().delete(sha256)
    return removed
