"""Where the command line begins, and where every error ends.

Exit codes: 0 done; 2 to 10 by the table in ``rilaas.core.errors``; 20 done, but the verdict is "failed"; 130
interrupted, also where a part was done and is reported; 1 a fault of ours, whose traceback is kept in a file.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

import click

from rilaas import __version__
from rilaas.cli.verb import Verbs

INTERRUPTED = 130
_USAGE = 2
_BROKEN_PIPE = 141


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings come from flags, RILAAS_* variables and rilaas.toml, in this order; rilaas doctor shows them.",
)
@click.version_option(__version__, prog_name="rilaas", message="%(prog)s %(version)s")
@click.pass_context
def rilaas(ctx: click.Context) -> None:
    """Robot inference and learning as a service: from a folder of weights to a fleet."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; those of the process where None.

    Returns:
        The exit code.
    """
    try:
        # numpy's OpenBLAS spins its threads: on busy cores small products became up to 60 times slower.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # gRPC's core writes its own lines about what we tell in our words, such as a port that is taken.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        given = list(sys.argv[1:] if arguments is None else arguments)
        with rilaas.make_context("rilaas", given) as ctx:
            rilaas.invoke(ctx)
        sys.stdout.flush()
        return 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "rilaas"
        _tell(error.format_message(), f"See {path} --help.")
        return _USAGE
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not try to flush to it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    from rilaas.core import ERROR_TABLE, RilaasError

    if os.environ.get("RILAAS_DEBUG") == "1":
        traceback.print_exc()
    if isinstance(error, RilaasError):
        row = ERROR_TABLE.get(error.code) or ERROR_TABLE["internal"]
        place = getattr(error, "place", "")  # of a model's own code that failed in this process
        _tell(error.message, f"See {place}; RILAAS_DEBUG=1 shows the traceback." if place else error.hint)
        return row.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        _tell(f"{error.filename}: {error.strerror}.", "")
        return _USAGE
    handle, path = tempfile.mkstemp(prefix="rilaas-fault-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"rilaas {__version__}, Python {sys.version}\n")
        file.writelines(traceback.format_exception(error))
    _tell(
        f"A fault in rilaas: {type(error).__name__}: {error}",
        f"Please report it to the maintainers (CONTRIBUTING.md) together with {path}.",
    )
    return ERROR_TABLE["internal"].exit_code


def _tell(message: str, hint: str) -> None:
    """``error: ...`` and ``hint: ...`` on standard error, whoever wrote what is in them."""
    from rilaas.report.text import colour_wanted, paint, plain

    colour = colour_wanted(sys.stderr)
    for word, style, words in (("error:", "red", message), ("hint:", "bold", hint)):
        lines = [plain(line) for line in words.splitlines()]
        if lines:
            _say("\n".join([f"{paint(word, style, colour=colour)} {lines[0]}", *lines[1:]]))


def _say(text: str) -> None:
    try:
        click.echo(text, err=True)
    except OSError:
        return  # nobody listens
