"""Who may see models and datasets: private, shared with named people, public."""

from __future__ import annotations

from django.db import transaction

from rilaas.core import InvalidInput, NotFound, did_you_mean
from rilaas.hub.actions.event import record
from rilaas.hub.actions.fleet import model_changed
from rilaas.hub.models import Dataset, Model, Person
from rilaas.hub.models.model import PRIVATE, SHARED, VISIBILITIES
from rilaas.hub.queries.access import find_dataset, find_model


def find_own(person: Person, kind: str, owner: str, name: str) -> Model | Dataset:
    """What is to be shared: a ``model`` or a ``dataset`` of the person's own.

    Raises:
        NotFound: There is none, or it is hidden from the person.
        PermissionDenied: It is somebody else's.
    """
    if kind == "model":
        return find_model(person, owner, name, to="own")
    return find_dataset(person, owner, name, to="own")


def set_visibility(person: Person, kind: str, owner: str, name: str, visibility: str) -> None:
    """Make a model or a dataset private, shared or public.

    Raises:
        NotFound: See ``find_own``; so ``PermissionDenied``.
        InvalidInput: There is no such visibility.
    """
    with transaction.atomic():
        thing = find_own(person, kind, owner, name)
        if visibility not in VISIBILITIES:
            raise InvalidInput(f"There is no visibility {visibility[:40]!r}.", did_you_mean(visibility, VISIBILITIES))
        if thing.visibility == visibility:
            return
        record(person, "visibility changed", str(thing), f"{thing.visibility} -> {visibility}")
        thing.visibility = visibility
        thing.save(update_fields=["visibility", "updated_at"])
        _told(thing)


def share(person: Person, kind: str, owner: str, name: str, with_whom: str) -> None:
    """Name a collaborator, who sees, uses and changes it; what is private becomes shared.

    Raises:
        NotFound: See ``find_own``; so ``PermissionDenied``. Or there is nobody of this name.
        InvalidInput: It is the owner's own name.
    """
    with transaction.atomic():
        thing = find_own(person, kind, owner, name)
        other = Person.objects.filter(username=_name(with_whom), is_active=True).first()
        if other is None:
            raise NotFound(
                f"There is nobody called {with_whom.strip()[:64]!r} here.",
                "Check the name; who runs the hub can invite people.",
            )
        if other.pk == thing.owner_id:
            raise InvalidInput(f"{thing} is {other.username}'s own.", "Name somebody else.")
        thing.collaborators.add(other)
        if thing.visibility == PRIVATE:
            thing.visibility = SHARED
        thing.save(update_fields=["visibility", "updated_at"])
        record(person, "shared", str(thing), other.username)
        _told(thing)


def unshare(person: Person, kind: str, owner: str, name: str, with_whom: str) -> None:
    """Take a collaborator's rights away.

    Raises:
        NotFound: See ``find_own``; so ``PermissionDenied``. Or it is not shared with anybody of this name.
    """
    with transaction.atomic():
        thing = find_own(person, kind, owner, name)
        other = thing.collaborators.filter(username=_name(with_whom)).first()
        if other is None:
            raise NotFound(f"{thing} is not shared with {with_whom.strip()[:64]!r}.")
        thing.collaborators.remove(other)
        thing.save(update_fields=["updated_at"])
        record(person, "share ended", str(thing), other.username)
        _told(thing)


def _name(typed: str) -> str:
    """A name as it may be looked up; PostgreSQL refuses a query with NUL."""
    return typed.strip().replace("\0", "\ufffd")


def _told(thing: Model | Dataset) -> None:
    """Robots and interceptors learn what became of a model."""
    if isinstance(thing, Model):
        model_changed(thing)
