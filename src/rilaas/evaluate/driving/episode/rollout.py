"""One episode in closed loop, in which simulated time passes while the policy thinks."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rilaas.core import (
    DeadlineExceeded,
    ModelFailed,
    Policy,
    RateLimited,
    Signature,
    SignatureMismatch,
    TensorSpec,
    Timing,
    Unavailable,
)
from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.view.view import Frame
from rilaas.evaluate.driving.world.dynamics import Wheels
from rilaas.evaluate.driving.world.world import World
from rilaas.infer.failure import ModelCodeFailed
from rilaas.report import value_text

DRIVING_SIGNATURE = Signature.of(
    (TensorSpec("image", "UINT8", (-1, 120, 160, 3), "", "camera frame, RGB"),),
    (TensorSpec("wheels", "FP32", (-1, 2), "", "duty cycles of the left and right wheel, from -1 to 1"),),
)
"""What a driving policy takes and gives."""

STATUSES = ("completed", "off_road", "policy_failure", "infrastructure_failure")
"""How an episode ends. ``completed``: the time is over. ``off_road``: the robot left the road. ``policy_failure``:
the model failed, or gave what is not a number. ``infrastructure_failure``: nobody answered, which is not scored."""

MAX_OUTAGE_S = 2.0
"""Longest time without an answer, before the episode is given up [s]."""

_LATENCIES = 0x1A7E


@dataclass(frozen=True, slots=True, eq=False)
class EpisodeResult:
    """What happened in an episode.

    Attributes:
        scenario: What was run.
        status: One of ``STATUSES``.
        reason: Why it ended, where it was a failure.
        t_s: (N,) float64 [s]: stamps of the camera's frames, and of the end.
        poses: (N, 3) float64 [m, m, rad]: true poses at these stamps, in the map's frame.
        commands: (N, 2) float64: wheels (left, right) that were commanded from each stamp on.
        latency_s: (M,) float64 [s]: how long the world went on before each answer.
        round_trip_s: (M,) float64 [s]: how long each answer really took.
        servers: (M,) who gave each answer; '' in this process.
        frames: A few frames with their stamps [s].
        counts: ``answers``; and how many calls failed, by error code.
    """

    scenario: Scenario
    status: str
    reason: str
    t_s: NDArray[np.float64]
    poses: NDArray[np.float64]
    commands: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    round_trip_s: NDArray[np.float64]
    servers: tuple[str, ...]
    frames: tuple[tuple[float, Frame], ...]
    counts: Mapping[str, int]

    @property
    def seed(self) -> int:
        """The scenario's seed."""
        return self.scenario.seed

    @property
    def is_scored(self) -> bool:
        """Whether it says something about the driving."""
        return self.status != "infrastructure_failure"


def rollout(
    policy: Policy,
    scenario: Scenario,
    latency: Latency | None = None,
    *,
    deadline_s: float | None = None,
    keep_frames: int = 6,
    world: World | None = None,
    on_frame: Callable[[World], None] | None = None,
) -> EpisodeResult:
    """Let a policy drive.

    The policy sees the newest frame whenever it is free. Its answer to a frame comes into force when its latency has
    passed; until then the wheels keep the command before (standing still at first), and frames that come meanwhile
    are dropped. An error of the way (unavailable, too late, rate limited) keeps the command too. Where none of the
    calls in ``MAX_OUTAGE_S`` is answered, or the robot leaves the road while the last call failed, the episode is an
    ``infrastructure_failure``. With a latency that is not measured, the same scenario gives the same bytes.

    Args:
        policy: Takes ``image`` (1, 120, 160, 3) uint8 RGB, gives ``wheels`` (1, 2) float32.
        scenario: What to run.
        latency: Where latencies come from; ``Latency.none()`` where None.
        deadline_s: An answer that takes longer is lost [s]; also given to the policy.
        keep_frames: How many frames to keep for the report.
        world: One that was made for this scenario; it is reset.
        on_frame: Called after each camera frame, for progress.

    Raises:
        SignatureMismatch: The policy is not a driving policy.
        RilaasError: The policy refused the call (unauthenticated, permission denied, invalid input, ...).
    """
    check_driving(policy.signature)
    world = world or World(scenario)
    world.reset()
    policy.reset()
    return _Episode(policy, scenario, latency or Latency.none(), deadline_s, keep_frames, world, on_frame).run()


def check_driving(signature: Signature) -> None:
    """Refuse a policy that does not take ``image`` or does not give ``wheels``.

    Raises:
        SignatureMismatch: Naming both sides.
    """
    image, wheels = DRIVING_SIGNATURE.inputs["image"], DRIVING_SIGNATURE.outputs["wheels"]
    takes, gives = signature.inputs.get("image"), signature.outputs.get("wheels")
    if list(signature.inputs) != ["image"] or takes is None or not takes.accepts("UINT8", (1, *image.shape[1:])):
        got = ", ".join(map(str, signature.inputs.values())) or "nothing"
        raise SignatureMismatch(f"A driving policy takes {image}; this one takes {got}.")
    if gives is None or not gives.accepts("FP32", (1, 2)):
        got = ", ".join(map(str, signature.outputs.values())) or "nothing"
        raise SignatureMismatch(f"A driving policy gives {wheels}; this one gives {got}.")


@dataclass(slots=True, eq=False)
class _Episode:
    """An episode that runs: the state of the loop in ``rollout``."""

    policy: Policy
    scenario: Scenario
    latency: Latency
    deadline_s: float | None
    keep_frames: int
    world: World
    on_frame: Callable[[World], None] | None
    command: Wheels = (0.0, 0.0)
    status: str = ""
    reason: str = ""
    answered_s: float = 0.0
    failed: str = ""
    stamps: list[float] = field(default_factory=list)
    poses: list[tuple[float, float, float]] = field(default_factory=list)
    commands: list[Wheels] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    round_trips: list[float] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    frames: list[tuple[float, Frame]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def run(self) -> EpisodeResult:
        rng = np.random.default_rng([self.scenario.seed, _LATENCIES])
        last = round(self.scenario.duration_s / self.scenario.dt_s)
        period = self.world.ticks_per_frame
        self._log()
        while not self.status:
            newest = self.world.tick // period
            wheels, latency_s = self._ask(newest, rng)
            self._hold_until(self.world.tick + round(latency_s / self.world.tick_s), last)
            if wheels is not None and not self.status:
                self.command = wheels
                if self.world.tick == (len(self.stamps) - 1) * period:
                    self.commands[-1] = wheels  # it comes into force at the stamp itself
            if self.world.tick // period == newest:
                self._hold_until((newest + 1) * period, last)
        return self._result()

    def _ask(self, number: int, rng: np.random.Generator) -> tuple[Wheels | None, float]:
        """Show the newest frame; None where the answer is lost, and how long the world goes on meanwhile [s]."""
        image = self.world.look(self.poses[number], number)
        due = len(self.frames) * self.scenario.duration_s / max(1, self.keep_frames)
        if len(self.frames) < self.keep_frames and self.stamps[number] >= due:
            self.frames.append((self.stamps[number], image))
        start = time.perf_counter()
        wheels: Wheels | None = None
        timing, failed = Timing(), ""
        try:
            answer = self.policy.predict({"image": image[None]}, deadline_s=self.deadline_s)
            timing = answer.timing
            wheels = float(answer["wheels"][0, 0]), float(answer["wheels"][0, 1])
        except (Unavailable, DeadlineExceeded, RateLimited) as error:
            failed = error.code
            self.reason = error.message
        except ModelFailed as error:
            place = f" It was in {error.place}." if isinstance(error, ModelCodeFailed) and error.place else ""
            self.status, self.reason = "policy_failure", error.message + place
            return None, 0.0
        spent_s = timing.total_s or time.perf_counter() - start
        latency_s = self.latency.sample(spent_s, rng)
        if wheels is not None and not all(map(math.isfinite, wheels)):
            self.status, self.reason = "policy_failure", f"The policy gave wheels {wheels}."
            return None, 0.0
        if wheels is not None and self.deadline_s is not None and latency_s > self.deadline_s:
            wheels, failed, latency_s = None, DeadlineExceeded.code, self.deadline_s
            self.reason = f"An answer took longer than {value_text(self.deadline_s, 's')}."
        self._note(failed, latency_s, spent_s, timing.server)
        return wheels, latency_s

    def _note(self, failed: str, latency_s: float, spent_s: float, server: str) -> None:
        self.failed = failed
        if failed:
            self.counts[failed] += 1
            return
        self.counts["answers"] += 1
        self.answered_s = self.world.t_s + latency_s
        self.reason = ""
        self.latencies.append(latency_s)
        self.round_trips.append(spent_s)
        self.servers.append(server)

    def _hold_until(self, tick: int, last: int) -> None:
        """Let time pass with the command as it is, up to a tick or the end of the episode."""
        period = self.world.ticks_per_frame
        while not self.status and self.world.tick < tick:
            stamp = (self.world.tick // period + 1) * period
            self.world.advance(self.command, min(tick, stamp) - self.world.tick)
            if self.world.tick == stamp:
                self._log()
                if stamp >= last * period:
                    self.status = "completed"
                if self.on_frame is not None:
                    self.on_frame(self.world)
            if not self.world.is_on_road:
                self.status = "infrastructure_failure" if self.failed else "off_road"
            elif self.failed and self.world.t_s - self.answered_s >= MAX_OUTAGE_S:
                self.status = "infrastructure_failure"

    def _log(self) -> None:
        self.stamps.append(self.world.t_s)
        self.poses.append(self.world.pose)
        self.commands.append(self.command)

    def _result(self) -> EpisodeResult:
        if self.stamps[-1] < self.world.t_s:
            self._log()
        return EpisodeResult(
            scenario=self.scenario,
            status=self.status,
            reason=self.reason if self.status in {"policy_failure", "infrastructure_failure"} else "",
            t_s=np.array(self.stamps),
            poses=np.array(self.poses).reshape(-1, 3),
            commands=np.array(self.commands).reshape(-1, 2),
            latency_s=np.array(self.latencies),
            round_trip_s=np.array(self.round_trips),
            servers=tuple(self.servers),
            frames=tuple(self.frames),
            counts=dict(self.counts),
        )
