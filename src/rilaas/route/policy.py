"""The policy as the hub tells it: a document of JSON, whole or with what has changed, into a value that is asked.

::

    {"epoch": 17, "full": true,
     "robots": {"alice/lab-1": {"keys": ["ssh-ed25519 AAAA..."],
                                "models": {"alice/lane": {"rate_per_s": 50.0, "burst": 100}},
                                "public": {"rate_per_s": null, "burst": 1},
                                "names": {"lane": "alice/lane"}},
                "bob/gone": null},
     "public": ["carol/grasp"], "fleet": {"servers": [...], "models": {...}}}

A document that is not ``full`` names only what is different; a robot that is null has no keys any more.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rilaas.core import InvalidInput, RilaasError
from rilaas.route.access import Grant, Registered, RobotAccess
from rilaas.route.fleet import Fleet, read_fleet
from rilaas.wire import PublicKey, fingerprint, load_public_key

_log = logging.getLogger("rilaas.route")


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole policy at one moment.

    Attributes:
        epoch: Grows with each change.
        document: What the hub said, merged: it can be written down and read again.
        robots: By key fingerprint.
        fleet: What all robots share.
    """

    epoch: int = -1
    document: Mapping[str, Any] = field(default_factory=dict)
    robots: Mapping[str, Registered] = field(default_factory=dict)
    fleet: Fleet = field(default_factory=Fleet)


def applied(policy: Policy, document: Mapping[str, Any]) -> Policy:
    """The policy after a document.

    A robot that makes no sense has no access; the log says so, and the others are not concerned.

    Raises:
        InvalidInput: The document makes no sense.
    """
    try:
        is_full, epoch = document["full"] is True, int(document["epoch"])
        changes: Mapping[str, Any] = dict(document.get("robots") or {})
        base = {} if is_full else policy.document
        rows = {**base.get("robots", {}), **changes}
        merged: dict[str, Any] = {
            "epoch": epoch,
            "full": True,
            "robots": {name: row for name, row in rows.items() if row is not None},
            "public": document.get("public", base.get("public", [])),
            "fleet": document.get("fleet", base.get("fleet", {"servers": [], "models": {}})),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"The hub's policy is not understood: {error!r}.") from None
    known = {each.key.line: each.key for each in policy.robots.values()}  # keys are costly to read
    robots = {} if is_full else {kid: each for kid, each in policy.robots.items() if each.robot.name not in changes}
    for name, row in changes.items():
        if row is not None:
            robots.update(_registered(name, row, known))
    same = (merged["public"], merged["fleet"]) == (policy.document.get("public"), policy.document.get("fleet"))
    fleet = policy.fleet if same else read_fleet(merged["public"], merged["fleet"])
    return Policy(epoch, merged, robots, fleet)


def _registered(name: str, row: Any, known: Mapping[str, PublicKey]) -> dict[str, Registered]:
    found: dict[str, Registered] = {}
    try:
        robot = read_robot(name, row)
        for line in map(str, row["keys"]):
            key = known.get(" ".join(line.split()[:2])) or load_public_key(line)
            found[fingerprint(key)] = Registered(robot, key)
    except (RilaasError, KeyError, TypeError) as error:
        _log.error("the hub's entry of robot %s is wrong, what is left has no access: %s", name, error)
    return found


def read_robot(name: str, row: Any) -> RobotAccess:
    """Read the hub's entry of one robot.

    Raises:
        InvalidInput: Something of it is of the wrong type.
    """
    try:
        models = {str(model): _grant(grant) for model, grant in row["models"].items()}
        public = row.get("public")
        names = {str(short): str(model) for short, model in (row.get("names") or {}).items()}
        return RobotAccess(name, models, None if public is None else _grant(public), names)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"The entry of robot {name!r} is wrong: {error!r}.") from None


def _grant(row: Mapping[str, Any]) -> Grant:
    rate = row["rate_per_s"]
    if rate is not None and not float(rate) > 0.0:
        raise ValueError(f"a rate is above 0, not {rate}")
    return Grant(None if rate is None else float(rate), max(1, int(row["burst"])))
