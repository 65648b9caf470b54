"""What ``rilaas evaluate`` may be told, as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """The flags of ``rilaas evaluate``, apart from those of the policy and of the output.

    Attributes:
        suite: Name or path of the suite.
        episodes: How many to drive; None for the suite's own.
        latency: As ``Latency.parse`` reads it.
        workers: Processes.
        page: Where the HTML goes; None for nowhere.
        keep: The model at the hub that gets the report; None for none.
    """

    suite: str
    episodes: int | None
    latency: str
    workers: int
    page: Path | None
    keep: str | None


_OPTIONS = (
    click.option("--suite", default="lf", show_default=True, metavar="NAME|FILE.toml"),
    click.option(
        "--episodes", type=click.IntRange(1), metavar="N", help="This many, over all worlds of the suite in turn."
    ),
    click.option(
        "--latency",
        default="measured",
        show_default=True,
        metavar="none|measured|fixed:SECONDS",
        help="How long the world goes on while the policy thinks.",
    ),
    click.option(
        "--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes, for a local policy."
    ),
    click.option("--report", "page", type=click.Path(path_type=Path), metavar="PATH", help="Write a page of HTML."),
    click.option(
        "--keep", metavar="[OWNER/]NAME[:VERSION]", help="Add the report to this model's evaluations at the hub."
    ),
    click.option("--hub", metavar="URL", help="The hub of --keep (RILAAS_HUB)."),
)


def evaluate_options(command: _F) -> _F:
    """Give a verb these flags; it gets ``options: EvaluateOptions``, and ``hub`` among its settings' flags."""
    names = [field.name for field in fields(EvaluateOptions)]

    @functools.wraps(command)
    def wrapped(*args: Any, **given: Any) -> Any:
        options = EvaluateOptions(**{name: given.pop(name) for name in names})
        return command(*args, options=options, **given)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]
