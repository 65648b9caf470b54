"""Everybody besides the robot: who they are, and how they move at fixed instants of simulated time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.actor import DUCKIEBOT, Actor
from rilaas.evaluate.driving.road.lane import Lane, Pose
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.world.contact import Box, depth_m
from rilaas.evaluate.driving.world.crossing import by_cell, crossings
from rilaas.evaluate.driving.world.dynamics import Motion
from rilaas.evaluate.driving.world.light import LightPlan
from rilaas.evaluate.driving.world.placement import Placement
from rilaas.evaluate.driving.world.presence import Presence
from rilaas.evaluate.driving.world.vehicle import Vehicle
from rilaas.evaluate.driving.world.walker import Walker
from rilaas.evaluate.driving.world.way import Choose

STEP_S = 0.025
"""The others move every so often [s], whatever the scenario's time step and however the loop slices time."""

STARTLED_S = 1.0
"""Who is run into by the robot stands so long [s], so that a touch lasts for more than an instant."""

_TOUCH_M = 0.002
_NEAR_M = 0.5  # farther apart, no two bodies touch

# Streams of chance, one for each thing that the seed draws: more duckies do not change the vehicles' ways.
_PLACES, _LIGHTS, _SPEEDS, _TURNS, _PAUSES = 0x70A0, 0x70A1, 0x70A2, 0x70A3, 0x70A4

_SIZES = {"cone": (0.06, 0.06, 0.08), "barrier": (0.03, 0.12, 0.08)}
"""Length along its heading, width and height of an obstacle, by its look [m]."""


class Town:
    """The others in a scenario.

    Args:
        scenario: What to run.
        tile_map: Its map.
        start: Where the robot starts.

    Attributes:
        others: Everybody but the robot, in the order of ``actors``: vehicles, duckies that cross, duckies that stand,
            obstacles.
        robot: The robot.
        crossings: Those of the map.
        signals: The lines with a light.

    Raises:
        InvalidInput: There is no room for so many, or there are fewer crossings than lights.
    """

    def __init__(self, scenario: Scenario, tile_map: TileMap, start: Pose) -> None:
        self._seed = scenario.seed
        self.robot = Presence(DUCKIEBOT, start)
        self.crossings = crossings(tile_map)
        self._entries = by_cell(self.crossings)
        self._set_up_lights(scenario, tile_map)
        placement = Placement(tile_map, start, self._rng(_PLACES))
        obstacles = _obstacles(scenario, placement)
        self._vehicles = self._make_vehicles(scenario, placement)
        self._walkers = self._make_walkers(scenario, placement)
        standing = [
            Presence(_duckie(f"duckie-{len(self._walkers) + k}"), placement.thing("beside"))
            for k in range(1, scenario.duckies.standing + 1)
        ]
        self.others: tuple[Presence, ...] = (*self._vehicles, *self._walkers, *standing, *obstacles)
        self._everybody = (self.robot, *self.others)
        self._movers = (self.robot, *self._vehicles)
        self._startled_s: dict[Presence, float] = {}
        self._look_at_crossings(0.0)

    @staticmethod
    def is_needed(scenario: Scenario) -> bool:
        """Whether there is anybody besides the robot, or a light."""
        return bool(
            scenario.traffic.vehicles
            or scenario.duckies.standing
            or scenario.duckies.crossing
            or scenario.obstacles
            or scenario.lights.crossings
        )

    @property
    def actors(self) -> tuple[Actor, ...]:
        """Who they are."""
        return tuple(other.actor for other in self.others)

    @property
    def poses(self) -> tuple[Pose, ...]:
        """Where they are now."""
        return tuple(other.pose for other in self.others)

    @property
    def boxes(self) -> list[Box]:
        """Their bodies now."""
        return [other.box for other in self.others]

    def signal_states(self, t_s: float) -> tuple[int, ...]:
        """What the lights of ``signals`` show at a time [s]."""
        return tuple(plan.state(line, t_s) for line, plan in self._plans)

    def step(self, motion: Motion, t_s: float) -> None:
        """Everybody moves on by ``STEP_S``, in turn.

        Args:
            motion: The robot's, now.
            t_s: Now [s].
        """
        self.robot.put(motion.pose, motion.speed_m_per_s)
        self._look_at_crossings(t_s)
        for vehicle in self._vehicles:
            if not self._is_startled(vehicle, t_s):
                vehicle.step(STEP_S, self._everybody, self._entries)
        for walker in self._walkers:
            if not self._is_startled(walker, t_s):
                walker.step(STEP_S, self._everybody)

    def _is_startled(self, who: Presence, t_s: float) -> bool:
        """Whether somebody was run into by the robot just now; then it stands."""
        touched = math.dist(who.pose[:2], self.robot.pose[:2]) < _NEAR_M
        touched = touched and depth_m(who.box, self.robot.box) > -_TOUCH_M
        if touched and who not in self._startled_s:
            self._startled_s[who] = t_s
        elif not touched:
            self._startled_s.pop(who, None)
        is_startled = touched and t_s - self._startled_s[who] < STARTLED_S
        if is_startled:
            who.put(who.pose, 0.0)
        return is_startled

    def _look_at_crossings(self, t_s: float) -> None:
        for crossing in self.crossings:
            crossing.update(t_s, self._movers, self.robot)

    def _set_up_lights(self, scenario: Scenario, tile_map: TileMap) -> None:
        lights, rng = scenario.lights, self._rng(_LIGHTS)
        count = len(self.crossings) if lights.crossings < 0 else lights.crossings
        if count > len(self.crossings):
            raise InvalidInput(
                f"Lights for {count} crossings, and map {tile_map.name!r} has {len(self.crossings)}.",
                "Ask for fewer, or take a map with 3way or 4way tiles, such as crossings or town.",
            )
        self._plans: list[tuple[StopLine, LightPlan]] = []
        for index in sorted(rng.permutation(len(self.crossings))[:count].tolist()):
            crossing = self.crossings[index]
            plan = LightPlan(crossing.lines, lights)
            crossing.plan = LightPlan(crossing.lines, lights, float(rng.uniform(0.0, plan.cycle_s)))
            self._plans += [(line, crossing.plan) for line in crossing.lines]
        self.signals = tuple(line for line, _ in self._plans)

    def _make_vehicles(self, scenario: Scenario, placement: Placement) -> list[Vehicle]:
        traffic, rng = scenario.traffic, self._rng(_SPEEDS)
        vehicles = []
        for k in range(traffic.vehicles):
            choose = _chooser(self._rng(_TURNS, k))
            way = placement.leading_vehicle(k, choose) if k < traffic.leading else placement.vehicle(choose)
            speed = float(rng.uniform(traffic.speed_min_m_per_s, traffic.speed_max_m_per_s))
            vehicles.append(Vehicle(replace(DUCKIEBOT, name=f"vehicle-{k + 1}"), way, speed, traffic.dwell_s))
        return vehicles

    def _make_walkers(self, scenario: Scenario, placement: Placement) -> list[Walker]:
        return [
            Walker(
                _duckie(f"duckie-{k + 1}"), *placement.way_across(), scenario.duckies, self._rng(_PAUSES, k).random
            )
            for k in range(scenario.duckies.crossing)
        ]

    def _rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, *stream])


def _obstacles(scenario: Scenario, placement: Placement) -> list[Presence]:
    made: list[Presence] = []
    drawn = [each for each in scenario.obstacles if each.pose is None]
    for obstacle in (*(each for each in scenario.obstacles if each.pose is not None), *drawn):
        length_m, width_m, height_m = _SIZES[obstacle.look]
        if obstacle.look == "barrier" and obstacle.place != "lane" and obstacle.pose is None:
            length_m, width_m = width_m, length_m  # beside the road it stands along it
        for _ in range(obstacle.count):
            pose = obstacle.pose or placement.thing(obstacle.place)
            if obstacle.pose is not None:
                placement.taken.append(pose[:2])
            name = f"{obstacle.look}-{len(made) + 1}"
            made.append(Presence(Actor(name, "obstacle", length_m, width_m, height_m, look=obstacle.look), pose))
    return made


def _chooser(rng: np.random.Generator) -> Choose:
    def choose(lanes: Sequence[Lane]) -> Lane:
        return lanes[int(rng.integers(len(lanes)))]

    return choose


def _duckie(name: str) -> Actor:
    return Actor(name, "duckie", 0.05, 0.05, 0.08, look="duckie")
