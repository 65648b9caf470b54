"""Servers, and the routing table that interceptors follow."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from rilaas.hub.models import Alias, Deployment, Interceptor, Model, Placement, PolicyEpoch, Server, Variant
from rilaas.hub.models.deployment import READY

EDGE, CLOUD = KINDS = ("edge", "cloud")
SILENT_AFTER = timedelta(seconds=10)  # five reports that did not come


def fleet_table() -> dict[str, Any]:
    """All servers, and where each deployed model is served; a constant number of queries."""
    servers = Server.objects.exclude(address="").order_by("name")
    return {
        "servers": [
            {
                "name": server.name,
                "kind": server.kind,
                "address": server.address,
                "insecure": server.insecure,
                "added_delay_s": server.added_delay_s,
            }
            for server in servers
        ],
        "models": {str(each.model): _route(each) for each in with_traffic()},
    }


def list_machines() -> dict[str, Any]:
    """All servers and interceptors, with what they last said."""
    epoch = PolicyEpoch.objects.filter(pk=1).values_list("epoch", flat=True).first() or 0
    servers = Server.objects.annotate(models=Count("deployments")).order_by("name")
    interceptors = Interceptor.objects.defer("decisions").order_by("name")
    return {
        "epoch": epoch,
        "servers": [{**server_row(row), "models": row.models} for row in servers],
        "interceptors": [_interceptor(row, epoch) for row in interceptors],
    }


def server_row(server: Server) -> dict[str, Any]:
    """A server as people see it."""
    return {
        "name": server.name,
        "kind": server.kind,
        "address": server.address,
        "metrics": server.metrics_address,
        "insecure": server.insecure,
        "added_delay_s": server.added_delay_s,
        "last_report_at": server.last_report_at,
        "is_up": is_up(server),
    }


def is_up(machine: Server | Interceptor) -> bool:
    """Whether it reports."""
    return machine.last_report_at is not None and timezone.now() - machine.last_report_at < SILENT_AFTER


def _interceptor(row: Interceptor, epoch: int) -> dict[str, Any]:
    return {
        "name": row.name,
        "address": row.address,
        "metrics": row.metrics_address,
        "epoch": row.epoch,
        "behind": max(0, epoch - row.epoch),
        "policy_age_s": row.policy_age_s,
        "source": row.source,
        "source_ok": row.source_ok,
        "problem": row.problem,
        "last_report_at": row.last_report_at,
        "is_up": is_up(row),
    }


def servers_up() -> QuerySet[Server]:
    """Servers that report."""
    return Server.objects.filter(last_report_at__gt=timezone.now() - SILENT_AFTER).order_by("name")


def with_traffic(
    deployments: QuerySet[Deployment] | None = None, placements: QuerySet[Placement] | None = None
) -> QuerySet[Deployment]:
    """Deployments with all that ``traffic`` and ``edge_only`` look at, and without their variants' long texts.

    Args:
        deployments: Which; all of them where left out.
        placements: How their placements are loaded.
    """
    named = ("serving", "previous", "canary")
    aliases = Alias.objects.select_related("variant__version").defer(*_heavy("variant__"))
    light = Placement.objects.defer("log", "isolation", "reason")
    return (
        (Deployment.objects.all() if deployments is None else deployments)
        .select_related("model__owner", *(f"{name}__version" for name in named))
        .defer(*(field for name in named for field in _heavy(f"{name}__")))
        .annotate(has_edge_variant=_has_edge_variant())
        .prefetch_related("servers", Prefetch("placements", light if placements is None else placements))
        .prefetch_related(Prefetch("model__aliases", aliases))
        .order_by("pk")
    )


def traffic(deployment: Deployment) -> list[dict[str, Any]]:
    """Shares of the queries that ask for no version, by revision; none before something is ready."""
    if deployment.serving is None or deployment.is_stopped:
        return []
    serving, canary, share = deployment.serving, deployment.canary, deployment.canary_share
    is_ready = any(
        row.variant_id == deployment.canary_id and row.state == READY for row in deployment.placements.all()
    )
    if canary is None or not is_ready or share <= 0.0:
        return [{"revision": serving.revision, "share": 1.0}]
    shares = ((serving.revision, 1.0 - share), (canary.revision, share))
    return [{"revision": revision, "share": round(part, 6)} for revision, part in shares if part > 0.0]


def edge_only(deployment: Deployment) -> bool:
    """Whether what robots send has to stay at the edge: the owner says so, or the manifest of what is in use."""
    known = getattr(deployment, "has_edge_variant", None)
    if known is None:
        row = Deployment.objects.filter(pk=deployment.pk).annotate(has_edge_variant=_has_edge_variant())
        known = row.values_list("has_edge_variant", flat=True).get()
    return deployment.model.edge_only or bool(known)


def keeps_to_edge(model: Model, variants: Iterable[Variant | None]) -> bool:
    """Whether data of a model, or of one of its variants, have to stay at the edge."""
    return model.edge_only or any(
        (variant.manifest.get("placement") or {}).get("sensitivity", "any") != "any"
        for variant in variants
        if variant
    )


def _route(deployment: Deployment) -> dict[str, Any]:
    is_edge, serving = edge_only(deployment), deployment.serving
    servers = [] if deployment.is_stopped else deployment.servers.all()
    aliases = {alias.name: alias.variant.revision for alias in deployment.model.aliases.all()}
    followed = {deployment.follows: serving.revision} if serving is not None else {}
    return {
        "balancer": deployment.balancer,
        "sensitivity": "edge" if is_edge else "any",
        "servers": sorted(server.name for server in servers if server.kind == EDGE or not is_edge),
        "alias": deployment.follows,
        "aliases": {**aliases, **followed},
        "split": traffic(deployment),
    }


def _has_edge_variant() -> ExpressionWrapper[Q]:
    """A variant that an alias of the model points to, or that the deployment names, keeps data at the edge.

    Each is looked up by its own key: one question with an "or" would look at every variant for every deployment.
    """
    in_use = Q(Exists(Alias.objects.filter(model=OuterRef("model"), variant__manifest__placement__sensitivity=EDGE)))
    for name in ("serving", "previous", "canary"):
        in_use |= Q(Exists(Variant.objects.filter(pk=OuterRef(name), manifest__placement__sensitivity=EDGE)))
    return ExpressionWrapper(in_use, output_field=BooleanField())


def _heavy(prefix: str) -> list[str]:
    return [f"{prefix}{field}" for field in ("manifest", "files", "card", "record")]
