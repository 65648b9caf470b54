"""``rilaas up``: everything on this machine with one command; with ``--demo``, a robot that is driven through it."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rilaas.balance import make_balancer
from rilaas.cli.config import read_settings
from rilaas.cli.fleet import INTERCEPTOR, Fleet, FleetServer
from rilaas.cli.fleet_setup import Deployed, add_robot, deploy, wait_in_force
from rilaas.cli.hub_target import keep_report
from rilaas.cli.output import Output, output_options, write_text
from rilaas.cli.progress import SuiteProgress, exit_code
from rilaas.core import MissingDependency, ModelRef, NotFound
from rilaas.route.config import DEFAULT_PORT
from rilaas.store import read_model_folder

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Suite
    from rilaas.report import Report

DEMO_MODEL = "lane-following"
DEMO_HOME = Path("out") / "demo"
ROBOT, DEMO_ROBOT = "robot", "demo-robot"
HUB_PORT = 8080
DEADLINE_S = 0.1  # two frames: an answer that comes later is lost
CHECK_EVERY_S = 0.5  # how soon a process that ended is noticed
CLOUD_DELAY_S = 0.04  # about a data centre of the same continent
EDGE, CLOUD = FleetServer("edge-1", "edge"), FleetServer("cloud-1", "cloud", CLOUD_DELAY_S)

EXAMPLE = """
\b
Examples:
  rilaas up                                the hub, an empty edge and cloud, an interceptor
  rilaas up models/lane-following          the same, with a model deployed and a robot that may use it
  rilaas up --demo                         drive a robot through edge and cloud, print a table
  rilaas up --demo --stay                  and leave the pages up
\b
Exit code of a demo 0: driven; 20: a threshold of its suite was not reached; 130: interrupted, what was
driven until then is reported.
"""


@click.command("up", epilog=EXAMPLE)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--demo", is_flag=True, help="Drive episodes through the service, print the table and end.")
@click.option("--stay", is_flag=True, help="With --demo: leave everything up until Ctrl-C.")
@click.option("--suite", "suite_name", default="demo", show_default=True, help="What --demo drives.")
@click.option("--balancer", default="least_connections", show_default=True, help="How the interceptor chooses.")
@click.option("--listen", metavar="HOST:PORT", help="The interceptor's.  [default: 127.0.0.1:8443; demo: any port]")
@click.option("--hub-listen", metavar="HOST:PORT", help="The hub's.  [default: 127.0.0.1:8080; demo: any port]")
@click.option("--home", metavar="PATH", help="Folder of all state (RILAAS_HOME); of a demo out/demo.")
@click.option(
    "--report", "report_path", type=click.Path(path_type=Path), help="HTML report. [default: HOME/report.html]"
)
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    folder: Path | None,
    demo: bool,
    stay: bool,
    suite_name: str,
    balancer: str,
    listen: str | None,
    hub_listen: str | None,
    home: str | None,
    report_path: Path | None,
    output: Output,
) -> None:
    """Start the hub with its pages, a server at the edge, one in the cloud, and an interceptor with TLS.

    With a model FOLDER it is pushed and deployed, and a robot with a key of its own is registered. The cloud is on
    this machine too; its distance is emulated by an added delay. All of it is watched and started again where it
    ends; what was made stays in the home folder.
    """
    model = read_model_folder(folder or shipped_model(DEMO_MODEL)) if folder or demo else None
    place = DEMO_HOME if demo and not home else read_settings({"home": home}).home
    suite = _read_suite(suite_name) if demo else None
    make_balancer(balancer)  # a wrong name is told before anything is started
    listen = listen or f"127.0.0.1:{0 if demo else DEFAULT_PORT}"
    hub_listen = hub_listen or f"127.0.0.1:{0 if demo else HUB_PORT}"
    previous = signal.signal(signal.SIGTERM, _interrupt)  # ends the fleet as Ctrl-C does
    report: Report | None = None
    try:
        with Fleet(place, (EDGE, CLOUD), listen, hub_listen) as fleet:
            output.talk(f"hub    {fleet.url}, its data in {place}")
            output.talk(f"       sign in, once: {fleet.entry}")
            fleet.start_machines()
            deployed = None
            if model is not None:
                with fleet.connect() as hub:
                    deployed = deploy(hub, model, [server.name for server in fleet.servers], balancer, output)
                    key = add_robot(hub, DEMO_ROBOT if demo else ROBOT, deployed.ref, place)
                    wait_in_force(hub, INTERCEPTOR)
            _introduce(fleet, deployed, balancer, output)
            if suite is not None and deployed is not None:
                report = _drive(fleet, deployed, key, suite, output)
                _show(fleet, deployed, report, report_path or place / "report.html", output)
            elif deployed is not None:
                _show_use(fleet, deployed, key, output)
            else:
                output.talk(f"\nnext: rilaas push FOLDER --hub {fleet.url} --home {place}")
            if stay or not demo:
                _wait(fleet, place, output)
    finally:
        signal.signal(signal.SIGTERM, previous)
    if report is not None and suite is not None:
        output.finish(report, f"rilaas up --home {place}" if stay else f"rilaas up --demo --stay --home {place}")
        ctx.exit(exit_code(report, is_whole=len(report.episodes) == len(suite.scenarios)))


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


def _introduce(fleet: Fleet, deployed: Deployed | None, balancer: str, output: Output) -> None:
    for server in fleet.servers:
        far = f", its distance emulated: {1e3 * server.added_delay_s:.0f} ms added" if server.added_delay_s else ""
        what = f" serves {deployed.ref}:{deployed.revision}" if deployed else ""
        output.talk(f"{server.kind:<6} {server.name}{what}{far}")
        if deployed:
            output.talk(f"       its replica: {deployed.isolation[server.name]}")
    how = f", {balancer.replace('_', ' ')}" if deployed else ""
    output.talk(f"route  interceptor on {fleet.address}: TLS, robot tokens{how}")


def _read_suite(name: str) -> Suite:
    try:
        from rilaas.evaluate.driving import read_suite
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"The tile world needs {error.name}.", "Install it: pip install 'rilaas[serve,evaluate]'."
        ) from None
    return read_suite(name)


def _drive(fleet: Fleet, deployed: Deployed, key: Path, suite: Suite, output: Output) -> Report:
    from rilaas.client import RobotClient
    from rilaas.evaluate.driving import Latency, run_suite

    output.talk(f"robot  {DEMO_ROBOT}, key {key}, trusts {fleet.ca_path}")
    progress = SuiteProgress(suite, output)
    with RobotClient(fleet.address, deployed.name, "", key, fleet.ca_path) as robot:
        report = run_suite(
            robot,
            suite,
            latency=Latency.measured(),
            deadline_s=DEADLINE_S,
            on_episode=progress.episode,
            on_frame=progress.frame,
        )
    return replace(report, kind="demo")


def _show(fleet: Fleet, deployed: Deployed, report: Report, html: Path, output: Output) -> None:
    write_text(html, report.to_html())
    output.report(report)
    output.talk(f"report: {html}")
    with fleet.connect() as hub:
        output.talk(f"its page: {keep_report(hub, report, ModelRef.parse(f'{deployed.ref}:{deployed.revision}'))}")


def _show_use(fleet: Fleet, deployed: Deployed, key: Path, output: Output) -> None:
    output.talk("\nA robot asks like this; its page at the hub has it in full:")
    output.talk("from rilaas.client import RobotClient")
    output.talk(f'rc = RobotClient("{fleet.address}", "{deployed.name}", "", "{key}", "{fleet.ca_path}")')


def _wait(fleet: Fleet, place: Path, output: Output) -> None:
    try:
        output.talk(f"\nThe pages are on {fleet.url}. This link signs you in, once:\n  {fleet.entry}")
        output.talk(f"Another one: rilaas hub --link --home {place}")
        output.talk("Ctrl-C ends it.")
        while True:
            time.sleep(CHECK_EVERY_S)
            fleet.check()
    except KeyboardInterrupt:
        output.talk("Ending; what was made stays.")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
