"""Recordings of episodes: what is needed to look at a drive again."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.evaluation import Episode


class Recording(models.Model):
    """The recording of an episode; whoever sees the evaluation sees it.

    Attributes:
        sha256: Of its file, which lies among the recordings' blobs.
        size_bytes: Of the file.
        marks: How many instants it marks.
    """

    episode = models.OneToOneField(Episode, models.CASCADE, related_name="recording")
    sha256 = models.CharField(max_length=64, db_index=True)
    size_bytes = models.PositiveBigIntegerField()
    marks = models.PositiveIntegerField(default=0)
