"""Deployments as pages and programs see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from rilaas.core import NotFound
from rilaas.hub.models import AuditEvent, Deployment, Model, Person, Placement, Variant
from rilaas.hub.models.deployment import FAILED as PLACEMENT_FAILED
from rilaas.hub.models.deployment import READY as PLACEMENT_READY
from rilaas.hub.queries.access import STRANGER, find_model, models_shared_with, role_of, visible_models
from rilaas.hub.queries.balancer import balancer_choices, decisions_of
from rilaas.hub.queries.event import MODEL_ACTS
from rilaas.hub.queries.fleet import (
    EDGE,
    edge_only,
    is_up,
    list_machines,
    server_row,
    servers_up,
    traffic,
    with_traffic,
)
from rilaas.hub.queries.paging import paged
from rilaas.hub.queries.robot import events_json

STARTING, READY, DEGRADED, FAILED, STOPPED, NO_SERVER = STATES = (
    "starting",
    "ready",
    "degraded",
    "failed",
    "stopped",
    "no server",
)
_EVENTS, _REVISIONS = 30, 100
_TAIL = 40  # lines of a placement's log on the page
_LOGS = 40_000  # characters of all of them together


def list_deployments(person: Person, *, search: str = "", page: str = "") -> dict[str, Any]:
    """Deployments of models that the person may see, the newest first."""
    rows = _loaded(Deployment.objects.filter(model__in=visible_models(person))).order_by("-pk")
    search = search.replace("\0", "")
    if search:
        rows = rows.filter(model__name__icontains=search)
    shared = set(models_shared_with(person).values_list("pk", flat=True))

    def show(row: Deployment) -> dict[str, Any]:
        return _row(row, row.model.owner_id == person.pk or row.model_id in shared)

    return {**paged(rows, page, show), "search": search}


def show_deployment(person: Person, owner: str, name: str) -> dict[str, Any]:
    """One deployment; logs are for those who may change it.

    Raises:
        NotFound: The model is hidden from the person, or is not deployed.
    """
    model = find_model(person, owner, name)
    deployment = _loaded(Deployment.objects.filter(model=model), log=True).first()
    if deployment is None:
        raise NotFound(f"{model} is not deployed.", f"Deploy it on its page: /models/{model}.")
    role = role_of(person, model)
    events = (
        AuditEvent.objects.filter(subject=str(model), act__in=MODEL_ACTS)
        .select_related("person")
        .order_by("-at")[:_EVENTS]
    )
    aliases = list(deployment.model.aliases.all())
    machines = list_machines()
    return {
        **_row(deployment, role != STRANGER),
        "role": role,
        "may_change": role != STRANGER,
        "memory_bytes": deployment.memory_bytes,
        "memory_mb": f"{deployment.memory_bytes / 1e6:g}" if deployment.memory_bytes else "",
        "canary_percent": f"{100.0 * deployment.canary_share:g}",
        "cpus": deployment.cpus,
        "threads": deployment.threads,
        "created_at": deployment.created_at,
        "placements": [_placement(deployment, row, role != STRANGER) for row in deployment.placements.all()],
        "aliases": [
            {"name": alias.name, "revision": alias.variant.revision, "generation": alias.generation}
            for alias in aliases
        ],
        "alias": next((_alias(alias) for alias in aliases if alias.name == deployment.follows), None),
        "owner_keeps_to_edge": deployment.model.edge_only,
        "all_servers": machines["servers"],
        "interceptors": machines["interceptors"],
        "epoch": machines["epoch"],
        "balancers": balancer_choices(),
        "decisions": decisions_of(str(model)) if role != STRANGER else [],
        "revisions": _revisions(model),
        "events": events_json(events) if role != STRANGER else [],
    }


def deployment_box(person: Person, page: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's page shows of its deployment: the data of its template ``model-deployment.html``.

    Args:
        person: Who looks.
        page: The data of the model's page.
    """
    deployment = _loaded(Deployment.objects.filter(model=page["id"])).first()
    shown = page.get("shown") or {}
    manifest = shown.get("manifest") or {}
    is_edge = page["edge_only"] or (manifest.get("placement") or {}).get("sensitivity") == EDGE
    up = [server.name for server in servers_up() if server.kind == EDGE or not is_edge]
    return {
        "deployment": _row(deployment, page["role"] != STRANGER) if deployment is not None else None,
        "deploy": {"servers": up, "has_prod": any(alias["name"] == "prod" for alias in page["aliases"])},
    }


def health(deployment: Deployment) -> tuple[str, str]:
    """One of ``STATES``, and why it is that one; needs what ``_loaded`` loads."""
    servers = list(deployment.servers.all())
    silent = [server.name for server in servers if not is_up(server)]
    up = {server.pk for server in servers if server.name not in silent}
    alias = next((alias for alias in deployment.model.aliases.all() if alias.name == deployment.follows), None)
    if deployment.is_stopped:
        return STOPPED, ""
    if alias is None:
        return FAILED, f"The alias {deployment.follows} is gone; point it to a version."
    if not up:
        return NO_SERVER, f"Nothing is heard of {', '.join(silent)}." if silent else "It is on no server."
    rows = [row for row in deployment.placements.all() if row.variant_id == alias.variant_id and row.server_id in up]
    if not rows:
        return FAILED, "What robots send has to stay at the edge, and none of its servers is there."
    return _health(deployment, rows, silent)


def _health(deployment: Deployment, rows: list[Placement], silent: list[str]) -> tuple[str, str]:
    """The state by the placements of the revision that is to serve, on servers that report."""
    ready = [row for row in rows if row.state == PLACEMENT_READY]
    failed = [row for row in rows if row.state == PLACEMENT_FAILED]
    reasons = [f"{row.server.name}: {row.reason}" for row in failed]
    if len(failed) == len(rows):
        serving, revision = deployment.serving, rows[0].variant.revision
        other = serving is not None and serving.pk != rows[0].variant_id
        kept = f" Version {serving.revision} goes on serving." if other and serving else ""
        why = next((row.reason for row in failed if row.reason), "Its log says more.")
        return FAILED, f"Version {revision} does not run. {why}{kept}"
    short = [row.server.name for row in ready if row.replicas_ready < deployment.replicas]
    if len(ready) == len(rows) and not silent and not short:
        return READY, ""
    if not ready or not (failed or silent or short):
        waited = [f"{row.server.name}: {row.reason or 'starting'}" for row in rows if row.state != PLACEMENT_READY]
        return STARTING, "; ".join(waited)
    reasons += [f"{name}: nothing is heard of it" for name in silent]
    reasons += [f"{name}: not all of its replicas run" for name in short]
    return DEGRADED, "; ".join(reasons)


def _loaded(deployments: QuerySet[Deployment], *, log: bool = False) -> QuerySet[Deployment]:
    placements = Placement.objects.select_related("variant__version", "server").order_by("server__name", "pk")
    placements = placements.defer("variant__manifest", "variant__files", "variant__card", "variant__record")
    return with_traffic(deployments, placements if log else placements.defer("log", "isolation"))


def _row(deployment: Deployment, is_shown: bool) -> dict[str, Any]:
    """What a list shows; reasons may quote the model's code, and are not for strangers to a public model."""
    state, reason = health(deployment)
    alias = next((alias for alias in deployment.model.aliases.all() if alias.name == deployment.follows), None)
    revision = {
        what: getattr(deployment, what).revision if getattr(deployment, what) else None
        for what in ("serving", "previous", "canary")
    }
    return {
        "model": str(deployment.model),
        "state": state,
        "reason": reason if is_shown else "",
        "follows": deployment.follows,
        "target": alias.variant.revision if alias else None,
        **revision,
        "canary_share": deployment.canary_share,
        "traffic": traffic(deployment),
        "servers": [server_row(server) for server in deployment.servers.all()],
        "replicas": deployment.replicas,
        "balancer": deployment.balancer,
        "edge_only": edge_only(deployment),
        "is_stopped": deployment.is_stopped,
        "generation": deployment.generation,
    }


def _placement(deployment: Deployment, row: Placement, is_shown: bool) -> dict[str, Any]:
    roles = {
        deployment.serving_id: "serving",
        deployment.canary_id: "canary",
        deployment.previous_id: "kept warm",
    }
    server_up = is_up(row.server)
    return {
        "id": row.pk,
        "server": row.server.name,
        "is_up": server_up,
        "revision": row.variant.revision,
        "role": roles.get(row.variant_id, "coming"),
        "state": row.state,
        "reason": row.reason if is_shown else "",
        "replicas_ready": row.replicas_ready,
        "restarts": row.restarts,
        "isolation": row.isolation if is_shown else "",
        "log": _tail(row.log, _LOGS // max(8, len(deployment.placements.all()))) if is_shown else "",
    }


def _tail(log: str, most: int) -> str:
    """The last lines, of so many characters at most; one that does not fit is cut at its begin."""
    text = "\n".join(log.splitlines()[-_TAIL:])
    return text if len(text) <= most else f"... {text[-most:]}"


def _alias(alias: Any) -> dict[str, Any]:
    return {"name": alias.name, "generation": alias.generation, "has_previous": alias.previous_id is not None}


def _revisions(model: Model) -> list[str]:
    rows = Variant.objects.filter(version__model=model).select_related("version")
    rows = rows.only("name", "version__number").order_by("-version__number", "name")[:_REVISIONS]
    return [row.revision for row in rows]
