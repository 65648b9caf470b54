"""Where variants go that keep their gate: the local store, a folder, or the registry of a hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rilaas.cli.config import Settings
from rilaas.cli.optimize_session import Session
from rilaas.cli.output import Output
from rilaas.core import ModelRef
from rilaas.store import ModelFolder, Shelf

if TYPE_CHECKING:
    from rilaas.optimize.row import Row


def keep(session: Session, rows: Sequence[Row], ref: ModelRef, settings: Settings, output: Output) -> list[str]:
    """Keep every variant that no gate holds back; those that one does are told, and kept nowhere.

    Args:
        session: What was made.
        rows: What is known about it, the float model first.
        ref: The version that they were made from.
        settings: Of this call: the store, and the hub where one is named.
        output: Where the talk goes.

    Returns:
        What they are called from now on: references, or folders.
    """
    kept = []
    for row in rows:
        if row.recipe is None or row.name not in session.made:
            continue
        if row.violations:
            output.talk(f"{row.name} is not kept, for it does not pass its gate:")
            for each in row.violations:
                output.talk(f"  {each.words}")
            continue
        kept.append(_keep(session, row, rows[0], ref, settings))
    return kept


def _keep(session: Session, row: Row, base: Row, ref: ModelRef, settings: Settings) -> str:
    from rilaas.optimize.record import judged
    from rilaas.optimize.variant import write_variant

    assert row.recipe is not None
    out = session.options.out
    record = judged(
        row.measured,
        base.measured,
        row.recipe.gate,
        row.violations,
        ref=str(ref),
        seed=session.options.seed,
        data_digest=session.data.digest if session.data is not None else "",
    )
    into = session.folder(row.name) if out is None else out / row.name
    folder = write_variant(session.subject, session.made[row.name], into, name=row.name, record=record)
    if out is not None:
        return str(into)
    return str(Shelf(settings.home).push_variant(folder, ref, row.name, replace=True).ref)


def original_of(text: str, settings: Settings) -> tuple[ModelRef, ModelFolder]:
    """The model that is optimized and its reference in the store; a folder is put there first.

    Raises:
        NotFound: There is no such folder or version.
    """
    from rilaas.cli.policy import local_source
    from rilaas.store import read_model_folder

    source = local_source(text, settings)
    if isinstance(source, Path):
        folder = read_model_folder(source)
        return Shelf(settings.home).push(folder).ref, folder
    return ModelRef.parse(text), source
