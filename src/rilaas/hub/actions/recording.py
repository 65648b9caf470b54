"""Recordings of episodes come in, and go with their episodes.

A recording is an upload by hash like a model's archive. Its file is on the disk before a row names it, and is freed
when the last row that names it is gone, however that came about.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.db.models.signals import post_delete
from django.dispatch import receiver

from rilaas.core import Conflict, InvalidInput, NotFound, PermissionDenied
from rilaas.hub.actions.event import record
from rilaas.hub.blob_store import begin_upload, blobs_locked, check_room, uploads_of
from rilaas.hub.models import Episode, Person, Recording
from rilaas.hub.queries.evaluation import find_evaluation
from rilaas.hub.recording_store import recording_blobs
from rilaas.report.playback import MAX_FILE_BYTES, read_recording

MAX_TOTAL_BYTES = 4 * 2**30  # of one evaluation


def keep_recording(person: Person, evaluation_id: int, index: int, sha256: str, size_bytes: int) -> Recording:
    """Keep an upload that is complete as the recording of an episode, in place of one that is there.

    Args:
        person: Whose upload and evaluation it is.
        evaluation_id: The evaluation.
        index: The episode's number in it.
        sha256: Of the upload.
        size_bytes: Of the upload.

    Raises:
        NotFound: There is no such episode, or it is hidden from the person.
        PermissionDenied: It is somebody else's evaluation.
        InvalidInput: It is no recording of this episode, or too large. The upload is forgotten.
        Conflict: Bytes are missing.
        Unavailable: The disk is full, or would be.
    """
    episode = _episode(person, evaluation_id, index)
    if size_bytes > MAX_FILE_BYTES:
        raise InvalidInput(f"A recording has at most {MAX_FILE_BYTES // 2**20} MiB.", "Record fewer pictures.")
    others = Recording.objects.filter(episode__evaluation_id=evaluation_id).exclude(episode=episode)
    if (others.aggregate(total=Sum("size_bytes"))["total"] or 0) + size_bytes > MAX_TOTAL_BYTES:
        raise InvalidInput(
            f"The recordings of an evaluation have at most {MAX_TOTAL_BYTES // 2**30} GiB.", "Keep only the worst."
        )
    check_room(size_bytes)
    uploads = uploads_of(person)
    part = begin_upload(person, sha256, size_bytes)
    path = uploads.path(sha256) if uploads.has(sha256) and not part.received_bytes else uploads.finish(part)
    try:
        kept = keep_file(episode, path)
    except FileNotFoundError:
        raise Conflict("Somebody used this upload just now.", "Send it again.") from None
    except InvalidInput:
        uploads.delete(sha256)  # the same bytes would be refused again
        raise
    record(person, "recording added", f"evaluation {evaluation_id}", f"episode {index}")
    uploads.delete(sha256)
    return kept


def sweep() -> int:
    """Delete files that a killed hub left without a row; returns how many."""
    return _drop_unnamed(recording_blobs().hashes())


def _episode(person: Person, evaluation_id: int, index: int) -> Episode:
    evaluation = find_evaluation(person, evaluation_id)
    if evaluation.owner_id != person.pk:
        raise PermissionDenied("Only whoever added an evaluation adds recordings to it.", "Ask its owner.")
    episode = evaluation.episodes.filter(index=index).first() if index < 2**31 else None
    if episode is None:
        raise NotFound(f"Evaluation {evaluation_id} has no episode {index}.")
    return episode


def keep_file(episode: Episode, path: Path) -> Recording:
    """Keep a file as the recording of an episode, in place of one that is there.

    Raises:
        InvalidInput: It is no recording of this episode.
        NotFound: The episode was deleted meanwhile.
    """
    about = read_recording(path.read_bytes())
    if (about.about.scenario[:200], about.about.seed) != (episode.scenario, episode.seed):
        raise InvalidInput(
            f"This is a recording of {about.about.scenario[:80]!r}, seed {about.about.seed}; "
            f"the episode is {episode.scenario[:80]!r}, seed {episode.seed}.",
            "Keep the recording of the same run.",
        )
    before, kept = None, None
    while True:
        with path.open("rb") as file:
            sha256 = recording_blobs().put(file)
        with blobs_locked(), transaction.atomic():
            if not Episode.objects.select_for_update().filter(pk=episode.pk).exists():
                break
            if recording_blobs().has(sha256):  # else somebody deleted the same content just now
                before = Recording.objects.filter(episode=episode).values_list("sha256", flat=True).first()
                values = {"sha256": sha256, "size_bytes": path.stat().st_size, "marks": len(about.marks)}
                kept, _ = Recording.objects.update_or_create(episode=episode, defaults=values)
                break
    if kept is None:
        _drop_unnamed([sha256])
        raise NotFound("The episode was deleted meanwhile.")
    if before and before != sha256:
        _drop_unnamed([before])
    return kept


@receiver(post_delete, sender=Recording)
def _freed(instance: Recording, **more: Any) -> None:
    """Its row goes with its episode, its evaluation, its model or its owner."""
    sha256 = instance.sha256
    transaction.on_commit(lambda: _forget([sha256]))


def _forget(blobs: Iterable[str]) -> None:
    _drop_unnamed(blobs)


def _drop_unnamed(blobs: Iterable[str]) -> int:
    removed = 0
    for sha256 in list(blobs):
        with blobs_locked():
            if not Recording.objects.filter(sha256=sha256).exists():
                removed += recording_blobs().delete(sha256)
    return removed
