"""``rilaas pull``: a model comes from the hub."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from rilaas.cli.config import read_settings
from rilaas.cli.hub_target import Watched, model_path, open_hub, owned
from rilaas.cli.output import Output, output_options
from rilaas.core import InvalidInput, ModelRef, NotFound
from rilaas.report import Report, Table, provenance
from rilaas.store import LatencyRow, ModelFolder, Shelf, Stored, unpack
from rilaas.wire import HubConnection

EXAMPLE = """
\b
Examples:
  rilaas pull alice/lane-following:prod --hub http://127.0.0.1:8080
  rilaas pull lane-following:3@int8 --out lane-following-int8     (yours; RILAAS_HUB names the hub)
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a model goes, and whether it may take the place of a variant with other content."""

    shelf: Shelf
    replace: bool


@click.command("pull", epilog=EXAMPLE)
@click.argument("ref")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Make this model folder too.")
@click.option("--hub", metavar="URL", help="The hub (RILAAS_HUB, with RILAAS_TOKEN).")
@click.option("--replace", is_flag=True, help="Take the place of a variant of this name in the local store.")
@click.option("--home", metavar="PATH", help="Folder of the store (RILAAS_HOME).")
@output_options
def command(ref: str, out: Path | None, hub: str | None, replace: bool, home: str | None, output: Output) -> None:
    """Fetch the model REF, [OWNER/]NAME[:VERSION|ALIAS][@VARIANT], from the hub into the local store.

    Its content is checked by its digest. A variant comes with the version that it was made from, and with what was
    measured of it. Prints the reference in the store, which evaluate and predict take.
    """
    settings = read_settings({"home": home, "hub": hub})
    wanted = ModelRef.parse(ref)
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput(f"{out} exists already.", "Name a folder that does not exist yet.")
    with open_hub(settings) as connection, tempfile.TemporaryDirectory(prefix="rilaas-pull-") as place:
        wanted = owned(wanted, connection)
        shown = connection.get(model_path(wanted), revision=wanted.revision or None)["shown"]
        if shown is None:
            raise InvalidInput(f"{wanted.model} has no version: all were deleted.")
        found = f"{wanted.model}:{shown['revision']}"
        folder = _fetch(connection, wanted, shown, Path(place), output)
        stored = _stored(connection, wanted, shown, folder, _Place(Shelf(settings.home), replace), output)
        if out is not None:
            unpack(stored.archive, out, digest=shown["digest"])
            output.talk(f"{found} is in {out}")
        output.talk(f"{found} is {stored.ref} in the local store")
        output.data(str(stored.ref))
        following = f"rilaas predict {stored.ref} INPUT.npz"
        if folder.manifest.task == "lane-following":
            following = f"rilaas evaluate {stored.ref} --suite lf"
        output.finish(_report(found, str(stored.ref), folder), following)


def _stored(
    hub: HubConnection, ref: ModelRef, shown: dict[str, Any], folder: ModelFolder, place: _Place, output: Output
) -> Stored:
    """Put what came into the store; a variant with its original, where that is not there yet, and its latencies."""
    if not shown["name"]:
        return place.shelf.push(folder)
    version = hub.get(f"{model_path(ref)}/versions/{shown['number']}")
    of = ModelRef(version["manifest"]["name"], version=version["digest"].removeprefix("sha256:"))
    try:
        place.shelf.original(of)
    except NotFound:
        output.talk(f"with version {shown['number']}, which it was made from")
        with tempfile.TemporaryDirectory(prefix="rilaas-pull-") as scratch:
            place.shelf.push(_fetch(hub, ref, version, Path(scratch), output))
    stored = place.shelf.push_variant(folder, of, shown["name"], replace=place.replace)
    known = place.shelf.latencies(folder.digest)
    for row in hub.get(f"{model_path(ref)}/versions/{shown['revision']}/latencies")["rows"][::-1]:
        measured = LatencyRow.of(row["measured"])
        if measured not in known:
            place.shelf.note_latency(folder.digest, measured)
    return stored


def _fetch(hub: HubConnection, ref: ModelRef, shown: dict[str, Any], place: Path, output: Output) -> ModelFolder:
    archive = place / "model.tar.gz"
    with Watched(place / f"{archive.name}.partial", shown["archive_bytes"], output):
        hub.download(f"{model_path(ref)}/versions/{shown['revision']}/archive", archive, shown["archive_sha256"])
    return unpack(archive, place / "model", digest=shown["digest"])


def _report(found: str, stored: str, folder: ModelFolder) -> Report:
    table = Table("Version", ("hub", "store", "digest"), ((found, stored, folder.digest),))
    summary = f"{found} was fetched; its content has the digest that the hub says."
    return Report("pull", "passed", {}, provenance(), summary, tables=(table,))
