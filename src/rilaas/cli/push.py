"""``rilaas push``: a model folder becomes a version."""

from __future__ import annotations

from pathlib import Path

import click

from rilaas.cli.config import read_settings
from rilaas.cli.output import Output, output_options
from rilaas.report import Report, Table, provenance, summarize
from rilaas.store import ModelFolder, Shelf, pack, read_model_folder

EXAMPLE = """
\b
Examples:
  rilaas push models/lane-following
  rilaas push models/lane-following --out dist     (an archive to carry away)
"""


@click.command("push", epilog=EXAMPLE)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write the archive here, not to the store."
)
@click.option("--home", metavar="PATH", help="Folder of the store (RILAAS_HOME).")
@output_options
def command(folder: Path, out: Path | None, home: str | None, output: Output) -> None:
    """Check a model folder and put it into the local store.

    All mistakes are named at once, with file and line. The same content is the same version, however often it is
    pushed. Prints the digest of the content; nothing of the model is run.
    """
    model = read_model_folder(folder)
    output.talk(f"{model.manifest.name}: {len(model.files)} files, {model.size_bytes:,} bytes, valid")
    if out is None:
        stored = Shelf(read_settings({"home": home}).home).push(model)
        ref, archive = str(stored.ref), stored.archive
        output.talk(f"{'stored as' if stored.is_new else 'already there as'} {ref}")
        following = (
            f"rilaas evaluate {ref} --suite lane-following" if _drives(model) else f"rilaas predict {ref} INPUT.npz"
        )
    else:
        out.mkdir(parents=True, exist_ok=True)
        archive = pack(model, out)
        ref, following = model.manifest.name, f"rilaas serve {folder} --listen 127.0.0.1:8001 --insecure"
        output.talk(f"packed as {archive}")
    output.data(model.digest)
    output.finish(_report(model, ref, archive), following)


def _drives(model: ModelFolder) -> bool:
    return model.manifest.task == "lane-following"


def _report(model: ModelFolder, ref: str, archive: Path) -> Report:
    version = Table(
        "Version",
        ("ref", "digest", "archive"),
        ((ref, model.digest, archive.name),),
        "The digest is over names and contents of all files: the same on every machine.",
    )
    files = Table(
        "Files", ("path", "size [bytes]", "sha256"), tuple((f.path, f.size_bytes, f.sha256) for f in model.files)
    )
    metrics = {
        "size_bytes": summarize([model.size_bytes], "bytes", "lower"),
        "archive_bytes": summarize([archive.stat().st_size], "bytes", "lower"),
    }
    summary = f"{model.manifest.name} is a valid model folder."
    return Report("push", "passed", metrics, provenance(), summary, tables=(version, files))
