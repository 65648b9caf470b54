"""Where the hub keeps recordings of episodes."""

from __future__ import annotations

from rilaas.hub.blob_store import home
from rilaas.report.playback import MAX_FILE_BYTES
from rilaas.store import Blobs


def recording_blobs() -> Blobs:
    """Recordings, by ``Recording.sha256``."""
    return Blobs(home() / "recordings", max_bytes=MAX_FILE_BYTES)
