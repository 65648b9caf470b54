"""Reports of evaluations come in, and go."""

from __future__ import annotations

import math

from django.db import transaction

from rilaas.core import Conflict, InvalidInput, NotFound
from rilaas.hub.actions.event import record
from rilaas.hub.models import Episode, Evaluation, Model, Person, Variant
from rilaas.hub.models.job import QUEUED, RUNNING
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.variant import variant_of
from rilaas.report import Episode as Row
from rilaas.report import Report, metric_row

MAX_REPORT_BYTES = 32 * 2**20
MAX_EPISODES = 100_000
_MAX_METRICS = 200
_MAX_SEED = 2**63 - 1
_BATCH = 1000


def add_evaluation(person: Person, data: bytes, *, model: str = "", revision: str = "") -> Evaluation:
    """Keep a report.

    Args:
        person: Whose it is.
        data: What ``Report.to_json`` wrote.
        model: ``owner/name`` of the model that was judged; whoever sees it sees the evaluation. '' where nobody
            else shall.
        revision: Which version or variant of it; '' where nobody knows.

    Raises:
        InvalidInput: It is no report, or too large.
        NotFound: The model is hidden from the person, or has no such revision.
        PermissionDenied: The person may not change the model.
    """
    report = read_report(data)
    judged, variant = _judged(person, model, revision)
    with transaction.atomic():
        evaluation = Evaluation.objects.create(owner=person, model=judged, variant=variant, kind=report.kind[:40])
        fill_in(evaluation, report)
        record(person, "evaluation added", model or f"evaluation {evaluation.pk}", report.verdict)
    return evaluation


def fill_in(evaluation: Evaluation, report: Report) -> None:
    """Keep a report in an evaluation, in place of what it had; call it inside the act's transaction."""
    evaluation.kind = report.kind[:40]
    evaluation.suite = str(report.facts("Suite").get("suite") or "")[:100] or evaluation.suite
    evaluation.verdict = report.verdict
    evaluation.summary = report.summary
    # With their places in the order, which a database may not keep.
    evaluation.metrics = {
        name: {**metric_row(metric), "position": i} for i, (name, metric) in enumerate(report.metrics.items())
    }
    evaluation.report = report.to_json()
    evaluation.save(update_fields=["kind", "suite", "verdict", "summary", "metrics", "report"])
    evaluation.episodes.all().delete()
    rows = [to_row(evaluation, i, each) for i, each in enumerate(report.episodes)]
    Episode.objects.bulk_create(rows, batch_size=_BATCH)


def to_row(evaluation: Evaluation, index: int, episode: Row) -> Episode:
    """An episode of a report as a row that is not written yet."""
    return Episode(
        evaluation=evaluation,
        index=index,
        scenario=episode.scenario[:200],
        seed=episode.seed,
        status=episode.status[:200],
        failed=episode.failed,
        metrics={name: float(value) for name, value in episode.metrics.items() if math.isfinite(value)},
        absent={name: reason[:300] for name, reason in episode.absent.items()},
    )


def delete_evaluation(person: Person, evaluation_id: int) -> None:
    """Forget an evaluation of one's own.

    Raises:
        NotFound: It is not the person's.
        Conflict: It is being driven.
    """
    with transaction.atomic():
        mine = Evaluation.objects.select_related("job").defer("report", "plan")
        evaluation = mine.filter(owner=person, pk=evaluation_id).first()
        if evaluation is None:
            raise NotFound("There is no such evaluation of yours.")
        if evaluation.job is not None and evaluation.job.state in (QUEUED, RUNNING):
            raise Conflict(f"Evaluation {evaluation_id} is {evaluation.job.state}.", "Cancel it first.")
        evaluation.delete()
        record(person, "evaluation deleted", f"evaluation {evaluation_id}")


def read_report(data: bytes) -> Report:
    """A report of a stranger's.

    Raises:
        InvalidInput: It is none, or too large.
    """
    if len(data) > MAX_REPORT_BYTES:
        raise InvalidInput(f"The report is larger than {MAX_REPORT_BYTES // 2**20} MiB.", "Leave its figures away.")
    try:
        text = data.decode()
        if "\\u0000" in text or "\0" in text:
            raise InvalidInput("The report contains the character NUL.")
        report = Report.from_json(text)
    except UnicodeDecodeError:
        raise InvalidInput("This is not a report: it is not UTF-8.", "Pass a file that --json wrote.") from None
    if len(report.episodes) > MAX_EPISODES or len(report.metrics) > _MAX_METRICS:
        raise InvalidInput(
            f"The report has {len(report.episodes)} episodes and {len(report.metrics)} metrics; "
            f"at most {MAX_EPISODES} and {_MAX_METRICS} are taken."
        )
    for each in report.episodes:
        if not -_MAX_SEED <= each.seed <= _MAX_SEED:
            raise InvalidInput(f"The seed of an episode is {each.seed}; it has at most 63 bits.")
    return report


def _judged(person: Person, ref: str, revision: str) -> tuple[Model | None, Variant | None]:
    if not ref:
        if revision:
            raise InvalidInput(f"There is a revision {revision!r}, but no model.", "Say model=owner/name too.")
        return None, None
    owner, slash, name = ref.partition("/")
    if not slash:
        raise NotFound(f"There is no model {ref[:130]!r}.", "Write owner/name.")
    model = find_model(person, owner, name, to="change")
    return model, variant_of(model, revision) if revision else None
