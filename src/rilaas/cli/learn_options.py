"""What ``rilaas learn balancer`` may be told, as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class BalancerOptions:
    """The flags of ``rilaas learn balancer``, apart from those of the output.

    Attributes:
        policy: Which one is trained.
        suite: A preset, or a TOML file.
        steps: When the training ends; None for the policy's own number, or where minutes are given.
        minutes: When the training ends [min]; None where steps alone count.
        seed: Of the training.
        test_seeds: Runs of each test load.
        out: The file; None for one that is called after policy and suite.
        page: Where the HTML goes; None for nowhere.
    """

    policy: str
    suite: str
    steps: int | None
    minutes: float | None
    seed: int
    test_seeds: int
    out: Path | None
    page: Path | None


_OPTIONS = (
    click.option(
        "--policy", required=True, metavar="NAME", help="What is trained: q_learning, deep_q, marginal_cost."
    ),
    click.option(
        "--suite",
        default="rilaas-4-8",
        show_default=True,
        metavar="PRESET|FILE.toml",
        help="Servers, loads to train on and to test on; rilaas-E-C: the RILaaS document's, with E and C slots.",
    ),
    click.option("--steps", type=click.IntRange(1), metavar="N", help="Train so long. Default: the policy's own."),
    click.option("--minutes", type=click.FloatRange(0, min_open=True), metavar="MIN", help="Train at most so long."),
    click.option(
        "--seed", default=0, show_default=True, type=click.IntRange(0, 999), metavar="N", help="Of the training."
    ),
    click.option(
        "--test-seeds", default=10, show_default=True, type=click.IntRange(1), metavar="N", help="Runs of each load."
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Where the policy goes. Default: POLICY-SUITE.npz in this folder.",
    ),
    click.option(
        "--report",
        "page",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE.html",
        help="Write the learning curve, the map of decisions and the tests as one page.",
    ),
)


def balancer_options(command: _F) -> _F:
    """Give a verb these flags; it gets ``options: BalancerOptions``."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        own = {field.name: kwargs.pop(field.name) for field in fields(BalancerOptions)}
        return command(*args, options=BalancerOptions(**own), **kwargs)

    made: Any = wrapped
    for option in reversed(_OPTIONS):
        made = option(made)
    return made  # type: ignore[no-any-return]
