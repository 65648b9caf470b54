"""The kind ``dataset-run``: a variant over the samples of a dataset, one after another.

A model forgets everything before each sample, so the result of a sample depends on nothing but the sample, and a run
that was broken off goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db.models import Q

from rilaas.core import ModelFailed, NotFound, Prediction, RilaasError, Tensors
from rilaas.hub.actions.job_attempt import fitting
from rilaas.hub.actions.run import RUN, save_summary
from rilaas.hub.dataset_store import dataset_blobs, run_folder
from rilaas.hub.models import Run
from rilaas.hub.queries.access import visible_datasets, visible_models
from rilaas.hub.queries.tensor import plain_number, shown
from rilaas.hub.worker.journal import Journal, write_all, write_order
from rilaas.hub.worker.kind import LONG, job_kind
from rilaas.hub.worker.replica import Asked, asked
from rilaas.hub.worker.run_summary import summarize, worst_first
from rilaas.hub.worker.work import Work
from rilaas.report.overlay import error_of
from rilaas.store.dataset import Dataset, Sample, bind

_SAID = 20  # failures that the log tells one by one


@job_kind(RUN, LONG)
def run_dataset(work: Work) -> dict[str, Any]:
    """Run the model over every sample that has no line in the journal yet."""
    run = find_run(work)
    assert run.dataset_version is not None
    run_over(work, run, dataset_blobs().path(run.dataset_version.blob_sha256))
    return {"address": f"/runs/{run.pk}", "text": "The run is done."}


def find_run(work: Work) -> Run:
    """The run of a job, with all that belongs to it.

    Raises:
        NotFound: The model or the dataset was deleted meanwhile.
    """
    rows = Run.objects.select_related("variant__version__model__owner", "dataset_version")
    rows = rows.filter(variant__version__model__in=visible_models(work.owner))
    of_visible = Q(dataset_version=None) | Q(dataset_version__dataset__in=visible_datasets(work.owner))
    run = rows.filter(of_visible, pk=work.parameters["run"]).first()
    if run is None or (run.dataset_version is not None and not run.dataset_version.blob_sha256):
        raise NotFound("The model or the dataset of this run was deleted, or is not shared any more.")
    return run


def run_over(work: Work, run: Run, path: Path, samples: int | None = None) -> None:
    """Run a variant over a frozen file, and write down what came of it.

    Args:
        work: The attempt.
        run: Its row.
        path: The frozen file.
        samples: How many of its samples; None is all.

    Raises:
        RilaasError: The model cannot be loaded, or its process ends again and again.
        StopWork: The attempt is to end.
    """
    folder = run_folder(run.pk)
    with Dataset(path) as data:
        total = len(data) if samples is None else min(samples, len(data))
        journal = Journal(folder)
        try:
            work.step(len(journal.rows), total)
            if len(journal.rows) < total:
                with asked(work, run.variant) as model:
                    _each(work, data, range(total), model, journal)
            rows = journal.rows
        finally:
            journal.close()
        work.say("Writing down the result.")
        good = [i for i in sorted(rows) if "error" not in rows[i]]
        write_all(folder, good)
        summary = summarize(rows.values())
        write_order(folder, worst_first(rows.values(), summary))
    save_summary(run.pk, summary)
    work.say(f"{len(good)} of {total} samples were answered.")


def _each(work: Work, data: Dataset, indexes: Iterable[int], model: Asked, journal: Journal) -> None:
    failed = sum("error" in row for row in journal.rows.values())
    noted: set[str] = set()
    for index in indexes:
        if index in journal.rows:
            continue
        sample = data[index]
        try:
            bound = bind(sample.inputs, model.signature)
            for note in set(bound.notes) - noted:
                work.say(note)
            noted.update(bound.notes)
            answer = model.predict(bound.inputs)
        except RilaasError as error:
            if model.is_given_up:
                raise ModelFailed(f"The model was given up at sample {index}. {error.message}", error.hint) from None
            failed += 1
            if failed <= _SAID:
                work.say(f"Sample {index} failed: {error.message}")
            said = {"code": error.code, "message": fitting(error.message[:2000]), "hint": fitting(error.hint[:1000])}
            journal.add({"i": index, "error": said}, None)
        else:
            journal.add(_row(index, answer, sample), answer.tensors)
        work.step(len(journal.rows))


def _row(index: int, answer: Prediction, sample: Sample) -> dict[str, Any]:
    timing = answer.timing
    return {
        "i": index,
        "total_s": timing.total_s,
        "preprocess_s": timing.preprocess_s,
        "compute_s": timing.compute_s,
        "postprocess_s": timing.postprocess_s,
        "outputs": {name: shown(array) for name, array in answer.tensors.items()},
        "errors": errors(answer.tensors, sample.expected),
    }


def errors(outputs: Tensors, expected: Tensors) -> dict[str, dict[str, Any]]:
    """Of each output for which something is expected: ``mae``, ``rmse``, ``max``, ``n`` numbers."""
    return {
        name: {**{key: plain_number(value) for key, value in figures.items()}, "n": int(outputs[name].size)}
        for name, figures in error_of(outputs, expected).items()
        if outputs[name].size
    }
