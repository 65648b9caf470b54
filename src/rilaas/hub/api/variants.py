"""Variants over REST: figures, latencies by machine, the gate before protected aliases."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Body, Field, Router, Schema, Status

from rilaas.hub.actions.variant_gate import let_through, protect, take_back
from rilaas.hub.actions.variant_latency import add_latency
from rilaas.hub.api.picture import picture
from rilaas.hub.api.token import caller
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.variant_record import record_row
from rilaas.hub.queries.variant_table import list_latencies, pareto_figure, show_variants

router = Router(tags=["variants"])
_ONE = "/models/{owner}/{name}"
_REVISION = _ONE + "/versions/{revision}"
_PICTURE = {"responses": {200: {"description": "A picture", "content": {"image/svg+xml": {}}}}}


class Waiver(Schema):
    """Why a variant is let through."""

    reason: str = Field(max_length=1000, description="What was looked at, and by whom; everybody sees it.")


class Protected(Schema):
    """Aliases that point to no variant without a passed gate."""

    aliases: list[Annotated[str, Field(max_length=64)]] = Field(max_length=20)


@router.get(_REVISION + "/variants")
def variants(request: HttpRequest, owner: str, name: str, revision: str) -> dict[str, Any]:
    """A version's variants with their figures, as measured by who pushed them, and its latencies by machine."""
    return show_variants(caller(request, "read"), owner, name, revision)


@router.get(_REVISION + "/pareto", openapi_extra=_PICTURE)
def pareto(
    request: HttpRequest, owner: str, name: str, revision: str, against: Literal["error", "score"] = "error"
) -> HttpResponse:
    """Latency against error or driving score, a dot for each variant."""
    figure = pareto_figure(caller(request, "read"), owner, name, revision, against)
    return picture(figure.data, figure.media_type)


@router.get(_REVISION + "/latencies")
def latencies(request: HttpRequest, owner: str, name: str, revision: str) -> dict[str, Any]:
    """What was measured of one variant, on which machine, the newest first; at most 200 rows are kept."""
    return list_latencies(caller(request, "read"), owner, name, revision)


@router.post(_REVISION + "/latencies", response={201: dict[str, Any]})
def add(
    request: HttpRequest, owner: str, name: str, revision: str, measured: Annotated[dict[str, Any], Body()]
) -> Status[dict[str, Any]]:
    """Keep a measurement, as `rilaas predict REF --profile --hub URL` makes it; for who may push to the model."""
    person = caller(request, "write")
    made = add_latency(person, (owner, name), revision, measured)
    return Status(201, {"revision": made.variant.revision, "digest": made.variant.digest, "measured": made.measured})


@router.post(_REVISION + "/gate")
def let(request: HttpRequest, owner: str, name: str, revision: str, said: Waiver) -> dict[str, Any]:
    """Let a variant through to protected aliases whatever its gate says; for the owner, with a reason."""
    return record_row(let_through(caller(request, "deploy"), owner, name, revision, said.reason))


@router.delete(_REVISION + "/gate")
def take(request: HttpRequest, owner: str, name: str, revision: str) -> dict[str, Any]:
    """Let a variant through no longer; not while a protected alias points to it."""
    return record_row(take_back(caller(request, "deploy"), owner, name, revision))


@router.get(_ONE + "/protected", response=Protected)
def protected(request: HttpRequest, owner: str, name: str) -> dict[str, Any]:
    """Which aliases are protected."""
    return {"aliases": find_model(caller(request, "read"), owner, name).protected}


@router.put(_ONE + "/protected", response=Protected)
def set_protected(request: HttpRequest, owner: str, name: str, wanted: Protected) -> dict[str, Any]:
    """Say which aliases are protected; for the owner."""
    return {"aliases": protect(caller(request, "deploy"), owner, name, wanted.aliases).protected}
