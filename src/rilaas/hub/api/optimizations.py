"""Optimizations that the hub does, over REST."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from rilaas.hub.actions.optimization import FRAMES, MAX_EPISODES, MAX_RECIPES, Wish, start_optimization
from rilaas.hub.api.token import caller
from rilaas.hub.pages.reference import dataset_of
from rilaas.hub.queries.optimization import MAX_RECIPE_BYTES, list_presets

router = Router(tags=["optimizations"])


class PresetRow(Schema):
    """A recipe that the hub follows by name."""

    name: str
    description: str
    target: str = Field(description="device/runtime/precision.")
    passes: list[str]
    needs: list[str] = Field(description="Parts of the data that its passes need.")
    missing: str = Field(description="Why it cannot be made here, with what to install; '' where it can.")


class NewOptimization(Schema):
    """What is to be made: names in `recipes`, or the text of another one."""

    recipes: list[Annotated[str, Field(max_length=100)]] = Field([], max_length=MAX_RECIPES)
    recipe_toml: str = Field("", max_length=MAX_RECIPE_BYTES, description="Text of a recipe.")
    dataset: str = Field(
        "", max_length=200, description="owner/name:version; '' records one, where the model drives."
    )
    suite: str = Field("", max_length=100, description="One of the hub's, for the closed loop; '' for none.")
    episodes: int = Field(10, ge=1, le=MAX_EPISODES, description="Of each variant and of the original.")
    frames: int = Field(FRAMES[1], ge=FRAMES[0], le=FRAMES[2], description="That are recorded without a data set.")
    name: str = Field("", max_length=64, description="Of the variant, where there is one recipe.")


class Started(Schema):
    """An optimization that was queued."""

    id: int = Field(description="Of its evaluation.")
    job: int
    url: str


@router.get("/presets", response=list[PresetRow])
def presets(request: HttpRequest) -> list[dict[str, Any]]:
    """Recipes that the hub follows by name."""
    caller(request, "read")
    return list_presets()


@router.post("/models/{owner}/{name}/versions/{revision}/optimizations", response={202: Started})
def start(
    request: HttpRequest, owner: str, name: str, revision: str, wanted: NewOptimization
) -> Status[dict[str, Any]]:
    """Optimize a version, by a job; for who may change the model. Variants and report are seen by all who see it."""
    person = caller(request, "write")
    said = wanted.dict()
    said |= {"recipes": tuple(wanted.recipes), "dataset": dataset_of(wanted.dataset) if wanted.dataset else None}
    evaluation = start_optimization(person, (owner, name), revision, Wish(**said))
    url = request.build_absolute_uri(f"/evaluations/{evaluation.pk}")
    return Status(202, {"id": evaluation.pk, "job": evaluation.job_id, "url": url})
