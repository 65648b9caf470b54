"""``rilaas evaluate``: judge a policy in closed loop."""

from __future__ import annotations

from contextlib import ExitStack

import click

from rilaas.cli.config import Settings, read_settings
from rilaas.cli.evaluate_against import against, duel
from rilaas.cli.evaluate_offline import OfflineOptions, offline_options, refuse_drive_flags, run_offline
from rilaas.cli.evaluate_options import EvaluateOptions, evaluate_options
from rilaas.cli.evaluate_record import RecordOptions, RunRecording, open_recording, record_options, without_links
from rilaas.cli.evaluate_simulator import as_flag, check_simulator_is_there
from rilaas.cli.evaluate_suite import Course, Outcome, drive, open_driver, read_suite
from rilaas.cli.evaluate_sweep import sweep
from rilaas.cli.hub_target import keep_report, open_hub
from rilaas.cli.output import Output, output_options, write_text
from rilaas.cli.policy import policy_options
from rilaas.cli.progress import exit_code
from rilaas.core import InvalidInput, ModelRef

EXAMPLE = """
\b
Examples:
  rilaas evaluate models/lane-following --suite lf
  rilaas evaluate lane-following:2 --suite my-suite.toml --latency fixed:0.08 --report report.html
  rilaas evaluate models/lane-following --record drives --record-episodes all --report report.html
  rilaas evaluate models/lane-following --keep alice/lane-following:2 --hub http://127.0.0.1:8080
  rilaas evaluate lane-following --suite quick-look --target 127.0.0.1 --key robot --ca tls/ca.pem
  rilaas evaluate models/lane-following --against lane-following:1 --against cloud.json
  rilaas evaluate models/lane-following --against lane-following:1 --until-decided --latency none
  rilaas evaluate models/lane-following --sweep 0,0.05,0.1,0.15,0.2,0.3 --report sweep.html
  rilaas evaluate models/lane-following --simulator gym-duckietown --episodes 4
  rilaas evaluate models/lane-following --dataset episodes/ --report offline.html
\b
Exit code 0: passed, or nothing had to be reached; 20: it ran, and a threshold was not reached;
130: interrupted, what was driven until then is reported.
"""


@click.command("evaluate", epilog=EXAMPLE)
@click.argument("policy")
@evaluate_options
@record_options
@offline_options
@policy_options
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    policy: str,
    options: EvaluateOptions,
    record: RecordOptions | None,
    offline: OfflineOptions | None,
    output: Output,
    **flags: object,
) -> None:
    """Let POLICY drive a suite of scenarios in the tile world or another simulator, and judge it.

    POLICY is a model folder, a version in the local store, or with --target a model of the fleet behind an
    interceptor. Ctrl-C ends the run; what was driven until then is reported, and the exit code is 130. With
    --dataset nobody drives: POLICY answers samples, and is judged by its errors and times.
    """
    settings = read_settings(flags)
    if offline is not None:
        refuse_drive_flags(ctx)
    else:
        options.check()
    if record is not None and (options.sweep is not None or options.until_decided):
        raise InvalidInput("--record is for one run of the suite.", "Leave --sweep and --until-decided away.")
    kept = ModelRef.parse(options.keep) if options.keep else None
    hub = ctx.with_resource(open_hub(settings)) if kept else None  # what is wrong there is told before the work
    recording = open_recording(record, settings, output)
    if offline is not None:
        outcome = run_offline(policy, offline, settings, output)
    else:
        outcome = _drive(policy, options, settings, output, recording)
    report = outcome.report
    if recording is not None:
        report = recording.finish(report, options.page)
    if options.page is not None:
        write_text(options.page, report.to_html())
        output.talk(f"wrote {options.page}")
    output.report(report)
    if hub is not None and kept is not None:
        address = keep_report(hub, without_links(report), kept)
        output.talk(f"kept: {address}")
        if recording is not None:
            recording.send(hub, address)
    has_page = options.page is not None or not outcome.is_whole
    output.finish(report, "" if has_page else _following(policy, options, offline))
    ctx.exit(exit_code(report, is_whole=outcome.is_whole))


def _following(policy: str, options: EvaluateOptions, offline: OfflineOptions | None) -> str:
    """The command that makes a page of this run, as far as it is one run."""
    if offline is not None:
        return f"rilaas evaluate {policy} --dataset {offline.dataset} --report report.html"
    if options.sweep is not None or options.against:
        return "add --report report.html to this command, for a page with charts"
    episodes = f" --episodes {options.episodes}" if options.episodes else ""
    suite = f"--suite {options.suite}{episodes}{as_flag(options.simulator)}"
    return f"rilaas evaluate {policy} {suite} --report report.html"


def _drive(
    policy: str, options: EvaluateOptions, settings: Settings, output: Output, recording: RunRecording | None
) -> Outcome:
    suite = read_suite(options.suite, None if options.until_decided else options.episodes)
    from rilaas.evaluate.driving import Latency

    latency, simulator = Latency.parse(options.latency), check_simulator_is_there(options.simulator)
    course = Course(suite, latency, settings, options.workers, output, recording, simulator)
    if options.sweep is not None:
        return sweep(policy, course, options.sweep)
    if options.until_decided:
        return duel(policy, options.against[0], course, options.episodes, options.metric)
    if options.against:
        return against(policy, options.against, course, options.metric)
    with ExitStack() as stack:
        return drive(open_driver(policy, course, stack), course)
