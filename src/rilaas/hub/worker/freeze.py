"""The kind ``dataset-freeze``: a large upload becomes a version of a dataset."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from rilaas.core import InvalidInput, RilaasError, Unavailable, error_from_code
from rilaas.hub.actions.dataset import DatasetPush, add_version, check_push
from rilaas.hub.actions.dataset_upload import FREEZE
from rilaas.hub.blob_store import home, scratch
from rilaas.hub.worker.kind import UPLOAD, job_kind
from rilaas.hub.worker.work import Work
from rilaas.store.dataset import Dataset

_LINES = 5


@job_kind(FREEZE, UPLOAD)
def freeze(work: Work) -> dict[str, Any]:
    """Freeze an upload; it is removed when the job is done or its content was refused."""
    parameters = work.parameters
    wanted = DatasetPush(str(parameters["owner"]), str(parameters["name"]), str(parameters["description"]))
    folder = home() / "incoming" / Path(str(parameters["folder"])).name
    if not (folder / "upload").is_file():
        raise InvalidInput("The upload is not kept any more.", "Upload it again.")
    try:
        check_push(work.owner, wanted)
        with scratch() as place:
            target = place / "frozen"
            work.say(f"Reading {parameters['filename']}.")
            _in_a_process(work, folder / "upload", str(parameters["filename"]), target)
            with Dataset(target) as frozen:
                info = frozen.info
            work.step(info.samples, info.samples)
            pushed = add_version(work.owner, target, info, wanted)
    except InvalidInput:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    work.say(pushed.sentence)
    return {"address": pushed.address, "text": pushed.sentence}


def _in_a_process(work: Work, path: Path, filename: str, target: Path) -> None:
    words = [sys.executable, "-m", "rilaas.hub.worker.freezing", str(os.getpid()), str(path), filename, str(target)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        with work.ended_by(process.kill):
            said, wrong = process.communicate()
    finally:
        process.kill()
        process.wait()
    try:
        answer = json.loads(said)
    except ValueError:
        last = " ".join(wrong.splitlines()[-_LINES:])
        raise Unavailable(
            f"The process that read {filename} ended with {process.returncode}. {last}"[:2000], "Try again."
        ) from None
    if not answer.get("frozen"):
        error: RilaasError = error_from_code(answer["code"], answer["message"], answer["hint"])
        raise error
