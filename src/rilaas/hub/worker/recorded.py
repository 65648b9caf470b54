"""Recordings of the worst episodes that the worker has driven, for the episodes' pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rilaas.core import InvalidInput, NotFound
from rilaas.hub.actions.recording import keep_file
from rilaas.hub.blob_store import scratch
from rilaas.hub.models import Episode
from rilaas.hub.worker.driven import Driven

if TYPE_CHECKING:
    from rilaas.evaluate.driving import ScoredEpisode
    from rilaas.evaluate.driving.playback.recorder import Kept
    from rilaas.evaluate.driving.playback.recording import Origin

FILM_HZ = 10.0
WORST = 3


def keep_recordings(
    evaluation_id: int,
    episodes: Mapping[int, ScoredEpisode],
    driven: Driven,
    origin: Origin,
    say: Callable[[str], None],
) -> int:
    """Keep recordings of the worst episodes; returns how many.

    Args:
        evaluation_id: Whose report is kept already.
        episodes: By their places in the suite; the report has them in this order.
        driven: Where their films are.
        origin: What all recordings share.
        say: Told why one is not kept: the drive was too long, or it was deleted meanwhile.
    """
    from rilaas.evaluate.driving.playback.recorder import Choice, Recorder

    rows = {row.index: row for row in Episode.objects.filter(evaluation=evaluation_id)}
    with scratch() as folder:
        recorder = Recorder(folder, Choice(WORST), origin)
        for index in sorted(episodes):
            result = driven.find(index, episodes[index].result.scenario)
            recorder.add(replace(episodes[index], result=result) if result else episodes[index])
        return sum(_keep(rows[each.index], each, say) for each in recorder.kept if each.index in rows)


def _keep(row: Episode, kept: Kept, say: Callable[[str], None]) -> bool:
    try:
        keep_file(row, kept.path)
    except (InvalidInput, NotFound) as error:
        say(f"Episode {kept.index} has no recording. {error.message}")
        return False
    return True
