"""Where models run and traffic goes: brought to what deployments, aliases and servers' reports say.

Everything here is called inside the transaction of the act that it follows from.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import F, Q

from rilaas.hub.actions.policy import robots_changed, shared_changed
from rilaas.hub.models import Alias, Deployment, Model, Placement, Robot, RobotKey, Server
from rilaas.hub.models.deployment import READY
from rilaas.hub.queries.fleet import EDGE, edge_only


def model_changed(model: Model) -> None:
    """A model's aliases, visibility, collaborators or name changed: call it after the change.

    Placements and traffic follow, and every robot that the change may concern gets its access anew.
    """
    _robots_may_change(model)
    alias_moved(model)


def alias_moved(model: Model) -> None:
    """Only an alias of the model moved, came or went: call it after that. A variant that is ready serves at once."""
    deployment = Deployment.objects.select_for_update().filter(model=model).first()
    if deployment is not None:
        settle(deployment)
        announce(deployment.servers.values_list("pk", flat=True))
    shared_changed()


def model_deleted(model: Model) -> None:
    """A model is about to be deleted, with its subscriptions and its deployment: call it before."""
    _robots_may_change(model)
    announce(Server.objects.filter(placements__deployment__model=model).values_list("pk", flat=True))
    shared_changed()


def settle(deployment: Deployment) -> bool:
    """Bring traffic and placements to what a deployment wants.

    Traffic goes to the variant of its alias once that is ready somewhere; the one before is kept warm.

    Args:
        deployment: Its row is locked.

    Returns:
        Whether the routing table has changed.
    """
    rows = list(deployment.placements.all())
    before = (deployment.serving_id, deployment.canary_id)
    target = _target(deployment)
    ready = {row.variant_id for row in rows if row.state == READY}
    if target is not None and target != deployment.serving_id and target in ready:
        deployment.previous_id, deployment.serving_id = deployment.serving_id, target
    if deployment.canary_id is not None and deployment.canary_id == deployment.serving_id:
        deployment.canary_id, deployment.canary_share = None, 0.0
    if before != (deployment.serving_id, deployment.canary_id):
        deployment.save(update_fields=["serving", "previous", "canary", "canary_share"])
    _place(deployment, rows, target)
    return before != (deployment.serving_id, deployment.canary_id)


def announce(servers: Iterable[int]) -> None:
    """These servers have to do something else: they ask again at once."""
    Server.objects.filter(pk__in=list(servers)).update(generation=F("generation") + 1)


def _target(deployment: Deployment) -> int | None:
    alias = Alias.objects.filter(model_id=deployment.model_id, name=deployment.follows).first()
    return alias.variant_id if alias else None


def _place(deployment: Deployment, rows: list[Placement], target: int | None) -> None:
    """Make the placements that are missing and remove those that are not wanted."""
    numbers = {deployment.serving_id, deployment.previous_id, deployment.canary_id, target}
    variants = [] if deployment.is_stopped else sorted(number for number in numbers if number is not None)
    servers = deployment.servers.all()
    if edge_only(deployment):
        servers = servers.filter(kind=EDGE)
    wanted = {(variant, server.pk) for variant in variants for server in servers}
    there = {(row.variant_id, row.server_id): row for row in rows}
    gone = [row for key, row in there.items() if key not in wanted]
    fresh = [
        Placement(deployment=deployment, variant_id=variant, server_id=server)
        for variant, server in sorted(wanted - set(there))
    ]
    Placement.objects.filter(pk__in=[row.pk for row in gone]).delete()
    Placement.objects.bulk_create(fresh)
    if gone or fresh:
        announce({row.server_id for row in (*gone, *fresh)})


def _robots_may_change(model: Model) -> None:
    """Robots with a subscription, and the owner's, which may call the model by its bare name."""
    robots = Robot.objects.filter(Q(subscriptions__model=model) | Q(owner_id=model.owner_id)).distinct()
    kids: dict[str, list[str]] = {
        f"{owner}/{name}": [] for owner, name in robots.values_list("owner__username", "name")
    }
    keys = RobotKey.objects.filter(robot__in=robots).values_list("robot__owner__username", "robot__name", "kid")
    for owner, name, kid in keys:
        kids[f"{owner}/{name}"].append(kid)
    robots_changed(kids)
