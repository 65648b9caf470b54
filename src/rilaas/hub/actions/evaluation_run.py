"""An evaluation that the hub drives by itself: planned by a person, driven by a job, kept as any other."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction

from rilaas.core import InvalidInput
from rilaas.hub.actions.evaluation import fill_in, to_row
from rilaas.hub.actions.event import record
from rilaas.hub.actions.job import queue_job
from rilaas.hub.blob_store import check_room, home
from rilaas.hub.models import Evaluation, Person
from rilaas.hub.models.evaluation import EVALUATION
from rilaas.hub.models.job import RUNNING
from rilaas.hub.queries.suite import check_installed, read_plan
from rilaas.hub.queries.tensor import signature_of
from rilaas.hub.queries.variant import find_variant
from rilaas.report import Episode, Report

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Scenario

LATENCIES = ("none", "fixed", "measured")
MAX_LATENCY_S = 10.0
_EPISODE_BYTES, _PICTURE_BYTES = 2 * 2**20, 4 * 2**10  # about, while it is driven
_PICTURES_HZ = 10.0


@dataclass(frozen=True, slots=True)
class Course:
    """What is to be driven.

    Attributes:
        suite: The name of one of our suites.
        suite_toml: The text of another suite in its place, or ''.
        episodes: How many, over all worlds of the suite in turn; None is all that it has.
        latency: One of ``LATENCIES``.
        latency_s: How long each answer takes where it is ``fixed`` [s].
    """

    suite: str = ""
    suite_toml: str = ""
    episodes: int | None = None
    latency: str = "none"
    latency_s: float | None = None

    def __post_init__(self) -> None:
        if bool(self.suite) == bool(self.suite_toml.strip()):
            raise InvalidInput("One suite is driven.", "Name one of the hub's, or give the text of your own.")
        if self.latency not in LATENCIES:
            raise InvalidInput(f"{self.latency[:40]!r} is no latency.", f"Available: {', '.join(LATENCIES)}.")
        is_fixed = self.latency == "fixed"
        if is_fixed != (self.latency_s is not None):
            raise InvalidInput("Seconds are said where the latency is fixed, and only there.", "Write 0.08, say.")
        if self.latency_s is not None and not 0.0 <= self.latency_s <= MAX_LATENCY_S:
            raise InvalidInput(f"A fixed latency is from 0 to {MAX_LATENCY_S:g} s, not {self.latency_s}.")
        if self.episodes is not None and self.episodes < 1:
            raise InvalidInput(f"{self.episodes} episodes cannot be driven.", "It is a whole number from 1.")

    @property
    def plan(self) -> dict[str, Any]:
        """As the evaluation keeps it."""
        latency = f"fixed:{self.latency_s:g}" if self.latency == "fixed" else self.latency
        text = self.suite_toml if self.suite_toml.strip() else ""
        return {"suite": self.suite, "suite_toml": text, "episodes": self.episodes, "latency": latency}


def start_evaluation(person: Person, model: tuple[str, str], revision: str, course: Course) -> Evaluation:
    """Queue a drive of a variant through a suite.

    Args:
        person: Who may change the model: all who see it will see the result.
        model: Owner and name.
        revision: As ``find_variant`` takes it.
        course: What is driven.

    Raises:
        NotFound: The model is hidden from the person, or there is no such revision or suite.
        PermissionDenied: The person may not change the model.
        MissingDependency: The tile world is not installed.
        InvalidInput: The suite is none, or asks for too much.
        SignatureMismatch: The model does not drive.
        Unavailable: The disk is full.
    """
    variant = find_variant(person, *model, revision, to="change")
    check_installed()
    from rilaas.evaluate.driving.episode.rollout import check_driving

    check_driving(signature_of(variant.manifest))
    suite = read_plan(course.plan)
    check_room(sum(map(_size_bytes, suite.scenarios)))
    what = f"{variant.version.model}:{variant.revision} in {suite.name}"
    with transaction.atomic():
        job = queue_job(person, EVALUATION, f"Evaluate {what}", {})
        evaluation = Evaluation.objects.create(
            owner=person,
            model=variant.version.model,
            variant=variant,
            job=job,
            plan={**course.plan, "count": len(suite.scenarios)},
            kind=EVALUATION,
            suite=suite.name[:100],
        )
        job.parameters = {"evaluation": evaluation.pk}
        job.total = round(sum(scenario.duration_s for scenario in suite.scenarios))
        job.save(update_fields=["parameters", "total"])
        record(person, "evaluation started", str(variant.version.model), f"{what}, latency {course.plan['latency']}")
    return evaluation


def _size_bytes(scenario: Scenario) -> int:
    """About what an episode takes on the disk while the suite is driven."""
    pictures = scenario.duration_s * min(_PICTURES_HZ, 1.0 / scenario.dt_s)
    return _EPISODE_BYTES + round(pictures * _PICTURE_BYTES)


def note_episodes(evaluation_id: int, attempt: int, episodes: Mapping[int, Episode]) -> None:
    """The worker shows what it has driven until now: rows of episodes by their numbers."""
    with transaction.atomic():
        if (evaluation := _mine(evaluation_id, attempt)) is not None:
            there = set(evaluation.episodes.values_list("index", flat=True))
            evaluation.episodes.filter(index__in=there - set(episodes)).delete()
            rows = [to_row(evaluation, i, each) for i, each in sorted(episodes.items()) if i not in there]
            evaluation.episodes.bulk_create(rows)


def save_evaluation(evaluation_id: int, attempt: int, report: Report) -> bool:
    """The worker keeps the report of what it has driven, in place of an earlier one.

    Returns:
        False where the attempt is not this worker's any more, or the evaluation was deleted: nothing was kept.
    """
    with transaction.atomic():
        evaluation = _mine(evaluation_id, attempt)
        if evaluation is None:
            return False
        fill_in(evaluation, report)
        model = str(evaluation.model) if evaluation.model else ""
        record(evaluation.owner, "evaluation added", model or f"evaluation {evaluation.pk}", report.verdict)
    return True


def driven_folder(evaluation_id: int) -> Path:
    """Where the worker keeps what was driven until the report is made."""
    return home() / "evaluations" / str(evaluation_id)


def forget_driven(evaluation_ids: Sequence[int]) -> None:
    """What was driven is not needed any more."""
    for evaluation_id in evaluation_ids:
        shutil.rmtree(driven_folder(evaluation_id), ignore_errors=True)


def _mine(evaluation_id: int, attempt: int) -> Evaluation | None:
    rows = Evaluation.objects.select_related("owner", "model__owner").defer("report", "plan")
    return rows.filter(pk=evaluation_id, job__attempt=attempt, job__state=RUNNING).first()
