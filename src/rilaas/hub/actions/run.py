"""A model over a dataset, or over one input: checked before anything is queued, done by a job."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from rilaas.core import InvalidInput, SignatureMismatch
from rilaas.hub.actions.event import record
from rilaas.hub.actions.job import queue_job
from rilaas.hub.blob_store import scratch
from rilaas.hub.dataset_store import dataset_blobs, joined, run_folder
from rilaas.hub.models import DatasetVersion, Job, Person, Run, Variant
from rilaas.hub.models.job import QUEUED, RUNNING
from rilaas.hub.queries.dataset import find_version
from rilaas.hub.queries.tensor import signature_of
from rilaas.hub.queries.variant import find_variant
from rilaas.store.dataset import Dataset, DatasetLimits, bind, freeze_dataset

RUN, TRIAL_RUN = "dataset-run", "trial"
MAX_TRIAL_BYTES = 32 * 2**20
_TRIAL_LIMITS = DatasetLimits(samples=1000, sample_bytes=64 * 2**20, total_bytes=128 * 2**20, files=1000)


def start_run(
    person: Person, model: tuple[str, str], revision: str, dataset: tuple[str, str], number: int | None = None
) -> Run:
    """Queue a run of a variant over a version of a dataset.

    Args:
        person: Who sees both.
        model: Owner and name.
        revision: As ``find_variant`` takes it.
        dataset: Owner and name.
        number: Of the version; None is the newest.

    Raises:
        NotFound: One of them is not there, or hidden from the person.
        SignatureMismatch: The dataset has no inputs that the model takes; nothing was queued.
    """
    variant = find_variant(person, *model, revision)
    version = find_version(person, *dataset, number)
    with Dataset(dataset_blobs().path(version.blob_sha256)) as data:
        _check_fit(variant, f"{version.dataset}:{version.number}", data)
    what = f"{variant.version.model}:{variant.revision} over {version.dataset}:{version.number}"
    with transaction.atomic():
        run = _queued(person, RUN, f"Run {what}", variant, version)
        record(person, "run started", str(version.dataset), what)
    return run


def start_trial(person: Person, model: tuple[str, str], revision: str, files: Sequence[tuple[str, Path]]) -> Run:
    """Queue a trial of a variant on one picture, or on the first sample of a small upload.

    Raises:
        NotFound: The model is not there, or hidden from the person.
        InvalidInput: The upload cannot be read, or is no small one.
        SignatureMismatch: The model does not take it.
    """
    variant = find_variant(person, *model, revision)
    with scratch() as place:
        filename, path = joined(files, place)
        if path.stat().st_size > MAX_TRIAL_BYTES:
            raise InvalidInput(
                f"{filename[:100]} is larger than {MAX_TRIAL_BYTES // 2**20} MiB.",
                "Upload it as a dataset, and run the model over that.",
            )
        frozen = place / "frozen"
        freeze_dataset(path, filename, frozen, limits=_TRIAL_LIMITS)
        with Dataset(frozen) as data:
            _check_fit(variant, filename[:100], data)
        with transaction.atomic():
            title = f"Try {variant.version.model}:{variant.revision} on {filename[:100]}"
            run = _queued(person, TRIAL_RUN, title, variant, None)
            folder = run_folder(run.pk)
            shutil.rmtree(folder, ignore_errors=True)  # of a run whose transaction was rolled back
            folder.mkdir(parents=True)
            shutil.copyfile(frozen, folder / "input")
    return run


def forget_trials(older_than_days: float = 7.0) -> int:
    """Delete trials that nobody looks at any more, with their jobs; returns how many."""
    bound = timezone.now() - timedelta(days=older_than_days)
    old = Job.objects.filter(kind=TRIAL_RUN, created_at__lt=bound).exclude(state__in=(QUEUED, RUNNING))
    count = old.count()
    old.delete()
    return count


def save_summary(run_id: int, summary: Mapping[str, Any]) -> None:
    """The worker writes down the numbers of a run."""
    Run.objects.filter(pk=run_id).update(summary=dict(summary))


def _queued(person: Person, kind: str, title: str, variant: Variant, version: DatasetVersion | None) -> Run:
    job = queue_job(person, kind, title, {})
    run = Run.objects.create(job=job, variant=variant, dataset_version=version, is_trial=version is None)
    job.parameters = {"run": run.pk}
    job.total = version.samples if version else 1
    job.save(update_fields=["parameters", "total"])
    return run


def _check_fit(variant: Variant, what: str, data: Dataset) -> None:
    """Bind the first sample, as the run will bind each."""
    signature = signature_of(variant.manifest)
    try:
        bind(data[0].inputs, signature)
    except SignatureMismatch as error:
        takes = "; ".join(map(str, signature.inputs.values()))
        has = "; ".join(f"{name}: {info}" for name, info in data.info.fields.items())
        raise SignatureMismatch(
            f"{what} does not fit {variant.version.model}:{variant.revision}. {error.message}",
            f"{error.hint} The model takes {takes}. The samples have {has}.".strip(),
        ) from None
