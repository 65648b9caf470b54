"""Deployments: which revision of a model runs where, how often, and who gets it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import transaction

from rilaas.core import Conflict, InvalidInput, NotFound, did_you_mean
from rilaas.hub.actions.event import record
from rilaas.hub.actions.fleet import announce, settle
from rilaas.hub.actions.policy import shared_changed
from rilaas.hub.actions.registry_alias import NEW, promote
from rilaas.hub.actions.variant_gate import check_gate
from rilaas.hub.models import Deployment, Model, Person, Server, Variant
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.balancer import CHOICES
from rilaas.hub.queries.fleet import EDGE, keeps_to_edge, servers_up
from rilaas.hub.queries.variant import newest_number, variant_of

PROD = "prod"
MOST = 64  # replicas on a server, threads, processors
MIN_MEMORY_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a model is to be deployed.

    Attributes:
        servers: Their names.
        follows: The alias whose revision is served.
        replicas: On each server.
        threads: Of each replica's backend.
        memory_bytes: Limit of each replica; None for the manifest's [bytes].
        cpus: Limit of each replica; None for the manifest's.
        balancer: One of ``queries.balancer.CHOICES``.
        canary: A revision that is tried beside; '' for none.
        canary_share: Its share of the requests that ask for no version, from 0 to 1.

    Raises:
        InvalidInput: A value makes no sense.
    """

    servers: Sequence[str]
    follows: str = PROD
    replicas: int = 1
    threads: int = 1
    memory_bytes: int | None = None
    cpus: int | None = None
    balancer: str = "least_connections"
    canary: str = ""
    canary_share: float = 0.0

    def __post_init__(self) -> None:
        for what, number in (("replicas", self.replicas), ("threads", self.threads), ("processors", self.cpus)):
            if number is not None and not 1 <= number <= MOST:
                raise InvalidInput(f"{number} {what} are not possible.", f"From 1 to {MOST}.")
        if self.memory_bytes is not None and not MIN_MEMORY_BYTES <= self.memory_bytes <= 2**50:
            raise InvalidInput(
                f"A replica cannot have {self.memory_bytes} bytes of memory.",
                f"At least {MIN_MEMORY_BYTES}; a small model on onnxruntime needs 150 MB.",
            )
        if self.balancer not in CHOICES:
            raise InvalidInput(
                f"There is no balancing policy {self.balancer[:40]!r} that a deployment can name.",
                did_you_mean(self.balancer, CHOICES),
            )
        if not (math.isfinite(self.canary_share) and 0.0 <= self.canary_share <= 1.0):
            raise InvalidInput(f"The canary's share is {self.canary_share:g}.", "It is from 0 to 1.")


def deploy(person: Person, owner: str, name: str, wanted: Wanted, generation: int = NEW) -> Deployment:
    """Deploy a model, or change how it is deployed.

    Args:
        person: Who does it: the owner or a collaborator.
        owner: The model's owner.
        name: The model.
        wanted: How.
        generation: Of the deployment as the person saw it; 0 where they saw none.

    Raises:
        NotFound: There is no such model, alias, revision or server, or the model is hidden from the person.
        PermissionDenied: The person may only look at it.
        InvalidInput: Its data have to stay at the edge, and a server is elsewhere.
        Conflict: It is not any more what the person saw, or a variant without a passed gate would get traffic.
    """
    with transaction.atomic():
        model = find_model(person, owner, name, to="change")
        variant = _followed(model, wanted.follows)
        canary = variant_of(model, wanted.canary) if wanted.canary else None
        servers = _servers(wanted.servers)
        _check_edge(model, [variant, canary], servers)
        check_gate(model, wanted.follows, variant, f"is what {wanted.follows} points to")
        check_gate(model, wanted.follows, canary, f"cannot be a canary beside {wanted.follows}")
        seen = _seen(model, generation)
        is_new = seen is None
        deployment = seen or Deployment(model=model, created_by=person, generation=NEW)
        _set(deployment, wanted, canary)
        announce(deployment.servers.values_list("pk", flat=True))
        deployment.servers.set(servers)
        announce(server.pk for server in servers)
        settle(deployment)
        shared_changed()
        record(person, "deployed" if is_new else "deployment changed", str(model), _in_words(wanted))
    return deployment


def deploy_now(person: Person, owner: str, name: str) -> Deployment:
    """Deploy a model with defaults: ``prod``, the newest version where it is not set, on all servers that run.

    Raises:
        NotFound: The model is hidden from the person, or has no version; or no server runs.
        PermissionDenied: The person may only look at it.
        Conflict: It is deployed already.
    """
    with transaction.atomic():
        model = find_model(person, owner, name, to="change")
        if not model.aliases.filter(name=PROD).exists():
            promote(person, owner, name, PROD, str(newest_number(model) or ""), NEW)
        servers = list(servers_up())
        if keeps_to_edge(model, [_followed(model, PROD)]):
            servers = [server for server in servers if server.kind == EDGE]
        if not servers:
            raise NotFound(
                "No server runs on which this model may be.",
                "Start one: rilaas serve --hub URL; the page Deployments says how.",
            )
        return deploy(person, owner, name, Wanted([server.name for server in servers]))


def set_canary(person: Person, owner: str, name: str, revision: str, share: float, generation: int) -> Deployment:
    """Try a revision beside the one in use, with a share of the requests; '' ends it.

    Raises:
        NotFound: See ``deploy``; so the others.
    """
    with transaction.atomic():
        model = find_model(person, owner, name, to="change")
        seen = _there(model, generation)
        wanted = replace(wanted_of(seen), canary=revision, canary_share=share if revision else 0.0)
        return deploy(person, owner, name, wanted, generation)


def set_running(person: Person, owner: str, name: str, is_running: bool, generation: int) -> Deployment:
    """Stop a deployment, or start it again as it was.

    Raises:
        NotFound: The model is hidden from the person, or is not deployed.
        PermissionDenied: The person may only look at it.
        Conflict: It is not any more what the person saw.
    """
    with transaction.atomic():
        model = find_model(person, owner, name, to="change")
        deployment = _there(model, generation)
        if is_running:
            check_gate(model, deployment.follows, deployment.canary, f"is the canary beside {deployment.follows}")
        deployment.is_stopped = not is_running
        if deployment.is_stopped:
            deployment.serving = deployment.previous = None
        deployment.generation += 1
        deployment.save()
        settle(deployment)
        shared_changed()
        record(person, "deployment started" if is_running else "deployment stopped", str(model))
    return deployment


def undeploy(person: Person, owner: str, name: str, generation: int) -> None:
    """Delete a deployment; the model and its aliases stay.

    Raises:
        NotFound: See ``set_running``; so the others.
    """
    with transaction.atomic():
        model = find_model(person, owner, name, to="change")
        deployment = _there(model, generation)
        announce(deployment.servers.values_list("pk", flat=True))
        deployment.delete()
        shared_changed()
        record(person, "deployment deleted", str(model))


def keep_to_edge(person: Person, owner: str, name: str, edge_only: bool) -> None:
    """Say whether what robots send to a model has to stay at the edge, whatever its manifest says.

    Raises:
        NotFound: The model is hidden from the person.
        PermissionDenied: It is somebody else's.
        InvalidInput: It is deployed on a server that is elsewhere.
    """
    with transaction.atomic():
        model = find_model(person, owner, name, to="own")
        deployment = Deployment.objects.select_for_update().filter(model=model).first()
        if edge_only and deployment is not None:
            model.edge_only = True
            _check_edge(model, [], list(deployment.servers.all()))
        model.edge_only = edge_only
        model.save(update_fields=["edge_only"])
        shared_changed()
        record(person, "kept to the edge" if edge_only else "not kept to the edge", str(model))


def wanted_of(deployment: Deployment) -> Wanted:
    """How a model is deployed."""
    return Wanted(
        servers=[server.name for server in deployment.servers.all()],
        follows=deployment.follows,
        replicas=deployment.replicas,
        threads=deployment.threads,
        memory_bytes=deployment.memory_bytes,
        cpus=deployment.cpus,
        balancer=deployment.balancer,
        canary=deployment.canary.revision if deployment.canary else "",
        canary_share=deployment.canary_share,
    )


def _set(deployment: Deployment, wanted: Wanted, canary: Variant | None) -> None:
    for field in ("follows", "replicas", "threads", "memory_bytes", "cpus", "balancer"):
        setattr(deployment, field, getattr(wanted, field))
    deployment.canary, deployment.canary_share = canary, wanted.canary_share if canary else 0.0
    deployment.generation += 1
    deployment.save()


def _followed(model: Model, alias: str) -> Variant:
    found = model.aliases.select_related("variant__version").filter(name=alias).first()
    if found is None:
        names = list(model.aliases.values_list("name", flat=True))
        raise NotFound(f"{model} has no alias {alias[:64]!r}. {did_you_mean(alias, names)}", "Point it to a version.")
    return found.variant


def _servers(names: Sequence[str]) -> list[Server]:
    servers = list(Server.objects.filter(name__in=names).order_by("name"))
    known = {server.name for server in servers}
    for name in names:
        if name not in known:
            every = Server.objects.values_list("name", flat=True)
            raise NotFound(f"There is no server {name[:64]!r}. {did_you_mean(name, every)}")
    return servers


def _check_edge(model: Model, variants: Sequence[Variant | None], servers: Sequence[Server]) -> None:
    away = [server.name for server in servers if server.kind != EDGE]
    if away and keeps_to_edge(model, variants):
        who = "its owner" if model.edge_only else "its model.toml ([placement] sensitivity)"
        raise InvalidInput(
            f"What robots send to {model} has to stay at the edge, says {who}; {', '.join(away)} is not there.",
            "Choose servers of the kind edge.",
        )


def _seen(model: Model, generation: int) -> Deployment | None:
    """The deployment, where it is the one that the person saw."""
    Model.objects.select_for_update().get(pk=model.pk)  # two that both saw none
    found = Deployment.objects.select_for_update().filter(model=model).first()
    if (found.generation if found else NEW) != generation:
        told = "was changed" if found and generation else "is there already" if found else "was deleted"
        raise Conflict(f"The deployment of {model} {told} after you looked.", "Look again, then change it.")
    return found


def _there(model: Model, generation: int) -> Deployment:
    found = _seen(model, generation) if generation != NEW else None
    if found is None:
        raise NotFound(f"{model} is not deployed.", "Deploy it on its page.")
    return found


def _in_words(wanted: Wanted) -> str:
    parts = [f"{wanted.follows} on {', '.join(wanted.servers) or 'no server'}", f"replicas {wanted.replicas}"]
    parts += [f"threads {wanted.threads}", wanted.balancer]
    if wanted.memory_bytes:
        parts.append(f"memory {wanted.memory_bytes} bytes")
    if wanted.cpus:
        parts.append(f"processors {wanted.cpus}")
    if wanted.canary:
        parts.append(f"{100 * wanted.canary_share:g} % to {wanted.canary}")
    return "; ".join(parts)
