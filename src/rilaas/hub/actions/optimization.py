"""An optimization that the hub does by itself: planned by a person, done by a job, kept as a report with variants."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from rilaas.core import InvalidInput, NotFound
from rilaas.hub.actions.event import record
from rilaas.hub.actions.job import queue_job
from rilaas.hub.blob_store import check_room, home
from rilaas.hub.models import Evaluation, Person, Variant
from rilaas.hub.models.evaluation import OPTIMIZATION
from rilaas.hub.models.job import RUNNING
from rilaas.hub.models.name import checked_name
from rilaas.hub.queries.dataset import find_version
from rilaas.hub.queries.optimization import can_record, check_can_optimize, recipes_of
from rilaas.hub.queries.suite import check_installed, read_plan
from rilaas.hub.queries.variant import find_variant

MAX_RECIPES = 4
MAX_EPISODES = 40  # of each variant and of the original
FRAMES = (300, 3000, 8000)  # that are recorded: at least, where nothing is said, at most
DISK_BYTES = 6 * 2**30  # of one person's work on one model, its cache included


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made.

    Attributes:
        recipes: Names of our recipes, such as ``balanced``.
        recipe_toml: The text of another one, or ''.
        dataset: Owner, name and number of a data set's version; None records one, where the model drives.
        suite: The name of one of our suites, for the closed loop; '' for none.
        episodes: How many each variant drives.
        frames: How many are recorded.
        name: What the variant is called, where there is one recipe; '' after the recipe.

    Raises:
        InvalidInput: A value makes no sense.
    """

    recipes: tuple[str, ...] = ()
    recipe_toml: str = ""
    dataset: tuple[str, str, int | None] | None = None
    suite: str = ""
    episodes: int = 10
    frames: int = FRAMES[1]
    name: str = ""

    def __post_init__(self) -> None:
        count = len(self.recipes) + bool(self.recipe_toml.strip())
        if not 1 <= count <= MAX_RECIPES or len(set(self.recipes)) != len(self.recipes):
            raise InvalidInput(
                f"{count} recipes were chosen.",
                f"Choose 1 to {MAX_RECIPES} different ones, or write one.",
            )
        if self.name:
            checked_name(self.name, "variant")
            if count > 1:
                raise InvalidInput("One name is for one recipe.", "Leave it away: variants are called after them.")
        if not 1 <= self.episodes <= MAX_EPISODES:
            raise InvalidInput(f"{self.episodes} episodes are not possible.", f"From 1 to {MAX_EPISODES}.")
        if not FRAMES[0] <= self.frames <= FRAMES[2]:
            raise InvalidInput(f"{self.frames} frames are not possible.", f"From {FRAMES[0]} to {FRAMES[2]}.")


def start_optimization(person: Person, model: tuple[str, str], revision: str, wish: Wish) -> Evaluation:
    """Queue an optimization of a version.

    Args:
        person: Who may change the model: all who see it will see the result.
        model: Owner and name.
        revision: As ``find_variant`` takes it; an original.
        wish: What is to be made.

    Raises:
        NotFound: The model or the data set is hidden from the person, or there is no such revision or suite.
        PermissionDenied: The person may not change the model.
        MissingDependency: A package is not installed where the hub is.
        InvalidInput: It cannot be optimized, or the recipe is none.
        RateLimited: The person has too many jobs that are not done.
        Unavailable: The disk is full.
    """
    variant = find_variant(person, *model, revision, to="change")
    if variant.name:
        raise InvalidInput(
            f"{variant.version.model}:{variant.revision} is a variant; only originals are optimized.",
            f"Name the version: {variant.version.number}.",
        )
    if not variant.manifest.get("weights"):
        raise InvalidInput(
            f"{variant.version.model}:{variant.revision} has no weights that a runtime runs: it is Python alone.",
            "Only weights in ONNX, or a torch module with safetensors, can be optimized.",
        )
    check_can_optimize()
    recipes = recipes_of(wish.recipes, wish.recipe_toml)
    plan = {**_plan(person, wish, variant), "names": [wish.name or recipe.name for recipe in recipes]}
    check_room(DISK_BYTES // 2)
    what = f"{variant.version.model}:{variant.revision} by {', '.join(recipe.name for recipe in recipes)}"
    with transaction.atomic():
        job = queue_job(person, OPTIMIZATION, f"Optimize {what}", {})
        evaluation = Evaluation.objects.create(
            owner=person, model=variant.version.model, variant=variant, job=job, plan=plan, kind=OPTIMIZATION
        )
        job.parameters, job.total = {"evaluation": evaluation.pk}, 100
        job.save(update_fields=["parameters", "total"])
        record(person, "optimization started", str(variant.version.model), what)
    return evaluation


def _plan(person: Person, wish: Wish, variant: Variant) -> dict[str, Any]:
    """What the job is to do, checked; call it before anything is queued."""
    dataset = None
    if wish.dataset is not None:
        owner, name, number = wish.dataset
        version = find_version(person, owner, name, number)
        dataset = f"{version.dataset}:{version.number}"
    elif why := can_record(variant):
        raise InvalidInput(f"There is nothing to learn from. {why}", "Choose a data set of what the robot saw.")
    if wish.suite:
        check_installed()
        read_plan({"suite": wish.suite, "episodes": wish.episodes})
        from rilaas.evaluate.driving.episode.rollout import check_driving
        from rilaas.hub.queries.tensor import signature_of

        check_driving(signature_of(variant.manifest))
    return {
        "recipes": list(wish.recipes),
        "recipe_toml": wish.recipe_toml if wish.recipe_toml.strip() else "",
        "dataset": dataset,
        "drives": wish.suite,
        "episodes": wish.episodes if wish.suite else None,
        "frames": None if dataset else wish.frames,
        "name": wish.name,
    }


def note_made(evaluation_id: int, attempt: int, made: Mapping[str, str]) -> None:
    """The worker writes down which variants came of it: revisions by the names that the report uses."""
    with transaction.atomic():
        rows = Evaluation.objects.select_for_update().filter(pk=evaluation_id, job__attempt=attempt)
        evaluation = rows.filter(job__state=RUNNING).first()
        if evaluation is not None:
            evaluation.plan = {**evaluation.plan, "made": dict(made)}
            evaluation.save(update_fields=["plan"])


def work_folder(person_id: int, variant: Variant) -> Path:
    """Where one person's work on one content is kept: steps that are done, for the next time.

    A model's own code may write there, so it is neither shared with other models nor, for it holds what was learned
    from data sets, with other people.
    """
    digest = hashlib.sha256(f"{person_id} {variant.digest}".encode()).hexdigest()[:32]
    return home() / "optimizing" / digest


def forget_work(job_id: int, own: Path) -> None:
    """Nothing of a job's own is needed any more; steps that are done stay.

    Args:
        job_id: Of the job.
        own: Its folder in the box.
    """
    for folder in (own, home() / "optimized" / str(job_id)):
        if folder.is_symlink():  # the model's code made it
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)


def find_work(evaluation_id: int) -> Evaluation:
    """The evaluation of a job, with its model.

    Raises:
        NotFound: It was deleted meanwhile.
    """
    rows = Evaluation.objects.select_related("model__owner", "variant__version__model__owner").defer("report")
    row = rows.filter(pk=evaluation_id).first()
    if row is None or row.model is None or row.variant is None:
        raise NotFound("The model of this optimization, or its version, was deleted.")
    return row
