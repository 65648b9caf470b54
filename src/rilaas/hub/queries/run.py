"""Runs of models over datasets, as pages and programs see them.

A run is seen by the one who started it and by people who work on both its model and its dataset, as long as they see
both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.db.models import Q, QuerySet

from rilaas.core import NotFound
from rilaas.hub.dataset_store import dataset_blobs, run_folder
from rilaas.hub.models import Person, Run, Variant
from rilaas.hub.queries.access import datasets_shared_with, models_shared_with, visible_datasets, visible_models
from rilaas.hub.queries.frozen import sample_at
from rilaas.hub.queries.job import show_job
from rilaas.hub.queries.tensor import may_fit, shown, signature_of
from rilaas.hub.worker.journal import ALL, INPUT, LINES, ORDER, read_outputs
from rilaas.report.overlay import draw
from rilaas.store.dataset import Sample

PER_PAGE = 12
_LISTED = 50
SMALL_PX, LARGE_PX = 420, 800


def visible_runs(person: Person) -> QuerySet[Run]:
    """Runs that the person may see."""
    models, datasets = visible_models(person).values("pk"), visible_datasets(person).values("pk")
    seen = Q(variant__version__model__in=models) & (
        Q(dataset_version=None) | Q(dataset_version__dataset__in=datasets)
    )
    works_on_both = Q(dataset_version__isnull=False)
    for path in ("variant__version__model", "dataset_version__dataset"):
        shared = models_shared_with(person) if path.startswith("variant") else datasets_shared_with(person)
        works_on_both &= Q(**{f"{path}__owner": person}) | Q(**{f"{path}__in": shared.values("pk")})
    return Run.objects.filter(seen & (Q(job__owner=person) | works_on_both))


def list_runs(person: Person, *, model: str = "", dataset: str = "", limit: int = _LISTED) -> list[dict[str, Any]]:
    """Runs over datasets, the newest first; of one model or over one dataset where it is named (``owner/name``)."""
    runs = visible_runs(person).filter(is_trial=False).select_related(*_PARTS).order_by("-pk")
    for ref, path in ((model, "variant__version__model"), (dataset, "dataset_version__dataset")):
        if ref:
            owner, _, name = ref.replace("\0", "").partition("/")
            runs = runs.filter(**{f"{path}__owner__username": owner, f"{path}__name": name})
    return [_row(run) for run in runs.defer(*_HEAVY)[:limit]]


def show_run(person: Person, run_id: int, *, order: str = "", page: str = "") -> dict[str, Any]:
    """One run: its numbers, and a page of its samples.

    Args:
        person: Who asks.
        run_id: Its number.
        order: ``number``, or ``worst`` where the run is done.
        page: Of its samples.

    Raises:
        NotFound: There is none, or it is hidden from the person.
    """
    run = _find(person, run_id)
    rows = _Rows(run_folder(run.pk))
    ordered = rows.order if order != "number" and rows.order else sorted(rows.known)
    pages = max(1, -(-len(ordered) // PER_PAGE))
    number = min(max(1, int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1), pages)
    samples = [_sample_row(run, row) for row in rows.read(ordered[(number - 1) * PER_PAGE : number * PER_PAGE])]
    return {
        **_row(run),
        "job": show_job(run.job.owner, run.job_id) if run.job.owner_id == person.pk else None,
        "state": run.job.state,
        "is_open": run.job.state in ("queued", "running"),
        "failed_with": run.job.error,
        "summary": _listed(run.summary),
        "order": "worst" if rows.order and order != "number" else "number",
        "latency": run.summary.get("latency_s", {}).get("total"),
        "has_expected": bool(run.summary.get("errors")),
        "has_outputs": (run_folder(run.pk) / ALL).is_file(),
        "rows": samples,
        "page_number": number,
        "pages": pages,
        "count": len(ordered),
    }


def show_run_sample(person: Person, run_id: int, index: int) -> dict[str, Any]:
    """One sample of a run: the picture, every tensor.

    Raises:
        NotFound: There is none, it was not run yet, or it is hidden from the person.
    """
    run = _find(person, run_id)
    rows = _Rows(run_folder(run.pk))
    row = next(iter(rows.read([index])), None)
    if row is None:
        raise NotFound(f"The run {run_id} has no sample {index}, or has not come to it yet.")
    sample = _sample(run, index)
    inputs = [{"name": name, **shown(array)} for name, array in sample.inputs.items()]
    return {**_row(run), **_sample_row(run, row), "inputs": inputs, "expected_values": _expected(sample)}


def run_picture(person: Person, run_id: int, index: int, *, small: bool) -> bytes:
    """Outputs drawn on inputs: an SVG.

    Raises:
        NotFound: There is none, or it is hidden from the person.
    """
    run = _find(person, run_id)
    sample = _sample(run, index)
    manifest = run.variant.manifest
    return draw(
        sample.inputs,
        read_outputs(run_folder(run.pk), index),
        sample.expected,
        task=str(manifest.get("task", "")),
        signature=signature_of(manifest),
        max_px=SMALL_PX if small else LARGE_PX,
    )


def run_outputs(person: Person, run_id: int) -> Path:
    """The file of all outputs.

    Raises:
        NotFound: It is not there yet, or the run is hidden from the person.
    """
    run = _find(person, run_id)
    path = run_folder(run.pk) / ALL
    if not path.is_file():
        raise NotFound(f"The outputs of run {run_id} are there when it is done.", "Wait for it.")
    return path


_PARTS = ("job__owner", "variant__version__model__owner", "dataset_version__dataset__owner")
_UNUSED = ("variant__files", "variant__card", "variant__record")
_HEAVY = (*_UNUSED, "variant__manifest", "job__log", "dataset_version__info")


def _find(person: Person, run_id: int) -> Run:
    run = visible_runs(person).select_related(*_PARTS).defer(*_UNUSED).filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id}, or it is not shared with you.", "The page Jobs lists yours.")
    return run


class _Rows:
    """The journal of a run, read where it is needed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LINES
        self.order: list[int] = []
        self.known: dict[int, int] = {}  # where the line of a sample begins
        try:
            found = json.loads((folder / ORDER).read_bytes())
            self.order = found["order"]
            self.known = dict(zip(sorted(self.order), found["offsets"], strict=True))
        except FileNotFoundError:
            self._scan()

    def read(self, indexes: list[int]) -> list[dict[str, Any]]:
        """Rows of samples, those that are there."""
        wanted = [index for index in indexes if index in self.known]
        if not wanted:
            return []
        with self._path.open("rb") as file:
            lines = []
            for index in wanted:
                file.seek(self.known[index])
                lines.append(json.loads(file.readline()))
        return lines

    def _scan(self) -> None:
        if not self._path.is_file():
            return
        position = 0
        with self._path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):  # else it is being written
                    self.known[int(line[6 : line.index(b",")])] = position  # {"i": 12, ...
                position += len(line)


def _sample(run: Run, index: int) -> Sample:
    version = run.dataset_version
    path = dataset_blobs().path(version.blob_sha256) if version else run_folder(run.pk) / INPUT
    return sample_at(path, index)


def _expected(sample: Sample) -> list[dict[str, Any]]:
    return [{"name": name, **shown(array)} for name, array in sample.expected.items()]


def _sample_row(run: Run, row: dict[str, Any]) -> dict[str, Any]:
    index = row["i"]
    return {
        "index": index,
        "address": f"/runs/{run.pk}/samples/{index}",
        "picture": f"/api/v1/runs/{run.pk}/samples/{index}/picture?small=1",
        "large_picture": f"/api/v1/runs/{run.pk}/samples/{index}/picture",
        "failed_with": row.get("error"),
        "total_s": row.get("total_s"),
        "compute_s": row.get("compute_s"),
        "outputs": _named(row.get("outputs", {})),
        "errors": _named(row.get("errors", {})),
    }


def _row(run: Run) -> dict[str, Any]:
    version = run.dataset_version
    return {
        "id": run.pk,
        "job_id": run.job_id,
        "model": str(run.variant.version.model),
        "revision": run.variant.revision,
        "dataset": str(version.dataset) if version else None,
        "dataset_version": version.number if version else None,
        "is_trial": run.is_trial,
        "state": run.job.state,
        "started_by": run.job.owner.username,
        "created_at": run.created_at,
        "samples": run.summary.get("samples"),
        "failed": run.summary.get("failed"),
        "p50_s": run.summary.get("latency_s", {}).get("total", {}).get("p50"),
        "errors_by_output": _named(run.summary.get("errors", {})),
    }


def _listed(summary: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a run as lists, for an output may have any name."""
    if not summary:
        return {}
    return {**summary, **{key: _named(summary[key]) for key in ("errors", "latency_s")}}


def _named(figures: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": name, **each} for name, each in figures.items()]


def runnable(person: Person, fields: list[dict[str, Any]], limit: int = 50) -> dict[str, list[str]]:
    """Versions and variants of the models that changed last, as references, for a form.

    Returns:
        ``fit``: those that may take the fields of a dataset; ``others``.
    """
    models = visible_models(person).order_by("-updated_at", "-pk").values_list("pk", flat=True)[:limit]
    rows = Variant.objects.filter(version__model__in=list(models)).select_related("version__model__owner")
    rows = rows.defer("files", "card", "record").order_by("-version__model__updated_at", "-version__number", "name")
    found: dict[str, list[str]] = {"fit": [], "others": []}
    for row in rows[:limit]:
        fits = may_fit(fields, row.manifest.get("inputs", []))
        found["fit" if fits else "others"].append(f"{row.version.model}:{row.revision}")
    return found
