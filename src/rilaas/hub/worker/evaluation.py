"""The kind ``evaluation``: a variant drives a suite in the tile world, its code in a replica of its own.

An episode counts once it is written down. What was driven is kept as a report when the drive is over, also where
it was cancelled or the model failed; a drive that was broken off goes on with the first episode that is not there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rilaas.core import DeadlineExceeded, ModelFailed, NotFound, Prediction, RilaasError, Signature, Tensors
from rilaas.hub.actions.evaluation_run import (
    driven_folder,
    forget_driven,
    note_episodes,
    save_evaluation,
)
from rilaas.hub.models import Evaluation, Variant
from rilaas.hub.models.evaluation import EVALUATION
from rilaas.hub.queries.access import STRANGER, role_of, visible_models
from rilaas.hub.queries.evaluation_rerun import folder_of, planned_command
from rilaas.hub.queries.suite import read_plan
from rilaas.hub.worker.driven import Driven
from rilaas.hub.worker.kind import LONG, job_kind
from rilaas.hub.worker.recorded import FILM_HZ, keep_recordings
from rilaas.hub.worker.replica import Asked, asked
from rilaas.hub.worker.work import CANCELLED, StopWork, Work

if TYPE_CHECKING:
    from rilaas.evaluate.driving import EpisodeResult, ScoredEpisode, Suite

MAX_WORKED_S = 4 * 3600.0
LOOK_S = 10.0  # how soon it is seen that the model was deleted or is not shared any more
_SAID = 20  # reasons of failed episodes that the log tells one by one


@job_kind(EVALUATION, LONG)
def evaluate(work: Work) -> dict[str, Any]:
    """Drive every episode that is not written down yet, and keep the report."""
    evaluation = _find(work)
    drive = _Drive(work, evaluation, read_plan(evaluation.plan))
    try:
        drive.all()
    except StopWork:
        if work.why_stopped == CANCELLED:
            drive.keep()
        raise
    except RilaasError:
        drive.keep()
        raise
    drive.keep()
    if reason := drive.model_failed:
        raise ModelFailed(f"The model failed in every episode. {reason}", "What was driven is on the page.")
    forget_driven([evaluation.pk])
    return {"address": f"/evaluations/{evaluation.pk}", "text": "The evaluation is done."}


@dataclass(frozen=True, slots=True)
class _Driver:
    """A variant's model as a policy that remembers what it saw in an episode."""

    model: Asked

    @property
    def signature(self) -> Signature:
        return self.model.signature

    def predict(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        return self.model.go_on(inputs, deadline_s=deadline_s)

    def reset(self) -> None:
        self.model.reset()


class _Drive:
    """A suite that is being driven: what was driven before, and what comes now."""

    def __init__(self, work: Work, evaluation: Evaluation, suite: Suite) -> None:
        self.work, self.evaluation, self.suite = work, evaluation, suite
        self.driven = Driven(driven_folder(evaluation.pk))
        self.episodes: dict[int, ScoredEpisode] = {}

    def all(self) -> None:
        """Drive what is not driven yet.

        Raises:
            StopWork: The attempt is to end.
            RilaasError: The model cannot be loaded, or is given up.
        """
        for index, scenario in enumerate(self.suite.scenarios):
            if (result := self.driven.find(index, scenario)) is not None:
                self.episodes[index] = self._scored(result)
        self._tell()
        left = [i for i in range(len(self.suite.scenarios)) if i not in self.episodes]
        if self.episodes:
            self.work.say(f"Driven before: {len(self.episodes)} of {len(self.suite.scenarios)} episodes.")
        if left:
            with asked(self.work, _variant(self.evaluation)) as model:
                for index in left:
                    self._one(index, model)

    @property
    def model_failed(self) -> str:
        """Why the model failed where it did so in every episode; else ''."""
        results = [episode.result for episode in self.episodes.values()]
        if results and all(result.status == "policy_failure" for result in results):
            return results[0].reason
        return ""

    def keep(self) -> None:
        """Keep what was driven as a report; nothing where nothing was."""
        if not self.episodes:
            return
        from rilaas.evaluate.driving import Latency, build_report
        from rilaas.evaluate.driving.playback.recording import Origin

        self.work.say(f"Writing the report of {len(self.episodes)} episodes.")
        variant = _variant(self.evaluation)
        name = f"{variant.version.model}:{variant.revision}"
        report = build_report(
            self.suite,
            [self.episodes[i] for i in sorted(self.episodes)],
            latency=Latency.parse(self.evaluation.plan["latency"]),
            command=planned_command(self.evaluation.plan, folder_of(variant.version.model, variant)),
        )
        report = replace(report, summary=f"{name} in a replica beside the hub: {report.summary}")
        if self.model_failed:
            report = replace(report, verdict="failed")
        if not save_evaluation(self.evaluation.pk, self.work.attempt, report):
            self.work.say("The evaluation was deleted meanwhile, or is another worker's now.")
            return
        origin = Origin(name, self.suite, self.evaluation.plan["latency"], None, report.provenance)
        count = keep_recordings(self.evaluation.pk, self.episodes, self.driven, origin, self.work.say)
        self.work.say(f"Recordings of the {count} worst episodes are kept.")

    def _one(self, index: int, model: Asked) -> None:
        from rilaas.evaluate.driving import Latency
        from rilaas.evaluate.driving.judge.runner import Runner

        scenario = self.suite.scenarios[index]
        began_s, before = time.monotonic(), self._seconds()
        _find(self.work)
        looked_s = began_s

        def on_frame(t_s: float) -> None:
            nonlocal looked_s
            self.work.check()
            if time.monotonic() - looked_s >= LOOK_S:
                _find(self.work)
                looked_s = time.monotonic()
            if (done := int(before + t_s)) != self.work.done:
                self.work.step(done)
            if self.work.worked_s > MAX_WORKED_S:
                raise DeadlineExceeded(
                    f"After {MAX_WORKED_S / 3600:g} hours {len(self.episodes)} of "
                    f"{len(self.suite.scenarios)} episodes were driven.",
                    "The model is slow: drive fewer episodes.",
                )

        latency = Latency.parse(self.evaluation.plan["latency"])
        contact_m = self.suite.constants.contact_m
        driven = Runner(_Driver(model), latency, film_hz=FILM_HZ, contact_m=contact_m).drive(scenario, on_frame)
        result = driven.result
        if model.is_given_up:
            raise ModelFailed(f"The model was given up in episode {index}. {result.reason}")
        self.driven.keep(index, result)
        self.episodes[index] = replace(self._scored(result), lost=driven.lost)
        self._say(index, time.monotonic() - began_s)
        self._tell()

    def _scored(self, result: EpisodeResult) -> ScoredEpisode:
        from rilaas.evaluate.driving import score_episode

        return score_episode(result, self.suite.constants).without_film()  # the films stay on the disk

    def _seconds(self) -> float:
        """Simulated time of what is driven: an episode that ended early counts in full."""
        return sum(self.suite.scenarios[i].duration_s for i in self.episodes)

    def _say(self, index: int, spent_s: float) -> None:
        result = self.episodes[index].result
        failures = sum(episode.failed for episode in self.episodes.values())
        why = f": {result.reason}" if result.reason and failures <= _SAID else ""
        place = f"Episode {index}, {result.scenario.name}, seed {result.seed}"
        self.work.say(f"{place}: {result.status} after {_length_s(result):.1f} s simulated in {spent_s:.1f} s{why}")

    def _tell(self) -> None:
        note_episodes(self.evaluation.pk, self.work.attempt, {i: each.row for i, each in self.episodes.items()})
        total = round(sum(scenario.duration_s for scenario in self.suite.scenarios))
        self.work.step(round(self._seconds()), total)


def _length_s(result: EpisodeResult) -> float:
    """How long an episode lasted [s]; 0 where it did not begin."""
    return float(result.t_s[-1]) if len(result.t_s) else 0.0


def _find(work: Work) -> Evaluation:
    """The evaluation of a job, with all that belongs to it.

    Raises:
        NotFound: It, its model or the version was deleted meanwhile, or the model is not shared any more.
    """
    rows = Evaluation.objects.select_related("model__owner", "variant__version__model__owner").defer("report")
    row = rows.filter(model__in=visible_models(work.owner), pk=work.parameters["evaluation"]).first()
    if row is None or row.model is None or row.variant is None or role_of(work.owner, row.model) == STRANGER:
        raise NotFound("The model of this evaluation, or its version, was deleted or is not shared any more.")
    return row


def _variant(evaluation: Evaluation) -> Variant:
    assert evaluation.variant is not None  # ``_find`` looked
    return evaluation.variant
