"""Who else is on the road in a scenario: traffic, duckies, obstacles, lights. Values; ``world.town`` runs them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rilaas.core import InvalidInput, did_you_mean
from rilaas.evaluate.driving.scenario.bound import check_count, check_number, check_range

OBSTACLE_LOOKS = ("cone", "barrier")
"""What an obstacle may be."""

PLACES = ("beside", "edge", "lane")
"""Where an obstacle is put. ``beside``: on the strip to the right of the lane. ``edge``: over the lane's right edge,
so that a robot that keeps to the middle passes. ``lane``: in the middle of the lane, which is shut by it."""

MAX_ACTORS = 100
MAX_LENGTH_M = 1e6
"""Farther than any map reaches [m]."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Other Duckiebots, which follow lanes, turn at random, keep their distance and the law.

    Attributes:
        vehicles: How many.
        leading: How many of them begin ahead of the robot in its own lane; the others anywhere.
        speed_min_m_per_s: Each vehicle's speed on a free road is drawn from here ...
        speed_max_m_per_s: ... to here [m/s].
        dwell_s: How long they stand at a red line before they go on [s].
    """

    vehicles: int = 0
    leading: int = 0
    speed_min_m_per_s: float = 0.12
    speed_max_m_per_s: float = 0.28
    dwell_s: float = 1.0

    def __post_init__(self) -> None:
        check_count("vehicles", self.vehicles, MAX_ACTORS)
        if isinstance(self.leading, float) or not 0 <= self.leading <= self.vehicles:
            raise InvalidInput(f"leading is {self.leading}; it is a whole number from 0 to vehicles.")
        check_range(
            "speed_min_m_per_s", self.speed_min_m_per_s, "speed_max_m_per_s", self.speed_max_m_per_s, 0.02, 1.0
        )
        check_number("dwell_s", self.dwell_s, 0.0, 60.0)


@dataclass(frozen=True, slots=True)
class Duckies:
    """Duckies on foot.

    Attributes:
        standing: How many stand beside the road, and stay there.
        crossing: How many cross the road again and again.
        speed_m_per_s: How fast they walk [m/s].
        pause_min_s: Between two crossings a duckie stands beside the road, for a time drawn from here ...
        pause_max_s: ... to here [s]; then it looks, and crosses when the road is clear enough to brake for it.
    """

    standing: int = 0
    crossing: int = 0
    speed_m_per_s: float = 0.1
    pause_min_s: float = 3.0
    pause_max_s: float = 12.0

    def __post_init__(self) -> None:
        check_count("standing", self.standing, MAX_ACTORS)
        check_count("crossing", self.crossing, MAX_ACTORS)
        check_number("speed_m_per_s", self.speed_m_per_s, 0.02, 0.5)
        check_range("pause_min_s", self.pause_min_s, "pause_max_s", self.pause_max_s, 0.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Lights:
    """Traffic lights at the crossings, in place of right by order of arrival.

    At each crossing one approach after the other, counter-clockwise, has green, then yellow; then all have red.

    Attributes:
        crossings: How many crossings have lights, drawn from the seed; -1 for all of them.
        green_s: [s].
        yellow_s: [s].
        all_red_s: Between one approach's yellow and the next one's green [s].
    """

    crossings: int = 0
    green_s: float = 6.0
    yellow_s: float = 1.5
    all_red_s: float = 2.0

    def __post_init__(self) -> None:
        if isinstance(self.crossings, float) or self.crossings < -1:
            raise InvalidInput(f"crossings is {self.crossings}; it is a whole number >= 0, or -1 for all crossings.")
        check_number("green_s", self.green_s, 0.1, 600.0)
        check_number("yellow_s", self.yellow_s, 0.0, 60.0)
        check_number("all_red_s", self.all_red_s, 0.0, 60.0)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Things that stand on the road or beside it.

    Attributes:
        look: One of ``OBSTACLE_LOOKS``.
        pose: Where it stands: (x [m], y [m], heading [rad]) in the map's frame; drawn from the seed where None.
        place: Where it is drawn, one of ``PLACES``.
        count: How many of this kind are drawn; a pose is for one.
    """

    look: str = "cone"
    pose: tuple[float, float, float] | None = None
    place: str = "beside"
    count: int = 1

    def __post_init__(self) -> None:
        if self.look not in OBSTACLE_LOOKS:
            raise InvalidInput(f"There is no obstacle {self.look!r}.", did_you_mean(str(self.look), OBSTACLE_LOOKS))
        if self.place not in PLACES:
            raise InvalidInput(f"There is no place {self.place!r}.", did_you_mean(str(self.place), PLACES))
        check_count("count", self.count, MAX_ACTORS)
        if self.pose is None:
            return
        if not is_pose(self.pose):
            raise InvalidInput(f"pose is {self.pose}; it is (x [m], y [m], heading [rad]).")
        if self.count != 1:
            raise InvalidInput(f"count is {self.count} and a pose is given; a pose is for one obstacle.")


def is_pose(values: Sequence[float]) -> bool:
    """Whether it is three finite numbers, and a place that is not beyond all maps."""
    return len(values) == 3 and math.isfinite(values[2]) and all(abs(each) <= MAX_LENGTH_M for each in values[:2])
