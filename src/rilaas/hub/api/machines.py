"""Servers and interceptors report, and servers ask what to run."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Field, Query, Router, Schema, Status

from rilaas.core import NotFound
from rilaas.hub.actions.machine import (
    InterceptorState,
    PlacementState,
    ServerState,
    forget_machine,
    interceptor_reported,
    server_reported,
)
from rilaas.hub.api.machine import machine
from rilaas.hub.api.token import ALL, Bearer, caller
from rilaas.hub.api.waiting import MAX_WAIT_S, BearerLater, watch
from rilaas.hub.blob_store import model_blobs
from rilaas.hub.pages.download import download
from rilaas.hub.queries.fleet import list_machines
from rilaas.hub.queries.placement import archive_for, wanted_on
from rilaas.hub.queries.setup import authority_pem

router = Router(tags=["machines"])
_INT = 2**31 - 1


class PlacementReport(Schema):
    """A placement as its server sees it."""

    id: int = Field(ge=0, lt=2**63)
    state: str = Field(max_length=20)
    reason: str = ""
    replicas_ready: int = Field(0, ge=0, le=_INT)
    restarts: int = Field(0, ge=0, le=_INT)
    isolation: str = ""
    log: list[str] = Field([], description="The last lines of its replicas; 100 are kept.")


class ServerReport(Schema):
    """A server's state."""

    address: str = Field(max_length=200, description="host:port at which interceptors reach it.")
    insecure: bool = False
    metrics: str = Field("", max_length=200, description="host:port of its Prometheus endpoint.")
    kind: str = Field("edge", max_length=20)
    added_delay_s: float = 0.0
    placements: list[PlacementReport] = Field([], max_length=2000)


class Generation(Schema):
    """Changes when the server has to do something else."""

    generation: int


class WantedPlacement(Schema):
    """A revision to be held; a limit of null is the manifest's."""

    id: int
    model: str
    revision: str
    digest: str
    replicas: int
    threads: int
    memory_bytes: int | None
    cpus: int | None
    isolation: str


class WantedPlacements(Schema):
    """All that a server is to hold."""

    generation: int
    placements: list[WantedPlacement]


class AttemptReport(Schema):
    """One server that a request was sent to, and what it was chosen from."""

    server: str = Field(max_length=200)
    why: str = Field(max_length=20, description="first, retry, hedge or copy")
    at_s: float | None = None
    is_fallback: bool = False
    status: str = Field("", max_length=20)
    latency_s: float | None = None
    rule: str = Field("", max_length=1000)
    servers: list[str] = Field([], max_length=100)
    figures: dict[str, list[float | None]] = Field({}, max_length=20)


class DecisionReport(Schema):
    """How one request was placed."""

    request_id: str = ""
    robot: str = Field("", max_length=200)
    model: str = Field("", max_length=200)
    balancer: str = Field("", max_length=100)
    at_unix_s: float = Field(0.0, ge=0.0, le=1e11)
    deadline_s: float | None = None
    outcome: str = Field("", max_length=40)
    latency_s: float | None = None
    server: str | None = Field(None, max_length=200)
    attempts: list[AttemptReport] = Field([], max_length=20)


class InterceptorReport(Schema):
    """An interceptor's state."""

    address: str = Field(max_length=200)
    metrics: str = Field("", max_length=200)
    epoch: int = Field(0, ge=-1, lt=2**63)
    policy_age_s: float = 0.0
    source: str = Field("hub", max_length=20)
    source_ok: bool = True
    problem: str = ""
    seen: dict[str, float] = Field({}, description="Robots since the last report: seconds since each was seen.")
    decisions: list[DecisionReport] = Field([], max_length=100, description="The last few; 30 are kept.")


class Epoch(Schema):
    """Of the policy."""

    epoch: int


class ServerRow(Schema):
    """A server as people see it."""

    name: str
    kind: str
    address: str
    metrics: str
    insecure: bool
    added_delay_s: float
    last_report_at: Any
    is_up: bool
    models: int


class InterceptorRow(Schema):
    """An interceptor as people see it."""

    name: str
    address: str
    metrics: str
    epoch: int
    behind: int
    policy_age_s: float
    source: str
    source_ok: bool
    problem: str
    last_report_at: Any
    is_up: bool


class Machines(Schema):
    """All machines; ``epoch`` is the policy's."""

    epoch: int
    servers: list[ServerRow]
    interceptors: list[InterceptorRow]


class Waits(Schema):
    """What the server has."""

    after: int = Field(-1, ge=-1, lt=2**63, description="The generation that it has; -1 has nothing.")
    wait_s: float = Field(0.0, ge=0.0, le=600.0, description=f"Wait for a change; {MAX_WAIT_S:g} s at most.")


@router.get("/machines", response=Machines)
def machines(request: HttpRequest) -> dict[str, Any]:
    """Servers and interceptors, with what they last said."""
    caller(request, "read")
    return list_machines()


@router.get("/ca.pem", response={200: str}, url_name="ca")
def authority(request: HttpRequest) -> HttpResponse:
    """The certificate of the fleet's authority, which robots trust; where this hub's machine has it."""
    caller(request, "read")
    pem = authority_pem()
    if not pem:
        raise NotFound("This hub does not know the fleet's authority.", "Copy ca.pem from the interceptor's machine.")
    return HttpResponse(pem, content_type="application/x-pem-file")


@router.delete("/servers/{name}", response={204: None}, auth=ALL)
def forget_server(request: HttpRequest, name: str) -> Status[None]:
    """Remove a server that will not come back."""
    forget_machine(caller(request, "deploy"), "server", name)
    return Status(204, None)


@router.delete("/interceptors/{name}", response={204: None}, auth=ALL)
def forget_interceptor(request: HttpRequest, name: str) -> Status[None]:
    """Remove an interceptor that will not come back."""
    forget_machine(caller(request, "deploy"), "interceptor", name)
    return Status(204, None)


@router.post("/servers/{name}", response=Generation, auth=Bearer())
def report_server(request: HttpRequest, name: str, report: ServerReport) -> dict[str, int]:
    """A server says how it stands; every 2 s, and at each change."""
    machine(request, "server", name)
    told = report.dict()
    placements = [PlacementState(**row) for row in told.pop("placements")]
    return {"generation": server_reported(name, ServerState(**told, placements=placements))}


@router.get("/servers/{name}/placements", response=WantedPlacements, auth=BearerLater())
async def placements(request: HttpRequest, name: str, asked: Query[Waits]) -> dict[str, Any]:
    """What a server is to hold, at once where that is news, else when it changes."""
    machine(request, "server", name)
    await watch().until_changed(name, asked.after, asked.wait_s)
    return await watch().read(partial(wanted_on, name))


@router.get("/servers/{name}/archives/{digest}", auth=Bearer())
def archive(request: HttpRequest, name: str, digest: str) -> HttpResponseBase:
    """The archive of a variant that is placed on the server, as ``store.pack`` writes it."""
    machine(request, "server", name)
    sha256 = archive_for(name, digest)
    return download(request, model_blobs().open(sha256), f"{sha256[:12]}.tar.gz", sha256=sha256)


@router.post("/interceptors/{name}", response=Epoch, auth=Bearer())
def report_interceptor(request: HttpRequest, name: str, report: InterceptorReport) -> dict[str, int]:
    """An interceptor says how it stands; every 2 s, and at each change."""
    machine(request, "interceptor", name)
    return {"epoch": interceptor_reported(name, InterceptorState(**report.dict()))}
