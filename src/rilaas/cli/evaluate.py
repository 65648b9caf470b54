"""``rilaas evaluate``: judge a policy in closed loop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rilaas.cli.config import Settings, read_settings
from rilaas.cli.hub_target import keep_report, open_hub
from rilaas.cli.output import Output, output_options, write_text
from rilaas.cli.policy import is_remote, load_local, open_policy, policy_options
from rilaas.cli.progress import SuiteProgress, exit_code
from rilaas.core import InvalidInput, MissingDependency, ModelRef, Policy
from rilaas.report import Report

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Suite

EXAMPLE = """
\b
Examples:
  rilaas evaluate models/lane-following --suite lane-following
  rilaas evaluate lane-following:2 --suite my-suite.toml --latency fixed:0.08 --report report.html
  rilaas evaluate models/lane-following --keep alice/lane-following:2 --hub http://127.0.0.1:8080
  rilaas evaluate lane-following --suite quick-look --target 127.0.0.1 --key robot --ca tls/ca.pem
\b
Exit code 0: passed, or nothing had to be reached; 20: it ran, and a threshold was not reached;
130: interrupted, what was driven until then is reported.
"""


@click.command("evaluate", epilog=EXAMPLE)
@click.argument("policy")
@click.option("--suite", "suite_name", default="lane-following", show_default=True, metavar="NAME|FILE.toml")
@click.option(
    "--episodes", type=click.IntRange(1), metavar="N", help="This many, over all worlds of the suite in turn."
)
@click.option(
    "--latency",
    default="measured",
    show_default=True,
    metavar="none|measured|fixed:SECONDS",
    help="How long the world goes on while the policy thinks.",
)
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes, for a local policy."
)
@click.option("--report", "page", type=click.Path(path_type=Path), metavar="PATH", help="Write a page of HTML.")
@click.option(
    "--keep", metavar="[OWNER/]NAME[:VERSION]", help="Add the report to this model's evaluations at the hub."
)
@click.option("--hub", metavar="URL", help="The hub of --keep (RILAAS_HUB).")
@policy_options
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    policy: str,
    suite_name: str,
    episodes: int | None,
    latency: str,
    workers: int,
    page: Path | None,
    keep: str | None,
    output: Output,
    **flags: object,
) -> None:
    """Let POLICY drive a suite of scenarios in the tile world, and judge it.

    POLICY is a model folder, a version in the local store, or with --target a model of the fleet behind an
    interceptor. Ctrl-C ends the run; what was driven until then is reported, and the exit code is 130.
    """
    settings = read_settings(flags)
    kept = ModelRef.parse(keep) if keep else None
    hub = ctx.with_resource(open_hub(settings)) if kept else None  # what is wrong there is told before the drive
    suite = _read_suite(suite_name)
    if episodes is not None:
        suite = with_episodes(suite, episodes)
    report = _run(policy, suite, settings, latency, workers, output)
    if page is not None:
        write_text(page, report.to_html())
        output.talk(f"wrote {page}")
    output.report(report)
    if hub is not None and kept is not None:
        output.talk(f"kept: {keep_report(hub, report, kept)}")
    output.finish(report, "" if page else f"rilaas evaluate {policy} --suite {suite_name} --report report.html")
    ctx.exit(exit_code(report, suite))


def with_episodes(suite: Suite, count: int) -> Suite:
    """A suite cut or extended to a number of episodes.

    Its worlds take turns, each with its own seeds and then with those that follow the highest.

    Args:
        suite: What to cut.
        count: Episodes, at least 1.
    """
    seeds: dict[object, list[int]] = defaultdict(list)
    for scenario in suite.scenarios:
        seeds[replace(scenario, seed=0)].append(scenario.seed)
    worlds, scenarios = list(dict.fromkeys(replace(s, seed=0) for s in suite.scenarios)), []
    for i in range(count):
        world, turn = worlds[i % len(worlds)], i // len(worlds)
        own = seeds[world]
        scenarios.append(replace(world, seed=own[turn] if turn < len(own) else max(own) + 1 + turn - len(own)))
    return replace(suite, scenarios=tuple(scenarios))


def _read_suite(name: str) -> Suite:
    try:
        from rilaas.evaluate.driving import read_suite
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"The tile world needs the package {error.name}.", "Install it: pip install 'rilaas[serve,evaluate]'."
        ) from None
    return read_suite(name)


def _count(suite: Suite) -> str:
    count = len(suite.scenarios)
    return f"{count} episode{'s' if count > 1 else ''}"


def _run(text: str, suite: Suite, settings: Settings, latency: str, workers: int, output: Output) -> Report:
    from rilaas.evaluate.driving import Latency, run_suite

    source = Latency.parse(latency)
    progress = SuiteProgress(suite, output)
    with ExitStack() as stack:
        made: Policy | Callable[[], Policy]
        if workers == 1:
            opened = stack.enter_context(open_policy(text, settings))
            made, name, place = opened.policy, opened.name, opened.place
        else:
            if is_remote(text, settings):
                raise InvalidInput("A remote policy is driven by one worker.", "Leave --workers away.")
            made, name, place = partial(load_local, text, settings), text, f"{workers} processes"
        output.talk(f"{name} in {place} drives {suite.name}: {_count(suite)}, latency {latency}")
        report = run_suite(
            made,
            suite,
            latency=source,
            deadline_s=settings.deadline,
            on_episode=progress.episode,
            on_frame=progress.frame if workers == 1 else None,
            workers=workers,
        )
    return replace(report, summary=f"{name} in {place}: {report.summary}")
