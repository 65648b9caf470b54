"""Evaluations that the hub drives, over REST."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from rilaas.hub.actions.evaluation_run import MAX_LATENCY_S, Course, start_evaluation
from rilaas.hub.api.token import caller
from rilaas.hub.queries.suite import MAX_EPISODES, MAX_SUITE_BYTES, list_suites

router = Router(tags=["evaluations"])


class SuiteRow(Schema):
    """A suite that the hub drives by name."""

    name: str
    description: str
    episodes: int
    simulated_s: float = Field(description="How long all episodes take at most, in simulated time.")


class NewEvaluation(Schema):
    """What is to be driven: `suite` or `suite_toml`."""

    suite: str = Field("", max_length=100, description="Name of one of the hub's suites.")
    suite_toml: str = Field("", max_length=MAX_SUITE_BYTES, description="Text of another; its maps are the hub's.")
    episodes: Annotated[int, Field(ge=1, le=MAX_EPISODES)] | None = Field(
        None, description="Over all worlds of the suite in turn; None is all that it has."
    )
    latency: Literal["none", "fixed", "measured"] = Field(
        "none", description="How long the world goes on while the model thinks."
    )
    latency_s: Annotated[float, Field(ge=0.0, le=MAX_LATENCY_S)] | None = Field(
        None, description="Where it is fixed: how long each answer takes."
    )


class Started(Schema):
    """An evaluation that was queued."""

    id: int
    job: int
    url: str


@router.get("/suites", response=list[SuiteRow])
def suites(request: HttpRequest) -> list[dict[str, Any]]:
    """Suites that the hub drives by name."""
    caller(request, "read")
    return list_suites()


@router.post("/models/{owner}/{name}/versions/{revision}/evaluations", response={202: Started})
def start(
    request: HttpRequest, owner: str, name: str, revision: str, wanted: NewEvaluation
) -> Status[dict[str, Any]]:
    """Drive a revision through a suite, by a job; for who may change the model, and seen by all who see it."""
    course = Course(**wanted.dict())
    evaluation = start_evaluation(caller(request, "write"), (owner, name), revision, course)
    url = request.build_absolute_uri(f"/evaluations/{evaluation.pk}")
    return Status(202, {"id": evaluation.pk, "job": evaluation.job_id, "url": url})
