"""A checker that others run on their own simulators."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.actor import GREEN, RED, YELLOW
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.view.view import Frame
from rilaas.evaluate.driving.world.dynamics import Wheels
from rilaas.evaluate.driving.world.simulator import HISTORY, Simulator, SimulatorOf, Snapshot

STRAIGHT: Wheels = (0.5, 0.5)
LEFT: Wheels = (0.1, 0.6)
FRAME_SHAPE = (120, 160, 3)
MOVES_M = 0.02
"""A second with ``STRAIGHT`` makes at least this way [m]; standing wheels make less than that."""
TURNS_RAD = 0.02
"""A second with ``LEFT`` turns by at least this angle [rad]."""

_STEPS = 10  # so many frames ahead, and the oldest frames differ from the newest


def check_simulator(open_simulator: SimulatorOf, scenario: Scenario) -> None:
    """Check that a simulator keeps the contract; an ``AssertionError`` says which sentence it breaks.

    It checks the clock, snapshots, frames and how long they can be asked for, reset, determinism, that time may be
    sliced in any way, that looking changes nothing, the directions of the map's frame, and what is refused. Never two
    simulators are open at a time, so that one on a single server can be checked.

    Args:
        open_simulator: Makes one for a scenario.
        scenario: A start from which a robot can drive straight on for a second, and two more in some way.

    Example:
        >>> from contextlib import nullcontext
        >>> from rilaas.evaluate.driving import Scenario, World, check_simulator
        >>> scenario = Scenario("check", "oval", 1, start=(0.9, 0.164, 0.0))
        >>> check_simulator(lambda scenario: nullcontext(World(scenario)), scenario)
    """
    with open_simulator(scenario) as simulator:
        _check_clock(simulator, scenario)
        _check_directions(simulator)
        _check_slices(simulator)
        _check_refusals(simulator)
        _check_history(simulator)
        first = _drive(simulator, look=True)
        _check_same(first, _drive(simulator, look=True), "after reset")
        _check_same(first, _drive(simulator, look=False), "without looking")
    with open_simulator(scenario) as simulator:
        _check_same(first, _drive(simulator, look=True), "in a new simulator of the same scenario")


def _check_clock(simulator: Simulator, scenario: Scenario) -> None:
    assert simulator.scenario == scenario, "scenario is the one that it was made for"
    assert simulator.tick_s > 0.0, "tick_s is a time above 0 s"
    assert simulator.ticks_per_frame >= 1, "ticks_per_frame is a whole number of at least 1"
    frame_s = simulator.tick_s * simulator.ticks_per_frame
    assert math.isclose(frame_s, scenario.dt_s, rel_tol=1e-9), f"a frame comes every dt_s, not every {frame_s} s"
    start = simulator.reset()
    assert start.tick == 0, "reset begins at tick 0"
    _check_snapshot(simulator, start)
    again = simulator.advance(STRAIGHT, 0)
    assert again == start, "to advance by no tick changes nothing"
    one = simulator.advance(STRAIGHT, 1)
    assert one.tick == 1, "to advance by one tick is one tick"
    _check_snapshot(simulator, one)
    later = simulator.advance(STRAIGHT, simulator.ticks_per_frame - 1)
    assert later.tick == simulator.ticks_per_frame, "ticks add up"
    restarted = simulator.reset()
    assert restarted == start, "reset gives the same snapshot each time"


def _check_snapshot(simulator: Simulator, now: Snapshot) -> None:
    numbers = (*now.pose, now.speed_m_per_s, now.rate_rad_per_s)
    assert len(now.pose) == 3, "a pose is x, y, heading"
    assert {type(value) for value in numbers} == {float}, f"pose, speed and rate are Python floats, not {numbers}"
    assert all(map(math.isfinite, numbers)), f"pose, speed and rate are finite, not {numbers}"
    assert len(now.actors) == len(simulator.actors), "a snapshot has a pose for each actor"
    assert all(map(math.isfinite, (number for pose in now.actors for number in pose))), "actors' poses are finite"
    assert len(now.signals) == len(simulator.signals), "a snapshot has a state for each signal"
    assert set(now.signals) <= {GREEN, YELLOW, RED}, "a signal is GREEN, YELLOW or RED"
    x_m, y_m, _ = now.pose
    assert simulator.tile_map.tile_at(x_m, y_m) is not None, "the robot starts on the map, in the map's frame"


def _check_directions(simulator: Simulator) -> None:
    """Heading forward, left turns positive, speed and rate as the poses tell them."""
    start = simulator.reset()
    stood = _for_a_second(simulator, (0.0, 0.0))
    assert math.dist(start.pose[:2], stood[-1].pose[:2]) < MOVES_M, "with wheels at 0 the robot stays where it is"
    start = simulator.reset()
    driven = _for_a_second(simulator, STRAIGHT)
    ahead_m, left_m = _as_seen_from(start, driven[-1])
    assert ahead_m > MOVES_M, f"both wheels forward move the robot along its heading, not by {ahead_m:.3f} m"
    assert abs(left_m) < 0.5 * ahead_m, f"both wheels alike go straight on, not {left_m:.3f} m to the left"
    _check_rates(simulator, driven)
    start = simulator.reset()
    turned = _for_a_second(simulator, LEFT)
    turn_rad = turned[-1].pose[2] - start.pose[2]
    turn_rad = math.remainder(turn_rad, 2.0 * math.pi)
    assert turn_rad > TURNS_RAD, f"a faster right wheel turns counter-clockwise, not by {turn_rad:.3f} rad"
    _check_rates(simulator, turned)


def _check_rates(simulator: Simulator, driven: Sequence[Snapshot]) -> None:
    """Mean speed and rate of the last frame's ends, against the poses."""
    before, after = driven[-2:]
    dt_s = (after.tick - before.tick) * simulator.tick_s
    speed = math.dist(before.pose[:2], after.pose[:2]) / dt_s
    rate = math.remainder(after.pose[2] - before.pose[2], 2.0 * math.pi) / dt_s
    told_speed = 0.5 * (before.speed_m_per_s + after.speed_m_per_s)
    told_rate = 0.5 * (before.rate_rad_per_s + after.rate_rad_per_s)
    assert abs(told_speed - speed) < 0.02 + 0.2 * abs(speed), f"speed is {told_speed} m/s, the poses tell {speed}"
    assert abs(told_rate - rate) < 0.05 + 0.2 * abs(rate), f"rate is {told_rate} rad/s, the poses tell {rate}"


def _check_slices(simulator: Simulator) -> None:
    period = simulator.ticks_per_frame
    simulator.reset()
    whole = simulator.advance(LEFT, period)
    simulator.reset()
    for _ in range(period):
        sliced = simulator.advance(LEFT, 1)
    assert sliced == whole, "a frame's ticks one by one are the same as at once"
    simulator.reset()
    full = simulator.advance((1.0, 0.5), period)
    simulator.reset()
    clipped = simulator.advance((7.0, 0.5), period)
    assert clipped == full, "wheels beyond [-1, 1] are clipped"


def _check_refusals(simulator: Simulator) -> None:
    start = simulator.reset()
    for wheels, ticks in (((math.nan, 0.0), 1), ((0.0, math.inf), 1), (STRAIGHT, -1)):
        try:
            simulator.advance(wheels, ticks)
        except InvalidInput:
            continue
        raise AssertionError(f"wheels {wheels} for {ticks} ticks raise InvalidInput")
    for number in (1, -1):
        try:
            simulator.frame(number)
        except InvalidInput:
            continue
        raise AssertionError(f"frame {number} at tick 0 raises InvalidInput")
    assert simulator.advance(STRAIGHT, 0) == start, "what was refused changed nothing"


def _check_history(simulator: Simulator) -> None:
    simulator.reset()
    early = {0: simulator.frame(0)}
    for number in range(1, HISTORY + 2):
        simulator.advance(STRAIGHT if number <= _STEPS else (0.0, 0.0), simulator.ticks_per_frame)
        if number == 1:
            early[1] = simulator.frame(1)
    _check_frame(early[0])
    late = simulator.frame(1)
    assert np.array_equal(late, early[1]), f"a frame {HISTORY} frames later is the same as at its time"
    late[:] = 0
    assert np.array_equal(simulator.frame(1), early[1]), "a frame belongs to the caller: writing into it harms none"
    try:
        simulator.frame(0)
    except InvalidInput:
        return
    raise AssertionError(f"a frame more than {HISTORY} before the newest raises InvalidInput")


def _check_frame(frame: Frame) -> None:
    assert isinstance(frame, np.ndarray), "a frame is an array"
    assert frame.dtype == np.uint8, f"a frame is uint8, not {frame.dtype}"
    assert frame.shape == FRAME_SHAPE, f"a frame is {FRAME_SHAPE} RGB, not {frame.shape}"
    assert frame.std() > 1.0, "a frame shows something"


def _drive(simulator: Simulator, *, look: bool) -> tuple[list[Snapshot], list[Frame]]:
    """Two seconds in curves, with commands that change between frames."""
    now = simulator.reset()
    log, frames = [now], [simulator.frame(0)] if look else []
    period = simulator.ticks_per_frame
    part = period // 3
    for number in range(1, max(2, round(2.0 / simulator.scenario.dt_s)) + 1):
        wave = 0.1 * math.sin(0.7 * number)
        if part:
            simulator.advance((0.4, 0.4 + wave), part)
        log.append(simulator.advance((0.4 + wave, 0.4), period - part))
        if look:
            frames.append(simulator.frame(number))
    return log, frames


def _check_same(
    one: tuple[list[Snapshot], list[Frame]], other: tuple[list[Snapshot], list[Frame]], when: str
) -> None:
    for a, b in zip(one[0], other[0], strict=True):
        assert a == b, f"the same commands give the same snapshots {when}; at tick {a.tick}: {a} and {b}"
    if other[1]:
        for number, (frame, again) in enumerate(zip(one[1], other[1], strict=True)):
            assert np.array_equal(frame, again), f"the same commands give the same frames {when}; not frame {number}"


def _for_a_second(simulator: Simulator, wheels: Wheels) -> list[Snapshot]:
    count = max(2, round(1.0 / simulator.scenario.dt_s))
    return [simulator.advance(wheels, simulator.ticks_per_frame) for _ in range(count)]


def _as_seen_from(start: Snapshot, now: Snapshot) -> tuple[float, float]:
    x_m, y_m, heading = start.pose
    dx, dy = now.pose[0] - x_m, now.pose[1] - y_m
    cos, sin = math.cos(heading), math.sin(heading)
    return cos * dx + sin * dy, cos * dy - sin * dx
