"""``rilaas up``: a fleet on this machine with one command; with ``--demo``, a robot that is driven through it."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rilaas.balance import make_balancer
from rilaas.cli.fleet import ROBOT, Fleet, FleetServer
from rilaas.cli.output import Output, output_options, write_text
from rilaas.cli.progress import SuiteProgress, exit_code
from rilaas.core import InvalidInput, MissingDependency, NotFound
from rilaas.route.config import DEFAULT_PORT
from rilaas.store import read_model_folder

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Suite
    from rilaas.report import Report

DEMO_MODEL = "lane-following"
DEADLINE_S = 0.1  # two frames: an answer that comes later is lost
CHECK_EVERY_S = 0.5  # how soon a server that ended is noticed
CLOUD_DELAY_S = 0.04  # about a data centre of the same continent
EDGE, CLOUD = FleetServer("edge-1", "edge"), FleetServer("cloud-1", "cloud", CLOUD_DELAY_S)

EXAMPLE = """
\b
Examples:
  rilaas up --demo                         drive a robot through edge and cloud, print a table
  rilaas up models/lane-following          serve a model to robots on this machine
\b
Exit code of a demo 0: driven; 20: a threshold of its suite was not reached; 130: interrupted, what was
driven until then is reported.
"""


@click.command("up", epilog=EXAMPLE)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--demo", is_flag=True, help="Drive episodes through the service, print the table and end.")
@click.option("--suite", "suite_name", default="demo", show_default=True, help="What --demo drives.")
@click.option("--balancer", default="least_connections", show_default=True, help="How the interceptor chooses.")
@click.option("--listen", metavar="HOST:PORT", help="The interceptor's.  [default: 127.0.0.1:8443; demo: any port]")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Keys, certificates, logs.  [default: out/fleet, out/demo]"
)
@click.option(
    "--report", "report_path", type=click.Path(path_type=Path), help="HTML report. [default: OUT/report.html]"
)
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    folder: Path | None,
    demo: bool,
    suite_name: str,
    balancer: str,
    listen: str | None,
    out: Path | None,
    report_path: Path | None,
    output: Output,
) -> None:
    """Start a server at the edge, one in the cloud, and an interceptor with TLS, for the model in FOLDER.

    The cloud is on this machine too; its distance is emulated by an added delay. A robot and its key are made.
    Should one of the processes end, its name and log are told, the others are ended, and the exit code is 8.
    """
    if folder is None and not demo:
        raise InvalidInput("There is nothing to serve.", "Name a model FOLDER, or try --demo.")
    model = read_model_folder(folder or shipped_model(DEMO_MODEL))
    out = out or Path("out") / ("demo" if demo else "fleet")
    listen = listen or f"127.0.0.1:{0 if demo else DEFAULT_PORT}"
    suite = _read_suite(suite_name) if demo else None
    make_balancer(balancer)  # a wrong name is told before anything is started
    fleet = Fleet(out, model.path.resolve(), model.manifest.name, (EDGE, CLOUD), balancer, listen)
    previous = signal.signal(signal.SIGTERM, _interrupt)  # ends the fleet as Ctrl-C does
    try:
        with fleet:
            _introduce(fleet, output)
            if suite is not None:
                report = _drive(fleet, suite, output)
            else:
                _wait(fleet, output)
                return
    finally:
        signal.signal(signal.SIGTERM, previous)
    _show(report, report_path or out / "report.html", output)
    assert suite is not None
    ctx.exit(exit_code(report, suite))


def shipped_model(name: str) -> Path:
    """The folder of a model that comes with rilaas: in the package, or in the clone that it runs from.

    Raises:
        NotFound: It is in neither.
    """
    import rilaas

    package = Path(rilaas.__file__).resolve().parent
    for folder in (package / "models" / name, package.parents[1] / "models" / name):
        if (folder / "model.toml").is_file():
            return folder
    raise NotFound(f"The model {name!r} did not come with this installation.", "Name a model FOLDER.")


def _introduce(fleet: Fleet, output: Output) -> None:
    for server in fleet.servers:
        about = fleet.about[server.name]
        isolation = about["models"][0]["isolation"]
        far = f", its distance emulated: {1e3 * server.added_delay_s:.0f} ms added" if server.added_delay_s else ""
        output.talk(f"{server.kind:<6} {server.name} serves {fleet.name} on {about['address']}{far}")
        output.talk(f"       its replica: {isolation}")
    output.talk(f"route  interceptor on {fleet.address}: TLS, robot tokens, {fleet.balancer.replace('_', ' ')}")
    output.talk(f"robot  {ROBOT}, key {fleet.key_path}, trusts {fleet.ca_path}")


def _read_suite(name: str) -> Suite:
    try:
        from rilaas.evaluate.driving import read_suite
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"The tile world needs {error.name}.", "Install it: pip install 'rilaas[serve,evaluate]'."
        ) from None
    return read_suite(name)


def _drive(fleet: Fleet, suite: Suite, output: Output) -> Report:
    from rilaas.client import RobotClient
    from rilaas.evaluate.driving import Latency, run_suite

    progress = SuiteProgress(suite, output)
    with RobotClient(fleet.address, fleet.name, "", fleet.key_path, fleet.ca_path) as robot:
        report = run_suite(
            robot,
            suite,
            latency=Latency.measured(),
            deadline_s=DEADLINE_S,
            on_episode=progress.episode,
            on_frame=progress.frame,
        )
    return replace(report, kind="demo")


def _wait(fleet: Fleet, output: Output) -> None:
    output.talk("")
    output.talk("from rilaas.client import RobotClient")
    output.talk(f'rc = RobotClient("{fleet.address}", "{fleet.name}", "", "{fleet.key_path}", "{fleet.ca_path}")')
    output.talk("")
    output.talk("Ctrl-C ends it.")
    try:
        while True:
            time.sleep(CHECK_EVERY_S)
            fleet.check()
    except KeyboardInterrupt:
        output.talk("ending ...")


def _show(report: Report, html: Path, output: Output) -> None:
    write_text(html, report.to_html())
    output.report(report)
    output.talk(f"report: {html}")
    output.finish(report, "rilaas evaluate models/lane-following --suite lane-following")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
