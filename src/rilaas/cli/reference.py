"""The page ``docs/cli.md``, made from the verbs' own help: ``python -m rilaas.cli.reference > docs/cli.md``."""

from __future__ import annotations

import sys

import click

from rilaas.cli.main import rilaas
from rilaas.cli.verb import VERBS
from rilaas.core import ERROR_TABLE

_WIDTH = 100
_INTRODUCTION = """\
# The command line

Made by `python -m rilaas.cli.reference > docs/cli.md`; a test says that it is current.

- Data goes to standard output, talk to standard error; the last line of the talk is the next useful command.
- `--json PATH` writes the result as a [report](names.md); `-` is standard output, which then carries nothing else.
  The servers (`serve`, `route`) have no result; `--ready PATH` says when they answer.
- `-q` leaves the talk away.
- Settings come from flags, `RILAAS_*` variables and `rilaas.toml` in the current folder (or the file that
  `RILAAS_CONFIG` names), in this order; `rilaas doctor` prints each with its source.
- An error is `error: what happened` and `hint: what to do`. `RILAAS_DEBUG=1` adds the traceback.
- Colours appear on terminals only, and not where `NO_COLOR` is set.

| exit code | meaning |
| --- | --- |
| 0 | done |
"""


def page() -> str:
    """The whole page."""
    codes: dict[int, list[str]] = {}
    for code, row in ERROR_TABLE.items():
        codes.setdefault(row.exit_code, []).append(code.replace("_", " "))
    codes[1] = ["a fault of ours; its traceback is kept in a file"]
    rows = [f"| {number} | {', '.join(names)} |" for number, names in sorted(codes.items())]
    rows += [
        "| 20 | done, and the verdict is failed |",
        "| 130 | interrupted; what was done until then is reported where there is something |",
    ]
    parts = [_INTRODUCTION + "\n".join(rows)]
    with rilaas.make_context("rilaas", [], resilient_parsing=True, terminal_width=_WIDTH) as ctx:
        for verb in VERBS:
            command = rilaas.get_command(ctx, verb)
            assert command is not None
            with click.Context(command, parent=ctx, info_name=verb, terminal_width=_WIDTH) as own:
                parts.append(_section(f"## {verb}", command, own))
                for name, part in command.commands.items() if isinstance(command, click.Group) else ():
                    with click.Context(part, parent=own, info_name=name, terminal_width=_WIDTH) as inner:
                        parts.append(_section(f"### {verb} {name}", part, inner))
    return "\n\n".join(parts) + "\n"


def _section(title: str, command: click.Command, ctx: click.Context) -> str:
    lines = [line.rstrip() for line in command.get_help(ctx).rstrip().splitlines()]
    return "\n".join([title, "", "```", *lines, "```"])


if __name__ == "__main__":
    sys.stdout.write(page())
