"""Balancing policies as people choose among them, and why servers were chosen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from rilaas.balance import BALANCERS
from rilaas.balance.registry import NEEDS_FILE
from rilaas.hub.models import Interceptor

CHOICES = tuple(name for name in BALANCERS if name not in NEEDS_FILE)
"""What a deployment may name: interceptors need no file for them."""

DESCRIPTIONS: Mapping[str, str] = {
    "round_robin": "Every server in its turn, each model by itself.",
    "round_robin_shared": "Every server in its turn, one turn for all models; for comparison.",
    "random": "Any server, all with the same probability.",
    "least_connections": "The server with the fewest requests in flight, of all models.",
    "least_connections_per_model": "The server with the fewest requests of this model in flight; ties to the first.",
    "weighted_least_connections": "The fewest requests in flight for a server's weight.",
    "least_model_time": "The server that answered this model fastest, and now and then another one.",
    "power_of_two_choices": "Two servers at random; the one with fewer requests in flight.",
    "peak_ewma": "Two servers at random; the lower latency, of which peaks count at once.",
    "peak_ewma_full": "The lowest latency of all servers, of which peaks count at once.",
    "c3": "Ranks servers by latency and queue, for many interceptors that do not know of each other.",
    "prequal": "Few requests in flight first, then low latency, by what servers say of themselves.",
    "shortest_expected_delay": "The shortest delay to be expected, by rates that are learned on line.",
    "q_learning": "The study's Q-learning, one agent a model.",
    "marginal_cost": "The shortest expected delay plus a learned price: what the requests to come lose by it.",
}
_SHOWN = 8


def balancer_choices() -> list[dict[str, str]]:
    """What a deployment may name, each in one line."""
    return [{"name": name, "description": DESCRIPTIONS.get(name, "")} for name in CHOICES]


def decisions_of(model: str) -> list[dict[str, Any]]:
    """The last decisions of all interceptors for a model, the newest first."""
    found = [
        {**each, "interceptor": name}
        for name, rows in Interceptor.objects.order_by("name").values_list("name", "decisions")
        for each in rows
        if each.get("model") == model
    ]
    found.sort(key=lambda each: -each["at_unix_s"])
    return [_shown(each) for each in found[:_SHOWN]]


def _shown(decision: Mapping[str, Any]) -> dict[str, Any]:
    attempts = [
        {**each, "columns": [_headed(name) for name in each["figures"]], "rows": _rows(each)}
        for each in decision["attempts"]
    ]
    at = datetime.fromtimestamp(decision["at_unix_s"], timezone.utc)
    return {**decision, "at": at, "attempts": attempts}


def _headed(name: str) -> str:
    """A figure's name as the head of a column: ``wait [s]``."""
    bare = name.removesuffix("_s")
    return f"{bare} [s]".replace("_", " ") if bare != name else name.replace("_", " ")


def _rows(attempt: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table of an attempt: a row for each server, with the figures in the order of their names."""
    columns = attempt["figures"].values()
    return [
        {"server": name, "figures": [column[at] if at < len(column) else None for column in columns]}
        for at, name in enumerate(attempt["servers"])
    ]
