"""What a robot's request means: which model, by which grant, which revision, on which servers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from rilaas.core import PermissionDenied
from rilaas.route.access import Grant, RobotAccess
from rilaas.route.fleet import Fleet, ModelRoute


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for, once names and aliases are resolved.

    Attributes:
        model: Full name.
        revision: Version, or version and variant; '' where nobody says which.
        grant: What the robot may do with the model.
        route: Where the fleet serves it; None where it does not.
    """

    model: str
    revision: str
    grant: Grant
    route: ModelRoute | None


class Resolver:
    """Resolves requests by the routing table in force.

    Args:
        is_ready: Whether a revision of a model on a route can be asked now.
        draw: A number from 0 up to 1, for the split.
    """

    def __init__(
        self, is_ready: Callable[[str, str, ModelRoute], bool], draw: Callable[[], float] = random.random
    ) -> None:
        self._is_ready, self._draw = is_ready, draw

    def resolve(self, robot: RobotAccess, fleet: Fleet | None, model: str, version: str) -> Target:
        """What a robot's request means.

        Raises:
            PermissionDenied: It may not use the model, or there is none: it cannot tell which.
        """
        full = robot.names.get(model, model)
        grant = robot.grant(full)
        if grant is None and fleet is not None and full in fleet.public:
            grant = robot.public
        if grant is None:
            raise PermissionDenied(
                f"Robot {robot.name!r} may not use a model {model!r}, if there is one.",
                "Ask its owner for access, or check the name.",
            )
        route = fleet.models.get(full) if fleet is not None else None
        if route is None:
            return Target(full, version, grant, None)
        revision = route.revision(version, lambda each: self._is_ready(full, each, route), self._draw)
        return Target(full, revision, grant, route)
