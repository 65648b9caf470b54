"""Suites: a cluster with the loads to train on and the loads to test with.

::

    name = "mine"                        # for tables; the file's name where it is not said
    cluster = "rilaas-4-8"               # a name of ours, or a file beside this one
    train = ["uniform-8", "spike"]       # names of ours, or files beside this one
    test = ["uniform-8", "spike", "sinusoidal-0.05", "afternoon.toml"]

Ours are called as the clusters, ``rilaas-E-C``: the document's split, with its first four types of profiles to train
on and all five to test with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rilaas.balance.simulation.cluster import Cluster
from rilaas.balance.simulation.cluster_file import read_cluster
from rilaas.balance.simulation.document import PROFILES
from rilaas.balance.simulation.load import Load
from rilaas.balance.simulation.load_file import read_load
from rilaas.balance.simulation.toml_value import beside, place, text, texts
from rilaas.core import InvalidInput, NotFound, did_you_mean
from rilaas.core.toml import checked_table, read_toml

_KEYS = ("name", "cluster", "train", "test")


@dataclass(frozen=True, slots=True)
class LoadSuite:
    """Where policies are trained and compared.

    Attributes:
        name: For tables.
        cluster: What the loads are sent to.
        train: Loads that learning policies may see before.
        test: Loads that they are judged with; those that are also in ``train`` have other seeds there.
    """

    name: str
    cluster: Cluster
    train: tuple[Load, ...]
    test: tuple[Load, ...]

    def __post_init__(self) -> None:
        if not self.test:
            raise InvalidInput(f"Suite {self.name!r} tests nothing.", "test has a load or more.")
        for load in (*self.train, *self.test):
            for model in load.models:
                if model not in self.cluster.models:
                    raise InvalidInput(
                        f"Load {load.name!r} asks for model {model!r}, which cluster {self.cluster.name!r} has not.",
                        did_you_mean(model, self.cluster.models),
                    )


def read_suite(name_or_path: str | Path) -> LoadSuite:
    """Read a suite.

    Args:
        name_or_path: ``rilaas-E-C`` or ``rilaas-ExN-CxM``, or a path that ends in ``.toml``.

    Raises:
        NotFound: There is no such suite, cluster, load or file.
        InvalidInput: The file is not one of a suite; the message names file, place and what would have been valid.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        try:
            cluster = read_cluster(name_or_path)
        except NotFound:
            raise NotFound(
                f"There is no suite {str(name_or_path)!r}. Ours are called as the clusters, 'rilaas-4-8'.",
                "A suite of your own is given as a path that ends in .toml.",
            ) from None
        test: tuple[Load, ...] = tuple(PROFILES.values())
        return LoadSuite(cluster.name, cluster, tuple(each for each in test if "sinusoidal" not in each.name), test)
    where = str(path)
    told = read_toml(path)
    if "servers" in told or "kind" in told:
        what = "servers" if "servers" in told else "a load"
        hint = 'A suite names both: cluster = "lab.toml", train = ["monday.toml"], test = ["monday.toml"].'
        raise InvalidInput(f"{where} is {what}, not a suite.", hint)
    table = checked_table(told, where, _KEYS)
    cluster = read_cluster(beside(path, text(table, "cluster", where)))
    train, tests = _loads(table, "train", path, ()), _loads(table, "test", path, None)
    with place(where):
        return LoadSuite(text(table, "name", where, path.stem), cluster, train, tests)


def _loads(table: dict[str, Any], key: str, path: Path, default: tuple[str, ...] | None) -> tuple[Load, ...]:
    return tuple(read_load(beside(path, each)) for each in texts(table, key, str(path), default))
