"""``rilaas learn``: what is trained in simulation before it is deployed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rilaas.cli.learn_options import BalancerOptions, balancer_options
from rilaas.cli.output import Output, output_options, write_text
from rilaas.cli.progress import EVERY_S, exit_code
from rilaas.core import InvalidInput, MissingDependency

if TYPE_CHECKING:
    from rilaas.balance.comparison import Comparison
    from rilaas.balance.simulation.suite import LoadSuite
    from rilaas.learn.balancing.trainer import Progress, Trained
    from rilaas.report import Cell, Report

EXAMPLE = """
\b
Examples:
  rilaas learn balancer --policy q_learning
  rilaas learn balancer --policy deep_q --suite rilaas-2-6 --minutes 5 --report training.html
"""
BALANCER_EXAMPLE = """
\b
Examples:
  rilaas learn balancer --policy q_learning --seed 3 --out q.npz
  rilaas learn balancer --policy deep_q --suite lab.toml --minutes 5 --report training.html
  rilaas balance compare --policies least_connections,q_learning=q.npz
\b
Exit code 0: trained; 130: interrupted, the best policy until then was written and is reported.
"""


@click.group("learn", epilog=EXAMPLE)
def command() -> None:
    """Train policies in simulation."""


@command.command("balancer", epilog=BALANCER_EXAMPLE)
@balancer_options
@output_options
@click.pass_context
def balancer(ctx: click.Context, options: BalancerOptions, output: Output) -> None:
    """Train a load-balancing policy on a suite of simulated loads, and test it with seeds and loads it never saw.

    The best policy on held-out seeds is kept, in one small file that says what it is for and where it comes from; an
    interceptor takes it as NAME=FILE. The same seed and number of steps give the same policy. Ctrl-C keeps the best
    until then.
    """
    from rilaas.balance.simulation.suite import read_suite

    suite = read_suite(options.suite)
    out = options.out or Path(f"{options.policy}-{re.sub(r'[^A-Za-z0-9_.-]', '-', suite.name)}.npz")
    _check_can_be_written(out)
    trained = _trained(suite, options, output)
    report = _kept(trained, suite, out, options, output)
    if options.page is not None:
        write_text(options.page, report.to_html())
        output.talk(f"wrote {options.page}")
    output.report(report)
    output.finish(report, _following(options.suite, f"{trained.kind}={out}"))
    ctx.exit(exit_code(report, is_whole=trained.is_whole))


def _following(suite: str, spec: str) -> str:
    """The command that compares what was trained; '' where the suite is a file, whose cluster has another."""
    if suite.endswith(".toml"):
        return ""
    words = ["rilaas", "balance", "compare", "--servers", suite, "--policies", f"least_connections,{spec}"]
    return shlex.join(words)


def _check_can_be_written(out: Path) -> None:
    """Told before minutes of training, not after them."""
    if out.is_dir():
        raise InvalidInput(f"{out} is a folder.", "Name a file: --out policy.npz.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror}.") from None


def _trained(suite: LoadSuite, options: BalancerOptions, output: Output) -> Trained:
    try:
        from rilaas.learn.balancing.registry import trainer_of
        from rilaas.learn.balancing.trainer import Limit
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"Training needs the package {error.name}.", "Install it: pip install 'rilaas[learn]'."
        ) from None
    trainer = trainer_of(options.policy)
    limit = Limit(options.steps, options.minutes)
    servers = ", ".join(server.name for server in suite.cluster.servers)
    loads = f"{len(suite.train)} load{'s' * (len(suite.train) != 1)}"
    output.talk(f"training {options.policy} on {loads} of {suite.name} ({servers})")
    try:
        trained = trainer(suite, seed=options.seed, limit=limit, tell=_Line(output).tell)
    except KeyboardInterrupt:
        output.progress_done()
        output.talk("nothing was written: no policy had been judged yet")
        raise
    output.progress_done()
    return trained


def _kept(trained: Trained, suite: LoadSuite, out: Path, options: BalancerOptions, output: Output) -> Report:
    """Write the file, test the policy as it was written, and write the file again with what was measured."""
    from rilaas.balance.learned_file import write_learned
    from rilaas.balance.registry import make_balancer
    from rilaas.learn.balancing.report import build_report, validation_of

    write_learned(out, trained.kind, trained.arrays, trained.card)
    if not trained.is_whole:
        output.talk("interrupted: the best until then is tested; Ctrl-C again leaves that away")
    comparison = _tested(trained, suite, out, options, output)
    if comparison is not None:
        card = {**trained.card, "validation": validation_of(comparison, trained.kind)}
        write_learned(out, trained.kind, trained.arrays, card)
    output.progress_done()
    output.talk(f"wrote {out}, {out.stat().st_size:,} bytes")
    facts: dict[str, Cell] = {"file": out.name, "size [bytes]": out.stat().st_size}
    spec = f"{trained.kind}={out}"
    make = (lambda: make_balancer(spec, seed=options.seed)) if options.page is not None else None
    return build_report(trained, suite, comparison, make=make, facts=facts)


def _tested(
    trained: Trained, suite: LoadSuite, out: Path, options: BalancerOptions, output: Output
) -> Comparison | None:
    """On the suite's test loads beside least connections; None where Ctrl-C came before the first run."""
    from rilaas.balance.comparison import REFERENCE, Contender, FromSpec, compare
    from rilaas.learn.balancing.trainer import TEST_SEED

    contenders = [Contender(REFERENCE, FromSpec(REFERENCE))]
    contenders.append(Contender(trained.kind, FromSpec(f"{trained.kind}={out}")))
    seeds = range(TEST_SEED, TEST_SEED + options.test_seeds)
    try:
        return compare(
            suite.cluster,
            suite.test,
            contenders,
            seeds,
            on_run=lambda progress: output.progress(f"test: run {progress.done} of {progress.total}"),
        )
    except KeyboardInterrupt:
        return None


class _Line:
    """Progress: a line that moves on a terminal, and one for each point of the curve."""

    def __init__(self, output: Output) -> None:
        self._output, self._next_s = output, 0.0

    def tell(self, progress: Progress) -> None:
        """How far the training is."""
        if progress.point is not None:
            self._point(progress, 1e3 * progress.point.mean_s)
        if progress.elapsed_s >= self._next_s:
            self._next_s = progress.elapsed_s + EVERY_S
            rate = progress.steps / max(1e-6, progress.elapsed_s)
            left_s = progress.elapsed_s * (1.0 / max(1e-6, progress.share) - 1.0)
            words = (
                f"{100 * progress.share:3.0f} %, {progress.steps:,} steps, {rate:,.0f} steps/s, {left_s:.0f} s left"
            )
            self._output.progress(f"{words}, {progress.note}" if progress.note else words)

    def _point(self, progress: Progress, mean_ms: float) -> None:
        from rilaas.learn.balancing.report import percent_of

        against = percent_of(mean_ms / 1e3, progress.reference_s)
        self._output.progress_done()
        self._output.talk(
            f"  {progress.steps:>9,} steps  {progress.elapsed_s:5.0f} s  {mean_ms:7.1f} ms on held-out seeds, "
            f"{against} against least connections"
        )
