"""The server of least cost, and the one trial that a server gets of which nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.balance.protocol import ServerView, Weighing


def in_flight_of(server: ServerView, model: str) -> int:
    """Requests of one model in flight; of all models where the view does not split them."""
    by_model = server.in_flight_by_model
    return by_model.get(model, 0) if by_model else server.in_flight


def least_cost(servers: Sequence[ServerView], costs: Sequence[float | None], model: str) -> int:
    """Index of the server of least cost, the first of those tied.

    A server whose cost is not known is chosen at once while nothing of the model is in flight there, and passed over
    while its trial runs: taken for fast by everybody at once it would be flooded, taken for slow it would never be
    tried. If every server is on trial, the one with the fewest requests in flight is chosen.

    Args:
        servers: At least one.
        costs: One per server; None where nothing is known.
        model: What is asked for.
    """
    best, least = -1, 0.0
    for index, cost in enumerate(costs):
        if cost is None:
            if not in_flight_of(servers[index], model):
                return index
        elif best < 0 or cost < least:
            best, least = index, cost
    return best if best >= 0 else min(range(len(servers)), key=lambda index: servers[index].in_flight)


def weigh_costs(
    servers: Sequence[ServerView], costs: Sequence[float | None], name: str, rule: str
) -> Weighing | None:
    """The weighing of a policy that compares costs; ``known`` is 0 where a server has none yet.

    Args:
        servers: Those that could be chosen.
        costs: One per server; None where nothing is known.
        name: What the cost is called, with its unit.
        rule: How the choice follows.
    """
    if not servers:
        return None
    figures = {
        "in_flight": [float(server.in_flight) for server in servers],
        name: [0.0 if cost is None else cost for cost in costs],
        "known": [float(cost is not None) for cost in costs],
    }
    return Weighing([server.name for server in servers], figures, rule)
