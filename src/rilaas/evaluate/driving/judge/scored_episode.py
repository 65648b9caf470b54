"""An episode with what the judge says of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rilaas.evaluate.driving.episode.rollout import EpisodeResult
from rilaas.evaluate.driving.objective.score import score_trajectory
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.report import Episode

HERE = "this process"
"""What a report calls the server that is none."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredEpisode:
    """An episode and what the judge says of it.

    Attributes:
        result: What happened.
        tile_map: Its map.
        scores: Metrics by name; none where the episode says nothing about the driving.
    """

    result: EpisodeResult
    tile_map: TileMap
    scores: Mapping[str, float]

    @property
    def failed(self) -> bool:
        """Whether it ended before its time."""
        return self.result.status != "completed"

    @property
    def row(self) -> Episode:
        """As a report lists it."""
        result = self.result
        return Episode(result.scenario.name, result.seed, result.status, dict(self.scores), self.failed)

    def reference(self, reference_m: Mapping[tuple[str, int], float] | None) -> float:
        """What somebody else drove in the same scenario [m]; NaN where that is not known."""
        return (reference_m or {}).get((self.result.scenario.name, self.result.seed), math.nan)


def score_episode(result: EpisodeResult) -> ScoredEpisode:
    """An episode with its metrics; without any where it cannot be scored."""
    tile_map = load_map(result.scenario.map)
    scores = score_trajectory(tile_map, result.t_s, result.poses) if result.is_scored else {}
    return ScoredEpisode(result, tile_map, scores)


def round_trips(episodes: Sequence[ScoredEpisode]) -> dict[str, list[float]]:
    """How long answers took [s], by server; ``HERE`` where there is none."""
    by_server: dict[str, list[float]] = defaultdict(list)
    for episode in episodes:
        for server, spent_s in zip(episode.result.servers, episode.result.round_trip_s.tolist(), strict=True):
            by_server[server or HERE].append(spent_s)
    return dict(sorted(by_server.items()))
