"""From what is written on a command line to a policy: a folder, a version in the store, or a model of a fleet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rilaas.cli.config import Settings
from rilaas.core import InvalidInput, ModelRef, NotFound, Policy
from rilaas.report import HERE
from rilaas.store import ModelFolder, Shelf, read_model_folder

if TYPE_CHECKING:
    from rilaas.infer import LoadedModel

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Opened:
    """A policy and where it is.

    Attributes:
        policy: What predicts.
        name: What it is called in reports, such as ``lane-following (1a2b3c4d5e6f)``.
        place: ``this process``, or the interceptor's address.
    """

    policy: Policy
    name: str
    place: str

    @property
    def where(self) -> str:
        """Its place in a sentence: ``in this process``, or ``behind edge.example:8443``."""
        return f"in {self.place}" if self.place == HERE else f"behind {self.place}"


@contextmanager
def open_policy(text: str, settings: Settings) -> Iterator[Opened]:
    """Open a policy for the time of a ``with``.

    Args:
        text: A model folder's path, or a reference. A folder runs in this process; a reference is asked for at
            ``settings.target`` where there is one, else looked up in the local store. With ``--target`` on the
            command line it is always a reference.
        settings: Of this call.

    Raises:
        NotFound: There is no such folder or model.
        InvalidInput: The text is neither.
        RilaasError: It cannot be loaded or reached.
    """
    if is_remote(text, settings):
        from rilaas.client import RobotClient

        ref = _reference(text)
        if not settings.ca_path.expanduser().is_file():
            raise NotFound(
                f"There is no file {settings.ca_path}.",
                "Give the certificate of the fleet's authority with --ca; `rilaas up` prints where it is.",
            )
        with RobotClient(
            settings.target,
            ref.model,
            ref.revision,
            settings.key,
            settings.ca_path,
            passphrase=os.environ.get("RILAAS_PASSPHRASE"),
            deadline_s=settings.deadline,
        ) as client:
            yield Opened(client, str(ref), settings.target)
        return
    model = load_local(text, settings)
    yield Opened(model, _name(model.folder), HERE)


def load_local(text: str, settings: Settings) -> LoadedModel:
    """Load a model folder, or a version of the local store, into this process.

    The traceback of a model's code that fails here is shown with ``RILAAS_DEBUG=1`` only.
    """
    from rilaas.infer import load

    # Without this import nobody has set up logging, and Python's last resort would print the traceback.
    from rilaas.observe import set_up_logs

    if os.environ.get("RILAAS_DEBUG") == "1":
        set_up_logs("error")
    return load(local_source(text, settings), threads=settings.threads)


def local_name(text: str, settings: Settings) -> str:
    """What reports call the model that ``load_local`` loads, without loading it: its name and its version.

    Raises:
        NotFound: There is no such folder or model.
        RilaasError: It is no model folder.
    """
    source = local_source(text, settings)
    return _name(source if isinstance(source, ModelFolder) else read_model_folder(source))


def local_source(text: str, settings: Settings) -> Path | ModelFolder:
    """A model folder's path where there is one, else a version or variant of the local store.

    Raises:
        NotFound: There is neither.
    """
    return Path(text) if Path(text).exists() else Shelf(settings.home).folder(_reference(text))


def _name(folder: ModelFolder) -> str:
    return f"{folder.manifest.name} ({folder.version})"


def is_remote(text: str, settings: Settings) -> bool:
    """Whether a policy is asked for at an interceptor."""
    return bool(settings.target) and (settings.sources.get("target") == "flag" or not Path(text).exists())


def _reference(text: str) -> ModelRef:
    try:
        return ModelRef.parse(text)
    except InvalidInput:
        if Path(text).exists():
            raise InvalidInput(
                f"{text} is a folder here; --target wants the name under which the fleet serves a model.",
                f"Write for example {Path(text).name}, or leave --target away.",
            ) from None
        if "/" in text:
            raise NotFound(f"There is no folder {text}.", "Give a model folder's path or a reference.") from None
        raise


def policy_options(command: _F) -> _F:
    """Give a verb the flags that say where a policy runs; read them with ``read_settings``."""
    options = (
        click.option("--target", metavar="HOST[:PORT]", help="Ask the fleet behind this interceptor."),
        click.option(
            "--key", metavar="PATH", help="The robot's private SSH key, for --target; RILAAS_PASSPHRASE opens it."
        ),
        click.option("--ca", metavar="PATH", help="Certificate of the fleet's authority, for --target."),
        click.option("--deadline", "deadline_s", type=float, metavar="SECONDS", help="What comes later is useless."),
        click.option("--threads", type=int, metavar="N", help="Threads of a model in this process."),
    )
    for option in reversed(options):
        command = option(command)
    return command
