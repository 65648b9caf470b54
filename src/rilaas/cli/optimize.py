"""``rilaas optimize``: from a model to variants that are smaller and faster, each with its measured price."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rilaas.cli.config import Settings, read_settings
from rilaas.cli.optimize_data import DRIVING, find_data
from rilaas.cli.optimize_drive import Judge
from rilaas.cli.optimize_keep import keep, original_of
from rilaas.cli.optimize_options import NONE, OptimizeOptions, optimize_options
from rilaas.cli.optimize_session import Session, recipes_of, teller
from rilaas.cli.output import Output, output_options, write_text
from rilaas.cli.progress import exit_code
from rilaas.core import MissingDependency

if TYPE_CHECKING:
    from rilaas.optimize.row import Row
    from rilaas.optimize.sensitivity import LayerError
    from rilaas.report import Report
    from rilaas.store import ModelFolder

EXAMPLE = """
\b
Examples:
  rilaas optimize models/lane-following --preset balanced
  rilaas optimize lane-following:2 --preset balanced --preset max --report variants.html
  rilaas optimize models/lane-following --search --deadline-ms 5 --report front.html
  rilaas optimize models/pilotnet-bev --recipe 'paper.*' --published --report reproduction.html
  rilaas optimize detector --recipe mine.toml --dataset recordings/ --limit max_mse_ratio=1.02
\b
Exit code 0: all variants keep their gates; 20: one does not, and is not kept; 130: interrupted,
finished passes are kept for the next time.
"""


@click.command("optimize", epilog=EXAMPLE)
@click.argument("ref")
@optimize_options
@output_options
@click.pass_context
def command(ctx: click.Context, /, ref: str, options: OptimizeOptions, output: Output, **flags: object) -> None:
    """Make smaller and faster variants of the model REF, a model folder or a version in the local store.

    Each variant is measured beside the float model in the same run, its error on samples that nothing was learned
    from; a driving model drives a suite with its own measured latency. What keeps its gate goes into the store as
    REF@VARIANT, which evaluate, predict, serve and push take.
    """
    options.check()
    settings = read_settings(flags)
    _check_is_installed()
    recipes = recipes_of(options, settings.threads)
    original, folder = original_of(ref, settings)
    with tempfile.TemporaryDirectory(prefix="rilaas-optimize-") as place:
        session = _session(folder, options, settings, output, Path(place))
        if options.search:
            rows, front = session.search()
        else:
            session.make(recipes)
            rows, front = session.rows(), ()
        report = _report(session, rows, str(original), front)
        if options.page is not None:
            write_text(options.page, report.to_html())
            output.talk(f"wrote {options.page}")
        output.report(report)
        kept = keep(session, rows, original, settings, output)
    for name in kept:
        output.data(name)
    output.finish(report, f"rilaas predict {kept[0]} --profile" if kept else "")
    ctx.exit(exit_code(report, is_whole=True))


def _check_is_installed() -> None:
    """Raise ``MissingDependency`` where the workbench is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"Optimizing needs the package {error.name}.", "Install it: pip install 'rilaas[optimize]'."
        ) from None


def _session(
    folder: ModelFolder, options: OptimizeOptions, settings: Settings, output: Output, place: Path
) -> Session:
    from rilaas.optimize.cache import Cache
    from rilaas.optimize.subject import read_subject

    subject = read_subject(folder)
    judge = _judge(folder.manifest.task, options, settings, output)
    data = find_data(subject, options, settings.home, output)
    cache = Cache(settings.home / "optimize" / "cache")
    return Session(subject, data, options, cache, output, place, judge, settings.threads)


def _judge(task: str, options: OptimizeOptions, settings: Settings, output: Output) -> Judge | None:
    """Who drives the variants; nobody where the model does not drive, or nobody wants it."""
    suite = options.suite or (("quick-look" if options.search else "lf") if task == DRIVING else NONE)
    if suite == NONE:
        return None
    from rilaas.cli.evaluate_suite import read_suite

    return Judge(read_suite(suite, options.episodes), output, settings.threads)


def _report(session: Session, rows: list[Row], original: str, front: tuple[str, ...]) -> Report:
    from rilaas.optimize.report import build_report

    options, judge = session.options, session.judge
    report = build_report(
        rows,
        subject=original,
        front=front,
        sensitivity=_sensitivity(session),
        deadline_s=options.deadline_s,
        absent=session.absent,
        published=options.published,
        seeds=(options.seed,),
        threads=session.threads,
    )
    ways = judge.trajectories([row.name for row in rows]) if judge is not None else None
    return replace(report, figures=(*report.figures, ways)) if ways is not None else report


def _sensitivity(session: Session) -> list[LayerError] | None:
    """What int8 costs in each layer alone; None where nobody reads it, or nothing is quantized."""
    if session.options.page is None or session.data is None:
        return None
    from rilaas.optimize.sensitivity import layer_sensitivity

    found = layer_sensitivity(
        session.subject.network,
        session.data.calibration,
        session.data.validation,
        seed=session.options.seed,
        tell=teller(session.output, "each layer alone in int8"),
    )
    session.output.progress_done()
    return found
