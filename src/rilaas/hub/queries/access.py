"""Who may see what: the one place where that is written.

A stranger gets the same answer for what is hidden and for what does not exist.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from rilaas.core import NotFound, PermissionDenied
from rilaas.hub.models import Dataset, Model, Person, Robot
from rilaas.hub.models.model import PRIVATE, PUBLIC

OWNER, COLLABORATOR, STRANGER = ROLES = ("owner", "collaborator", "stranger")


def visible_models(person: Person) -> QuerySet[Model]:
    """Models that the person may see."""
    return Model.objects.filter(_visible(person, models_shared_with(person).values("pk")))


def visible_datasets(person: Person) -> QuerySet[Dataset]:
    """Datasets that the person may see."""
    return Dataset.objects.filter(_visible(person, datasets_shared_with(person).values("pk")))


def models_shared_with(person: Person) -> QuerySet[Model]:
    """Models that the person is a collaborator of: collaborators lose that while the model is private."""
    return person.shared_models.exclude(visibility=PRIVATE)


def datasets_shared_with(person: Person) -> QuerySet[Dataset]:
    """Datasets that the person is a collaborator of; as ``models_shared_with``."""
    return person.shared_datasets.exclude(visibility=PRIVATE)


def _visible(person: Person, shared: QuerySet[Any, Any]) -> Q:
    return Q(owner=person) | Q(visibility=PUBLIC) | Q(pk__in=shared)


def role_of(person: Person, thing: Model | Dataset) -> str:
    """``owner``, ``collaborator`` or ``stranger``."""
    if thing.owner_id == person.pk:
        return OWNER
    if thing.visibility != PRIVATE and thing.collaborators.filter(pk=person.pk).exists():
        return COLLABORATOR
    return STRANGER


def find_model(person: Person, owner: str, name: str, *, to: str = "see") -> Model:
    """A model by its reference.

    Args:
        person: Who asks.
        owner: Its owner's name.
        name: Its own.
        to: ``see`` (use, download), ``change`` (push, promote, deploy: owner and collaborators), or ``own``.

    Raises:
        NotFound: There is none, or it is hidden from the person.
        PermissionDenied: The person sees it and may not do that.
    """
    model = visible_models(person).select_related("owner").filter(owner__username=owner, name=name).first()
    if model is None:
        raise NotFound(
            f"There is no model {owner}/{name}, or it is not shared with you.", "Check the name, or ask its owner."
        )
    _check(person, model, to)
    return model


def find_dataset(person: Person, owner: str, name: str, *, to: str = "see") -> Dataset:
    """A dataset by its reference; as ``find_model``."""
    dataset = visible_datasets(person).select_related("owner").filter(owner__username=owner, name=name).first()
    if dataset is None:
        raise NotFound(
            f"There is no dataset {owner}/{name}, or it is not shared with you.", "Check the name, or ask its owner."
        )
    _check(person, dataset, to)
    return dataset


def find_robot(person: Person, owner: str, name: str) -> Robot:
    """A robot of the person's own; people who run the hub see all.

    Raises:
        NotFound: There is none, or it is somebody else's.
    """
    robots = Robot.objects.select_related("owner")
    if not person.is_staff:
        robots = robots.filter(owner=person)
    robot = robots.filter(owner__username=owner, name=name).first()
    if robot is None:
        raise NotFound(f"There is no robot {owner}/{name} of yours.", "Check the name.")
    return robot


def _check(person: Person, thing: Model | Dataset, to: str) -> None:
    allowed = {"see": ROLES, "change": (OWNER, COLLABORATOR), "own": (OWNER,)}[to]
    if role_of(person, thing) not in allowed:
        raise PermissionDenied(
            f"Only {' and '.join(f'{role}s' for role in allowed)} of {thing} may do this.", "Ask its owner."
        )
