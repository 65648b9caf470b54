"""Reading a cluster: one of ours by name, or a TOML file."""

from __future__ import annotations

import re
from pathlib import Path

from rilaas.balance.simulation import document
from rilaas.balance.simulation.cluster import Cluster
from rilaas.core import NotFound

_PRESET = re.compile(r"rilaas-([1-9]\d{0,3})(?:x([1-9]\d{0,2}))?-([1-9]\d{0,3})(?:x([1-9]\d{0,2}))?")


def read_cluster(name_or_path: str | Path) -> Cluster:
    """Read a cluster."""
    text = str(name_or_path)
    found = _PRESET.fullmatch(text)
    if found is None:
        raise NotFound(f"There is no cluster {text!r}.")
    edge, edges, cloud, clouds = (int(each or 1) for each in found.groups())
    return document.cluster(text, [edge] * edges, [cloud] * clouds)
