"""The models that a robot may see, under the names that it may use."""

from __future__ import annotations

from collections.abc import Collection

from rilaas.route.access import RobotAccess
from rilaas.route.fleet import Fleet, ModelRoute
from rilaas.route.upstream import Server
from rilaas.serve.service import ModelState


def visible_models(robot: RobotAccess, fleet: Fleet | None, servers: Collection[Server]) -> list[ModelState]:
    """One line for each name and version that the robot could ask for; aliases are versions of their own."""
    states: dict[tuple[str, str], ModelState] = {}
    for server in servers:
        for state in server.upstream.models():
            route = fleet.models.get(state.name) if fleet is not None else None
            if _may_use(robot, fleet, state.name) and server.may_be_asked(route):
                _add(states, state)
    for model, route in fleet.models.items() if fleet is not None else ():
        for state in [state for (name, _), state in states.items() if name == model]:
            for alias in _aliases(route, state.version):
                _add(states, ModelState(model, alias, state.ready, state.reason))
    for short, model in robot.names.items():
        for state in [state for (name, _), state in states.items() if name == model]:
            _add(states, ModelState(short, state.version, state.ready, state.reason))
    return list(states.values())


def _may_use(robot: RobotAccess, fleet: Fleet | None, model: str) -> bool:
    is_public = fleet is not None and robot.public is not None and model in fleet.public
    return is_public or robot.grant(model) is not None


def _aliases(route: ModelRoute, revision: str) -> list[str]:
    """The aliases under which a revision is asked for."""
    found = [alias for alias, target in route.aliases.items() if target == revision]
    if any(revision == each for each, _ in route.split) and route.alias not in found:
        found.append(route.alias)
    return found


def _add(states: dict[tuple[str, str], ModelState], state: ModelState) -> None:
    known = states.get((state.name, state.version))
    if known is None or not known.ready:
        states[state.name, state.version] = state
