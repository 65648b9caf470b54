"""Robots come, change and go, with their keys. A robot is its owner's alone; people who run the hub may act too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from rilaas.core import Conflict, InvalidInput, NotFound
from rilaas.hub.actions.event import record
from rilaas.hub.actions.policy import robot_changed, robots_changed
from rilaas.hub.models import Person, Robot, RobotKey
from rilaas.hub.models.name import checked_name
from rilaas.hub.queries.access import find_robot
from rilaas.wire import PublicKey, load_public_key

MAX_KEYS = 32
MAX_RATE_PER_S, MAX_BURST = 1e6, 10**6
_MAX_TEXT = 64 * 1024
_MAX_NOTE = 2000
_SEEN_EVERY = timedelta(seconds=2)  # how exactly it is known when a robot was seen last
# PEM and OpenSSH say so themselves; then the body of an OpenSSH file without its first line, and PuTTY's files.
_PRIVATE = ("private key", "b3blbnnzac1rzxktdj", "putty-user-key-file", "private-lines", "private-mac")


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a robot may ask.

    Attributes:
        rate_per_s: Requests per second in the long run; None is unlimited.
        burst: How many at once.

    Raises:
        InvalidInput: One of them makes no sense.
    """

    rate_per_s: float | None = 50.0
    burst: int = 100

    def __post_init__(self) -> None:
        rate = self.rate_per_s
        if rate is not None and not (math.isfinite(rate) and 0.0 < rate <= MAX_RATE_PER_S):
            raise InvalidInput(
                f"A rate of {rate:g} requests per second is not possible.",
                "It is above 0 and at most a million; leave it out for no limit.",
            )
        if not 1 <= self.burst <= MAX_BURST:
            raise InvalidInput(f"A burst of {self.burst} is not possible.", f"It is from 1 to {MAX_BURST}.")


def add_robot(person: Person, name: str, keys: str, note: str = "") -> Robot:
    """Register a robot of one's own.

    Args:
        person: Its owner.
        name: Its name.
        keys: Public keys as in ``authorized_keys``, one a line; there may be none yet.
        note: For people.

    Raises:
        InvalidInput: The name cannot stand in a reference, or a key is none, or is in use.
        Conflict: There is a robot of this name.
    """
    _refuse_private(name, keys, note)
    checked_name(name, "robot")
    found = _read_keys(keys)
    with transaction.atomic():
        if person.robots.filter(name=name).exists():
            raise _taken(person, name)
        robot = Robot.objects.create(owner=person, name=name, note=_note(note))
        _store(person, robot, found)
        record(person, "robot added", str(robot))
    return robot


def change_robot(person: Person, owner: str, name: str, *, new_name: str, note: str) -> Robot:
    """Rename a robot, or note something else; metrics under the old name stay there.

    Raises:
        NotFound: It is not the person's.
        InvalidInput: See ``add_robot``; so ``Conflict``.
    """
    _refuse_private(new_name, note)
    with transaction.atomic():
        robot = find_robot(person, owner, name)
        before = str(robot)
        if new_name != robot.name:
            checked_name(new_name, "robot")
            if Robot.objects.filter(owner=robot.owner, name=new_name).exists():
                raise _taken(robot.owner, new_name)
        robot.name, robot.note = new_name, _note(note)
        robot.save(update_fields=["name", "note"])
        if before != str(robot):
            kids = _kids(robot)
            robots_changed({before: kids, str(robot): kids})
            record(person, "robot renamed", str(robot), f"before: {before}")
    return robot


def set_public_limits(person: Person, owner: str, name: str, limits: Limits) -> None:
    """How often a robot may ask public models that it does not subscribe to.

    Raises:
        NotFound: It is not the person's.
    """
    with transaction.atomic():
        robot = find_robot(person, owner, name)
        robot.public_rate_per_s, robot.public_burst = limits.rate_per_s, limits.burst
        robot.save(update_fields=["public_rate_per_s", "public_burst"])
        robot_changed(str(robot), _kids(robot))
        record(person, "limits changed", str(robot), f"public models: {limits_text(limits)}")


def add_keys(person: Person, owner: str, name: str, keys: str) -> int:
    """Register further keys of a robot.

    Returns:
        How many.

    Raises:
        NotFound: It is not the person's.
        InvalidInput: A key is none, or is in use; or there are none.
    """
    found = _read_keys(keys)
    if not found:
        raise InvalidInput("There is no key.", "Paste the content of the robot's .pub file.")
    with transaction.atomic():
        robot = find_robot(person, owner, name)
        _store(person, robot, found)
    return len(found)


def revoke_key(person: Person, owner: str, name: str, kid: str) -> None:
    """End a key: within a second no interceptor takes it any more.

    Raises:
        NotFound: It is not the person's, or has no such key.
    """
    with transaction.atomic():
        robot = find_robot(person, owner, name)
        key = robot.keys.filter(kid=kid, revoked_at=None).first()
        if key is None:
            raise NotFound(f"{robot} has no key {kid[:64]} in force.", "See the keys on its page.")
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
        robot_changed(str(robot), _kids(robot))
        record(person, "key revoked", str(robot), kid)


def delete_robot(person: Person, owner: str, name: str) -> None:
    """Delete a robot, its keys and its subscriptions.

    Raises:
        NotFound: It is not the person's.
    """
    with transaction.atomic():
        robot = find_robot(person, owner, name)
        robot_changed(str(robot), _kids(robot))
        record(person, "robot deleted", str(robot))
        robot.delete()


def robots_seen(seen: dict[str, float]) -> None:
    """An interceptor has seen robots.

    Args:
        seen: By ``owner/name``, how long ago [s].
    """
    now = timezone.now()
    owners, names = {full.partition("/")[0] for full in seen}, {full.partition("/")[2] for full in seen}
    rows = Robot.objects.select_related("owner").filter(owner__username__in=owners, name__in=names)
    changed = []
    for robot in rows:
        age_s = seen.get(str(robot))
        if age_s is None or not 0.0 <= age_s < 3600.0:
            continue
        at = now - timedelta(seconds=age_s)
        if robot.last_seen_at is None or at - robot.last_seen_at > _SEEN_EVERY:
            robot.last_seen_at = at
            changed.append(robot)
    Robot.objects.bulk_update(changed, ["last_seen_at"], batch_size=200)


def is_private(text: str) -> bool:
    """Whether a text holds a private key, or a part of one: it is not to be shown, kept or logged."""
    dense = text.lower()
    return any(sign in dense for sign in _PRIVATE)


def limits_text(limits: Limits) -> str:
    """Limits in words."""
    rate = "unlimited" if limits.rate_per_s is None else f"{limits.rate_per_s:g} per second"
    return f"{rate}, burst {limits.burst}"


def _refuse_private(*texts: str) -> None:
    if any(map(is_private, texts)):
        raise InvalidInput(
            "This is a PRIVATE key. Nothing of it was kept; register the content of the .pub file instead.",
            "The private half stays on the robot. Was this page open to others, or the connection not your own? "
            "Then make a new pair: ssh-keygen -t ed25519.",
        )


def _read_keys(text: str) -> list[tuple[PublicKey, str]]:
    """Keys with their comments; a key that stands there twice counts once."""
    _refuse_private(text)
    if len(text) > _MAX_TEXT:
        raise InvalidInput(f"These are {len(text)} characters; keys have at most {_MAX_TEXT} together.")
    found: dict[str, tuple[PublicKey, str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = load_public_key(line)
        except InvalidInput as error:
            raise InvalidInput(f"Line {number}: {error.message}", error.hint) from None
        comment = " ".join(line.split()[2:])[:200]
        found.setdefault(key.fingerprint, (key, "".join(sign for sign in comment if sign.isprintable())))
    return list(found.values())


def _store(person: Person, robot: Robot, keys: list[tuple[PublicKey, str]]) -> None:
    if robot.keys.filter(revoked_at=None).count() + len(keys) > MAX_KEYS:
        raise InvalidInput(f"A robot has at most {MAX_KEYS} keys.", "Revoke those that are not used any more.")
    mine = {key.kid: key for key in robot.keys.all()}
    for public, _ in keys:
        known = mine.get(public.fingerprint)
        if known is not None and known.revoked_at:
            raise InvalidInput(f"{public.fingerprint} was revoked.", "Make a new one: ssh-keygen -t ed25519.")
        if known is not None:
            raise InvalidInput(f"{robot} has {public.fingerprint} already.")
    rows = [
        RobotKey(robot=robot, kid=public.fingerprint, line=public.line, kind=public.line.split()[0], comment=comment)
        for public, comment in keys
    ]
    try:
        with transaction.atomic():
            RobotKey.objects.bulk_create(rows)
    except IntegrityError:  # it does not say which, nor whose
        raise InvalidInput(
            "A key among these cannot be registered: it is in use.",
            "Each robot has keys of its own; make one there: ssh-keygen -t ed25519.",
        ) from None
    robot_changed(str(robot), _kids(robot))
    for row in rows:
        record(person, "key added", str(robot), f"{row.kid} {row.comment}".strip())


def _kids(robot: Robot) -> list[str]:
    return list(robot.keys.values_list("kid", flat=True))


def _note(text: str) -> str:
    if len(text) > _MAX_NOTE:
        raise InvalidInput(f"The note has {len(text)} characters; at most {_MAX_NOTE} are kept.")
    return text.strip().replace("\0", "")


def _taken(owner: Person, name: str) -> Conflict:
    return Conflict(f"There is a robot {owner.username}/{name} already.", "Choose another name.")
