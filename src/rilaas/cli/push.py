"""``rilaas push``: a model folder becomes a version."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from rilaas.cli.config import Settings, read_settings
from rilaas.cli.hub_target import model_path, open_hub, owned
from rilaas.cli.output import Output, output_options
from rilaas.cli.policy import local_source
from rilaas.cli.sending import send_parts
from rilaas.core import InvalidInput, ModelRef, NotFound, Unavailable
from rilaas.report import Report, Table, provenance, summarize
from rilaas.store import ModelFolder, Shelf, pack, read_model_folder
from rilaas.wire import HubConnection

EXAMPLE = """
\b
Examples:
  rilaas push models/lane-following
  rilaas push models/lane-following --out dist     (an archive to carry away)
  rilaas push quantized --as lane-following:3 --variant int8
\b
To a hub:
  rilaas push models/lane-following --hub http://127.0.0.1:8080 --note "more night scenes"
  rilaas push quantized --as lane-following:3 --variant int8
  rilaas push lane-following:1@balanced --as lane-following:3 --hub http://127.0.0.1:8080
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What goes to the hub with a folder.

    Attributes:
        ref: The model; with a version where it is a variant of that.
        note: What is new, for people.
        variant: Name of the variant, or ''.
    """

    ref: ModelRef
    note: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a folder became on the hub.

    Attributes:
        ref: Its reference there, with owner and version.
        is_new: Whether this push made it.
        archive_bytes: How much was packed; 0 where it was there already.
    """

    ref: ModelRef
    is_new: bool
    archive_bytes: int


@click.command("push", epilog=EXAMPLE)
@click.argument("source", metavar="FOLDER|STORED")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write the archive here, not to the store."
)
@click.option("--hub", metavar="URL", help="Push to this hub (RILAAS_HUB, with RILAAS_TOKEN).")
@click.option("--as", "name", metavar="[OWNER/]NAME", help="The model's name there.  [default: as model.toml]")
@click.option("--note", default="", metavar="TEXT", help="What is new, for people; for a hub.")
@click.option("--variant", default="", metavar="NAME", help="A variant, such as int8, of the newest or --as NAME:3.")
@click.option("--replace", is_flag=True, help="Take the place of a variant of this name in the local store.")
@click.option("--home", metavar="PATH", help="Folder of the store (RILAAS_HOME).")
@output_options
def command(
    source: str,
    out: Path | None,
    hub: str | None,
    name: str | None,
    note: str,
    variant: str,
    replace: bool,
    home: str | None,
    output: Output,
) -> None:
    """Check a model folder and put it into the local store, or into the hub's registry where a hub is named.

    What is STORED (name:3 or name:3@int8 of the local store) goes to a hub, or to --out; a variant goes as one.

    All mistakes are named at once, with file and line. The same content is the same version, however often it is
    pushed. With --variant it becomes a form of a version for other hardware, NAME:3@int8; a record that
    `rilaas optimize` left in the folder goes with it. Prints the digest of the content, or the reference on the hub;
    nothing of the model is run. A push to a hub that was interrupted goes on where it was.
    """
    settings = read_settings({"home": home, "hub": hub})
    to_hub = bool(settings.hub) and out is None
    _check_flags(to_hub, out, bool(name), bool(note), bool(variant), replace)
    found = local_source(source, settings)
    is_stored = isinstance(found, ModelFolder)
    if is_stored and not to_hub and out is None:
        raise InvalidInput(f"{source} is in the local store already.", "Add --hub URL, or --out DIR.")
    model = found if isinstance(found, ModelFolder) else read_model_folder(found)
    variant = variant or (ModelRef.parse(source).variant if is_stored else "")
    output.talk(f"{model.manifest.name}: {len(model.files)} files, {model.size_bytes:,} bytes, valid")
    if to_hub:
        _to_hub(model, settings, Said(_named(model, name), note, variant), output)
        return
    if out is None:
        shelf = Shelf(settings.home)
        stored = (
            shelf.push_variant(model, _named(model, name), variant, replace=replace) if variant else shelf.push(model)
        )
        ref, archive = str(stored.ref), stored.archive
        output.talk(f"{'stored as' if stored.is_new else 'already there as'} {ref}")
        following = f"rilaas evaluate {ref} --suite lf" if _drives(model) else f"rilaas predict {ref} INPUT.npz"
    else:
        out.mkdir(parents=True, exist_ok=True)
        archive = pack(model, out)
        ref, following = model.manifest.name, f"rilaas serve {source} --listen 127.0.0.1:8001 --insecure"
        output.talk(f"packed as {archive}")
    output.data(model.digest)
    output.finish(_report(model, ref, archive.name, archive.stat().st_size), following)


def _check_flags(
    to_hub: bool, out: Path | None, has_name: bool, has_note: bool, is_variant: bool, replace: bool
) -> None:
    if has_note and not to_hub:
        raise InvalidInput("--note is for a hub.", "Add --hub URL, or leave it away.")
    if (has_name or is_variant) and out is not None:
        raise InvalidInput("--as and --variant are for a store; --out writes the folder as it is.", "Leave one away.")
    if has_name and not to_hub and not is_variant:
        raise InvalidInput("--as is for a hub, or for a --variant.", "Add --hub URL or --variant NAME.")
    if replace and (to_hub or not is_variant):
        raise InvalidInput(
            "--replace is for a --variant in the local store.",
            "What was pushed to a hub never changes: give the variant another name, or delete the old one there.",
        )


def _named(model: ModelFolder, name: str | None) -> ModelRef:
    ref = ModelRef.parse(name) if name else ModelRef(model.manifest.name)
    if ref.variant or (ref.version and not ref.version.isdigit()):
        raise InvalidInput(f"--as {name} is no model or version.", "Write [OWNER/]NAME, or NAME:3 with --variant.")
    return ref


def push_folder(hub: HubConnection, model: ModelFolder, said: Said, output: Output) -> Pushed:
    """Send a model folder to a hub, unless its content is there already.

    Args:
        hub: An open connection.
        model: What to send.
        said: What goes with it.
        output: Where progress is shown.

    Returns:
        What it became.
    """
    said = replace(said, ref=owned(said.ref, hub))
    made = None if said.variant else _already(hub, said.ref, model.digest)
    archive_bytes = 0
    if made is None:
        with tempfile.TemporaryDirectory(prefix="rilaas-push-") as place:
            archive = pack(model, Path(place, "model.tar.gz"))
            archive_bytes = archive.stat().st_size
            made = _send(hub, archive, said, output)
    return Pushed(ModelRef.parse(str(made["ref"])), bool(made["is_new"]), archive_bytes)


def _to_hub(model: ModelFolder, settings: Settings, said: Said, output: Output) -> None:
    if said.ref.version and not said.variant:
        raise InvalidInput("The hub gives the numbers.", "Leave the version away, or add --variant NAME.")
    with open_hub(settings) as hub:
        pushed = push_folder(hub, model, said, output)
    output.talk(f"{'stored as' if pushed.is_new else 'already there as'} {pushed.ref}")
    output.talk(f"its page, to try, share and deploy it: {settings.hub.rstrip('/')}/models/{pushed.ref.model}")
    output.data(str(pushed.ref))
    report = _report(model, str(pushed.ref), f"{model.version}.tar.gz", pushed.archive_bytes)
    output.finish(report, f"rilaas pull {pushed.ref}")


def _already(hub: HubConnection, ref: ModelRef, digest: str) -> dict[str, Any] | None:
    """The version with this content, where the hub has it: then nothing has to be sent."""
    try:
        found = hub.get(f"{model_path(ref)}/versions/{digest.removeprefix('sha256:')}")
    except NotFound:
        return None
    return None if found["name"] else {"ref": f"{ref.model}:{found['revision']}", "is_new": False}


def _send(hub: HubConnection, archive: Path, said: Said, output: Output) -> dict[str, Any]:
    with archive.open("rb") as file:
        sha256 = hashlib.sha256()
        while chunk := file.read(2**20):
            sha256.update(chunk)
    digest, size_bytes = sha256.hexdigest(), archive.stat().st_size
    try:
        send_parts(hub, archive, digest, size_bytes, output)
    except (KeyboardInterrupt, Unavailable):
        output.progress_done()
        output.talk("The hub keeps what it has got for two days: the same command goes on there.")
        raise
    of = int(said.ref.version) if said.ref.version else None
    body = {"sha256": digest, "size_bytes": size_bytes, "filename": said.ref.name, "note": said.note}
    body |= {"variant": said.variant, "of": of}
    made: dict[str, Any] = hub.post(f"{model_path(said.ref)}/versions", body)
    return made


def _drives(model: ModelFolder) -> bool:
    return model.manifest.task == "lane-following"


def _report(model: ModelFolder, ref: str, archive: str, archive_bytes: int) -> Report:
    version = Table(
        "Version",
        ("ref", "digest", "archive"),
        ((ref, model.digest, archive),),
        "The digest is over names and contents of all files: the same on every machine.",
    )
    files = Table(
        "Files", ("path", "size [bytes]", "sha256"), tuple((f.path, f.size_bytes, f.sha256) for f in model.files)
    )
    metrics = {"size_bytes": summarize([model.size_bytes], "bytes", "lower")}
    if archive_bytes:
        metrics["archive_bytes"] = summarize([archive_bytes], "bytes", "lower")
    summary = f"{model.manifest.name} is a valid model folder."
    return Report("push", "passed", metrics, provenance(), summary, tables=(version, files))
