"""What is kept of a drive: who drove what, where everybody was, what the policy saw, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput
from rilaas.report.provenance import Provenance

Floats = NDArray[np.float64]
Pose = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class About:
    """Which drive it is. None is kept without its policy, scenario and seed.

    Attributes:
        policy: What drove, with its version: ``lane-following (1a2b3c4d5e6f)``.
        scenario: The scenario's name.
        seed: Its seed.
        world: All fields of the scenario by name, as JSON has them.
        suite: Name of the suite.
        suite_digest: ``sha256:...`` of the suite.
        latency: Where latencies came from.
        deadline_s: After which an answer was lost [s]; None where nothing was.
        status: How it ended.
        failed: Whether that end is a failure.
        reason: Why, where it was a failure.
        metrics: Values by metric name.
        units: Their units by metric name.
        provenance: Version, commit, machine, command.
        simulator: Whose world it was; '' for the tile world.
    """

    policy: str
    scenario: str
    seed: int
    world: Mapping[str, Any]
    suite: str
    suite_digest: str
    latency: str
    deadline_s: float | None
    status: str
    failed: bool
    reason: str
    metrics: Mapping[str, float]
    units: Mapping[str, str]
    provenance: Provenance
    simulator: str = ""

    def __post_init__(self) -> None:
        missing = [name for name in ("policy", "scenario", "suite_digest", "world") if not getattr(self, name)]
        if missing:
            raise InvalidInput(f"A recording says where it comes from; this one lacks {', '.join(missing)}.")


@dataclass(frozen=True, slots=True)
class Box:
    """A body on the ground.

    Attributes:
        length_m: Extent along its heading [m].
        width_m: Extent across [m].
        middle_ahead_m: From the point that its pose tells to the middle of the box [m].
    """

    length_m: float
    width_m: float
    middle_ahead_m: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Mover:
    """Somebody else on the road.

    Attributes:
        name: Its own in the drive.
        kind: ``vehicle``, ``duckie`` or ``obstacle``.
        box: Its body.
        poses: (N, 3) float64 [m, m, rad], in the map's frame, one for each of the recording's stamps.
    """

    name: str
    kind: str
    box: Box
    poses: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """A traffic light.

    Attributes:
        pose: Of the stop line that it guards, heading the way that the lane goes, in the map's frame.
        half_width_m: Half the width of the lane [m].
        states: (N,) uint8: 0 green, 1 yellow, 2 red, at each of the recording's stamps.
    """

    pose: Pose
    half_width_m: float
    states: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant to look at: a rule that was broken, or the end where it is a failure.

    Attributes:
        kind: Such as ``collision_vehicle`` or ``off_road``.
        t_s: When [s].
        pose: Where the robot was, in the map's frame.
        words: More about it, or ''.
    """

    kind: str
    t_s: float
    pose: Pose
    words: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """A number over time.

    Attributes:
        name: Such as ``speed_m_per_s``.
        t_s: (M,) float64 [s], never falling.
        values: (M,) float64; NaN where there is none.
        unit: SI unit.
    """

    name: str
    t_s: Floats
    values: Floats
    unit: str


@dataclass(frozen=True, slots=True)
class View:
    """How signals are shown: one plot.

    Attributes:
        title: Its heading.
        signals: Names of what is in it.
        unit: Of the numbers as they are shown.
        factor: From SI to that unit.
        style: ``line``; ``step``: a value holds until the next; ``dots``: one instant each.
        limit: A line across, in SI; None where there is none.
        limit_words: What the line is.
    """

    title: str
    signals: tuple[str, ...]
    unit: str
    factor: float = 1.0
    style: str = "line"
    limit: float | None = None
    limit_words: str = ""


@dataclass(frozen=True, slots=True)
class MapPicture:
    """The road from above.

    Attributes:
        svg: The picture's file; b'' where there is none.
        left_m: x of its left edge in the map's frame [m].
        bottom_m: y of its lower edge [m].
        width_m: Its width [m].
        height_m: Its height [m].
    """

    svg: bytes
    left_m: float
    bottom_m: float
    width_m: float
    height_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A drive.

    Attributes:
        about: Which one it is.
        t_s: (N,) float64 [s], strictly rising, N >= 1.
        poses: (N, 3) float64 [m, m, rad]: the robot's, in the map's frame.
        robot: Its body.
        ground: The road.
        film: What the policy was shown, as (stamp [s], JPEG file), in the order of time.
        movers: Who else was there.
        lights: The traffic lights.
        marks: What to look at, in the order of time.
        signals: Numbers over time, by unique names.
        views: How they are shown.
        lanes: (M, 2) float64 [m] each: centre lines of the lanes, in the map's frame.
    """

    about: About
    t_s: Floats
    poses: Floats
    robot: Box
    ground: MapPicture
    film: tuple[tuple[float, bytes], ...] = ()
    movers: tuple[Mover, ...] = ()
    lights: tuple[Light, ...] = ()
    marks: tuple[Mark, ...] = ()
    signals: tuple[Signal, ...] = ()
    views: tuple[View, ...] = ()
    lanes: tuple[Floats, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.t_s)
        if not count or not np.isfinite(self.t_s).all() or (np.diff(self.t_s) <= 0.0).any():
            raise InvalidInput("A recording's stamps are rising numbers, at least one.")
        if self.poses.shape != (count, 3) or any(each.poses.shape != (count, 3) for each in self.movers):
            raise InvalidInput(f"A recording has a pose (x, y, heading) for each of its {count} stamps.")
        if not all(np.isfinite(poses).all() for poses in (self.poses, *(each.poses for each in self.movers))):
            raise InvalidInput("A pose of the recording is not finite.")
        if any(each.states.shape != (count,) for each in self.lights):
            raise InvalidInput(f"A light of the recording has a state for each of its {count} stamps.")
        for signal in self.signals:
            if signal.t_s.ndim != 1 or signal.values.shape != signal.t_s.shape or not _rises(signal.t_s):
                raise InvalidInput(
                    f"The signal {signal.name!r} has a value for each of its stamps, which never fall."
                )
        names = {signal.name for signal in self.signals}
        if len(names) < len(self.signals) or any(name not in names for view in self.views for name in view.signals):
            raise InvalidInput("A recording's signals have different names, and its plots show those.")
        if any(lane.ndim != 2 or lane.shape[1] != 2 or not np.isfinite(lane).all() for lane in self.lanes):
            raise InvalidInput("A recording's lanes are lists of points (x, y).")
        if not _rises(np.array([t_s for t_s, _ in self.film])):
            raise InvalidInput("The pictures of a recording come in the order of time.")

    @property
    def end_s(self) -> float:
        """When it ended [s]."""
        return float(self.t_s[-1])

    def signal(self, name: str) -> Signal:
        """The signal with this name."""
        return next(signal for signal in self.signals if signal.name == name)


def _rises(t_s: Floats) -> bool:
    return bool(np.isfinite(t_s).all() and (np.diff(t_s) >= 0.0).all())
