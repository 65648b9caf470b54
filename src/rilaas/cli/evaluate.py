"""``rilaas evaluate``: judge a policy in closed loop."""

from __future__ import annotations

import click

from rilaas.cli.config import read_settings
from rilaas.cli.evaluate_options import EvaluateOptions, evaluate_options
from rilaas.cli.evaluate_record import RecordOptions, open_recording, record_options, without_links
from rilaas.cli.evaluate_suite import Course, drive, read_suite
from rilaas.cli.hub_target import keep_report, open_hub
from rilaas.cli.output import Output, output_options, write_text
from rilaas.cli.policy import policy_options
from rilaas.cli.progress import exit_code
from rilaas.core import ModelRef

EXAMPLE = """
\b
Examples:
  rilaas evaluate models/lane-following --suite lf
  rilaas evaluate lane-following:2 --suite my-suite.toml --latency fixed:0.08 --report report.html
  rilaas evaluate models/lane-following --record drives --record-episodes all --report report.html
  rilaas evaluate models/lane-following --keep alice/lane-following:2 --hub http://127.0.0.1:8080
  rilaas evaluate lane-following --suite quick-look --target 127.0.0.1 --key robot --ca tls/ca.pem
\b
Exit code 0: passed, or nothing had to be reached; 20: it ran, and a threshold was not reached;
130: interrupted, what was driven until then is reported.
"""


@click.command("evaluate", epilog=EXAMPLE)
@click.argument("policy")
@evaluate_options
@record_options
@policy_options
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    policy: str,
    options: EvaluateOptions,
    record: RecordOptions | None,
    output: Output,
    **flags: object,
) -> None:
    """Let POLICY drive a suite of scenarios in the tile world, and judge it.

    POLICY is a model folder, a version in the local store, or with --target a model of the fleet behind an
    interceptor. Ctrl-C ends the run; what was driven until then is reported, and the exit code is 130.
    """
    settings = read_settings(flags)
    kept = ModelRef.parse(options.keep) if options.keep else None
    hub = ctx.with_resource(open_hub(settings)) if kept else None  # what is wrong there is told before the drive
    suite = read_suite(options.suite, options.episodes)
    recording = open_recording(record, settings, output)
    from rilaas.evaluate.driving import Latency

    latency = Latency.parse(options.latency)
    report = drive(policy, Course(suite, latency, settings, options.workers, output, recording))
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
    following = f"rilaas evaluate {policy} --suite {options.suite} --report report.html"
    output.finish(report, "" if options.page else following)
    ctx.exit(exit_code(report, suite))
