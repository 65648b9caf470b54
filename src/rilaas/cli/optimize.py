"""``rilaas optimize``: from a model to variants that are smaller and faster, each with its measured price."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rilaas.cli.config import Settings, read_settings
from rilaas.cli.hub_target import keep_report, open_hub
from rilaas.cli.optimize_data import find_data
from rilaas.cli.optimize_drive import Judge
from rilaas.cli.optimize_keep import keep, original_of
from rilaas.cli.optimize_options import NONE, OptimizeOptions, optimize_options
from rilaas.cli.optimize_recipes import limited, recipes_of
from rilaas.cli.output import Output, output_options, write_text
from rilaas.cli.progress import exit_code
from rilaas.cli.push import Said, push_folder
from rilaas.core import InvalidInput, MissingDependency, ModelRef

if TYPE_CHECKING:
    from rilaas.learn.workshop import Workshop
    from rilaas.optimize.recipe import Recipe
    from rilaas.optimize.row import Row
    from rilaas.report import Report
    from rilaas.store import ModelFolder
    from rilaas.wire import HubConnection

EXAMPLE = """
\b
Examples:
  rilaas optimize models/lane-following --preset balanced
  rilaas optimize lane-following:2 --preset balanced --preset max --report variants.html
  rilaas optimize models/lane-following --search --deadline-ms 5 --report front.html
  rilaas optimize models/pilotnet-bev --recipe 'paper.*' --published --report reproduction.html
  rilaas optimize detector --recipe mine.toml --dataset recordings/ --limit max_mse_ratio=1.02
\b
Exit code 0: all variants keep their gates, or a search recommends one; 20: one does not, and is
not kept, or a search found none; 130: interrupted, finished passes are kept for the next time.
"""
_EVERY_S = 0.2


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
    _check_can_begin(recipes)
    at_hub = ModelRef.parse(options.keep) if options.keep else None
    if at_hub is not None and not at_hub.version.isdigit():
        raise InvalidInput(f"--keep {options.keep} names no version.", "Write [OWNER/]NAME:VERSION, such as lane:3.")
    hub = ctx.with_resource(open_hub(settings)) if at_hub else None  # what is wrong there is told before the work
    original, folder = original_of(ref, settings)
    with tempfile.TemporaryDirectory(prefix="rilaas-optimize-") as place:
        workshop = _workshop(folder, options, settings, output, Path(place))
        rows, front = _searched(workshop, options) if options.search else _followed(workshop, recipes)
        report = _report(workshop, rows, str(original), front, options)
        output.progress_done()
        if options.page is not None:
            write_text(options.page, report.to_html())
            output.talk(f"wrote {options.page}")
        output.report(report)
        kept = keep(workshop, rows, original, options.out, settings, output)
        for name in kept:
            output.data(name)
        if hub is not None and at_hub is not None:
            _send(hub, at_hub, kept, report, output)
    output.finish(report, f"rilaas predict {_best(kept, report)} --profile" if kept else "")
    ctx.exit(exit_code(report, is_whole=True))


def _best(kept: dict[str, ModelFolder], report: Report) -> str:
    """The variant that the summary praises, where it was kept; else the first."""
    return next((name for name in kept if f" {_variant_of(name)} (" in report.summary), next(iter(kept)))


def _variant_of(name: str) -> str:
    """Of a reference or a folder."""
    return ModelRef.parse(name).variant if "@" in name else Path(name).name


def _check_is_installed() -> None:
    """Raise ``MissingDependency`` where the workbench is not installed."""
    try:
        import rilaas.learn.workshop  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"Optimizing needs the package {error.name}.", "Install it: pip install 'rilaas[optimize]'."
        ) from None


def _check_can_begin(recipes: list[Recipe]) -> None:
    """What no data could save is told before any are recorded."""
    from rilaas.optimize.order import check_some_can_begin

    check_some_can_begin(recipes)


def _workshop(
    folder: ModelFolder, options: OptimizeOptions, settings: Settings, output: Output, place: Path
) -> Workshop:
    from rilaas.learn.workshop import Workshop
    from rilaas.optimize.cache import Cache
    from rilaas.optimize.subject import read_subject

    subject = read_subject(folder)
    judge = _judge(folder.manifest.task, options, settings, output)
    data = find_data(subject, options, settings.home, output)
    line = _Line(output)
    return Workshop(
        subject,
        data,
        Cache(settings.home / "optimize" / "cache"),
        place,
        judge,
        seed=options.seed,
        threads=settings.threads,
        tell=line.tell,
        step=line.step,
        say=line.say,
    )


class _Line:
    """Progress as a line that moves on a terminal; what is said stays above it."""

    def __init__(self, output: Output) -> None:
        self._output, self._name, self._next = output, "", 0.0

    def step(self, name: str) -> None:
        """A step begins."""
        self._name, self._next = name, 0.0

    def tell(self, share: float, words: str) -> None:
        """How far it is."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_S
            self._output.progress(f"{self._name}: {100 * share:3.0f} %, {words}")

    def say(self, words: str) -> None:
        """A line for a person."""
        self._output.progress_done()
        self._output.talk(words)


def _judge(task: str, options: OptimizeOptions, settings: Settings, output: Output) -> Judge | None:
    """Who drives the variants; nobody where the model does not drive, or nobody wants it."""
    from rilaas.learn.workshop import DRIVING

    suite = options.suite or ("lf" if task == DRIVING else NONE)
    if suite == NONE:
        return None
    from rilaas.cli.evaluate_suite import read_suite

    return Judge(read_suite(suite, options.episodes), output, settings.threads)


def _followed(workshop: Workshop, recipes: list[Recipe]) -> tuple[list[Row], tuple[str, ...]]:
    from rilaas.optimize.row import front_of

    workshop.make(recipes)
    rows = workshop.rows()
    return rows, front_of(rows)


def _searched(workshop: Workshop, options: OptimizeOptions) -> tuple[list[Row], tuple[str, ...]]:
    from rilaas.infer.target import Target
    from rilaas.optimize.search import GATE

    return workshop.search(
        [Target.parse(text, threads=workshop.threads) for text in options.target],
        deadline_s=options.deadline_s,
        budget_s=60.0 * options.budget_min,
        gate=limited(GATE, options),
    )


def _report(
    workshop: Workshop, rows: list[Row], original: str, front: tuple[str, ...], options: OptimizeOptions
) -> Report:
    from rilaas.optimize.report import build_report

    return build_report(
        rows,
        subject=original,
        front=front,
        sensitivity=workshop.sensitivity() if options.page is not None or options.keep else None,
        deadline_s=options.deadline_s,
        absent=workshop.absent,
        recommended=workshop.recommended,
        published=options.published,
        seeds=(options.seed,),
        threads=workshop.threads,
    )


def _send(hub: HubConnection, ref: ModelRef, kept: dict[str, ModelFolder], report: Report, output: Output) -> None:
    """Variants and the report go to a version at the hub."""
    for name, folder in kept.items():
        pushed = push_folder(hub, folder, Said(ref, variant=_variant_of(name)), output)
        output.talk(f"{'stored' if pushed.is_new else 'already there'} as {pushed.ref}")
    output.talk(f"kept: {keep_report(hub, report, ref)}")
