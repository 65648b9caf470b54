"""How fast variants were on people's machines: rows come in."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from rilaas.hub.models import LatencyMeasurement, Person, Variant
from rilaas.hub.queries.variant import find_variant
from rilaas.store import LatencyRow

MAX_ROWS = 200  # of one variant; the oldest make room


def add_latency(person: Person, model: tuple[str, str], revision: str, measured: Any) -> LatencyMeasurement:
    """Keep a measurement beside a variant.

    Args:
        person: Who measured: the owner or a collaborator.
        model: Owner and name.
        revision: As ``find_variant`` takes it; digits of the digest say which content was measured.
        measured: A ``LatencyRow`` as JSON.

    Raises:
        NotFound: There is no such revision, or it is hidden from the person.
        PermissionDenied: The person may only look at it.
        InvalidInput: It is no measurement.
    """
    variant = find_variant(person, *model, revision, to="change")
    row = LatencyRow.of(measured)
    with transaction.atomic():
        Variant.objects.select_for_update().get(pk=variant.pk)
        made = LatencyMeasurement.objects.create(variant=variant, measured=row.as_json(), created_by=person)
        kept = LatencyMeasurement.objects.filter(variant=variant).order_by("-pk").values_list("pk", flat=True)
        LatencyMeasurement.objects.filter(variant=variant).exclude(pk__in=list(kept[:MAX_ROWS])).delete()
    return made
