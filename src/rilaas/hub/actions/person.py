"""People join and leave."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from rilaas.core import Conflict, InvalidInput, NotFound, PermissionDenied
from rilaas.hub.actions.event import record
from rilaas.hub.actions.policy import robots_changed
from rilaas.hub.actions.token import make_link
from rilaas.hub.models import EntryLink, Job, Person, RobotKey
from rilaas.hub.models.job import CANCELLED, QUEUED, RUNNING
from rilaas.hub.models.name import checked_name

FIRST = "local"  # who runs a hub that was started on an empty home


def first_person() -> Person:
    """Who runs the hub; made where nobody is there yet."""
    with transaction.atomic():
        known = Person.objects.filter(is_staff=True, is_active=True).order_by("pk").first()
        if known is not None:
            return known
        person = Person.objects.create_user(FIRST, is_staff=True)
        record(person, "person added", FIRST)
        return person


def invite(by: Person, name: str) -> str:
    """Add a person, who chooses a password after the first entry.

    Returns:
        The text of a one-time link.

    Raises:
        PermissionDenied: ``by`` does not run the hub.
        InvalidInput: The name cannot stand in a reference.
        Conflict: There is somebody of this name.
    """
    if not by.is_staff:
        raise PermissionDenied("People are invited by those who run the hub.", "Ask one of them.")
    checked_name(name, "person")
    with transaction.atomic():
        if Person.objects.filter(username=name).exists():
            raise Conflict(f"There is a person {name!r} already.", "Choose another name.")
        person = Person.objects.create_user(name)
        record(by, "person added", name)
        return make_link(person)


def new_link(by: Person, name: str) -> str:
    """Another link for somebody who lost the first, or the password.

    Raises:
        PermissionDenied: ``by`` does not run the hub.
        NotFound: There is nobody of this name.
    """
    if not by.is_staff:
        raise PermissionDenied("Links are made by those who run the hub.", "Ask one of them.")
    person = Person.objects.filter(username=name).first()
    if person is None:
        raise NotFound(f"There is no person {name!r}.")
    record(by, "link made", name)
    return make_link(person)


def change_password(person: Person, password: str) -> None:
    """Set a password: other sessions end, and links that were not used are good for nothing."""
    with transaction.atomic():
        person.set_password(password)
        person.save(update_fields=["password"])
        EntryLink.objects.filter(person=person, used_at=None).update(used_at=timezone.now())
        record(person, "password changed", person.username)


def set_active(by: Person, name: str, active: bool) -> None:
    """Shut a person out, or let them in again; what they own stays.

    Who is shut out is refused at the next request, by session, token or link; the robots get no answers any more, and
    what was queued or is running ends. Models and datasets stay where others use them.

    Raises:
        PermissionDenied: ``by`` does not run the hub.
        NotFound: There is nobody of this name.
        InvalidInput: One cannot shut oneself out.
    """
    if not by.is_staff:
        raise PermissionDenied("Only those who run the hub may do this.", "Ask one of them.")
    person = Person.objects.filter(username=name).first()
    if person is None:
        raise NotFound(f"There is no person {name!r}.")
    if person == by and not active:
        raise InvalidInput("You cannot shut yourself out.", "Ask somebody else who runs the hub.")
    with transaction.atomic():
        person.is_active = active
        person.save(update_fields=["is_active"])
        _robots_follow(person)
        if not active:
            _end_what_is_open(person)
        record(by, "person let in" if active else "person shut out", name)


def _robots_follow(person: Person) -> None:
    kids: dict[str, list[str]] = {
        f"{person.username}/{name}": [] for name in person.robots.values_list("name", flat=True)
    }
    for name, kid in RobotKey.objects.filter(robot__owner=person).values_list("robot__name", "kid"):
        kids[f"{person.username}/{name}"].append(kid)
    robots_changed(kids)


def _end_what_is_open(person: Person) -> None:
    """Jobs and links: nothing goes on in the name of somebody who is not here any more."""
    now = timezone.now()
    Job.objects.filter(owner=person, state=QUEUED).update(state=CANCELLED, ended_at=now, cancel_requested=True)
    Job.objects.filter(owner=person, state=RUNNING).update(cancel_requested=True)
    EntryLink.objects.filter(person=person, used_at=None).update(used_at=now)
