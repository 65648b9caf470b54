"""What the policy knows, as bytes: an interceptor that starts again need not learn its servers anew.

JSON: for each server its slots, and for each model there the means of the time in the model and outside of it with
their scatter, and when the last answer came. What is in flight, how often models are asked and how servers failed is
not in it: that is another after a pause.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any, Final

from rilaas.balance.marginal_cost.estimate import Mean
from rilaas.balance.marginal_cost.memory import Memory
from rilaas.balance.marginal_cost.server import MOST_SLOTS, Server, Speed
from rilaas.core import InvalidInput

_KIND: Final = {"policy": "marginal_cost", "format": 1}
_OLDEST_S = 3600.0  # since the last answer: what was learned before says little
_LEAST_S = 1e-9
_MOST = 1e6  # seconds, their squares, or values counted


def write_state(memory: Memory) -> bytes:
    """What is known of servers and models; the same bytes as long as nothing is learned."""
    zero_unix_s = _zero_unix_s()
    servers = {name: _server_row(server, zero_unix_s) for name, server in memory.servers.items()}
    return json.dumps({**_KIND, "servers": {name: row for name, row in servers.items() if row["models"]}}).encode()


def restore_state(memory: Memory, state: bytes) -> None:
    """Take over what is not older than an hour, for servers that are not known yet.

    A server that was slow is taken for as fast as usual, and one request will tell.

    Args:
        memory: Gets the servers.
        state: Of ``write_state``.

    Raises:
        InvalidInput: It is no state of this policy; nothing was taken over.
    """
    try:
        document = json.loads(state)
        if {key: document[key] for key in _KIND} != _KIND:
            raise ValueError("it is another policy's, or of another format")
        zero_unix_s = _zero_unix_s()
        servers = {name: _read_server(row, zero_unix_s) for name, row in document["servers"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"The bytes are no state of marginal_cost: {error}.") from None
    for name, server in servers.items():
        if server.speeds and name not in memory.servers:
            memory.servers[name] = server


def _zero_unix_s() -> float:
    """When the monotonic clock, by which answers are stamped, was 0 by the wall clock [s]."""
    return time.time() - time.monotonic()


def _server_row(server: Server, zero_unix_s: float) -> dict[str, Any]:
    slots = {**server.slots, **{key: queue.slots for key, queue in server.queues.items()}}
    models = {
        model: {
            "service_s": _mean_row(speed.service),
            "network_s": _mean_row(speed.network),
            "usual_s": speed.usual_s if speed.usual_s < math.inf else None,
            "at_unix_s": round(zero_unix_s + speed.at_s),
        }
        for model, speed in server.speeds.items()
        if speed.service.count
    }
    return {"slots": slots, "models": models}


def _mean_row(mean: Mean) -> dict[str, float]:
    return {"mean": mean.value, "variance": mean.variance, "count": mean.count}


def _read_server(row: Mapping[str, Any], zero_unix_s: float) -> Server:
    server = Server()
    server.slots = {key: int(_number(slots, 1, MOST_SLOTS)) for key, slots in row["slots"].items()}
    for model, each in row["models"].items():
        speed, now_s, stamp = _read_speed(each), time.monotonic(), each.get("at_unix_s")
        speed.at_s = now_s if stamp is None else _number(stamp) - zero_unix_s
        if now_s - speed.at_s <= _OLDEST_S:
            server.speeds[model] = speed
    server.settle()
    if server.is_doubted:
        server.hope()
    return server


def _read_speed(row: Mapping[str, Any]) -> Speed:
    speed = Speed()
    speed.service, speed.network = _read_mean(row["service_s"]), _read_mean(row["network_s"])
    speed.service.value = max(speed.service.value, _LEAST_S)
    if row["usual_s"] is not None:
        speed.usual_s = _number(row["usual_s"], _LEAST_S, _MOST)
    return speed


def _read_mean(row: Mapping[str, Any]) -> Mean:
    mean = Mean()
    mean.value, mean.variance = _number(row["mean"], 0.0, _MOST), _number(row["variance"], 0.0, _MOST)
    mean.count = int(_number(row["count"], 1, _MOST))
    return mean


def _number(value: Any, least: float = -math.inf, most: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError(f"{value!r} is no number from {least:g} to {most:g}")
    return value
