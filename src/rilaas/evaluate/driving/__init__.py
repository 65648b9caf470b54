"""Driving in a flat tile world: roads, camera, traffic, rollouts in which latency is time, metrics, and the judge.

Takes a policy (``image`` to ``wheels``) and a scenario or a suite; gives episodes, metrics by name and a report.
May import infer, report, store, observe and core.
"""

from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.episode.rollout import EpisodeResult, rollout
from rilaas.evaluate.driving.judge.judge import Progress, run_suite
from rilaas.evaluate.driving.judge.scored_episode import ScoredEpisode, score_episode
from rilaas.evaluate.driving.judge.suite_report import build_report
from rilaas.evaluate.driving.objective.anchor import score_trajectory
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.objective.definition import Absent, Infraction, MetricDefinition
from rilaas.evaluate.driving.objective.drive import Drive
from rilaas.evaluate.driving.objective.score import METRICS, infractions_of, score_drive
from rilaas.evaluate.driving.objective.traffic_law import check_hierarchy
from rilaas.evaluate.driving.road.lane_graph import (
    centre_line,
    lane_graph,
    lane_pose,
    lane_poses,
    look_ahead,
    nearest_lane_pose,
)
from rilaas.evaluate.driving.road.lane_track import track_lanes
from rilaas.evaluate.driving.road.map_file import load_map, map_names, parse_map
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.scenario.camera_faults import CameraFaults
from rilaas.evaluate.driving.scenario.scenario import Scenario, Spawn
from rilaas.evaluate.driving.scenario.start import start_pose
from rilaas.evaluate.driving.scenario.suite import Suite, Threshold
from rilaas.evaluate.driving.scenario.suite_file import read_suite, suite_names
from rilaas.evaluate.driving.scenario.surroundings import Duckies, Lights, Obstacle, Traffic
from rilaas.evaluate.driving.simulator.check import check_simulator
from rilaas.evaluate.driving.world.simulator import Simulator, SimulatorOf, Snapshot
from rilaas.evaluate.driving.world.world import World

__all__ = [
    "METRICS",
    "Absent",
    "CameraFaults",
    "Constants",
    "Drive",
    "Duckies",
    "EpisodeResult",
    "Infraction",
    "Latency",
    "Lights",
    "MetricDefinition",
    "Obstacle",
    "Progress",
    "Scenario",
    "ScoredEpisode",
    "Simulator",
    "SimulatorOf",
    "Snapshot",
    "Spawn",
    "Suite",
    "Threshold",
    "TileMap",
    "Traffic",
    "World",
    "build_report",
    "centre_line",
    "check_hierarchy",
    "check_simulator",
    "infractions_of",
    "lane_graph",
    "lane_pose",
    "lane_poses",
    "load_map",
    "look_ahead",
    "map_names",
    "nearest_lane_pose",
    "parse_map",
    "read_suite",
    "rollout",
    "run_suite",
    "score_drive",
    "score_episode",
    "score_trajectory",
    "start_pose",
    "suite_names",
    "track_lanes",
]
