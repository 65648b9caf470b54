"""What there is to scrape: interceptors and servers that report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from rilaas.hub.models import Interceptor, Server

_SILENT = timedelta(minutes=5)  # after that, an address may be anybody's


@dataclass(frozen=True, slots=True)
class Target:
    """Where a service shows its metrics.

    Attributes:
        kind: ``interceptor`` or ``server``.
        name: As it is registered.
        address: ``HOST:PORT``; the path is ``/metrics``.
    """

    kind: str
    name: str
    address: str


def registered_targets() -> list[Target]:
    """Every service that has told where its metrics are and was heard of in the last minutes; no address twice."""
    since = timezone.now() - _SILENT
    found: dict[str, Target] = {}
    for kind, table in (("interceptor", Interceptor), ("server", Server)):
        rows = table.objects.filter(last_report_at__gte=since).exclude(metrics_address="")
        for name, address in rows.order_by("name").values_list("name", "metrics_address"):
            found.setdefault(address, Target(kind, name, address))
    return list(found.values())
