"""What a server is to hold."""

from __future__ import annotations

from typing import Any

from rilaas.core import NotFound
from rilaas.hub.models import Placement, Server
from rilaas.hub.queries.policy import snapshot

_UNUSED = ("log", "isolation", "reason", "variant__manifest", "variant__files", "variant__card", "variant__record")


def wanted_on(name: str) -> dict[str, Any]:
    """Placements of a server, as ``deploy.Placement`` reads them; none for a server that is not known yet."""
    with snapshot():
        server = Server.objects.filter(name=name).first()
        rows = Placement.objects.filter(server=server) if server is not None else Placement.objects.none()
        rows = rows.select_related("deployment__model__owner", "variant__version").order_by("pk").defer(*_UNUSED)
        return {"generation": server.generation if server else 0, "placements": [_row(row) for row in rows]}


def archive_for(name: str, digest: str) -> str:
    """The blob of a variant that is placed on a server: its SHA-256.

    Raises:
        NotFound: None with this digest is.
    """
    rows = Placement.objects.filter(server__name=name, variant__digest=digest)
    sha256 = rows.values_list("variant__archive_sha256", flat=True).first()
    if sha256 is None:
        raise NotFound(f"No model with the digest {digest[:80]!r} is placed on {name}.", "Ask for the placements.")
    return sha256


def _row(row: Placement) -> dict[str, Any]:
    deployment = row.deployment
    return {
        "id": row.pk,
        "model": str(deployment.model),
        "revision": row.variant.revision,
        "digest": row.variant.digest,
        "replicas": deployment.replicas,
        "threads": deployment.threads,
        "memory_bytes": deployment.memory_bytes,
        "cpus": deployment.cpus,
        "isolation": "auto",
    }
