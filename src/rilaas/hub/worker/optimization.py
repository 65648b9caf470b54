"""The kind ``optimization``: recipes are followed in a box, variants pushed with their records, the report kept.

The model's hooks are strangers' code, and passes, measurements and drives need them at every step: so all of it runs
in one process that is shut in as a replica is (``box``), and the worker itself runs none of it. Steps that are done
stay in the person's own folder for this content: a job that was cancelled or broken off goes on from there.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from rilaas.core import Conflict, InvalidInput, NotFound, RilaasError
from rilaas.hub.actions.evaluation import MAX_REPORT_BYTES, read_report
from rilaas.hub.actions.evaluation_run import save_evaluation
from rilaas.hub.actions.optimization import DISK_BYTES, find_work, forget_work, note_made, work_folder
from rilaas.hub.actions.registry import Push, push
from rilaas.hub.actions.registry_record import record_and_gate
from rilaas.hub.blob_store import home
from rilaas.hub.dataset_store import dataset_blobs
from rilaas.hub.models import Evaluation, Variant
from rilaas.hub.models.evaluation import OPTIMIZATION
from rilaas.hub.queries.access import STRANGER, find_model, role_of
from rilaas.hub.queries.dataset import find_version
from rilaas.hub.queries.evaluation_rerun import folder_of, optimized_command
from rilaas.hub.queries.optimization import recipes_of
from rilaas.hub.worker.box import Box, fetch
from rilaas.hub.worker.kind import LONG, job_kind
from rilaas.hub.worker.replica import unpacked
from rilaas.hub.worker.work import Work
from rilaas.optimize.measure import CALLS, ROUNDS
from rilaas.store import ModelFolder, unpack

MEMORY_BYTES = 12 * 2**30  # of address space, of which torch and OpenVINO reserve much more than they use
MAX_WORKED_S = 4 * 3600.0
LOOK_S = 10.0  # how soon it is seen that the model was deleted or is not shared any more
MAX_ARCHIVE_BYTES = 2 * 2**30
_NAMES = 20  # that are tried where others are taken: balanced, balanced-2, ...
_SEED = 0


@job_kind(OPTIMIZATION, LONG)
def optimize(work: Work) -> dict[str, Any]:
    """Make what the plan says, push it, and keep the report."""
    evaluation = _find(work)
    variant = _variant(evaluation)
    place = work_folder(work.owner.pk, variant)
    place.mkdir(parents=True, exist_ok=True)
    os.utime(place)  # the cleaning removes what was not used for a day
    own = place / f"job-{work.job_id}"
    job, visible = _job(work, evaluation, place, own)
    listener = _Listener(work)
    work.say(f"Optimizing {variant.version.model}:{variant.revision} in a process of its own.")
    left_s = max(1.0, MAX_WORKED_S - work.worked_s)
    box = Box("optimize", place, own / "tmp", visible, MEMORY_BYTES, DISK_BYTES, left_s)
    forget_work(work.job_id, own)  # what another attempt left
    try:
        box.run(work, job, listener.hear)
        text = _keep(work, evaluation, own, listener)
    finally:
        forget_work(work.job_id, own)
    return {"address": f"/evaluations/{evaluation.pk}", "text": text}


class _Listener:
    """Hears what a box says: progress, lines of the log, and in the end what was made."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._looked_s = time.monotonic()
        self.made: list[tuple[str, bool]] = []

    def hear(self, said: dict[str, Any]) -> None:
        """One object; a stranger may have written it.

        Raises:
            StopWork: The attempt is to end.
            NotFound: The model was deleted or is not shared any more.
        """
        work, share = self._work, said.get("share")
        if isinstance(said.get("line"), str):
            work.say(said["line"])
        if isinstance(said.get("isolation"), str):
            work.say(f"Isolation: {said['isolation']}.")
        if isinstance(share, float) and 0.0 <= share <= 1.0:
            done = max(work.done, int(99 * share))
            work.step(done, 100)
        if isinstance(said.get("made"), list):
            self.made = [
                (str(each.get("name", ""))[:64], bool(each.get("failed")))
                for each in said["made"][:_NAMES]
                if isinstance(each, dict)
            ]
        if time.monotonic() - self._looked_s >= LOOK_S:
            _find(work)
            self._looked_s = time.monotonic()


def _job(work: Work, evaluation: Evaluation, place: Path, own: Path) -> tuple[dict[str, Any], list[Path]]:
    """What the box is told, and what it may read.

    Raises:
        NotFound: The data set was deleted or is not shared any more.
    """
    plan, variant = evaluation.plan, _variant(evaluation)
    recipes_of(tuple(plan["recipes"]), plan["recipe_toml"])  # what was installed then may be gone now
    folder = unpacked(variant)
    visible, dataset = [folder], None
    if plan["dataset"]:
        ref, _, number = plan["dataset"].partition(":")
        owner, _, name = ref.partition("/")
        version = find_version(work.owner, owner, name, int(number))
        dataset = dataset_blobs().path(version.blob_sha256)
        visible.append(dataset)
    ref = f"{variant.version.model}:{variant.revision}"
    job = {
        "place": str(place),
        "own": str(own),
        "folder": str(folder),
        "subject": f"{ref} in a process of its own beside the hub",
        "ref": f"{variant.version.model.name}:{variant.version.number}",
        "dataset": None if dataset is None else str(dataset),
        "recipes": plan["recipes"],
        "recipe_toml": plan["recipe_toml"],
        "name": plan["name"],
        "suite": plan["drives"],
        "episodes": plan["episodes"],
        "frames": plan["frames"],
        "calls": CALLS,
        "rounds": ROUNDS,
        "eager": True,
        "seed": _SEED,
        "command": optimized_command(plan, folder_of(variant.version.model, variant)),
    }
    return job, visible


def _keep(work: Work, evaluation: Evaluation, own: Path, listener: _Listener) -> str:
    """Push what was made, and keep the report; returns what came of it, in words.

    Raises:
        RilaasError: What was made cannot be taken; nothing was pushed.
    """
    variant = _variant(evaluation)
    names = [name for name in evaluation.plan["names"] if name in dict(listener.made)]
    if not names:
        raise InvalidInput("Nothing was made.", "The log says more.")
    scratch = home() / "optimized" / str(work.job_id)
    data = fetch(own, "out/report.json", scratch / "report.json", MAX_REPORT_BYTES).read_bytes()
    report = read_report(data)
    if report.kind != OPTIMIZATION:
        raise InvalidInput(f"The report is of the kind {report.kind[:40]!r}.")
    folders = {}
    for name in names:
        archive = fetch(own, f"out/{name}.tar.gz", scratch / f"{name}.tar.gz", MAX_ARCHIVE_BYTES)
        folders[name] = unpack(archive, scratch / name)
        record_and_gate(folders[name], variant.version)
    work.check()
    revisions = {name: _pushed(work, variant, name, folders[name]) for name in names}
    note_made(evaluation.pk, work.attempt, revisions)
    if not save_evaluation(evaluation.pk, work.attempt, report):
        work.say("The report was deleted meanwhile, or is another worker's now.")
    work.step(100, 100)
    failed = [name for name, is_bad in listener.made if is_bad and name in names]
    told = f"{len(names)} variant{'s are' if len(names) > 1 else ' is'} stored"
    return f"{told}; {', '.join(failed)} failed the gate." if failed else f"{told}."


def _pushed(work: Work, variant: Variant, name: str, folder: ModelFolder) -> str:
    """Push a variant under the first of its names that is free, or that has this content; returns its revision."""
    model = variant.version.model
    for number in range(1, _NAMES + 1):
        called = name if number == 1 else f"{name[:60]}-{number}"
        wanted = Push(model.owner.username, model.name, variant=called, of=variant.version.number)
        try:
            pushed = push(work.owner, folder, wanted)
        except Conflict:
            if number == _NAMES:
                raise
            continue
        gate = Variant.objects.get(version=variant.version, name=called).gate
        state = "is stored" if pushed.is_new else "was there already"
        work.say(f"{pushed.ref} {state}; its gate: {gate or 'not judged'}.")
        return pushed.revision
    raise AssertionError


def _find(work: Work) -> Evaluation:
    """The evaluation of a job, with all that belongs to it.

    Raises:
        NotFound: It, its model or the version was deleted meanwhile, or the model is not shared any more.
    """
    row = find_work(work.parameters["evaluation"])
    assert row.model is not None
    try:
        model = find_model(work.owner, row.model.owner.username, row.model.name)
    except RilaasError:
        model = None
    if model is None or role_of(work.owner, model) == STRANGER:
        raise NotFound("The model of this optimization is not shared with you any more.")
    return row


def _variant(evaluation: Evaluation) -> Variant:
    assert evaluation.variant is not None  # ``find_work`` looked
    return evaluation.variant
