"""Whether an episode has a recording, and where it is."""

from __future__ import annotations

from typing import Any

from rilaas.hub.models import Episode


def recording_row(episode: Episode) -> dict[str, Any] | None:
    """The recording of an episode that was read with ``select_related("recording")``; None where it has none."""
    recording = getattr(episode, "recording", None)
    if recording is None:
        return None
    address = f"/api/v1/evaluations/{episode.evaluation_id}/episodes/{episode.index}"
    return {
        "player": f"{address}/recording.json",
        "file": f"{address}/recording.npz",
        "size_bytes": recording.size_bytes,
        "marks": recording.marks,
    }
