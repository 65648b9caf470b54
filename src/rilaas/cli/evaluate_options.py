"""What ``rilaas evaluate`` may be told, as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from rilaas.core import InvalidInput

MEASURED = "measured"
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
        sweep: Latencies to drive the suite at, as ``parse_latencies`` reads them; None for one run.
        against: Policies, or reports' JSON files, to compare with.
        until_decided: Whether to drive pair after pair until it is clear who is better.
        metric: By which is compared; '' for the headline's.
        simulator: As ``simulator_named`` reads it.
    """

    suite: str
    episodes: int | None
    latency: str
    workers: int
    page: Path | None
    keep: str | None
    sweep: str | None
    against: tuple[str, ...]
    until_decided: bool
    metric: str
    simulator: str

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            InvalidInput: Naming both flags.
        """
        if self.sweep is not None and self.against:
            raise InvalidInput("--sweep and --against do not go together.", "Give one of them.")
        if self.sweep is not None and self.latency != MEASURED:
            raise InvalidInput(
                "--sweep says at which latencies is driven, and so does --latency.", "Give one of them."
            )
        if self.until_decided and len(self.against) != 1:
            raise InvalidInput("--until-decided compares with one other policy.", "Add --against POLICY, once.")
        if self.metric and not self.against:
            raise InvalidInput("--metric says by what policies are compared.", "Add --against POLICY.")
        if self.sweep is not None and self.keep:
            raise InvalidInput("A sweep is no evaluation of a model.", "Leave --keep away, and keep its --json.")


_OPTIONS = (
    click.option("--suite", default="lf", show_default=True, metavar="NAME|FILE.toml"),
    click.option(
        "--simulator",
        default="tile-world",
        show_default=True,
        metavar="tile-world|gym-duckietown|carla[:HOST:PORT]",
        help="Whose world it is.",
    ),
    click.option(
        "--episodes", type=click.IntRange(1), metavar="N", help="This many, over all worlds of the suite in turn."
    ),
    click.option(
        "--latency",
        default=MEASURED,
        show_default=True,
        metavar="none|measured|fixed:SECONDS|drawn:FILE",
        help="How long the world goes on while the policy thinks; FILE is a report's JSON, or seconds.",
    ),
    click.option(
        "--sweep", metavar="SECONDS,...", help="Drive the suite at each of these latencies: score against latency."
    ),
    click.option(
        "--against",
        multiple=True,
        metavar="POLICY|REPORT.json",
        help="Compare on the same scenarios and seeds, and rank; may be repeated.",
    ),
    click.option(
        "--until-decided",
        is_flag=True,
        help="With one --against: pair after pair until it is clear who is better, N at most (200).",
    ),
    click.option("--metric", default="", metavar="NAME", help="Compare by this; else by driving_score."),
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
