"""Counts for the first page, and the steps that a person has taken."""

from __future__ import annotations

from typing import Any

from rilaas.hub.models import Deployment, Job, Person, Robot
from rilaas.hub.queries.access import visible_datasets, visible_models


def overview(person: Person) -> dict[str, Any]:
    """What the person has, and which first steps are done."""
    models, datasets = visible_models(person), visible_datasets(person)
    robots = Robot.objects.filter(owner=person)
    counts = {
        "models": models.count(),
        "datasets": datasets.count(),
        "robots": robots.count(),
        "deployments": Deployment.objects.filter(model__in=models).count(),
        "jobs_running": Job.objects.filter(owner=person, state__in=("queued", "running")).count(),
    }
    return {"person": person.username, "counts": counts}
