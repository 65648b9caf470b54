"""Whose traffic a person sees, and the reading of metrics through it.

Those who run the hub see all. Others see all traffic of models that they own or share in, with robots of other people
as ``other robots``; of further models, such as public ones, what their own robots asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rilaas.hub.metrics.source import MetricsSource, Span, Values
from rilaas.hub.models import Person, Robot
from rilaas.hub.queries.access import models_shared_with, visible_models
from rilaas.hub.queries.metric_asked import Asked

OTHERS = "other robots"
NO_MODEL = "-"  # the interceptor's word for a model that no server has
Growth = dict[Values, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Sight:
    """Whose traffic.

    Attributes:
        is_all: Everything.
        models: All traffic of these models.
        robots: All traffic of these robots, to models that the person may see.
    """

    is_all: bool
    models: frozenset[str]
    robots: frozenset[str]


def sight_of(person: Person) -> Sight:
    """What a person sees; two statements."""
    own = {f"{person.username}/{name}" for name in person.models.values_list("name", flat=True)}
    shared = models_shared_with(person).values_list("owner__username", "name")
    robots = Robot.objects.filter(owner=person).values_list("name", flat=True)
    models = own | {f"{owner}/{name}" for owner, name in shared}
    return Sight(person.is_staff, frozenset(models), frozenset(f"{person.username}/{name}" for name in robots))


class Reader:
    """Reads a source for a person.

    Args:
        source: Whom to ask.
        person: Who asks.
        asked: Which models, robots, servers.
        span: Which steps.
    """

    def __init__(self, source: MetricsSource, person: Person, asked: Asked, span: Span) -> None:
        self._source, self._person, self._asked, self.span = source, person, asked, span
        self.sight = sight_of(person)
        self._visible: dict[str, bool] = {}

    def of_robots(self, family: str, *extra: str) -> Growth:
        """A family with the labels robot and model, by robot, model and further labels."""
        by = ("robot", "model", *extra)
        robot, model = self._asked.robot, self._asked.model
        if self.sight.is_all:
            return self._read(family, by, robot=[robot] if robot else None, model=[model] if model else None)
        if robot and robot not in self.sight.robots:
            return {}  # not even as one of the others
        found: Growth = {}
        if models := _picked(self.sight.models, model):
            found = self._read(family, by, robot=[robot] if robot else None, model=models)
        own: Growth = {}
        if robots := _picked(self.sight.robots, robot):
            own = self._read(family, by, robot=robots, model=[model] if model else None)
        own = {key: growth for key, growth in own.items() if key not in found}
        visible = self._which_visible({key[1] for key in own})
        found |= {key: growth for key, growth in own.items() if key[1] in visible}
        return _folded(found, self.sight.robots)

    def of_servers(self, family: str, *extra: str) -> Growth:
        """A family with the labels server and model, by server, model and further labels."""
        by = ("server", "model", *extra)
        server, model = self._asked.server, self._asked.model
        models: Collection[str] | None = [model] if model else None
        if not self.sight.is_all:
            models = _picked(self.sight.models, model)
            if not models:
                return {}
        return self._read(family, by, server=[server] if server else None, model=models)

    def gauge(self, family: str) -> dict[str, float]:
        """A gauge by server, which tells of no model and no robot."""
        return {key[0]: value for key, value in self._source.latest(family, ("server",)).items()}

    def _read(self, family: str, by: Sequence[str], **where: Collection[str] | None) -> Growth:
        picked = {label: values for label, values in where.items() if values is not None}
        return self._source.increases(family, by, self.span, picked)

    def _which_visible(self, refs: set[str]) -> set[str]:
        unknown = {ref for ref in refs if ref not in self._visible}
        if unknown:
            names = {ref.partition("/")[2] for ref in unknown}
            rows = visible_models(self._person).filter(name__in=names).values_list("owner__username", "name")
            seen = {f"{owner}/{name}" for owner, name in rows} | {NO_MODEL}
            self._visible |= {ref: ref in seen for ref in unknown}
        return {ref for ref in refs if self._visible[ref]}


def _picked(names: frozenset[str], name: str) -> frozenset[str]:
    return names & {name} if name else names


def _folded(found: Growth, robots: frozenset[str]) -> Growth:
    folded: Growth = {}
    for (robot, *rest), growth in found.items():
        key = (robot if robot in robots else OTHERS, *rest)
        folded[key] = folded[key] + growth if key in folded else growth
    return folded
