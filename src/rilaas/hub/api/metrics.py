"""Metrics over REST: own samples in, the viewer's numbers out, and what a Prometheus needs to find us."""

from __future__ import annotations

import functools
import ipaddress
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from ninja.security import HttpBearer
from pydantic import Field

from rilaas.core import PermissionDenied
from rilaas.hub.actions.sample import MAX_SAMPLES_PER_POST, Posted, post_samples
from rilaas.hub.actions.token import PREFIX
from rilaas.hub.api.token import ALL, caller
from rilaas.hub.metrics.own import own_metrics
from rilaas.hub.metrics.target import registered_targets
from rilaas.hub.models import Person, Robot, RobotKey
from rilaas.hub.queries.metric import show_metrics
from rilaas.hub.queries.metric_asked import Asked
from rilaas.observe.endpoint import CONTENT_TYPE
from rilaas.wire import PublicKey, TokenVerifier, audience, load_public_key

router = Router(tags=["metrics"])


class Sample(Schema):
    """One number."""

    name: Annotated[str, Field(max_length=100)]
    unit: Annotated[str, Field(max_length=20)] = ""
    value: float
    model: Annotated[str, Field(max_length=140)] = ""
    at_s: float | None = None


class Samples(Schema):
    """Several numbers."""

    samples: Annotated[list[Sample], Field(min_length=1, max_length=MAX_SAMPLES_PER_POST)]


class Accepted(Schema):
    """How many were taken."""

    accepted: int


def _registered_key(kid: str) -> PublicKey | None:
    line = RobotKey.objects.filter(kid=kid, revoked_at=None).values_list("line", flat=True).first()
    return load_public_key(line) if line else None


@functools.cache
def _verifier() -> TokenVerifier:
    """One for the process: it remembers which tokens were used from where."""
    return TokenVerifier(_registered_key, [audience(host) for host in settings.ALLOWED_HOSTS if host.strip("*.")])


class RobotToken(HttpBearer):
    """``Authorization: Bearer <JWT>``, signed with a robot's SSH key for this hub's host; see ``rilaas.wire``."""

    def authenticate(self, request: HttpRequest, token: str) -> Robot | None:
        """The robot whose key signed it."""
        if token.startswith(PREFIX):
            return None
        claims = _verifier().verify(token, request.META.get("REMOTE_ADDR", ""))
        key = RobotKey.objects.select_related("robot__owner").filter(kid=claims.kid, revoked_at=None).first()
        return key.robot if key is not None and key.robot.owner.is_active else None


class Loopback:
    """A program on the hub's own machine, not one behind a proxy on it."""

    def __call__(self, request: HttpRequest) -> str | None:
        """``loopback``, or None."""
        if "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META:
            return None
        try:
            is_here = ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
        except ValueError:
            return None
        return "loopback" if is_here else None


def _reader(request: HttpRequest) -> None:
    """Let programs of this machine, those who run the hub, and their tokens with the scope ``metrics`` read.

    Raises:
        PermissionDenied: It is somebody else.
    """
    if request.auth == "loopback":  # type: ignore[attr-defined]
        return
    if not caller(request, "metrics").is_staff:
        raise PermissionDenied("The hub's own metrics are for those who run it.", "Ask one of them for a token.")


@router.post("/metrics/samples", response={202: Accepted}, auth=[RobotToken(), *ALL])
def samples(request: HttpRequest, body: Samples) -> Status[dict[str, int]]:
    """Post numbers of your own, as a robot or with a token of scope `metrics`. They are written a moment later."""
    who = request.auth  # type: ignore[attr-defined]
    robot = who if isinstance(who, Robot) else None
    person: Person = robot.owner if robot is not None else caller(request, "metrics")
    rows = [Posted(row.name, row.unit, row.value, row.model, row.at_s) for row in body.samples]
    return Status(202, {"accepted": post_samples(person, robot, rows)})


@router.get("/metrics")
def metrics(
    request: HttpRequest,
    range: str = "15m",
    start: str = "",
    end: str = "",
    group: str = "model",
    model: str = "",
    robot: str = "",
    server: str = "",
) -> dict[str, Any]:
    """What the page Metrics shows, of what you may see."""
    asked = Asked.of(
        {"range": range, "start": start, "end": end, "group": group, "model": model, "robot": robot, "server": server}
    )
    return show_metrics(caller(request, "metrics"), asked)


@router.get("/metrics/targets", auth=[*ALL, Loopback()])
def targets(request: HttpRequest) -> list[dict[str, Any]]:
    """Where a Prometheus finds our services: its `http_sd_configs` format."""
    _reader(request)
    found = [
        {"targets": [each.address], "labels": {"rilaas_kind": each.kind, "rilaas_name": each.name}}
        for each in registered_targets()
    ]
    own = {
        "rilaas_kind": "hub",
        "rilaas_name": "hub",
        "__scheme__": "https" if request.is_secure() else "http",
        "__metrics_path__": "/api/v1/metrics/hub",
    }
    return [*found, {"targets": [request.get_host()], "labels": own}]


@router.get("/metrics/hub", auth=[*ALL, Loopback()])
def hub(request: HttpRequest) -> HttpResponse:
    """The hub's own metrics, in Prometheus' text format."""
    _reader(request)
    return HttpResponse(own_metrics(), content_type=CONTENT_TYPE)
