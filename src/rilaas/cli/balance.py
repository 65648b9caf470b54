"""``rilaas balance``: which policy sends robots' queries where, compared before it is deployed."""

from __future__ import annotations

import inspect
import re
import shlex
import textwrap
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rilaas.cli.balance_options import ALL, CompareOptions, compare_options
from rilaas.cli.output import Output, output_options, write_text
from rilaas.cli.progress import EVERY_S, exit_code
from rilaas.core import InvalidInput, RilaasError
from rilaas.report import Report, Table, provenance

if TYPE_CHECKING:
    from rilaas.balance.comparison import Comparison, Progress
    from rilaas.balance.simulation import Cluster, Load

EXAMPLE = """
\b
Examples:
  rilaas balance compare
  rilaas balance compare --servers rilaas-2-6 --profile poisson-8 --policies c3,prequal,least_connections
  rilaas balance compare --servers lab.toml --profile monday.toml --seeds 20 --report balancing.html
  rilaas balance policies
  rilaas balance why 3f2a --from http://127.0.0.1:9090
"""
COMPARE_EXAMPLE = """
\b
Examples:
  rilaas balance compare --report balancing.html
  rilaas balance compare --servers lab.toml --profile uniform-8 --profile robots-30 --seeds 20
  rilaas balance compare --policies least_connections,q_learning=trained.npz --reference least_connections
  rilaas balance compare --profile robots-100 --interceptors 10 --json out.json
\b
Exit code 0: compared; 130: interrupted, what was run until then is reported.
"""
WHY_EXAMPLE = """
\b
Examples:
  rilaas balance why 3f2a --from http://127.0.0.1:9090
"""


@click.group("balance", epilog=EXAMPLE)
def command() -> None:
    """Compare load-balancing policies on simulated servers and loads, and ask an interceptor why it chose."""


@command.command("compare", epilog=COMPARE_EXAMPLE)
@compare_options
@output_options
@click.pass_context
def compare(ctx: click.Context, options: CompareOptions, output: Output) -> None:
    """Run policies on the same loads with the same random numbers, and tell who is how much faster.

    A load is one of the document's profiles, robots that wait for their answers, a trace, or a TOML file. For each
    seed all policies meet the same requests and the same service and network times, so small differences show;
    intervals are over seeds. Ctrl-C ends the run; what was run until then is reported, and the exit code is 130.
    """
    comparison = _compared(options, output)
    from rilaas.balance.comparison import build_report

    output.progress_done()
    report = build_report(comparison, focus=options.focus, figures=options.page is not None)
    if options.page is not None:
        write_text(options.page, report.to_html())
        output.talk(f"wrote {options.page}")
    output.report(report)
    output.finish(report, "" if options.page is not None else _following(options))
    ctx.exit(exit_code(report, is_whole=comparison.is_whole))


@command.command("policies")
@output_options
def policies(output: Output) -> None:
    """List the policies, what each does and where it is from."""
    from rilaas.balance import BALANCERS

    rows = tuple((name, *_about(name)) for name in BALANCERS)
    table = Table("Policies", ("policy", "what it does", "source"), rows)
    for name, what, source in rows:
        output.data(name)
        for words in (what, f"Source: {source}" if source else ""):
            for line in textwrap.wrap(words, 96, break_long_words=False, break_on_hyphens=False):
                output.data(f"    {line}")
    report = Report("policies", "measured", {}, provenance(), tables=(table,))
    output.finish(report, "rilaas balance compare --report balancing.html")


@command.command("why", epilog=WHY_EXAMPLE)
@click.argument("request_id")
@click.option(
    "--from",
    "url",
    required=True,
    metavar="URL",
    help="The metrics address of the interceptor, as its --metrics has it.",
)
@output_options
def why(request_id: str, url: str, output: Output) -> None:
    """Tell why a running interceptor sent a request where it did.

    REQUEST_ID is the one that the robot's answer carries; the interceptor remembers its last 1000 requests.
    """
    from rilaas.cli.balance_why import why_report
    from rilaas.route.decision import fetch_decision

    report = why_report(fetch_decision(url, request_id))
    output.report(report)
    output.finish(report)


def _compared(options: CompareOptions, output: Output) -> Comparison:
    from rilaas.balance.comparison import MOST_WORKERS, REFERENCE, Conditions, compare, contenders_of, without_file
    from rilaas.balance.comparison import check_reference as check
    from rilaas.balance.simulation import read_cluster

    cluster = read_cluster(options.servers)
    loads = _loads(options.profile, cluster)
    specs = [each.strip() for each in options.policies.split(",")] if options.policies else without_file()
    contenders = contenders_of(specs)
    for name, role in ((options.reference, "reference"), (options.focus, "focus")):
        if name:
            check(name, contenders, role)
    runs = len(loads) * len(contenders) * options.seeds
    counts = [(contenders, "policy", "policies"), (loads, "load", "loads"), (range(options.seeds), "seed", "seeds")]
    who, what, often = (f"{len(each)} {one if len(each) == 1 else more}" for each, one, more in counts)
    output.talk(f"{who} on {what} of {cluster.name}, {often}: {runs} run{'s' * (runs != 1)}")
    return compare(
        cluster,
        loads,
        contenders,
        range(options.seeds),
        reference=options.reference or REFERENCE,
        conditions=Conditions(options.interceptors, options.report_interval_s, options.ledger_delay_s),
        workers=options.workers or MOST_WORKERS,
        on_run=_Line(output, runs // options.seeds).show,
    )


def _loads(names: Sequence[str], cluster: Cluster) -> list[Load]:
    """Loads by their names; ``all`` are the document's, which need its models."""
    from rilaas.balance.simulation import PROFILES, read_load

    loads: list[Load] = []
    for name in names:
        loads += PROFILES.values() if name == ALL else [read_load(name)]
    for load in loads:
        if missing := [model for model in load.models if model not in cluster.models]:
            raise InvalidInput(
                f"The load {load.name} asks for {missing[0]!r}, which {cluster.name} has not.",
                f"It has {', '.join(cluster.models)}; name a --profile FILE.toml that asks for these.",
            )
    return loads


class _Line:
    """Progress: a line that moves on a terminal, and one for each seed that is done."""

    def __init__(self, output: Output, per_seed: int) -> None:
        self._output, self._per_seed = output, per_seed
        self._start, self._next = time.monotonic(), 0.0

    def show(self, progress: Progress) -> None:
        """After each run."""
        now = time.monotonic()
        rate = progress.done / max(1e-6, now - self._start)
        if progress.done % self._per_seed == 0:
            self._output.progress_done()
            self._output.talk(
                f"  seed {progress.job.seed:<3} {progress.done}/{progress.total} runs, {rate:.0f} runs/s, "
                f"{(progress.total - progress.done) / rate:.0f} s left"
            )
        if now >= self._next:
            self._next = now + EVERY_S
            left_s = (progress.total - progress.done) / rate
            where = f"{progress.job.load.name}, {progress.job.contender.name}, seed {progress.job.seed}"
            self._output.progress(
                f"run {progress.done} of {progress.total}: {where}, {rate:.0f} runs/s, {left_s:.0f} s left"
            )


def _about(name: str) -> tuple[str, str]:
    """What a policy does and where it is from: the first sentence and the source of the file that has it."""
    from rilaas.balance import BALANCERS, Setting

    needs, maker = "", BALANCERS[name]
    try:
        module = inspect.getmodule(type(maker(Setting(seed=0))))
    except RilaasError:  # it needs a file; its maker stands where it does
        module, needs = inspect.getmodule(maker), f" Needs a file: {name}=FILE."
    words = inspect.getdoc(module) or ""
    what, _, rest = words.partition("\n\n")
    if inspect.isfunction(maker) and maker.__doc__:  # one of several of a file
        what = maker.__doc__
    _, has_source, source = rest.partition("Source: ")
    first = " ".join((source.partition("\n\n")[0] if has_source else "").replace("``", "").split())
    return " ".join(what.split()) + needs, re.split(r"(?<!\bal)\.(?= [A-Z])", first)[0].removesuffix(".")


def _following(options: CompareOptions) -> str:
    """The command that makes a page of the same."""
    words = ["rilaas", "balance", "compare", "--servers", options.servers]
    words += [word for name in options.profile if options.profile != (ALL,) for word in ("--profile", name)]
    words += ["--policies", options.policies] if options.policies else []
    words += ["--interceptors", str(options.interceptors)] if options.interceptors > 1 else []
    return shlex.join([*words, "--seeds", str(options.seeds), "--report", "balancing.html"])
