"""Removes what nothing names any more: folders of runs, drives and pictures, uploads, unpacked models."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from rilaas.hub.actions import dataset, recording, registry
from rilaas.hub.actions.run import forget_trials
from rilaas.hub.blob_store import clean as clean_uploads
from rilaas.hub.blob_store import home
from rilaas.hub.models import DatasetVersion, Evaluation, Job, Run
from rilaas.hub.models.job import CANCELLED, FAILED, QUEUED, RUNNING

_KEPT_S = 24 * 3600.0


def clean() -> None:
    """Look through the folders; young ones are left, for their row may be about to be written."""
    forget_trials()
    runs = set(map(str, Run.objects.values_list("pk", flat=True)))
    for folder in _old(home() / "runs"):
        if folder.name not in runs:
            shutil.rmtree(folder, ignore_errors=True)
    blobs = set(DatasetVersion.objects.values_list("blob_sha256", flat=True))
    for folder in _old(home() / "pictures"):
        if folder.name not in blobs:
            shutil.rmtree(folder, ignore_errors=True)
    wanted = Job.objects.filter(kind="dataset-freeze", state__in=(QUEUED, RUNNING, FAILED, CANCELLED))
    named = {parameters.get("folder") for parameters in wanted.values_list("parameters", flat=True)}
    for folder in _old(home() / "incoming"):
        if folder.name not in named:
            shutil.rmtree(folder, ignore_errors=True)
    driven = set(map(str, Evaluation.objects.filter(job__state__in=(QUEUED, RUNNING)).values_list("pk", flat=True)))
    for folder in _old(home() / "evaluations"):  # of one that is tried again later, all is driven again
        if folder.name not in driven:
            shutil.rmtree(folder, ignore_errors=True)
    for kept in ("unpacked", "optimizing", "optimized"):  # touched when used
        for folder in _old(home() / kept):
            shutil.rmtree(folder, ignore_errors=True)
    dataset.sweep()
    recording.sweep()
    registry.sweep()
    clean_uploads()


def _old(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    bound = time.time() - _KEPT_S
    return [folder for folder in root.iterdir() if folder.is_dir() and folder.stat().st_mtime < bound]
