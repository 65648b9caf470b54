"""What a verb says: data on standard output, talk on standard error, the next useful command last."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from rilaas.core import InvalidInput
from rilaas.report import Report, colour_wanted

STDOUT = "-"
VERDICT_FAILED = 20  # exit code: it ran, and the verdict is "failed"
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Output:
    """How this call wants to be answered.

    Attributes:
        json: Where the report goes as JSON: a path, ``-`` for standard output in place of text, or None for nowhere.
        quiet: Data only, no talk.
    """

    json: str | None = None
    quiet: bool = False

    def data(self, text: str) -> None:
        """What the verb is for; not shown where standard output carries JSON."""
        if self.json != STDOUT:
            click.echo(text)

    def talk(self, text: str) -> None:
        """What only a person wants to know."""
        if not self.quiet:
            click.echo(text, err=True)

    def progress(self, text: str) -> None:
        """A line that replaces the one before; nothing where standard error is no terminal."""
        if not self.quiet and sys.stderr.isatty():
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r{text[:width]:<{width}}", nl=False, err=True)

    def progress_done(self) -> None:
        """Clear the line of ``progress``."""
        self.progress("")
        if not self.quiet and sys.stderr.isatty():
            click.echo("\r", nl=False, err=True)

    def report(self, report: Report) -> None:
        """A report as text, which is data."""
        width = shutil.get_terminal_size(fallback=(100, 24)).columns
        self.data(report.to_text(colour=colour_wanted(sys.stdout), width=width).rstrip("\n"))

    def finish(self, report: Report, following: str = "") -> None:
        """Write the JSON where it is wanted, and say what to do next.

        Args:
            report: What happened.
            following: The next useful command, or ''.
        """
        if self.json == STDOUT:
            click.echo(report.to_json(), nl=False)
        elif self.json is not None:
            write_text(Path(self.json), report.to_json())
            self.talk(f"wrote {self.json}")
        if following:
            self.talk(f"next: {following}")


def output_options(command: _F) -> _F:
    """Give a verb ``--json PATH`` and ``-q``; it gets ``output: Output``."""

    @click.option(
        "--json", "json_path", metavar="PATH", help="Write the result as a JSON report; - is standard output."
    )
    @click.option("-q", "--quiet", is_flag=True, help="Data only: no progress, no advice.")
    @functools.wraps(command)
    def wrapped(*args: Any, json_path: str | None, quiet: bool, **kwargs: Any) -> Any:
        return command(*args, output=Output(json_path, quiet), **kwargs)

    return wrapped  # type: ignore[return-value]


def write_text(path: Path, text: str) -> None:
    """Write a file that somebody asked for; its folder is made.

    Raises:
        InvalidInput: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None
