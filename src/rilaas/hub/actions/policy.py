"""The access policy changes: each change gets the next epoch, in the transaction of what caused it.

Interceptors follow the epochs. The one row of ``PolicyEpoch`` is locked until the transaction ends, so epochs are
committed in their order and nobody who saw 7 can miss 6.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from django.db import transaction

from rilaas.hub.models import PolicyChange, PolicyEpoch
from rilaas.hub.models.policy import SHARED

KEPT = 10_000  # changes; who lags further behind reads the whole policy
committed = threading.Event()  # a change is in force: whoever tells others need not wait for its next look


def robot_changed(robot: str, kids: Iterable[str]) -> int:
    """One robot changed; as ``robots_changed``."""
    return robots_changed({robot: kids})


def robots_changed(kids_by_robot: Mapping[str, Iterable[str]]) -> int:
    """Keys, subscriptions or limits of robots changed, or they are gone.

    Args:
        kids_by_robot: By ``owner/name``: fingerprints of all keys that it had before or has now.

    Returns:
        The new epoch; that of before where there are no robots.
    """
    return _next([(robot, sorted(set(kids))) for robot, kids in sorted(kids_by_robot.items())])


def shared_changed() -> int:
    """The list of public models, or the routing table, changed; returns the new epoch."""
    return _next([(SHARED, [])])


def _next(changes: list[tuple[str, list[str]]]) -> int:
    with transaction.atomic():
        PolicyEpoch.objects.get_or_create(pk=1)
        row = PolicyEpoch.objects.select_for_update().get(pk=1)
        if not changes:
            return row.epoch
        rows = [
            PolicyChange(epoch=epoch, robot=robot, kids=kids)
            for epoch, (robot, kids) in enumerate(changes, row.epoch + 1)
        ]
        PolicyChange.objects.bulk_create(rows, batch_size=200)
        row.epoch += len(rows)
        row.save(update_fields=["epoch"])
        PolicyChange.objects.filter(epoch__lte=row.epoch - KEPT).delete()
        transaction.on_commit(committed.set)
        return row.epoch
