"""The access policy, for interceptors: they ask, and are answered when something has changed."""

from __future__ import annotations

import json
from functools import partial
from weakref import WeakKeyDictionary

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from rilaas.hub.api.machine import machine
from rilaas.hub.api.waiting import MAX_WAIT_S, POLICY, BearerLater, Watch, watch
from rilaas.hub.queries.policy import epoch_now, policy_since

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
    known = _answers.setdefault(watch(), Answers())
    return HttpResponse(await watch().read(partial(known.since, asked.after)), content_type="application/json")


class Answers:
    """The last answers: all interceptors that were up to date ask the same when something changes.

    What an epoch holds never changes, so an answer is good as long as the epoch is the same.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, bytes]] = {}  # by the asker's epoch: the answer's epoch, the answer

    def since(self, after: int) -> bytes:
        """As ``policy_since``, as JSON."""
        found = self._known.get(after)
        if found is None or found[0] != epoch_now():
            document = policy_since(after).document
            # As it is: pydantic would read a thousand robots once more.
            found = document["epoch"], json.dumps(document, separators=(",", ":")).encode()
            self._known = {**dict(list(self._known.items())[-_KEPT:]), after: found}
        return found[1]


_KEPT = 3  # besides the newest
_answers: WeakKeyDictionary[Watch, Answers] = WeakKeyDictionary()
