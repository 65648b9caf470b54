"""What ``rilaas optimize`` may be told, as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from rilaas.core import InvalidInput

NONE = "none"
_PRESETS = ("fast", "balanced", "max", "smallest")
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class OptimizeOptions:
    """The flags of ``rilaas optimize``, apart from those of the output.

    Attributes:
        preset: Recipes of ours, by their short names.
        recipe: Names, patterns such as ``paper.torch.*``, or TOML files.
        search: Whether to look for the best recipes instead.
        target: Where to: with recipes one that replaces theirs; with a search those that are tried.
        deadline_ms: What the weights may take [ms].
        budget_min: What a search may take [min].
        dataset: Samples of what the robot saw; None records them, where the task is one that we can drive.
        samples: How many are recorded.
        suite: Closed loop: name or file of a suite, or ``none``; None for that of the task.
        episodes: How many are driven.
        limit: Of the gate, each ``NAME=VALUE``; they replace those of the recipes.
        name: What the variant is called, where there is one.
        out: Where variants go as model folders; None for the store.
        page: Where the HTML goes.
        seed: Everything random is drawn from it.
        published: Whether the document's own rows stand beside.
        keep: The version at the hub that gets variants and report; None for none.
    """

    preset: tuple[str, ...]
    recipe: tuple[str, ...]
    search: bool
    target: tuple[str, ...]
    deadline_ms: float | None
    budget_min: float
    dataset: Path | None
    samples: int
    suite: str | None
    episodes: int | None
    limit: tuple[str, ...]
    name: str
    out: Path | None
    page: Path | None
    seed: int
    published: bool
    keep: str | None

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            InvalidInput: Naming both flags.
        """
        asked = [*self.preset, *self.recipe]
        if self.search and asked:
            raise InvalidInput("--search finds the recipes itself.", "Leave --preset and --recipe away, or --search.")
        if not self.search and not asked:
            raise InvalidInput(
                "Nothing says how to optimize.", "Add --preset balanced, --recipe NAME|FILE.toml, or --search."
            )
        if self.name and (self.search or len(asked) != 1 or any("*" in each for each in asked)):
            raise InvalidInput(
                "--name is for one variant.", "Leave it away: variants are called after their recipes."
            )
        if self.name:
            from rilaas.optimize.recipe import check_name

            check_name(self.name)
        if not self.search and len(self.target) > 1:
            raise InvalidInput("A recipe is made for one target.", "Give --target once, or --search.")

    @property
    def deadline_s(self) -> float | None:
        """In seconds."""
        return None if self.deadline_ms is None else 1e-3 * self.deadline_ms

    @property
    def limits(self) -> dict[str, Any]:
        """The gate's limits as TOML would have them.

        Raises:
            InvalidInput: One is not of the form ``NAME=VALUE``.
        """
        values: dict[str, Any] = {}
        for text in self.limit:
            name, equals, value = text.partition("=")
            try:
                number = {"true": True, "false": False}.get(value)
                values[name] = float(value) if number is None else number
            except ValueError:
                equals = ""
            if not equals:
                raise InvalidInput(f"--limit {text} is no limit.", "Write NAME=VALUE, such as max_mse_ratio=1.02.")
        return values


_OPTIONS = (
    click.option(
        "--preset",
        multiple=True,
        type=click.Choice(_PRESETS),
        help="fast: bf16; balanced: int8; max: pruned, tuned and int8; smallest. May be repeated.",
    ),
    click.option(
        "--recipe",
        multiple=True,
        metavar="NAME|'paper.*'|FILE.toml",
        help="Recipes of ours by name or pattern, or your own. May be repeated.",
    ),
    click.option("--search", is_flag=True, help="Find recipes by successive halving; gives a Pareto front."),
    click.option(
        "--target",
        multiple=True,
        metavar="DEVICE/RUNTIME/PRECISION",
        help="Such as cpu/openvino/int8: in place of a recipe's own; with --search those to try.",
    ),
    click.option("--deadline-ms", type=click.FloatRange(0, min_open=True), metavar="MS", help="What it may take."),
    click.option(
        "--budget-min",
        default=15.0,
        show_default=True,
        type=click.FloatRange(0, min_open=True),
        metavar="MIN",
        help="What a search may take.",
    ),
    click.option(
        "--dataset",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="What the robot saw: .npz, .mcap, a frozen data set or a folder of them. A driving model needs none: "
        "its task is driven and recorded.",
    ),
    click.option("--samples", default=5000, show_default=True, type=click.IntRange(100), help="Recorded, that is."),
    click.option(
        "--suite", metavar="NAME|FILE.toml|none", help="Closed loop.  [default: lf for a driving model, else none]"
    ),
    click.option("--episodes", type=click.IntRange(1), metavar="N", help="This many of the suite."),
    click.option(
        "--limit",
        multiple=True,
        metavar="NAME=VALUE",
        help="A limit of the gate, such as max_mse_ratio=1.02 or max_p99_s=0.005; replaces the recipe's own.",
    ),
    click.option("--name", default="", metavar="VARIANT", help="What the variant is called.  [default: the recipe]"),
    click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Write model folders, not the store."),
    click.option("--report", "page", type=click.Path(path_type=Path), metavar="PATH", help="Write a page of HTML."),
    click.option("--seed", default=0, show_default=True, type=click.IntRange(0)),
    click.option("--published", is_flag=True, help="Show the document's own figures beside."),
    click.option("--threads", type=int, metavar="N", help="Threads that variants compute with.  [default: 1]"),
    click.option("--home", metavar="PATH", help="Folder of the store and of the cache (RILAAS_HOME)."),
    click.option(
        "--keep",
        metavar="[OWNER/]NAME:VERSION",
        help="Push what is kept to this version at the hub, with the report.",
    ),
    click.option("--hub", metavar="URL", help="The hub of --keep (RILAAS_HUB)."),
)


def optimize_options(command: _F) -> _F:
    """Give a verb these flags; it gets ``options: OptimizeOptions``, and ``home``, ``hub``, ``threads``."""
    names = [field.name for field in fields(OptimizeOptions)]

    @functools.wraps(command)
    def wrapped(*args: Any, **given: Any) -> Any:
        options = OptimizeOptions(**{name: given.pop(name) for name in names})
        return command(*args, options=options, **given)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]
