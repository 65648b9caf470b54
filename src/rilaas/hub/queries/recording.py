"""Recordings of episodes as pages and programs see them."""

from __future__ import annotations

import json
from typing import IO

from rilaas.core import NotFound
from rilaas.hub.models import Person, Recording
from rilaas.hub.queries.evaluation import find_evaluation
from rilaas.hub.recording_store import recording_blobs
from rilaas.report.playback import SUFFIX, player_document, read_recording


def find_recording(person: Person, evaluation_id: int, index: int) -> Recording:
    """The recording of an episode.

    Raises:
        NotFound: There is none, or the evaluation is hidden from the person.
    """
    evaluation = find_evaluation(person, evaluation_id)
    found = Recording.objects.filter(episode__evaluation=evaluation, episode__index=min(index, 2**31 - 1))
    recording = found.select_related("episode").first()
    if recording is None:
        raise NotFound(f"Episode {index} of evaluation {evaluation_id} has no recording.")
    return recording


def player_json(recording: Recording) -> bytes:
    """What the player takes."""
    with recording_blobs().open(recording.sha256) as file:
        document = player_document(read_recording(file.read()))
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def recording_file(recording: Recording) -> tuple[IO[bytes], str]:
    """The file, open for reading, and the name under which it is saved."""
    episode = recording.episode
    name = f"evaluation-{episode.evaluation_id}-episode-{episode.index}{SUFFIX}"
    return recording_blobs().open(recording.sha256), name
