"""Deployments over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from rilaas.hub.actions.deployment import (
    Wanted,
    deploy,
    deploy_now,
    keep_to_edge,
    set_canary,
    set_running,
    undeploy,
)
from rilaas.hub.api.token import caller
from rilaas.hub.queries.deployment import list_deployments, show_deployment

router = Router(tags=["deployments"])
_INT = 2**31 - 1


class Share(Schema):
    """A revision's share of the requests that ask for no version."""

    revision: str
    share: float


class DeployedOn(Schema):
    """A server of a deployment."""

    name: str
    kind: str
    is_up: bool


class DeploymentRow(Schema):
    """A deployment; its state is starting, ready, degraded, failed, stopped or no server."""

    model: str
    state: str
    reason: str
    follows: str
    target: str | None = Field(description="The revision that its alias points to.")
    serving: str | None = Field(description="The revision that is in use; the target once that is ready somewhere.")
    previous: str | None = Field(description="Kept running: a roll-back to it takes no start.")
    canary: str | None
    canary_share: float
    traffic: list[Share]
    servers: list[DeployedOn]
    replicas: int
    balancer: str
    edge_only: bool
    is_stopped: bool
    generation: int = Field(description="Send it back when you change the deployment.")


class Deployments(Schema):
    """A page of deployments."""

    rows: list[DeploymentRow]
    page_number: int
    pages: int
    count: int


class PlacementRow(Schema):
    """A revision on a server."""

    id: int
    server: str
    is_up: bool
    revision: str
    role: str
    state: str
    reason: str
    replicas_ready: int
    restarts: int
    isolation: str
    log: str


class Event(Schema):
    """Who did what."""

    at: datetime
    person: str
    act: str
    detail: str


class Deployment(DeploymentRow):
    """A deployment in full."""

    threads: int
    memory_bytes: int | None
    cpus: int | None
    created_at: datetime
    placements: list[PlacementRow]
    events: list[Event]


class Seen(Schema):
    """What the caller saw."""

    generation: int = Field(ge=0, le=_INT, description="Of the deployment as you saw it; 0 where there was none.")


class Deploy(Seen):
    """How a model is to be deployed."""

    generation: int = Field(0, ge=0, le=_INT, description="Of the deployment as you saw it; 0 where there was none.")
    servers: list[str] = Field(max_length=1000)
    follows: str = Field("prod", max_length=64, description="The alias whose revision is served.")
    replicas: int = 1
    threads: int = 1
    memory_bytes: int | None = None
    cpus: int | None = None
    balancer: str = Field("least_connections", max_length=40)
    canary: str = Field("", max_length=140, description="A revision that is tried beside.")
    canary_share: float = Field(0.0, description="Of the requests that ask for no version, from 0 to 1.")


class Canary(Seen):
    """A revision that is tried beside the one in use; '' ends it."""

    revision: str = Field("", max_length=140)
    share: float = 0.0


class Edge(Schema):
    """Where data may go."""

    edge_only: bool


@router.get("/deployments", response=Deployments)
def deployments(request: HttpRequest, search: str = "", page: int = 1) -> dict[str, Any]:
    """Deployments of models that you may see, 50 at a time."""
    return list_deployments(caller(request, "read"), search=search[:100], page=str(page))


@router.get("/deployments/{owner}/{name}", response=Deployment)
def deployment(request: HttpRequest, owner: str, name: str) -> dict[str, Any]:
    """One deployment."""
    return show_deployment(caller(request, "read"), owner, name)


@router.put("/deployments/{owner}/{name}", response=Deployment)
def put(request: HttpRequest, owner: str, name: str, wanted: Deploy) -> dict[str, Any]:
    """Deploy a model, or change how it is deployed."""
    person, values = caller(request, "deploy"), wanted.dict()
    generation = values.pop("generation")
    deploy(person, owner, name, Wanted(**values), generation)
    return show_deployment(person, owner, name)


@router.post("/deployments/{owner}/{name}", response={201: Deployment})
def now(request: HttpRequest, owner: str, name: str) -> Status[dict[str, Any]]:
    """Deploy a model with defaults: prod, or else its newest version, on all servers that run."""
    person = caller(request, "deploy")
    deploy_now(person, owner, name)
    return Status(201, show_deployment(person, owner, name))


@router.put("/deployments/{owner}/{name}/canary", response=Deployment)
def canary(request: HttpRequest, owner: str, name: str, wanted: Canary) -> dict[str, Any]:
    """Try a revision with a share of the requests, or end that."""
    person = caller(request, "deploy")
    set_canary(person, owner, name, wanted.revision, wanted.share, wanted.generation)
    return show_deployment(person, owner, name)


@router.post("/deployments/{owner}/{name}/stop", response=Deployment)
def stop(request: HttpRequest, owner: str, name: str, seen: Seen) -> dict[str, Any]:
    """Stop it; what it was is kept."""
    return _run(request, owner, name, False, seen.generation)


@router.post("/deployments/{owner}/{name}/start", response=Deployment)
def start(request: HttpRequest, owner: str, name: str, seen: Seen) -> dict[str, Any]:
    """Start it again as it was."""
    return _run(request, owner, name, True, seen.generation)


@router.delete("/deployments/{owner}/{name}", response={204: None})
def delete(request: HttpRequest, owner: str, name: str, generation: int) -> Status[None]:
    """Delete it; the model stays."""
    undeploy(caller(request, "deploy"), owner, name, generation)
    return Status(204, None)


@router.put("/models/{owner}/{name}/edge", response=Edge)
def edge(request: HttpRequest, owner: str, name: str, wanted: Edge) -> dict[str, bool]:
    """Say whether what robots send to a model has to stay at the edge."""
    keep_to_edge(caller(request, "deploy"), owner, name, wanted.edge_only)
    return {"edge_only": wanted.edge_only}


def _run(request: HttpRequest, owner: str, name: str, is_running: bool, generation: int) -> dict[str, Any]:
    person = caller(request, "deploy")
    set_running(person, owner, name, is_running, generation)
    return show_deployment(person, owner, name)
