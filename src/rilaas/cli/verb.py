"""The verbs, each with its one line of help; their modules are imported when they are called.

Nothing heavy may be imported here: ``rilaas --help`` is answered without numpy.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping

import click

# Verb -> first line of its help. The verb's module is ``rilaas.cli.<verb>`` and has the attribute ``command``.
VERBS: Mapping[str, str] = {
    "up": "Start everything on this machine; --demo drives a robot with it.",
    "hub": "The management server: web pages and REST.",
    "push": "Check a model folder and put it into the registry or local store.",
    "pull": "Fetch a model from the hub.",
    "optimize": "Make smaller and faster variants of a model, each with its price.",
    "evaluate": "Judge a policy in closed loop.",
    "serve": "Serve model folders by the Open Inference Protocol v2 over gRPC.",
    "route": "Admit robots by their SSH keys and send each query to one server.",
    "balance": "Compare load-balancing policies on simulated servers and loads.",
    "learn": "Train policies in simulation.",
    "predict": "Ask a model once.",
    "doctor": "Show every setting, where it came from, and what is broken.",
}


class Verbs(click.Group):
    """A group whose commands are modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order of use."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The verb's command; None where there is no such verb."""
        if name not in VERBS:
            return None
        command = importlib.import_module(f"rilaas.cli.{name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's, with "did you mean" for an unknown verb."""
        name = args[0]
        if name not in VERBS and not name.startswith("-"):
            close = difflib.get_close_matches(name, VERBS, n=1)
            guess = f"Did you mean {close[0]!r}? " if close else ""
            ctx.fail(f"There is no verb {name!r}. {guess}Available: {', '.join(VERBS)}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))
