"""The routing table: which models are public, which servers there are, which revision of a model answers where."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from rilaas.core import InvalidInput

DEFAULT_ALIAS = "prod"
EDGE_ONLY = "edge"


@dataclass(frozen=True, slots=True)
class FleetServer:
    """A server of the fleet: a ``rilaas serve`` and how it is reached.

    Attributes:
        name: Unique name.
        kind: ``edge`` or ``cloud``.
        address: ``host:port``.
        insecure: Clear text; on loopback only.
        added_delay_s: Emulated distance, added to each round trip [s].
        weight: Its share where a policy uses weights.
    """

    name: str
    kind: str
    address: str
    insecure: bool = False
    added_delay_s: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """Where and how one model is served.

    Attributes:
        servers: Names of the servers that hold it.
        balancer: Name of a balancing policy.
        edge_only: Its data stay at the edge: no server of another kind is asked.
        aliases: To revisions, such as ``prod`` to ``3@int8``.
        split: Revisions with their shares of the requests for ``alias``; shares are positive.
        alias: The alias that the split stands for, and that a request without a version means.
    """

    servers: frozenset[str] = frozenset()
    balancer: str = ""
    edge_only: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    split: tuple[tuple[str, float], ...] = ()
    alias: str = DEFAULT_ALIAS

    @property
    def revisions(self) -> frozenset[str]:
        """All revisions that the split or an alias names."""
        return frozenset(self.aliases.values()) | {revision for revision, _ in self.split}

    def revision(
        self,
        version: str,
        is_ready: Callable[[str], bool] = lambda revision: True,
        draw: Callable[[], float] = random.random,
    ) -> str:
        """What a version that was asked for means now.

        Args:
            version: '', an alias, a number or a revision; the last two pass unchanged. ``prod@int8`` is the int8
                variant of what ``prod`` means.
            is_ready: Whether a revision can be asked; the split passes over those that cannot, if others can.
            draw: A number from 0 up to 1.
        """
        base, at, variant = version.partition("@")
        if not at and base in ("", self.alias) and self.split:
            return _drawn([row for row in self.split if is_ready(row[0])] or self.split, draw())
        target = self.aliases.get(base or self.alias)
        if target is None:
            return version
        return f"{target.partition('@')[0]}@{variant}" if at else target


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that robots share.

    Attributes:
        public: Models that every robot may use, within its limits for those.
        servers: By name.
        models: By full name.
    """

    public: frozenset[str] = frozenset()
    servers: Mapping[str, FleetServer] = field(default_factory=dict)
    models: Mapping[str, ModelRoute] = field(default_factory=dict)


def read_fleet(public: Any, table: Any) -> Fleet:
    """Read what the hub says of the fleet.

    Args:
        public: A list of full names.
        table: ``{"servers": [...], "models": {...}}``.

    Raises:
        InvalidInput: Something of it is of the wrong type.
    """
    try:
        servers = [_server(row) for row in table["servers"]]
        models = {str(name): _route(row) for name, row in table["models"].items()}
        return Fleet(frozenset(map(str, public)), {server.name: server for server in servers}, models)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"The hub's table of the fleet is wrong: {error!r}.") from None


def _server(row: Mapping[str, Any]) -> FleetServer:
    delay_s, weight = float(row.get("added_delay_s") or 0.0), float(row.get("weight") or 1.0)
    return FleetServer(
        str(row["name"]),
        str(row["kind"]),
        str(row["address"]),
        row.get("insecure") is True,
        max(0.0, delay_s),
        weight if 0.0 < weight < float("inf") else 1.0,
    )


def _route(row: Mapping[str, Any]) -> ModelRoute:
    split = [(str(part["revision"]), float(part["share"])) for part in row.get("split") or ()]
    return ModelRoute(
        frozenset(map(str, row["servers"])),
        str(row.get("balancer") or ""),
        row.get("sensitivity", "any") != "any",  # an unknown word is taken for the stricter one
        {str(alias): str(revision) for alias, revision in (row.get("aliases") or {}).items()},
        tuple((revision, share) for revision, share in split if share > 0.0),
        str(row.get("alias") or DEFAULT_ALIAS),
    )


def _drawn(split: Collection[tuple[str, float]], number: float) -> str:
    left = number * sum(share for _, share in split)
    chosen = ""
    for chosen, share in split:  # noqa: B007 - it is what is returned
        left -= share
        if left < 0.0:
            break
    return chosen
