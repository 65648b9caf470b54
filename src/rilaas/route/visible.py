"""The models that a robot may see, under the names that it may use."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from rilaas.route.access import RobotAccess
from rilaas.route.fleet import Fleet, ModelRoute
from rilaas.route.upstream import Server
from rilaas.serve.service import ModelState


def visible_models(robot: RobotAccess, fleet: Fleet | None, servers: Collection[Server]) -> list[ModelState]:
    """One line for each name and version that the robot could ask for; aliases are versions of their own."""
    models: dict[str, dict[str, ModelState]] = {}
    for server in servers:
        for state in server.upstream.models():
            route = fleet.models.get(state.name) if fleet is not None else None
            if _may_use(robot, fleet, state.name) and server.may_be_asked(route):
                revisions = models.setdefault(state.name, {})
                for version in (state.version, *_aliases(route, state.version)):
                    known = revisions.get(version)
                    if known is None or not known.ready:
                        revisions[version] = replace(state, version=version)
    named = {short: models[model] for short, model in robot.names.items() if model in models}
    return [
        replace(state, name=name) for name, revisions in {**models, **named}.items() for state in revisions.values()
    ]


def _may_use(robot: RobotAccess, fleet: Fleet | None, model: str) -> bool:
    is_public = fleet is not None and robot.public is not None and model in fleet.public
    return is_public or robot.grant(model) is not None


def _aliases(route: ModelRoute | None, revision: str) -> list[str]:
    """The aliases under which a revision is asked for."""
    if route is None:
        return []
    found = [alias for alias, target in route.aliases.items() if target == revision]
    if any(revision == each for each, _ in route.split) and route.alias not in found:
        found.append(route.alias)
    return found
