"""The access policy changes: each change gets the next epoch, in the transaction of what caused it.

Interceptors follow the epochs. The one row of ``PolicyEpoch`` is locked until the transaction ends, so epochs are
committed in their order and nobody who saw 7 can miss 6.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from rilaas.hub.models import PolicyChange, PolicyEpoch
from rilaas.hub.models.policy import SHARED

KEPT = 10_000  # changes; who lags further behind reads the whole policy


def robot_changed(robot: str, kids: Iterable[str]) -> int:
    """Keys, subscriptions or limits of a robot changed, or it is gone.

    Args:
        robot: ``owner/name``.
        kids: Fingerprints of all keys that it had before or has now.

    Returns:
        The new epoch.
    """
    return _next(robot, sorted(set(kids)))


def shared_changed() -> int:
    """The list of public models, or the routing table, changed; returns the new epoch."""
    return _next(SHARED, [])


def _next(robot: str, kids: list[str]) -> int:
    with transaction.atomic():
        row, _ = PolicyEpoch.objects.select_for_update().get_or_create(pk=1)
        row.epoch += 1
        row.save(update_fields=["epoch"])
        PolicyChange.objects.create(epoch=row.epoch, robot=robot, kids=kids)
        PolicyChange.objects.filter(epoch__lte=row.epoch - KEPT).delete()
        return row.epoch
