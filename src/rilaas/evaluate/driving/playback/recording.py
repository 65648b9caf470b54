"""A scored episode as a recording."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.judge.drawing import MARGIN_TILES, draw_map
from rilaas.evaluate.driving.judge.scored_episode import ScoredEpisode, drive_of
from rilaas.evaluate.driving.objective.drive import Drive
from rilaas.evaluate.driving.objective.score import METRICS
from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor
from rilaas.evaluate.driving.road.lane import Lane
from rilaas.evaluate.driving.road.lane_graph import lane_graph
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.scenario.suite import Suite
from rilaas.report import Provenance
from rilaas.report.playback import About, Box, Light, MapPicture, Mark, Mover, Recording, Signal, View

_LANE_STEP_M = 0.06
_MS, _DEGREES = 1e3, float(np.degrees(1.0))


@dataclass(frozen=True, slots=True)
class Origin:
    """What all recordings of a run share.

    Attributes:
        policy: What drove, with its version: ``lane-following (1a2b3c4d5e6f)``.
        suite: What was driven.
        latency: Where latencies came from.
        deadline_s: After which an answer was lost [s]; None where nothing was.
        provenance: Version, commit, machine, command.
        simulator: Whose world it was; '' for the tile world.
    """

    policy: str
    suite: Suite
    latency: str
    deadline_s: float | None
    provenance: Provenance
    simulator: str = ""


def record(episode: ScoredEpisode, origin: Origin) -> Recording:
    """Everything that is kept of an episode.

    Signals are those of the metrics: speed and gaps hold from a stamp to the next, the lateral offset and the heading
    error are those of the best aligned lane and absent out of every lane, a latency stands where its answer came into
    force.

    Args:
        episode: With its film, where there shall be pictures.
        origin: Where it comes from.

    Raises:
        InvalidInput: The episode has no pose: nothing was driven.
    """
    result = episode.result
    if not len(result.t_s):
        raise InvalidInput("Nothing was driven, so there is nothing to record.")
    drive = drive_of(result)
    signals = tuple(_signals(drive, episode))
    return Recording(
        about=_about(episode, origin),
        t_s=result.t_s,
        poses=result.poses,
        robot=_box(DUCKIEBOT),
        ground=_ground(episode.tile_map),
        film=result.film,
        movers=tuple(Mover(each.actor.name, each.actor.kind, _box(each.actor), each.poses) for each in result.actors),
        lights=tuple(Light(each.line.pose, each.line.half_width_m, each.states) for each in result.signals),
        marks=tuple(_marks(episode)),
        signals=signals,
        views=tuple(_views({signal.name for signal in signals}, origin.deadline_s)),
        lanes=tuple(_centre_line(lane) for lane in lane_graph(episode.tile_map).lanes),
    )


def _about(episode: ScoredEpisode, origin: Origin) -> About:
    result = episode.result
    # As the suite's digest has it: a path would tell where somebody's files lie.
    world = json.loads(json.dumps(asdict(result.scenario) | {"map": episode.tile_map.name}))
    return About(
        policy=origin.policy,
        scenario=result.scenario.name,
        seed=result.seed,
        world=world,
        suite=origin.suite.name,
        suite_digest=origin.suite.digest,
        latency=origin.latency,
        deadline_s=origin.deadline_s,
        status=result.status,
        failed=episode.failed,
        reason=result.reason,
        metrics=dict(episode.scores),
        units={name: METRICS[name].unit for name in episode.scores},
        provenance=origin.provenance,
        simulator=origin.simulator,
    )


def _signals(drive: Drive, episode: ScoredEpisode) -> Iterator[Signal]:
    result, t_s = episode.result, drive.t_s
    yield Signal("speed_m_per_s", t_s, _held(drive.speed_m_per_s), "m/s")
    yield Signal("lateral_offset_m", t_s, drive.track.lateral_m, "m")
    yield Signal("heading_error_rad", t_s, drive.track.heading_rad, "rad")
    yield Signal("left_wheel", t_s, result.commands[:, 0], "1")
    yield Signal("right_wheel", t_s, result.commands[:, 1], "1")
    if drive.gaps_m:
        yield Signal("nearest_gap_m", t_s, np.min(drive.gaps_m, axis=0), "m")
    yield Signal("latency_s", result.answered_s, result.latency_s, "s")


def _views(names: set[str], deadline_s: float | None) -> Iterator[View]:
    yield View("Speed", ("speed_m_per_s",), "m/s")
    yield View("Lateral offset, left is positive", ("lateral_offset_m",), "m")
    yield View("Heading error, left is positive", ("heading_error_rad",), "°", _DEGREES)
    if "nearest_gap_m" in names:
        yield View("Gap to the nearest other", ("nearest_gap_m",), "m")
    yield View("Wheels, duty cycles", ("left_wheel", "right_wheel"), "1", style="step")
    yield View("Latency", ("latency_s",), "ms", _MS, "dots", deadline_s, "deadline")


def _marks(episode: ScoredEpisode) -> Iterator[Mark]:
    for each in episode.infractions:
        yield Mark(each.kind, each.t_s, each.pose, each.actor)
    if episode.failed:
        result = episode.result
        x, y, heading = (float(value) for value in result.poses[-1])
        yield Mark(f"end: {result.status}", float(result.t_s[-1]), (x, y, heading), result.reason)


def _ground(tile_map: TileMap) -> MapPicture:
    margin_m = MARGIN_TILES * tile_map.tile_size_m
    width_m, height_m = tile_map.width_m + 2 * margin_m, tile_map.height_m + 2 * margin_m
    return MapPicture(draw_map(tile_map), -margin_m, -margin_m, width_m, height_m)


def _centre_line(lane: Lane) -> np.ndarray:
    along = np.linspace(0.0, lane.length_m, 1 + max(1, round(lane.length_m / _LANE_STEP_M)))
    return np.array([lane.pose_at(float(way_m))[:2] for way_m in along])


def _box(actor: Actor) -> Box:
    return Box(actor.length_m, actor.width_m, actor.middle_ahead_m)


def _held(values: np.ndarray) -> np.ndarray:
    """A value for each stamp, of those from each stamp to the next: the last one holds to the end."""
    return np.append(values, values[-1]) if len(values) else np.full(1, np.nan)
