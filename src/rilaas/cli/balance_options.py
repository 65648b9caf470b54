"""What ``rilaas balance compare`` may be told, as one value."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])
ALL = "all"


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """The flags of ``rilaas balance compare``, apart from those of the output.

    Attributes:
        servers: A preset, or a TOML file.
        profile: Loads by name, TOML files, or ``all``.
        policies: Names and NAME=FILE with commas between them; '' for all that need no file.
        seeds: How many.
        interceptors: How many choose servers at the same time.
        report_interval_s: How often servers tell of themselves unasked [s]; None where never.
        ledger_delay_s: How late interceptors know of each other's requests [s]; None where never.
        reference: With whom the others are compared; '' for least connections, or the first.
        focus: Who stands in front in the report; '' for ours, or the best.
        workers: Processes; None for the default.
        page: Where the HTML goes; None for nowhere.
    """

    servers: str
    profile: tuple[str, ...]
    policies: str
    seeds: int
    interceptors: int
    report_interval_s: float | None
    ledger_delay_s: float | None
    reference: str
    focus: str
    workers: int | None
    page: Path | None


def _finite(ctx: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number of seconds.")
    return value


_OPTIONS = (
    click.option(
        "--servers",
        default="rilaas-4-8",
        show_default=True,
        metavar="PRESET|FILE.toml",
        help="rilaas-E-C is Table I of the RILaaS document, E slots at the edge and C in the cloud.",
    ),
    click.option(
        "--profile",
        multiple=True,
        default=(ALL,),
        show_default=True,
        metavar="NAME|FILE.toml|all",
        help="A load; may be repeated. all: the document's thirteen profiles; robots-30: 30 robots in closed loop.",
    ),
    click.option(
        "--policies", default="", metavar="NAME,NAME=FILE,...", help="Default: all that need no file of their own."
    ),
    click.option(
        "--seeds",
        default=10,
        show_default=True,
        type=click.IntRange(1),
        metavar="N",
        help="Runs of each; with a seed all policies meet the same requests and times.",
    ),
    click.option(
        "--interceptors", default=1, show_default=True, type=click.IntRange(1), metavar="K", help="Who all choose."
    ),
    click.option(
        "--report-interval",
        "report_interval_s",
        type=click.FloatRange(0, min_open=True),
        callback=_finite,
        metavar="SECONDS",
        help="Servers tell interceptors of themselves this often; else with answers only.",
    ),
    click.option(
        "--ledger-delay",
        "ledger_delay_s",
        type=click.FloatRange(0),
        callback=_finite,
        metavar="SECONDS",
        help="Interceptors know of each other's requests in flight, this late; else not at all.",
    ),
    click.option(
        "--reference", default="", metavar="NAME", help="Compare with this policy; default least_connections."
    ),
    click.option(
        "--focus", default="", metavar="NAME", help="Draw this policy's choices; default marginal_cost, or the best."
    ),
    click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes; default 2 at most."),
    click.option("--report", "page", type=click.Path(path_type=Path), metavar="PATH", help="Write a page of HTML."),
)


def compare_options(command: _F) -> _F:
    """Give a verb these flags; it gets ``options: CompareOptions``."""
    names = [field.name for field in fields(CompareOptions)]

    @functools.wraps(command)
    def wrapped(*args: Any, **given: Any) -> Any:
        options = CompareOptions(**{name: given.pop(name) for name in names})
        return command(*args, options=options, **given)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]
