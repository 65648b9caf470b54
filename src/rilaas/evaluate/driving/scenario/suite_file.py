"""Reading a suite: one of ours by name, or a TOML file that a person can write; see ``docs/scenarios.md``.

::

    name = "mine"
    description = "..."

    [world]                          # fields of Scenario, for all scenarios
    duration_s = 60.0
    appearance = "varied"

    [spawn]                          # fields of Spawn; likewise [traffic], [duckies], [lights], [camera_faults]
    lateral_tolerance_m = 0.04

    [[obstacles]]                    # fields of Obstacle
    look = "cone"

    [constants]                      # fields of Constants: of the traffic laws and of comfort

    [[scenarios]]                    # one episode for each seed
    map = "oval"                     # a name of ours, or a path beside this file
    seeds = [1, 2, 3]
    duration_s = 30.0                # and any other field of [world]
    traffic = { vehicles = 2 }       # and of the tables, in place of these of their fields

    [[thresholds]]
    metric = "lane_time_share"       # its mean over the episodes
    at_least = 0.95                  # or at_most
    over = "each_map"                # or "all", the default: all episodes together
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from rilaas.core import InvalidInput, NotFound, RilaasError, did_you_mean
from rilaas.core.toml import read_toml
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.score import METRICS
from rilaas.evaluate.driving.objective.traffic_law import check_hierarchy
from rilaas.evaluate.driving.road.map_file import load_map, map_names
from rilaas.evaluate.driving.road.stop_line import stop_lines
from rilaas.evaluate.driving.scenario.camera_faults import CameraFaults
from rilaas.evaluate.driving.scenario.scenario import Scenario, Spawn
from rilaas.evaluate.driving.scenario.suite import Suite, Threshold
from rilaas.evaluate.driving.scenario.surroundings import MAX_ACTORS, Duckies, Lights, Obstacle, Traffic

SUITES = Path(__file__).with_name("suites")
MAX_EPISODES = 10_000

_TABLES: Mapping[str, type] = {
    "spawn": Spawn,
    "traffic": Traffic,
    "duckies": Duckies,
    "lights": Lights,
    "camera_faults": CameraFaults,
}
"""Tables of a suite, each of which a scenario may change: key to what is made of it."""

_WORLD = {field.name for field in fields(Scenario)} - {"name", "map", "seed", "obstacles", *_TABLES}
_SUITE = {"name", "description", "world", "obstacles", "constants", "scenarios", "thresholds", *_TABLES}
_OVER = ("all", "each_map")


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


_TYPES: tuple[tuple[Any, Any, str], ...] = (
    ((int, float), (int, float), "a number"),
    (str, str, "a text"),
    (tuple, list, "a list"),
)
"""What a value is by default, what it may be in a file, and what that is called."""


class _SuiteReader:
    """Reads one file, and knows its name when something is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Suite:
        document = read_toml(self._path)
        self._check_keys(document, _SUITE, "")
        world = self._table(document, "world")
        self._check_keys(world, _WORLD, "[world]")
        for key, kind in _TABLES.items():
            self._check_keys(self._table(document, key), _names(kind), f"[{key}]")
        scenarios = tuple(
            scenario
            for number, entry in enumerate(self._tables(document, "scenarios"), 1)
            for scenario in self._scenarios(entry, document, world, f"[[scenarios]] {number}")
        )
        if not 1 <= len(scenarios) <= MAX_EPISODES:
            raise self._wrong(f"has {len(scenarios)} episodes; a suite has 1 to {MAX_EPISODES}")
        thresholds = tuple(
            self._threshold(entry, k) for k, entry in enumerate(self._tables(document, "thresholds"), 1)
        )
        name = self._value(document, "name", str, "", self._path.stem)
        description = self._value(document, "description", str, "", "")
        constants: Constants = self._part(Constants, self._table(document, "constants"), "[constants]")
        self._made(partial(check_hierarchy, constants), "[constants]")
        suite: Suite = self._made(partial(Suite, name, description, scenarios, thresholds, constants), "")
        return suite

    def _scenarios(
        self, entry: Mapping[str, Any], document: Mapping[str, Any], world: Mapping[str, Any], place: str
    ) -> Iterator[Scenario]:
        self._check_keys(entry, _WORLD | {"name", "map", "seeds", "obstacles", *_TABLES}, place)
        map_name = self._map(self._value(entry, "map", str, place), place)
        seeds = self._value(entry, "seeds", list, place)
        if not seeds or not all(type(seed) is int for seed in seeds):
            raise self._wrong(f"{place}: seeds is a list of whole numbers, got {seeds}")
        parts: dict[str, Any] = {"name": self._value(entry, "name", str, place, Path(map_name).stem), "map": map_name}
        for key, kind in _TABLES.items():
            table = {**self._table(document, key), **self._table(entry, key)}
            parts[key] = self._part(kind, table, f"{place}.{key}")
        obstacles = self._tables(entry if "obstacles" in entry else document, "obstacles")
        if len(obstacles) > MAX_ACTORS:  # before they are made, once for each scenario
            raise self._wrong(f"{place} has {len(obstacles)} obstacles; it has at most {MAX_ACTORS}")
        parts["obstacles"] = tuple(
            self._part(Obstacle, table, f"[[obstacles]] {number}") for number, table in enumerate(obstacles, 1)
        )
        own = {**world, **{key: entry[key] for key in entry.keys() & _WORLD}}
        self._check_types(Scenario, own, place)
        rest = _frozen(own)
        for seed in seeds:
            scenario: Scenario = self._made(partial(Scenario, seed=seed, **parts, **rest), place)
            if scenario.lights.crossings and not stop_lines(load_map(map_name)):
                raise self._wrong(
                    f"{place}: lights are asked for, and map {load_map(map_name).name!r} has no crossing"
                )
            yield scenario

    def _part(self, kind: type, table: Mapping[str, Any], place: str) -> Any:
        """What a table says, as a value; its numbers are numbers."""
        self._check_keys(table, _names(kind), place)
        self._check_types(kind, table, place)
        return self._made(partial(kind, **_frozen(table)), place)

    def _map(self, name: str, place: str) -> str:
        """A name of ours as it is; a path beside the file as an absolute one. It is loaded, to find out at once."""
        if name not in map_names() and name.endswith((".yaml", ".yml", ".json")):
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
        value = self._value(entry, bounds[0], (int, float), place)
        if not abs(value) <= sys.float_info.max:
            raise self._wrong(f"{place}: {bounds[0]} is no finite number")
        return Threshold(metric, float(value), bounds[0] == "at_least", over)

    def _made(self, make: Callable[[], Any], place: str) -> Any:
        try:
            return make()
        except InvalidInput as error:
            where = f"{place}: " if place else ""
            raise InvalidInput(f"{self._path}: {where}{error.message}", error.hint) from None
        except (TypeError, ValueError) as error:
            raise self._wrong(f"{place}: a value has the wrong type ({error})") from None
        except OverflowError:
            raise self._wrong(f"{place}: a number is too large") from None

    def _check_types(self, kind: type, table: Mapping[str, Any], place: str) -> None:
        """Numbers where a value has a number by default, and so on: what is wrong is named by its key."""
        defaults = {field.name: field.default for field in fields(kind)}
        for key, value in table.items():
            if isinstance(value, bool | dict):
                raise self._wrong(f"{place}: {key} is {value!r}, which has the wrong type")
            for expected, given, words in _TYPES:
                if isinstance(defaults[key], expected) and not isinstance(value, given):
                    raise self._wrong(f"{place}: {key} is {value!r}; it is {words}")

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


def _names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def _frozen(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
