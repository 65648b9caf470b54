"""Machines report: servers with their replicas, interceptors with what they know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from rilaas.core import InvalidInput, NotFound, PermissionDenied, did_you_mean
from rilaas.hub.actions.event import record
from rilaas.hub.actions.fleet import settle
from rilaas.hub.actions.policy import shared_changed
from rilaas.hub.actions.robot import robots_seen
from rilaas.hub.models import Deployment, Interceptor, Person, Placement, Server
from rilaas.hub.models.deployment import PLACEMENT_STATES, READY
from rilaas.hub.models.name import checked_name
from rilaas.hub.queries.fleet import KINDS
from rilaas.hub.queries.policy import epoch_now

LOG_LINES, LINE = 100, 2000  # of each placement; characters of a line
_MAX_DELAY_S = 60.0
_DECISIONS = 30  # that are kept of an interceptor


@dataclass(frozen=True, slots=True)
class PlacementState:
    """A placement as its server sees it; see ``deploy.PlacementReport``."""

    id: int
    state: str
    reason: str = ""
    replicas_ready: int = 0
    restarts: int = 0
    isolation: str = ""
    log: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server says of itself; see ``deploy.Announced``."""

    address: str
    insecure: bool = False
    metrics: str = ""
    kind: str = "edge"
    added_delay_s: float = 0.0
    placements: Sequence[PlacementState] = ()


@dataclass(frozen=True, slots=True)
class InterceptorState:
    """What an interceptor says of itself.

    Attributes:
        address: Where robots reach it.
        metrics: Its Prometheus endpoint.
        epoch: Of the policy that it has in force.
        policy_age_s: Since that was last confirmed [s].
        source: ``hub`` or ``redis``.
        source_ok: Whether that answers.
        problem: What is wrong, in words.
        seen: Robots since the last report, with seconds since each was seen.
        decisions: The last few, see ``GET /decisions`` in ``docs/names.md``.
    """

    address: str
    metrics: str = ""
    epoch: int = 0
    policy_age_s: float = 0.0
    source: str = "hub"
    source_ok: bool = True
    problem: str = ""
    seen: Mapping[str, float] = field(default_factory=dict)
    decisions: Sequence[Mapping[str, Any]] = ()


def server_reported(name: str, state: ServerState) -> int:
    """A server says how it stands; the first time it is added.

    Returns:
        The generation of what it has to do.

    Raises:
        InvalidInput: A value makes no sense.
    """
    checked_name(name, "server")
    if state.kind not in KINDS:
        raise InvalidInput(f"There is no kind of server {state.kind[:40]!r}.", did_you_mean(state.kind, KINDS))
    if not (math.isfinite(state.added_delay_s) and 0.0 <= state.added_delay_s <= _MAX_DELAY_S):
        raise InvalidInput(f"The added delay is {state.added_delay_s:g} s.", f"It is from 0 to {_MAX_DELAY_S:g}.")
    with transaction.atomic():
        server, is_new = Server.objects.select_for_update().get_or_create(name=name)
        before = _route(server)
        server.address, server.metrics_address = _line(state.address), _line(state.metrics)
        server.insecure = state.insecure
        kind, server.kind, server.added_delay_s = server.kind, state.kind, state.added_delay_s
        server.last_report_at = timezone.now()
        fields = ["address", "insecure", "metrics_address", "kind", "added_delay_s", "last_report_at"]
        server.save(update_fields=fields)
        is_changed = _placements_reported(server, state.placements)
        if kind != server.kind:  # what may be there is another question now
            for deployment in Deployment.objects.select_for_update().filter(servers=server):
                settle(deployment)
        if is_changed or is_new or before != _route(server):
            shared_changed()
        server.refresh_from_db(fields=["generation"])
    return server.generation


def interceptor_reported(name: str, state: InterceptorState) -> int:
    """An interceptor says how it stands; the first time it is added.

    Returns:
        The epoch of the policy that it should have.

    Raises:
        InvalidInput: A value makes no sense.
    """
    checked_name(name, "interceptor")
    if state.source not in ("hub", "redis"):
        raise InvalidInput(f"There is no source {state.source[:40]!r}.", did_you_mean(state.source, ("hub", "redis")))
    age_s = state.policy_age_s if math.isfinite(state.policy_age_s) else 1e9
    values = {
        "address": _line(state.address),
        "metrics_address": _line(state.metrics),
        "epoch": state.epoch,
        "policy_age_s": max(0.0, age_s),
        "source": state.source,
        "source_ok": state.source_ok,
        "problem": _line(state.problem),
        "decisions": _plain(list(state.decisions)[:_DECISIONS]),
        "last_report_at": timezone.now(),
    }
    with transaction.atomic():
        Interceptor.objects.update_or_create(name=name, defaults=values)
        if state.seen:
            robots_seen(dict(state.seen))
    return epoch_now()


def forget_machine(person: Person, kind: str, name: str) -> None:
    """Remove a server or an interceptor that will not come back; one that still reports is added again.

    Args:
        person: Who runs the hub.
        kind: ``server`` or ``interceptor``.
        name: Its name.

    Raises:
        PermissionDenied: The person does not run the hub.
        NotFound: There is none of this name.
    """
    if not person.is_staff:
        raise PermissionDenied("Machines are removed by people who run the hub.", "Ask one of them.")
    with transaction.atomic():
        table = Server if kind == "server" else Interceptor
        if not table.objects.filter(name=name).delete()[0]:
            raise NotFound(f"There is no {kind} {name[:64]!r}.")
        shared_changed()
        record(person, f"{kind} removed", name)


def _placements_reported(server: Server, states: Sequence[PlacementState]) -> bool:
    """Write down what is different; returns whether the routing table may be."""
    told = {state.id: state for state in states if state.state in PLACEMENT_STATES}
    rows, moved = [], set()
    for row in Placement.objects.filter(server=server, pk__in=told):
        was_ready = row.state == READY
        if _take(row, told[row.pk]):
            rows.append(row)
            if was_ready != (row.state == READY):
                moved.add(row.deployment_id)
    fields = ["state", "reason", "replicas_ready", "restarts", "isolation", "log"]
    Placement.objects.bulk_update(rows, fields, batch_size=100)
    for deployment in Deployment.objects.select_for_update().filter(pk__in=moved):
        settle(deployment)
    return bool(moved)


def _take(row: Placement, state: PlacementState) -> bool:
    """Set a row to a report; returns whether that is something new."""
    log = "\n".join(_line(line) for line in list(state.log)[-LOG_LINES:])
    fresh = (state.state, _line(state.reason), state.replicas_ready, state.restarts, _line(state.isolation), log)
    if fresh == (row.state, row.reason, row.replicas_ready, row.restarts, row.isolation, row.log):
        return False
    row.state, row.reason, row.replicas_ready, row.restarts, row.isolation, row.log = fresh
    return True


def _route(server: Server) -> tuple[str, str, bool, float]:
    return server.address, server.kind, server.insecure, server.added_delay_s


def _plain(value: Any) -> Any:
    """JSON of a machine with its texts as ``_line`` makes them; numbers that JSON has no word for are null."""
    if isinstance(value, str):
        return _line(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {_line(str(key)): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _line(text: str) -> str:
    """Text of a machine as a database takes it: PostgreSQL has no place for a zero byte."""
    return text[:LINE].replace("\0", "\ufffd")
