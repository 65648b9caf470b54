"""Aliases: names such as ``prod`` that move from revision to revision, one person at a time.

Each has a generation. Who moves it says which generation they saw; of two who saw the same, one wins and the other is
told. Rolling back is moving to where it was before.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from rilaas.core import Conflict, InvalidInput, NotFound
from rilaas.hub.actions.event import record
from rilaas.hub.actions.fleet import alias_moved
from rilaas.hub.actions.variant_gate import check_gate
from rilaas.hub.models import Alias, Deployment, Model, Person, Variant
from rilaas.hub.models.name import checked_name
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.variant import variant_of

NEW = 0  # the generation of an alias that is not there


def promote(person: Person, owner: str, name: str, alias: str, revision: str, generation: int) -> Alias:
    """Point an alias to a revision; it is made where it is not there.

    Args:
        person: Who does it: the owner or a collaborator.
        owner: The model's owner.
        name: The model.
        alias: Such as ``prod``.
        revision: Where to: ``3``, ``3@int8``, another alias.
        generation: Of the alias as the person saw it; 0 where they saw none.

    Raises:
        NotFound: There is no such model or revision, or it is hidden from the person.
        PermissionDenied: The person may only look at it.
        InvalidInput: The alias cannot be a name.
        Conflict: It is not any more what the person saw, or it is protected and the revision a variant whose gate
            did not pass.
    """
    with transaction.atomic():
        model = _locked(person, owner, name)
        _checked_alias(alias)
        variant = variant_of(model, revision)
        seen = _seen(model, alias, generation)
        check_gate(model, alias, variant)
        if seen is None:
            seen = Alias.objects.create(
                model=model, name=alias, variant=variant, moved_at=timezone.now(), moved_by=person
            )
        elif seen.variant_id == variant.pk:
            return seen
        else:
            _move(seen, variant, person)
        record(person, "alias moved", str(model), f"{alias} -> {variant.revision}")
        alias_moved(model)
        return seen


def roll_back(person: Person, owner: str, name: str, alias: str, generation: int) -> Alias:
    """Point an alias to where it was before; a second time leads forward again.

    Raises:
        NotFound: There is no such model or alias, or it is hidden from the person.
        PermissionDenied: The person may only look at it.
        InvalidInput: The alias was never moved, or what it pointed to was deleted.
        Conflict: It is not any more what the person saw, or it is protected and was a variant without a passed gate.
    """
    with transaction.atomic():
        model = _locked(person, owner, name)
        seen = _there(model, alias, generation)
        if seen.previous is None:
            raise InvalidInput(
                f"{model}:{alias} has nothing to go back to: it was never moved, or where it was is deleted.",
                "Move it to a version that is there.",
            )
        check_gate(model, alias, seen.previous)
        record(person, "alias rolled back", str(model), f"{alias} -> {seen.previous.revision}")
        _move(seen, seen.previous, person)
        alias_moved(model)
        return seen


def remove_alias(person: Person, owner: str, name: str, alias: str, generation: int) -> None:
    """Delete an alias; what it points to stays.

    Raises:
        NotFound: There is no such model or alias, or it is hidden from the person.
        PermissionDenied: The person may only look at it.
        Conflict: It is not any more what the person saw, or a deployment follows it.
    """
    with transaction.atomic():
        model = _locked(person, owner, name)
        seen = _there(model, alias, generation)
        if Deployment.objects.filter(model=model, follows=alias, is_stopped=False).exists():
            raise Conflict(f"The deployment of {model} follows {alias}.", "Stop it, or let it follow another alias.")
        seen.delete()
        record(person, "alias removed", str(model), alias)
        alias_moved(model)


def _locked(person: Person, owner: str, name: str) -> Model:
    model = find_model(person, owner, name, to="change")
    Model.objects.select_for_update().get(pk=model.pk)
    return model


def _there(model: Model, alias: str, generation: int) -> Alias:
    seen = _seen(model, alias, generation)
    if seen is None:
        raise NotFound(f"{model} has no alias {alias[:64]!r}.")
    return seen


def _seen(model: Model, alias: str, generation: int) -> Alias | None:
    """The alias, where it is the one that the person saw."""
    found = (
        Alias.objects.select_related("variant__version", "previous__version", "moved_by")
        .filter(model=model, name=alias.replace("\0", "\ufffd"))  # PostgreSQL refuses a query with NUL
        .first()
    )
    if found is None:
        if generation == NEW:
            return None
        raise Conflict(f"{model} has no alias {alias[:64]!r} any more: somebody removed it.", "Look again.")
    if found.generation != generation:
        raise Conflict(
            f"{found.moved_by.username} moved {alias} to {found.variant.revision} at "
            f"{found.moved_at:%Y-%m-%d %H:%M:%S} UTC, after you looked.",
            f"Look again, and move it from {found.variant.revision} if you still want to.",
        )
    return found


def _move(alias: Alias, variant: Variant, person: Person) -> None:
    alias.previous, alias.variant = alias.variant, variant
    alias.generation += 1
    alias.moved_at, alias.moved_by = timezone.now(), person
    alias.save()


def _checked_alias(alias: str) -> None:
    checked_name(alias, "alias")
    if alias.isdigit():
        raise InvalidInput(f"An alias is no number: {alias!r} would be read as a version.", "Call it prod, say.")
