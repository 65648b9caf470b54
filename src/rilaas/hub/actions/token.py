"""Tokens for programs and machines, one-time links for people."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from rilaas.core import InvalidInput, NotFound, PermissionDenied, did_you_mean
from rilaas.hub.actions.event import record
from rilaas.hub.models import AccessToken, EntryLink, Person
from rilaas.hub.models.name import checked_name

PERSON_SCOPES = ("read", "write", "deploy", "metrics")
MACHINE_SCOPES = ("interceptor", "server")
PREFIX = "rilaas_"
LOCAL_NAME = "command line on the hub's machine"
LINK_LIFE = timedelta(hours=24)
_USED_EVERY = timedelta(minutes=1)  # how exactly the last use is known


def make_token(
    person: Person,
    name: str,
    scopes: Sequence[str],
    *,
    subject: str = "",
    days: int | None = None,
    until: datetime | None = None,
) -> str:
    """Make a token; its text is shown once and not kept.

    Args:
        person: On whose behalf it acts.
        name: What the person calls it.
        scopes: What it may do.
        subject: The machine that it is for.
        days: How long it lives; None is until revoked.
        until: It lives no longer than until then, as the token that makes it.

    Raises:
        InvalidInput: An unknown scope, no name, or no scope.
        PermissionDenied: Tokens of machines are made by people who run the hub.
    """
    for scope in scopes:
        if scope not in (*PERSON_SCOPES, *MACHINE_SCOPES):
            raise InvalidInput(
                f"There is no scope {scope[:40]!r}.", did_you_mean(scope, (*PERSON_SCOPES, *MACHINE_SCOPES))
            )
    if not name.strip() or len(name) > 64 or not name.isprintable() or not scopes:
        raise InvalidInput("A token needs a name of at most 64 printable characters and at least one scope.")
    if subject:
        checked_name(subject, "machine")
    if days is not None and not 1 <= days <= 3650:
        raise InvalidInput(f"A token lives for 1 to 3650 days, not {days}.")
    if set(scopes) & set(MACHINE_SCOPES) and not person.is_staff:
        raise PermissionDenied("Tokens for machines are made by people who run the hub.", "Ask one of them.")
    text = PREFIX + secrets.token_urlsafe(32)
    ends = [timezone.now() + timedelta(days=days)] if days else []
    expires = min([*ends, until] if until else ends, default=None)
    with transaction.atomic():
        AccessToken.objects.create(
            person=person,
            name=name.strip(),
            sha256=_sha256(text),
            scopes=list(scopes),
            subject=subject,
            expires_at=expires,
        )
        record(person, "token made", name.strip(), ", ".join(scopes))
    return text


def local_token(person: Person, path: Path) -> Path:
    """A token for whoever may read the hub's folder: the command line on the hub's machine.

    Args:
        person: Who runs the hub.
        path: Its file, for the owner alone; kept while the token in it is good.
    """
    with contextlib.suppress(FileNotFoundError):
        if (token := token_of(path.read_text().strip())) is not None and token.person == person:
            return path
    text = make_token(person, LOCAL_NAME, (*PERSON_SCOPES, *MACHINE_SCOPES))
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    partial.replace(path)
    return path


def revoke_token(person: Person, token_id: int) -> None:
    """End a token of one's own.

    Raises:
        NotFound: It is not the person's.
    """
    with transaction.atomic():
        token = AccessToken.objects.filter(person=person, pk=token_id, revoked_at=None).first()
        if token is None:
            raise NotFound("There is no such token of yours.")
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
        record(person, "token revoked", token.name)


def token_of(text: str) -> AccessToken | None:
    """The token with this text, where it is valid now."""
    if not text.startswith(PREFIX) or len(text) > 200:
        return None
    now = timezone.now()
    token = AccessToken.objects.select_related("person").filter(sha256=_sha256(text), revoked_at=None).first()
    if token is None or not token.person.is_active or (token.expires_at and token.expires_at < now):
        return None
    if token.last_used_at is None or now - token.last_used_at > _USED_EVERY:
        AccessToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def make_link(person: Person) -> str:
    """A one-time link's text: ``/enter/<text>`` signs the person in."""
    text = secrets.token_urlsafe(24)
    EntryLink.objects.create(person=person, sha256=_sha256(text), expires_at=timezone.now() + LINK_LIFE)
    return text


def use_link(text: str) -> Person | None:
    """The person of a link that was not used yet; it is used now."""
    now = timezone.now()
    with transaction.atomic():
        link = EntryLink.objects.select_for_update().filter(sha256=_sha256(text), used_at=None).first()
        if link is None or link.expires_at < now or not link.person.is_active:
            return None
        link.used_at = now
        link.save(update_fields=["used_at"])
        return link.person


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
