"""A suite: scenarios and what has to be reached in them. ``suite_file`` reads it from TOML."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.scenario.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a mean has to reach.

    Attributes:
        metric: A key of ``METRICS``.
        value: The bound, in the metric's unit.
        is_minimum: Whether it is reached from above (``at_least``) or from below (``at_most``).
        over: ``all``: the mean over all episodes. ``each_map``: the mean on every map by itself.
    """

    metric: str
    value: float
    is_minimum: bool
    over: str = "all"

    def is_met(self, mean: float) -> bool:
        """Whether a mean reaches it."""
        return mean >= self.value if self.is_minimum else mean <= self.value

    def __str__(self) -> str:
        return f"{'at least' if self.is_minimum else 'at most'} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Suite:
    """Scenarios and thresholds.

    Attributes:
        name: The suite's name.
        description: What it is for.
        scenarios: In the order in which they are run.
        thresholds: What has to be reached; () where it only measures.
        constants: Of the traffic laws and of comfort.

    Raises:
        InvalidInput: An episode is there twice: counted as two, it would make every interval too narrow.
    """

    name: str
    description: str
    scenarios: tuple[Scenario, ...]
    thresholds: tuple[Threshold, ...] = ()
    constants: Constants = field(default_factory=Constants)

    def __post_init__(self) -> None:
        for scenario, count in Counter(replace(scenario, name="") for scenario in self.scenarios).items():
            if count > 1:
                raise InvalidInput(
                    f"Map {scenario.map!r} with seed {scenario.seed} is there {count} times; it is the same episode.",
                    "Give each world every seed once.",
                )

    @property
    def digest(self) -> str:
        """``sha256:...`` over scenarios, thresholds, constants and maps' tiles: what it is, not how it is written."""
        maps = {name: load_map(name) for name in sorted({scenario.map for scenario in self.scenarios})}
        content = {
            "scenarios": [asdict(scenario) | {"map": load_map(scenario.map).name} for scenario in self.scenarios],
            "thresholds": [asdict(threshold) for threshold in self.thresholds],
            "constants": asdict(self.constants),
            "maps": [
                [m.name, m.tile_size_m, [[f"{t.kind}/{t.orientation}" for t in r] for r in m.tiles]]
                + ([asdict(m.survey)] if m.survey is not None else [])
                for m in maps.values()
            ],
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def with_seeds(self, seeds: Sequence[int]) -> Suite:
        """The same scenarios with other seeds: each of them once with each seed."""
        kinds = dict.fromkeys(replace(scenario, seed=0) for scenario in self.scenarios)
        scenarios = tuple(replace(kind, seed=seed) for kind in kinds for seed in seeds)
        return replace(self, scenarios=scenarios)
