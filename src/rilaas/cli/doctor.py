"""``rilaas doctor``: every setting, where it came from, and what is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from rilaas.cli.check import Check
from rilaas.cli.checkup import check_all
from rilaas.cli.config import MEANINGS, read_settings
from rilaas.cli.hub_checkup import variables
from rilaas.cli.output import VERDICT_FAILED, Output, output_options
from rilaas.report import Report, Table, provenance

EXAMPLE = """
\b
Examples:
  rilaas doctor
  rilaas doctor --target 10.0.0.5 --key ~/.ssh/id_ed25519 --ca ca.pem     (is the fleet reached?)
  rilaas doctor --hub http://127.0.0.1:8080                               (is the hub, and is the token good?)
\b
Exit code 0: nothing needed is broken; 20: something is.
"""


@click.command("doctor", epilog=EXAMPLE)
@click.option("--home", metavar="PATH", help="Folder of the store, the certificates and the keys.")
@click.option("--target", metavar="HOST[:PORT]", help="Try to reach this interceptor.")
@click.option("--hub", metavar="URL", help="Try to reach this hub, with RILAAS_TOKEN.")
@click.option("--key", metavar="PATH", help="The robot's private SSH key.")
@click.option("--ca", metavar="PATH", help="Certificate of the fleet's authority.")
@output_options
@click.pass_context
def command(ctx: click.Context, /, output: Output, **flags: object) -> None:
    """Print every setting and where it came from, and look for what is missing or broken.

    What is absent is optional; what is broken is needed. Nothing is changed.
    """
    settings = read_settings(flags)
    rows = tuple((name, _shown(getattr(settings, name)), settings.sources[name], MEANINGS[name]) for name in MEANINGS)
    checks = [replace(c, found=_without_home(c.found), hint=_without_home(c.hint)) for c in check_all(settings)]
    broken = [check for check in checks if check.state == "broken"]
    count = f"{len(broken)} thing{'s' if len(broken) != 1 else ''}"
    report = Report(
        "doctor",
        "failed" if broken else "passed",
        {},
        provenance(),
        f"{count} broken: {', '.join(check.name for check in broken)}." if broken else "Nothing needed is broken.",
        tables=(
            Table("Settings", ("name", "value", "from", "meaning"), rows),
            Table("Of a machine that runs the hub", ("variable", "value", "meaning"), variables()),
            Table("Checks", ("what", "state", "found"), tuple((c.name, c.state, c.found) for c in checks)),
        ),
    )
    output.report(report)
    for check in checks:
        if check.hint and check.state != "ok":
            output.talk(f"{check.name}: {check.hint}")
    output.finish(report, "" if broken else _following(checks))
    if broken:
        ctx.exit(VERDICT_FAILED)


def _following(checks: Sequence[Check]) -> str:
    """What to do when nothing is broken: the demo, or what it needs."""
    absent = {check.name for check in checks if check.state == "absent"}
    return "pip install 'rilaas[hub,evaluate]'" if absent & {"extra hub", "extra evaluate"} else "rilaas up --demo"


def _shown(value: object) -> str:
    return "" if value is None else _without_home(str(value))


def _without_home(text: str) -> str:
    """Text that can be pasted into a public question."""
    home = str(Path.home())
    return text.replace(home, "~") if home != "/" else text
