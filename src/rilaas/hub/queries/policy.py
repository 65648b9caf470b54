"""The access policy as interceptors hold it, whole or with what has changed since an epoch."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat

from rilaas.hub.models import Model, PolicyChange, PolicyEpoch, Robot, RobotKey, Subscription
from rilaas.hub.models.model import PUBLIC
from rilaas.hub.models.model import SHARED as SHARED_WITH_SOME
from rilaas.hub.models.policy import SHARED
from rilaas.hub.queries.fleet import fleet_table

MOST = 500  # robots in an answer that is not whole


@dataclass(frozen=True, slots=True)
class Since:
    """The policy now, against an earlier one.

    Attributes:
        document: As ``GET /api/v1/policy`` answers.
        kids: Fingerprints of all keys that the changed robots had or have; of no use where the document is whole.
    """

    document: Mapping[str, Any]
    kids: frozenset[str]


def epoch_now() -> int:
    """The number of the last change."""
    return PolicyEpoch.objects.filter(pk=1).values_list("epoch", flat=True).first() or 0


def policy_since(after: int) -> Since:
    """What an interceptor needs that holds the policy of an epoch; whole where that epoch is not known any more.

    Args:
        after: Its epoch; -1 has nothing.
    """
    with snapshot():
        epoch = epoch_now()
        changes = _changes(after, epoch)
        public = list(Model.objects.filter(visibility=PUBLIC).order_by("pk").values_list("owner__username", "name"))
        names = [f"{owner}/{name}" for owner, name in public]
        if changes is None:
            whole = {"robots": _robots(Robot.objects.all(), public), "public": names, "fleet": fleet_table()}
            return Since({"epoch": epoch, "full": True, **whole}, frozenset())
        document: dict[str, Any] = {"epoch": epoch, "full": False, "robots": {}}
        robots = {robot for robot, _ in changes if robot != SHARED}
        if robots:
            document["robots"] = dict.fromkeys(sorted(robots)) | _robots(_named(robots), public)
        if any(robot == SHARED for robot, _ in changes):
            document |= {"public": names, "fleet": fleet_table()}
        return Since(document, frozenset(kid for _, kids in changes for kid in kids))


@contextlib.contextmanager
def snapshot() -> Iterator[None]:
    """Read one state of the database, whatever others write meanwhile; a transaction under way is one already."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:  # not ``atomic``: that would wait for whoever writes
            cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield


def _changes(after: int, epoch: int) -> list[tuple[str, list[str]]] | None:
    """The changes since an epoch; None where they are not all known, or too many."""
    if not 0 <= after <= epoch:
        return None
    rows = list(
        PolicyChange.objects.filter(epoch__gt=after).order_by("epoch").values_list("robot", "kids")[: MOST + 1]
    )
    return rows if len(rows) == epoch - after <= MOST else None


def _named(names: set[str]) -> QuerySet[Robot]:
    full = Concat("owner__username", Value("/"), "name")
    owners, own = {name.partition("/")[0] for name in names}, {name.partition("/")[2] for name in names}
    return Robot.objects.filter(owner__username__in=owners, name__in=own).annotate(full=full).filter(full__in=names)


def _robots(robots: QuerySet[Robot], public: list[tuple[str, str]]) -> dict[str, Any]:
    """Robots as the policy has them: one query for them, one for their keys, one for their subscriptions."""
    robots = robots.filter(owner__is_active=True)  # those of somebody who is shut out are in no policy
    rows = list(robots.select_related("owner").order_by("pk"))
    among = {"robot__in": robots.values("pk")}
    keys: dict[int, list[str]] = defaultdict(list)
    grants: dict[int, dict[str, Any]] = defaultdict(dict)
    for robot, line in RobotKey.objects.filter(**among, revoked_at=None).order_by("pk").values_list("robot", "line"):
        keys[robot].append(line)
    subscriptions = usable(Subscription.objects.filter(**among)).order_by("pk")
    for robot, owner, name, rate_per_s, burst in subscriptions.values_list(
        "robot", "model__owner__username", "model__name", "rate_per_s", "burst"
    ):
        grants[robot][f"{owner}/{name}"] = {"rate_per_s": rate_per_s, "burst": burst}
    return {
        str(robot): {
            "keys": keys[robot.pk],
            "models": grants[robot.pk],
            "public": {"rate_per_s": robot.public_rate_per_s, "burst": robot.public_burst},
            "names": bare_names(robot.owner.username, grants[robot.pk], public),
        }
        for robot in rows
    }


def usable(subscriptions: QuerySet[Subscription]) -> QuerySet[Subscription]:
    """Those to models that the robot's owner may see now."""
    shared = Model.collaborators.through.objects.filter(
        model_id=OuterRef("model_id"), person_id=OuterRef("robot__owner_id")
    )
    return subscriptions.filter(
        Q(model__owner_id=F("robot__owner_id"))
        | Q(model__visibility=PUBLIC)
        | (Q(model__visibility=SHARED_WITH_SOME) & Exists(shared))
    )


def bare_names(owner: str, grants: Mapping[str, Any], public: list[tuple[str, str]]) -> dict[str, str]:
    """What a robot means by a name without an owner: its owner's model first, else the only one it subscribes to.

    A stranger's public model is never meant: whoever publishes one of the same name would get the robot's data.

    Args:
        owner: The robot's owner.
        grants: Models that it subscribes to, by full name.
        public: Owners and names of all public models.
    """
    found = {name: f"{owner}/{name}" for whose, name in public if whose == owner}
    count = Counter(full.partition("/")[2] for full in grants)
    for full in grants:
        whose, _, name = full.partition("/")
        if whose == owner or (count[name] == 1 and name not in found):
            found[name] = full
    return found
