"""Suites that the hub can drive: ours by name, and a text of a person's own."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import rilaas
from rilaas.core import InvalidInput, MissingDependency, NotFound, RilaasError, did_you_mean
from rilaas.core.toml import read_toml

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Suite

MAX_SUITE_BYTES = 64 * 2**10
MAX_EPISODES = 200
MAX_STEPS = 500_000  # of all episodes together: 200 minutes in steps of 0.05 s
MAX_EPISODE_STEPS = 100_000  # one episode with 100 others is then half a GB in the worker
_MAX_SEED = 2**63 - 1  # of a database's column
_SUITES = Path(rilaas.__file__).parent / "evaluate" / "driving" / "scenario" / "suites"
_FIRST = ("lf", "lfv", "intersections", "robustness")  # in a list; the others come by name
_NEEDED = ("cv2", "yaml")
_INSTALL = "pip install 'rilaas[evaluate]', where the hub is installed"


def missing_package() -> str:
    """What the tile world lacks on this machine; '' where it can be driven."""
    return next((name for name in _NEEDED if find_spec(name) is None), "")


def check_installed() -> None:
    """Refuse where nothing can be driven.

    Raises:
        MissingDependency: A package is not installed.
    """
    if name := missing_package():
        raise MissingDependency(
            f"This hub drives no suites: the tile world needs the package {name}.",
            f"Who runs the hub installs it: {_INSTALL}. `rilaas evaluate --keep` adds reports of other machines.",
        )


@functools.cache
def list_suites() -> list[dict[str, Any]]:
    """Our suites by name, with what they are for, how many episodes they have and how long these take at most [s]."""
    found = []
    for path in sorted(_SUITES.glob("*.toml")):
        suite = read_toml(path)
        shared = suite.get("world", {}).get("duration_s", 60.0)
        lengths = [float(row.get("duration_s", shared)) for row in suite["scenarios"] for _ in row["seeds"]]
        words = " ".join(str(suite.get("description", "")).split())
        found.append({"name": path.stem, "description": words, "episodes": len(lengths), "simulated_s": sum(lengths)})
    return sorted(found, key=lambda suite: _FIRST.index(suite["name"]) if suite["name"] in _FIRST else len(_FIRST))


def suite_text(name: str) -> str:
    """The file of one of our suites; '' where there is none of that name."""
    known = {suite["name"] for suite in list_suites()}
    return (_SUITES / f"{name}.toml").read_text(encoding="utf-8") if name in known else ""


def read_plan(plan: Mapping[str, Any]) -> Suite:
    """The suite that a plan says, with as many episodes as it says.

    Args:
        plan: ``suite``: the name of one of ours; ``suite_toml`` in its place: the text of another;
            ``episodes``: None is all that the suite has.

    Raises:
        MissingDependency: The tile world is not installed.
        NotFound: There is no such suite.
        InvalidInput: The text is no suite, or asks for more than the hub drives.
    """
    check_installed()
    from rilaas.evaluate.driving.scenario.turns import with_episodes

    text = str(plan.get("suite_toml") or "")
    suite = _read_text(text) if text else _read_ours(str(plan.get("suite", "")))
    count = plan.get("episodes")
    if count is not None and count > MAX_EPISODES:
        raise InvalidInput(f"{count} episodes are too many: the hub drives at most {MAX_EPISODES} in one evaluation.")
    if count is not None:
        suite = with_episodes(suite, int(count))
    _check_bounds(suite)
    return suite


def _read_ours(name: str) -> Suite:
    from rilaas.evaluate.driving import read_suite, suite_names

    if name not in suite_names():  # read_suite takes paths too
        raise NotFound(
            f"There is no suite {name[:100]!r}. {did_you_mean(name[:100], suite_names())}",
            "A suite of your own is given as its text.",
        )
    return read_suite(name)


def _read_text(text: str) -> Suite:
    from rilaas.evaluate.driving import map_names, read_suite

    data = text.encode("utf-8", "replace")
    if len(data) > MAX_SUITE_BYTES:
        raise InvalidInput(f"The suite has {len(data):,} bytes; at most {MAX_SUITE_BYTES:,} are taken.")
    with TemporaryDirectory(prefix="rilaas-suite-") as folder:
        path = Path(folder) / "suite.toml"
        path.write_bytes(data)
        try:
            for name in _values(read_toml(path), "map"):
                if isinstance(name, str) and name not in map_names():  # a path would be one on the hub's own disk
                    raise InvalidInput(
                        f"There is no map {name[:100]!r} on the hub. {did_you_mean(name[:100], map_names())}"
                    )
            return read_suite(path)
        except (RecursionError, OverflowError):
            raise InvalidInput("The suite is nested too deeply, or a number in it is too large.") from None
        except RilaasError as error:
            said = error.message.replace(f"{path}: ", "").replace(str(path), path.name)
            raise InvalidInput(f"The suite: {said}", error.hint) from None


def _values(table: Any, key: str) -> Iterator[Any]:
    """All values of a key, however deep."""
    if isinstance(table, dict):
        for name, value in table.items():
            if name == key:
                yield value
            yield from _values(value, key)
    elif isinstance(table, list):
        for each in table:
            yield from _values(each, key)


def _check_bounds(suite: Suite) -> None:
    from rilaas.evaluate.driving import load_map, start_pose

    count = len(suite.scenarios)
    if count > MAX_EPISODES:
        raise InvalidInput(
            f"The suite has {count} episodes; the hub drives at most {MAX_EPISODES} in one evaluation.",
            f"Say how many of them are to be driven, at most {MAX_EPISODES}.",
        )
    steps = sum(scenario.duration_s / scenario.dt_s for scenario in suite.scenarios)
    if steps > MAX_STEPS:
        raise InvalidInput(
            f"The suite's {count} episodes have {steps:,.0f} time steps; the hub drives at most {MAX_STEPS:,}.",
            "Make them shorter or fewer, or drive it on a machine of your own: rilaas evaluate ... --keep.",
        )
    longest = max(scenario.duration_s / scenario.dt_s for scenario in suite.scenarios)
    if longest > MAX_EPISODE_STEPS:
        raise InvalidInput(
            f"The suite has an episode of {longest:,.0f} time steps; the hub drives at most {MAX_EPISODE_STEPS:,}.",
            "Make it shorter, or drive it on a machine of your own: rilaas evaluate ... --keep.",
        )
    for scenario in suite.scenarios:
        start_pose(load_map(scenario.map), scenario)  # a robot that cannot start is told here
    words = [suite.name, suite.description, *(scenario.name for scenario in suite.scenarios)]
    if any(not 0 < len(word) <= 200 or not word.isprintable() for word in words if word is not suite.description):
        raise InvalidInput("Names of a suite and of its scenarios have 1 to 200 printable characters.")
    if "\0" in suite.description:
        raise InvalidInput("The suite's description contains the character NUL.")
    if any(scenario.seed > _MAX_SEED for scenario in suite.scenarios):
        raise InvalidInput("A seed on the hub has at most 63 bits.")
