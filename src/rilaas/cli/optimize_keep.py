"""Where variants go that keep their gate: the local store or a folder, and a hub where one is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rilaas.cli.config import Settings
from rilaas.cli.output import Output
from rilaas.cli.policy import local_source
from rilaas.core import ModelRef
from rilaas.store import ModelFolder, Shelf, read_model_folder

if TYPE_CHECKING:
    from rilaas.learn.workshop import Workshop
    from rilaas.optimize.row import Row


def original_of(text: str, settings: Settings) -> tuple[ModelRef, ModelFolder]:
    """The model that is optimized, and its reference in the store; a folder is put there first.

    Raises:
        NotFound: There is no such folder or version.
        RilaasError: It is no model folder.
    """
    shelf, source = Shelf(settings.home), local_source(text, settings)
    folder = source if isinstance(source, ModelFolder) else read_model_folder(source)
    return shelf.push(folder).ref, folder


def keep(
    workshop: Workshop, rows: Sequence[Row], ref: ModelRef, out: Path | None, settings: Settings, output: Output
) -> dict[str, ModelFolder]:
    """Keep every variant that no gate holds back; those that one does are told, and kept nowhere.

    Args:
        workshop: Where they were made.
        rows: What is known about them, the float model first.
        ref: The version that they were made from.
        out: A folder for them; None for the store.
        settings: Of this call.
        output: Where the talk goes.

    Returns:
        Them by what they are called from now on: references, or folders.
    """
    kept = {}
    for row in rows:
        if row.recipe is None:
            continue
        if row.violations:
            output.talk(f"{row.name} is not kept, for it does not pass its gate:")
            for each in row.violations:
                output.talk(f"  {each.words}")
            continue
        into = workshop.place / row.name if out is None else out / row.name
        folder = workshop.write(row, rows[0], into, str(ref))
        if out is None:
            stored = Shelf(settings.home).push_variant(folder, ref, row.name, replace=True)
            kept[str(stored.ref)] = folder
        else:
            kept[str(into)] = folder
    return kept
