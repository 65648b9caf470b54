"""The state of the document's load balancing: two counts for each of a fixed set of servers.

Source: Tanwani et al., RILaaS, section V, eq. 1: s = [p_i, q_i] for i = 1..N, where p_i is the number of requests of
the agent's model on server i and q_i that of all models. Both are what an interceptor itself has in flight, requests
on the wire included; the request that wants a server is not among them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rilaas.balance.protocol import ServerView, Weighing
from rilaas.core import InvalidInput

FEATURES = ("in_flight_of_model", "in_flight")
"""What is counted on each server, in the state's order; a file that was trained for others is refused."""

Counts = tuple[int, ...]
"""p_1, q_1, p_2, q_2, ...: (2 N,) requests."""


class ServerSet:
    """The servers that a table or a network was made for, in its order.

    Args:
        names: Of the servers; the document has their number fixed.

    Attributes:
        names: The same.
        place: Number of each, from 0.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.place = {name: i for i, name in enumerate(self.names)}

    def counts(self, model: str, servers: Sequence[ServerView]) -> Counts | None:
        """The state as the agent of a model sees it.

        A server of the set that is not there counts as idle; it cannot be chosen anyway.

        Args:
            model: Whose agent it is.
            servers: Those that are there, in any order.

        Returns:
            The counts; None where a server is there that is not of the set: the state does not tell of it.
        """
        seen: dict[str, ServerView] = {}
        for server in servers:
            if server.name not in self.place:
                return None
            seen[server.name] = server
        counts: list[int] = []
        for name in self.names:
            view = seen.get(name)
            if view is None:
                counts += (0, 0)
            else:
                counts += (view.in_flight_by_model.get(model, 0), view.in_flight)
        return tuple(counts)


def weigh_q(
    known: ServerSet, left: Sequence[ServerView], state: Counts, values: Sequence[float], rule: str
) -> Weighing:
    """The weighing of a policy that takes the largest Q: p and q of each server, and its Q."""
    places = [known.place[server.name] for server in left]
    figures = {
        FEATURES[0]: [float(state[2 * i]) for i in places],
        FEATURES[1]: [float(state[2 * i + 1]) for i in places],
        "q": [float(values[i]) for i in places],
    }
    return Weighing([server.name for server in left], figures, rule)


def check_trained_for(card: Mapping[str, Any], kind: str, servers: Collection[str]) -> None:
    """Check that a policy's file fits the servers of a deployment.

    Args:
        card: Of the file.
        kind: Which policy it is for.
        servers: Names of the servers that it shall choose among.

    Raises:
        InvalidInput: It was trained for others, or for another number of them.
    """
    trained = list(card["servers"])
    if set(servers) == set(trained):
        return
    raise InvalidInput(
        f"This {kind} policy was trained for {len(trained)} servers ({_listed(trained)}), "
        f"not for these {len(servers)} ({_listed(sorted(servers))}).",
        f"Train it anew: rilaas learn balancer --policy {kind} --suite FILE, where FILE has servers of these names; "
        "or take a policy that knows no fixed set, such as least_connections.",
    )


def check_card(card: Mapping[str, Any], kind: str, path: object) -> None:
    """Check what a file says of the state it was trained with.

    Raises:
        InvalidInput: It names no servers or models, or was trained for other features.
    """
    anew = f"Train anew: rilaas learn balancer --policy {kind} --out {path}."
    for key in ("servers", "models"):
        names = card.get(key)
        if not _is_names(names):
            raise InvalidInput(f"{path} does not say for which {key} it was trained.", anew)
    features = card.get("features")
    if features != list(FEATURES):
        trained = _listed(features) if isinstance(features, list) and _is_names(features) else repr(features)
        raise InvalidInput(
            f"{path} was trained for other features: {trained}; this rilaas counts {_listed(FEATURES)}.", anew
        )


def _is_names(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(name, str) for name in value)
        and len(set(value)) == len(value)
    )


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)
