"""Reading a cluster: one of ours by name, or a TOML file that a person can write.

Ours are ``rilaas-E-C``: Table I of the document with E slots at the edge and C in the cloud; and ``rilaas-ExN-CxM``:
N edge servers with E slots each, and M in the cloud with C each. See ``document``.

::

    name = "two sites"                       # for tables; the file's name where it is not said
    models = ["detector", "segmenter"]       # those of the first server's service where they are not said

    [[servers]]
    name = "edge"
    kind = "edge"                            # or "cloud"
    count = 2                                # so many alike, edge-1 and edge-2; 1 where it is not said
    slots = 4                                # inferences at once; { detector = 4, segmenter = 2 }: a queue for each
    service = { detector = { mean_s = 0.036, std_s = 0.003 }, segmenter = 1.4 }
    network = { mean_s = 0.1, cv = 0.3, shape = "gamma" }    # round trip without service; all models, or by model
    upload_share = 0.7                       # of the network time that lies before the server
    weight = 1.0                             # for policies that use weights

    [[disturbances]]
    at_s = 40                                # until the end where until_s is not said
    until_s = 80
    server = "edge-1"
    kind = "slow"                            # network, jitter, refuse, silent, leave, join; see Disturbance
    value = 3.0                              # slow, network: a factor; jitter: seconds

A duration is a number (always so long); ``{ mean_s, std_s }`` (normal, cut at 5 % of the mean);
``{ mean_s, cv, shape }`` with shape normal, lognormal, exponential, gamma or uniform; or ``{ samples_s = [...] }``:
measured ones, drawn from. Instead of ``[[servers]]``, ``like = "rilaas-4-8"`` takes those of another cluster, by name
or file, with what befalls them there.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from rilaas.balance.simulation import document
from rilaas.balance.simulation.cluster import Cluster, Disturbance, SimServer
from rilaas.balance.simulation.toml_value import beside, durations, number, place, tables, text, texts
from rilaas.core import InvalidInput, NotFound, did_you_mean
from rilaas.core.toml import checked_table, read_toml

MAX_SERVERS = 10_000

_PRESET = re.compile(r"rilaas-([1-9]\d{0,3})(?:x([1-9]\d{0,2}))?-([1-9]\d{0,3})(?:x([1-9]\d{0,2}))?")
_CLUSTER = ("name", "models", "like", "servers", "disturbances")
_SERVER = ("name", "kind", "count", "slots", "service", "network", "upload_share", "weight")
_DISTURBANCE = ("at_s", "until_s", "server", "kind", "value")


def read_cluster(name_or_path: str | Path) -> Cluster:
    """Read a cluster.

    Args:
        name_or_path: ``rilaas-E-C`` or ``rilaas-ExN-CxM``, or a path that ends in ``.toml``.

    Raises:
        NotFound: There is no such cluster or file.
        InvalidInput: The file is not one of a cluster; the message names file, place and what would have been valid.
    """
    name = str(name_or_path)
    preset = _PRESET.fullmatch(name)
    if preset is not None:
        edge, edges, cloud, clouds = (int(each or 1) for each in preset.groups())
        return document.cluster(name, [edge] * edges, [cloud] * clouds)
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise NotFound(
            f"There is no cluster {name!r}. Ours are called 'rilaas-4-8' (slots at the edge and in the cloud) or "
            "'rilaas-4x3-4x3' (so many servers of each).",
            "A cluster of your own is given as a path that ends in .toml.",
        )
    return _read(path)


def _read(path: Path) -> Cluster:
    where = str(path)
    told = checked_table(read_toml(path), where, _CLUSTER)
    described = tables(told, "servers", where)
    if ("like" in told) == bool(described):
        raise InvalidInput(f"{where} has no servers, or has them twice.", "Give [[servers]], or like = 'rilaas-4-8'.")
    disturbances: tuple[Disturbance, ...] = ()
    if "like" in told:
        base = _like(told, path)
        models, servers, disturbances = base.models, base.servers, base.disturbances
    else:
        models = _models(told, described, where)
        servers = tuple(
            server
            for position, table in enumerate(described, 1)
            for server in _servers(table, models, f"{where}: [[servers]] {position}")
        )
    if len(servers) > MAX_SERVERS:
        raise InvalidInput(f"{where} has {len(servers)} servers; it has at most {MAX_SERVERS}.")
    disturbances += tuple(
        _disturbance(table, f"{where}: [[disturbances]] {position}")
        for position, table in enumerate(tables(told, "disturbances", where), 1)
    )
    with place(where):
        return Cluster(text(told, "name", where, path.stem), models, servers, disturbances)


def _like(told: dict[str, Any], path: Path) -> Cluster:
    where = str(path)
    if "models" in told:
        raise InvalidInput(f"{where}: models are those of the cluster that it is like.", "Leave them out.")
    like = beside(path, text(told, "like", where))
    if isinstance(like, Path) and "like" in read_toml(like):
        raise InvalidInput(f"{where} is like {like}, which is like another one.", "Name that one.")
    with place(where):
        return read_cluster(like)


def _models(table: dict[str, Any], servers: list[dict[str, Any]], where: str) -> tuple[str, ...]:
    if "models" in table:
        models = texts(table, "models", where)
        if not models:
            raise InvalidInput(f"{where}: models is []; it is one or more.")
        return models
    service = servers[0].get("service")
    if not isinstance(service, dict) or not service or "mean_s" in service or "samples_s" in service:
        raise InvalidInput(
            f"{where} says no models.", 'Write models = ["..."], or service of each model by its name.'
        )
    return tuple(service)


def _servers(table: dict[str, Any], models: tuple[str, ...], where: str) -> list[SimServer]:
    checked_table(table, where, _SERVER)
    for key in ("name", "slots", "service", "network"):
        if key not in table:
            raise InvalidInput(f"{where} has no {key}.", "A server has name, slots, service and network.")
    name, slots = text(table, "name", where), table["slots"]
    count = table.get("count", 1)
    if type(count) is not int or not 1 <= count <= MAX_SERVERS:
        raise InvalidInput(f"{where}: count is {count!r}; it is 1 or more.")
    if isinstance(slots, dict):
        for model in slots:
            if model not in models:
                raise InvalidInput(f"{where}.slots: unknown model {model!r}.", did_you_mean(model, models))
    service = durations(table["service"], models, f"{where}.service")
    network = durations(table["network"], models, f"{where}.network")
    share, weight = number(table, "upload_share", where, 0.7), number(table, "weight", where, 1.0)
    kind = text(table, "kind", where, "edge")
    names = [name] if count == 1 else [f"{name}-{k + 1}" for k in range(count)]
    with place(where):
        return [SimServer(each, kind, slots, service, network, share, weight) for each in names]


def _disturbance(table: dict[str, Any], where: str) -> Disturbance:
    checked_table(table, where, _DISTURBANCE)
    kind = text(table, "kind", where)
    with place(where):
        if kind in ("slow", "network", "jitter") and "value" not in table:
            raise InvalidInput(f"The disturbance {kind!r} needs a value.")
        at_s, until_s = number(table, "at_s", where), number(table, "until_s", where, math.inf)
        return Disturbance(at_s, until_s, text(table, "server", where), kind, number(table, "value", where, 1.0))
