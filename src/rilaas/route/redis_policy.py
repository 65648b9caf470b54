"""The policy in Redis: the names of its keys, and how the hub writes it.

::

    rilaas:policy:epoch       number of the last change
    rilaas:policy:keys        hash: key fingerprint -> JSON {"robot", "key", "models", "public", "names"}
    rilaas:policy:shared      hash: "public" and "fleet" -> JSON
    rilaas:policy:heartbeat   JSON {"time_s", "epoch"}, each second while the hub lives

and with each change a message on channel ``rilaas:policy``: ``{"epoch", "kids": [...] or null for all, "shared"}``. A
change is one transaction, message included: who reads an epoch reads at least that policy.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from rilaas.core import RilaasError
from rilaas.wire import fingerprint, load_public_key

EPOCH = "rilaas:policy:epoch"
KEYS = "rilaas:policy:keys"
SHARED = "rilaas:policy:shared"
HEARTBEAT = "rilaas:policy:heartbeat"
CHANNEL = "rilaas:policy"

Row = Mapping[str, Any]


def publish(
    client: Any, epoch: int, robots_by_kid: Mapping[str, Row | None], shared: Mapping[str, Any], full: bool
) -> None:
    """Write a change and tell everybody, in one transaction.

    Args:
        client: A ``redis.Redis``.
        epoch: Of the policy after the change: one more than before, unless it is full.
        robots_by_kid: By key fingerprint, rows as ``rows_of`` makes them; None for a key that is registered no more.
        shared: ``public`` and ``fleet``, as far as they changed.
        full: Whether this is everything: what is not named is forgotten.

    Raises:
        redis.RedisError: Nothing was written.
    """
    with client.pipeline(transaction=True) as pipe:
        if full:
            pipe.delete(KEYS, SHARED)
        rows = {kid: _text(row) for kid, row in robots_by_kid.items() if row is not None}
        gone = [kid for kid, row in robots_by_kid.items() if row is None]
        if rows:
            pipe.hset(KEYS, mapping=rows)
        if gone:
            pipe.hdel(KEYS, *gone)
        if shared:
            pipe.hset(SHARED, mapping={name: _text(value) for name, value in shared.items()})
        pipe.set(EPOCH, epoch)
        kids = None if full else sorted(robots_by_kid)
        pipe.publish(CHANNEL, _text({"epoch": epoch, "kids": kids, "shared": full or bool(shared)}))
        pipe.execute()


def beat(client: Any, epoch: int) -> bool:
    """Say that the hub lives; to be called each second.

    Returns:
        Whether Redis holds the policy of this epoch. Where it does not, it was restarted or restored: publish all.

    Raises:
        redis.RedisError: It was not said.
    """
    with client.pipeline(transaction=True) as pipe:
        pipe.set(HEARTBEAT, _text({"time_s": time.time(), "epoch": epoch}))
        pipe.get(EPOCH)
        held = pipe.execute()[1]
    return held is not None and int(held) == epoch


def rows_of(name: str, robot: Row) -> dict[str, Row]:
    """The rows of a robot, by key fingerprint.

    Args:
        name: The robot's name.
        robot: Its entry in the policy document: ``keys``, ``models``, ``public``, ``names``. Keys that are none are
            left out.
    """
    rows: dict[str, Row] = {}
    for line in robot["keys"]:
        try:
            key = load_public_key(line)
        except RilaasError:
            continue
        rest = {part: robot[part] for part in ("models", "public", "names") if part in robot}
        rows[fingerprint(key)] = {"robot": name, "key": key.line, **rest}
    return rows


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
