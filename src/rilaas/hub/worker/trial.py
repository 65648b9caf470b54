"""The kind ``trial``: one input from a model's page."""

from __future__ import annotations

from typing import Any

from rilaas.hub.actions.run import TRIAL_RUN
from rilaas.hub.dataset_store import run_folder
from rilaas.hub.worker.dataset_run import find_run, run_over
from rilaas.hub.worker.journal import INPUT
from rilaas.hub.worker.kind import TRIAL, job_kind
from rilaas.hub.worker.work import Work


@job_kind(TRIAL_RUN, TRIAL)
def run_trial(work: Work) -> dict[str, Any]:
    """Ask the model once."""
    run = find_run(work)
    run_over(work, run, run_folder(run.pk) / INPUT, samples=1)
    return {"address": f"/runs/{run.pk}", "text": "The model has answered."}
