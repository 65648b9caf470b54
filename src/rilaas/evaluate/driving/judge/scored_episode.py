"""An episode with what the judge says of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rilaas.evaluate.driving.episode.rollout import EpisodeResult
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, Infraction
from rilaas.evaluate.driving.objective.drive import Drive
from rilaas.evaluate.driving.objective.score import infractions_of, score_drive
from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.report import HERE, Episode


@dataclass(frozen=True, slots=True, eq=False)
class ScoredEpisode:
    """An episode and what the judge says of it.

    Attributes:
        result: What happened.
        tile_map: Its map.
        scores: Metrics by name; none where the episode says nothing about the driving.
        absent: Why a metric is not among the scores, by name.
        infractions: Rules that were broken, in the order of time.
        lost: Why each attempt at it failed that the infrastructure ended; () where the first one counts.
    """

    result: EpisodeResult
    tile_map: TileMap
    scores: Mapping[str, float]
    absent: Mapping[str, str] = field(default_factory=dict)
    infractions: Sequence[Infraction] = ()
    lost: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it ended before its time."""
        return self.result.status != "completed"

    @property
    def row(self) -> Episode:
        """As a report lists it."""
        result = self.result
        return Episode(
            result.scenario.name, result.seed, result.status, dict(self.scores), self.failed, dict(self.absent)
        )

    @property
    def way_m(self) -> float:
        """The length of the way that the robot went, wherever it was [m]."""
        return float(np.linalg.norm(np.diff(self.result.poses[:, :2], axis=0), axis=1).sum())

    def without_film(self) -> ScoredEpisode:
        """The same without its film: the films of a whole suite would fill the memory."""
        return replace(self, result=replace(self.result, film=())) if self.result.film else self

    def reference(self, reference_m: Mapping[tuple[str, int], float] | None) -> float:
        """What somebody else drove in the same scenario [m]; NaN where that is not known."""
        return (reference_m or {}).get((self.result.scenario.name, self.result.seed), math.nan)


def score_episode(result: EpisodeResult, constants: Constants | None = None) -> ScoredEpisode:
    """An episode with its metrics; without any where it cannot be scored."""
    tile_map = load_map(result.scenario.map)
    if not result.is_scored:
        return ScoredEpisode(result, tile_map, {})
    drive = drive_of(result)
    scores = score_drive(drive, constants)
    return ScoredEpisode(
        result,
        tile_map,
        {name: value for name, value in scores.items() if not isinstance(value, Absent)},
        {name: value.reason for name, value in scores.items() if isinstance(value, Absent)},
        infractions_of(drive, constants),
    )


def drive_of(result: EpisodeResult) -> Drive:
    """An episode as the metrics see it."""
    return Drive(
        tile_map=load_map(result.scenario.map),
        t_s=result.t_s,
        poses=result.poses,
        planned_s=result.scenario.duration_s,
        failed=result.status != "completed",
        task=result.scenario.task,
        target_speed_m_per_s=result.scenario.target_speed_m_per_s,
        commands=result.commands,
        answered_s=result.answered_s,
        actors=result.actors,
        signals=result.signals,
    )


def round_trips(episodes: Sequence[ScoredEpisode]) -> dict[str, list[float]]:
    """How long answers took [s], by server; ``HERE`` where there is none."""
    by_server: dict[str, list[float]] = defaultdict(list)
    for episode in episodes:
        for server, spent_s in zip(episode.result.servers, episode.result.round_trip_s.tolist(), strict=True):
            by_server[server or HERE].append(spent_s)
    return dict(sorted(by_server.items()))
