"""The access policy, for interceptors: they ask, and are answered when something has changed."""

from __future__ import annotations

import json
from functools import partial

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from rilaas.hub.api.machine import machine
from rilaas.hub.api.waiting import MAX_WAIT_S, POLICY, BearerLater, watch
from rilaas.hub.queries.policy import policy_since

router = Router(tags=["machines"], auth=BearerLater())


class Grant(Schema):
    """How often; a rate of null is unlimited."""

    rate_per_s: float | None
    burst: int


class RobotPolicy(Schema):
    """What a robot may do. ``public`` holds for public models; ``names`` are what models are called without owner."""

    keys: list[str]
    models: dict[str, Grant]
    public: Grant
    names: dict[str, str]


class FleetServer(Schema):
    """A server and how it is reached."""

    name: str
    kind: str
    address: str
    insecure: bool
    added_delay_s: float


class Share(Schema):
    """A revision's share of the requests that ask for no version."""

    revision: str
    share: float


class Route(Schema):
    """Where a model is served."""

    balancer: str
    sensitivity: str
    servers: list[str]
    alias: str
    aliases: dict[str, str]
    split: list[Share]


class Fleet(Schema):
    """The routing table."""

    servers: list[FleetServer]
    models: dict[str, Route]


class PolicyDocument(Schema):
    """The policy; where it is not ``full``, it has only what changed, and a robot that is null is gone."""

    epoch: int
    full: bool
    robots: dict[str, RobotPolicy | None]
    public: list[str] | None = None
    fleet: Fleet | None = None


class Asked(Schema):
    """Who asks, and what it has."""

    interceptor: str = Field(max_length=64, description="Its name.")
    after: int = Field(-1, ge=-1, lt=2**63, description="The epoch that it has; -1 has nothing.")
    wait_s: float = Field(0.0, ge=0.0, le=600.0, description=f"Wait for a change; {MAX_WAIT_S:g} s at most.")


@router.get("/policy", response=PolicyDocument, exclude_unset=True)
async def policy(request: HttpRequest, asked: Query[Asked]) -> HttpResponse:
    """The policy, at once where it is another one than that of ``after``, else when it changes."""
    machine(request, "interceptor", asked.interceptor)
    await watch().until_changed(POLICY, asked.after, asked.wait_s)
    since = await watch().read(partial(policy_since, asked.after))
    # As it is: pydantic would read a thousand robots once more.
    return HttpResponse(json.dumps(since.document, separators=(",", ":")), content_type="application/json")
