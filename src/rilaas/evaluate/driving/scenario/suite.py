"""A suite: scenarios and what has to be reached in them, in a TOML file that a person can read.

::

    name = "lane-following"
    description = "..."

    [world]                          # fields of Scenario, for all scenarios
    duration_s = 60.0
    appearance = "varied"

    [spawn]                          # fields of Spawn
    lateral_tolerance_m = 0.04

    [[scenarios]]                    # one episode for each seed
    map = "oval"                     # a name of ours, or a path beside this file
    seeds = [1, 2, 3]
    duration_s = 30.0                # and any other field of [world]

    [[thresholds]]
    metric = "lane_time_share"       # its mean over the episodes
    at_least = 0.95                  # or at_most
    over = "each_map"                # or "all", the default: all episodes together
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from rilaas.core import InvalidInput, NotFound, RilaasError, did_you_mean
from rilaas.core.toml import read_toml
from rilaas.evaluate.driving.objective.score import METRICS
from rilaas.evaluate.driving.road.map_file import load_map, map_names
from rilaas.evaluate.driving.scenario.scenario import Scenario, Spawn

SUITES = Path(__file__).with_name("suites")
MAX_EPISODES = 10_000

_WORLD = {field.name for field in fields(Scenario)} - {"name", "map", "seed", "spawn"}
_SPAWN = {field.name for field in fields(Spawn)}
_OVER = ("all", "each_map")


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

    Raises:
        InvalidInput: An episode is there twice: counted as two, it would make every interval too narrow.
    """

    name: str
    description: str
    scenarios: tuple[Scenario, ...]
    thresholds: tuple[Threshold, ...] = ()

    def __post_init__(self) -> None:
        for scenario, count in Counter(replace(scenario, name="") for scenario in self.scenarios).items():
            if count > 1:
                raise InvalidInput(
                    f"Map {scenario.map!r} with seed {scenario.seed} is there {count} times; it is the same episode.",
                    "Give each world every seed once.",
                )

    @property
    def digest(self) -> str:
        """``sha256:...`` over scenarios, thresholds and the tiles of every map: what it is, not how it is written."""
        maps = {name: load_map(name) for name in sorted({scenario.map for scenario in self.scenarios})}
        content = {
            "scenarios": [asdict(scenario) | {"map": load_map(scenario.map).name} for scenario in self.scenarios],
            "thresholds": [asdict(threshold) for threshold in self.thresholds],
            "maps": [
                [m.name, m.tile_size_m, [[f"{t.kind}/{t.orientation}" for t in r] for r in m.tiles]]
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


def suite_names() -> list[str]:
    """Names of our own suites."""
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def read_suite(name_or_path: str | Path) -> Suite:
    """Read a suite.

    Args:
        name_or_path: A name of ours (``suite_names()``), or a path that ends in ``.toml``.

    Raises:
        NotFound: There is no such suite, or no such map.
        InvalidInput: The file is not a suite; the message names the file, the key and what would have been valid.
    """
    text = str(name_or_path)
    path = SUITES / f"{text}.toml" if text in suite_names() else Path(name_or_path)
    if path.suffix != ".toml":
        raise NotFound(
            f"There is no suite {text!r}. {did_you_mean(text, suite_names())}",
            "A suite of your own is given as a path that ends in .toml.",
        )
    return _SuiteReader(path).read()


class _SuiteReader:
    """Reads one file, and knows its name when something is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Suite:
        document = read_toml(self._path)
        self._check_keys(document, {"name", "description", "world", "spawn", "scenarios", "thresholds"}, "")
        world, spawn = self._table(document, "world"), self._table(document, "spawn")
        self._check_keys(world, _WORLD, "[world]")
        self._check_keys(spawn, _SPAWN, "[spawn]")
        entries = self._tables(document, "scenarios")
        scenarios = tuple(s for k, entry in enumerate(entries, 1) for s in self._scenarios(entry, world, spawn, k))
        if not 1 <= len(scenarios) <= MAX_EPISODES:
            raise self._wrong(f"has {len(scenarios)} episodes; a suite has 1 to {MAX_EPISODES}")
        thresholds = tuple(
            self._threshold(entry, k) for k, entry in enumerate(self._tables(document, "thresholds"), 1)
        )
        name = self._value(document, "name", str, "", self._path.stem)
        description = self._value(document, "description", str, "", "")
        try:
            return Suite(name, description, scenarios, thresholds)
        except InvalidInput as error:
            raise InvalidInput(f"{self._path}: {error.message}", error.hint) from None

    def _scenarios(
        self, entry: Mapping[str, Any], world: Mapping[str, Any], spawn: Mapping[str, Any], number: int
    ) -> Iterator[Scenario]:
        place = f"[[scenarios]] {number}"
        self._check_keys(entry, _WORLD | {"name", "map", "seeds", "spawn"}, place)
        map_name = self._map(self._value(entry, "map", str, place), place)
        name = self._value(entry, "name", str, place, Path(map_name).stem)
        seeds = self._value(entry, "seeds", list, place)
        own = {**spawn, **self._table(entry, "spawn")}
        self._check_keys(own, _SPAWN, f"{place}.spawn")
        rest = {key: entry[key] for key in entry.keys() & _WORLD}
        if not seeds or not all(type(seed) is int for seed in seeds):
            raise self._wrong(f"{place}: seeds is a list of whole numbers, got {seeds}")
        make = partial(Scenario, name=name, map=map_name, **_frozen({**world, **rest}))
        rule = self._made(partial(Spawn, **_frozen(own)), f"{place}.spawn")
        for seed in seeds:
            yield self._made(partial(make, seed=seed, spawn=rule), place)

    def _map(self, name: str, place: str) -> str:
        """A name of ours as it is; a path beside the file as an absolute one. It is loaded, to find out at once."""
        if name not in map_names() and name.endswith((".yaml", ".yml")):
            name = str((self._path.parent / name).resolve())
        try:
            load_map(name)
        except RilaasError as error:
            raise type(error)(f"{self._path}: {place}: {error.message}", error.hint) from None
        return name

    def _threshold(self, entry: Mapping[str, Any], number: int) -> Threshold:
        place = f"[[thresholds]] {number}"
        self._check_keys(entry, {"metric", "at_least", "at_most", "over"}, place)
        metric = self._value(entry, "metric", str, place)
        if metric not in METRICS:
            raise self._wrong(f"{place}: there is no metric {metric!r}. {did_you_mean(metric, METRICS)}", end="")
        over = self._value(entry, "over", str, place, "all")
        if over not in _OVER:
            raise self._wrong(f"{place}: over = {over!r}. {did_you_mean(over, _OVER)}", end="")
        bounds = [key for key in ("at_least", "at_most") if key in entry]
        if len(bounds) != 1:
            raise self._wrong(f"{place} has {' and '.join(bounds) or 'no bound'}; it has at_least or at_most")
        value = float(self._value(entry, bounds[0], (int, float), place))
        return Threshold(metric, value, bounds[0] == "at_least", over)

    def _made(self, make: Callable[[], Any], place: str) -> Any:
        try:
            return make()
        except InvalidInput as error:
            raise InvalidInput(f"{self._path}: {place}: {error.message}", error.hint) from None
        except (TypeError, ValueError) as error:
            raise self._wrong(f"{place}: a value has the wrong type ({error})") from None

    def _check_keys(self, table: Mapping[str, Any], valid: set[str], place: str) -> None:
        for key in table:
            if key not in valid:
                where = f"{place}: " if place else ""
                raise self._wrong(f"{where}there is no key {key!r}. {did_you_mean(key, valid)}", end="")

    def _value(self, table: Mapping[str, Any], key: str, kind: Any, place: str, default: Any = None) -> Any:
        value = table.get(key, default)
        where = f"{place}: " if place else ""
        if value is None:
            raise self._wrong(f"{where}{key} is missing")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._wrong(f"{where}{key} is {value!r}, which has the wrong type")
        return value

    def _table(self, parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        table = parent.get(key, {})
        if not isinstance(table, dict):
            raise self._wrong(f"{key} is {table!r}; it is a table: [{key}]")
        return table

    def _tables(self, parent: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        tables = parent.get(key, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self._wrong(f"{key} is {tables!r}; it is a list of tables: [[{key}]]")
        return tables

    def _wrong(self, what: str, *, end: str = ".") -> InvalidInput:
        return InvalidInput(f"{self._path}: {what}{end}")


def _frozen(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
