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
from rilaas.evaluate.driving.episode.camera_fault import FaultyCamera
from rilaas.evaluate.driving.episode.end_rule import EndRule
from rilaas.evaluate.driving.episode.film import Film
from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.road.actor import ActorTrack, SignalTrack
from rilaas.evaluate.driving.road.footprint import CONTACT_M
from rilaas.evaluate.driving.scenario.scenario import END_RULES, Scenario
from rilaas.evaluate.driving.view.view import Frame
from rilaas.evaluate.driving.world.dynamics import Wheels
from rilaas.evaluate.driving.world.simulator import Simulator, Snapshot
from rilaas.evaluate.driving.world.world import World
from rilaas.infer.blas import few_blas_threads
from rilaas.infer.failure import ModelCodeFailed
from rilaas.report import value_text

DRIVING_SIGNATURE = Signature.of(
    (TensorSpec("image", "UINT8", (-1, 120, 160, 3), "", "camera frame, RGB"),),
    (TensorSpec("wheels", "FP32", (-1, 2), "", "duty cycles of the left and right wheel, from -1 to 1"),),
)
"""What a driving policy takes and gives."""

STATUSES = ("completed", *END_RULES, "policy_failure", "infrastructure_failure")
"""How an episode ends. ``completed``: the time is over. An end rule: see ``END_RULES``. ``policy_failure``: the model
failed, or gave what is not a number. ``infrastructure_failure``: nobody answered, or the simulator is gone, which is
not scored."""

MAX_OUTAGE_S = 2.0
"""Longest time without an answer, before the episode is given up [s]."""

_LATENCIES = 0x1A7E
_MAX_REASON = 4000  # characters


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
        actors: Who else was there, and where.
        signals: What the traffic lights showed.
        answered_s: (M,) float64 [s]: when each answer came into force.
        latency_s: (M,) float64 [s]: how long the world went on before each answer.
        round_trip_s: (M,) float64 [s]: how long each answer really took.
        servers: (M,) who gave each answer; '' in this process.
        frames: A few frames with their stamps [s].
        counts: ``answers``; and how many calls failed, by error code.
        film: What the policy was shown and when [s], as JPEG files; () where nobody asked for it.
    """

    scenario: Scenario
    status: str
    reason: str
    t_s: NDArray[np.float64]
    poses: NDArray[np.float64]
    commands: NDArray[np.float64]
    actors: tuple[ActorTrack, ...]
    signals: tuple[SignalTrack, ...]
    answered_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    round_trip_s: NDArray[np.float64]
    servers: tuple[str, ...]
    frames: tuple[tuple[float, Frame], ...]
    counts: Mapping[str, int]
    film: tuple[tuple[float, bytes], ...] = ()

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
    film_hz: float = 0.0,
    simulator: Simulator | None = None,
    on_frame: Callable[[float], None] | None = None,
    contact_m: float = CONTACT_M,
) -> EpisodeResult:
    """Let a policy drive.

    The policy sees the newest frame whenever it is free, or what the scenario's camera faults make of it. Its answer
    comes into force when its latency has passed; until then the wheels keep the command before (standing still at
    first), and frames that come meanwhile are dropped. An error of the way (unavailable, too late, rate limited)
    keeps the command too; so does one that the latency makes too late. Where none of the calls in ``MAX_OUTAGE_S`` or
    of a shorter episode is answered, or an end rule holds while the last call failed, or the simulator is gone, the
    episode is an ``infrastructure_failure``. With a latency that is not measured, the same scenario gives the same
    bytes.

    Args:
        policy: Takes ``image`` (1, 120, 160, 3) uint8 RGB, gives ``wheels`` (1, 2) float32.
        scenario: What to run.
        latency: Where latencies come from; ``Latency.none()`` where None.
        deadline_s: An answer that takes longer is lost [s]; also given to the policy.
        keep_frames: How many frames to keep for the report.
        film_hz: How many of the frames that the policy is shown to keep as JPEG files, in each second at most.
        simulator: One that was made for this scenario; it is reset. A ``World`` where None.
        on_frame: Called after each camera frame with the simulated time [s], for progress.
        contact_m: Nearer bodies touch, for the end rule ``collision`` [m]; a suite's ``constants.contact_m``.

    Raises:
        SignatureMismatch: The policy is not a driving policy.
        RilaasError: The policy refused the call (unauthenticated, permission denied, invalid input, ...).
    """
    check_driving(policy.signature)
    policy.reset()
    simulator = simulator or World(scenario)
    film = Film(film_hz)
    episode = _Episode(
        policy, scenario, latency or Latency.none(), deadline_s, keep_frames, simulator, on_frame, film, contact_m
    )
    with few_blas_threads(1):
        return episode.run()


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
    simulator: Simulator
    on_frame: Callable[[float], None] | None
    film: Film
    contact_m: float
    log: list[Snapshot] = field(default_factory=list)
    command: Wheels = (0.0, 0.0)
    status: str = ""
    reason: str = ""
    heard_s: float = 0.0
    failed: str = ""
    now: Snapshot = field(init=False)
    rule: EndRule = field(init=False)
    camera: FaultyCamera | None = None
    last: int = 0
    commands: list[Wheels] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    round_trips: list[float] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    frames: list[tuple[float, Frame]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def run(self) -> EpisodeResult:
        try:
            self._drive()
        except Unavailable as error:  # of the simulator: the policy's own are caught where it is asked
            self.status, self.reason = "infrastructure_failure", error.message
            if not self.log:
                raise
        return self._result()

    def _drive(self) -> None:
        rng = np.random.default_rng([self.scenario.seed, _LATENCIES])
        simulator, period = self.simulator, self.simulator.ticks_per_frame
        self.now = simulator.reset()
        self.rule = EndRule(self.scenario, simulator.tile_map, simulator.actors, self.contact_m)
        self.camera = None if self.scenario.camera_faults.is_none else FaultyCamera(self.scenario)
        self.last = period * round(self.scenario.duration_s / self.scenario.dt_s)
        self._log()
        while not self.status:
            newest = self.now.tick // period
            wheels, latency_s = self._ask(newest, rng)
            self._hold_until(self.now.tick + round(latency_s / simulator.tick_s))
            if wheels is not None and not self.status:
                self.command = wheels
                if self.now.tick == self.log[-1].tick:
                    self.commands[-1] = wheels  # it comes into force at the stamp itself
            if self.now.tick // period == newest:
                self._hold_until((newest + 1) * period)

    @property
    def t_s(self) -> float:
        """Simulated time [s]."""
        return self.now.tick * self.simulator.tick_s

    def _ask(self, number: int, rng: np.random.Generator) -> tuple[Wheels | None, float]:
        """Show what the camera gives; None where the answer is lost, and how long the world goes on meanwhile [s]."""
        image = self._look(number)
        taken_s = number * self.simulator.ticks_per_frame * self.simulator.tick_s
        due = len(self.frames) * self.scenario.duration_s / max(1, self.keep_frames)
        if len(self.frames) < self.keep_frames and taken_s >= due:
            self.frames.append((taken_s, image))
        self.film.show(self.t_s, image)
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
        if wheels is None or self.deadline_s is None or latency_s <= self.deadline_s:
            self._note(failed, latency_s, spent_s, timing.server)
            return wheels, latency_s
        self.reason = f"An answer took longer than {value_text(self.deadline_s, 's')}."
        self._note(DeadlineExceeded.code, self.deadline_s, spent_s, timing.server)
        if self.latency.mode != "measured":
            self.failed = ""  # the experiment has it late: that is no outage, and is scored
        return None, self.deadline_s

    def _look(self, newest: int) -> Frame:
        if self.camera is None:
            return self.simulator.frame(newest)
        number = self.camera.shown(newest)
        return self.camera.spoil(self.simulator.frame(number), number)

    def _note(self, failed: str, latency_s: float, spent_s: float, server: str) -> None:
        self.failed = failed
        if failed:
            self.counts[failed] += 1
            return
        self.counts["answers"] += 1
        self.heard_s = self.t_s + latency_s
        self.answers.append(self.heard_s)
        self.reason = ""
        self.latencies.append(latency_s)
        self.round_trips.append(spent_s)
        self.servers.append(server)

    def _hold_until(self, tick: int) -> None:
        """Let time pass with the command as it is, up to a tick or the end of the episode."""
        period = self.simulator.ticks_per_frame
        while not self.status and self.now.tick < tick:
            stamp = (self.now.tick // period + 1) * period
            self.now = self.simulator.advance(self.command, min(tick, stamp) - self.now.tick)
            if self.now.tick == stamp:
                self._log()
                if stamp >= self.last:
                    self.status = "infrastructure_failure" if self.failed and not self.answers else "completed"
                if self.on_frame is not None:
                    self.on_frame(self.t_s)
            if ended := self.rule.ended_by(self.t_s, self.now):
                self.status = "infrastructure_failure" if self.failed else ended
            elif self.failed and self.t_s - self.heard_s >= MAX_OUTAGE_S:
                self.status = "infrastructure_failure"

    def _log(self) -> None:
        self.log.append(self.now)
        self.commands.append(self.command)

    def _result(self) -> EpisodeResult:
        if self.log[-1].tick < self.now.tick:
            self._log()
        actors = np.array([snapshot.actors for snapshot in self.log]).reshape(len(self.log), -1, 3)
        signals = np.array([snapshot.signals for snapshot in self.log], np.uint8).reshape(len(self.log), -1)
        return EpisodeResult(
            scenario=self.scenario,
            status=self.status,
            reason=_words(self.reason) if self.status in {"policy_failure", "infrastructure_failure"} else "",
            t_s=np.array([snapshot.tick for snapshot in self.log]) * self.simulator.tick_s,
            poses=np.array([snapshot.pose for snapshot in self.log]),
            commands=np.array(self.commands).reshape(-1, 2),
            actors=tuple(ActorTrack(each, actors[:, k]) for k, each in enumerate(self.simulator.actors)),
            signals=tuple(SignalTrack(line, signals[:, k]) for k, line in enumerate(self.simulator.signals)),
            answered_s=np.array(self.answers),
            latency_s=np.array(self.latencies),
            round_trip_s=np.array(self.round_trips),
            servers=tuple(self.servers),
            frames=tuple(self.frames),
            counts=dict(self.counts),
            film=tuple(self.film.pictures),
        )


def _words(said: str) -> str:
    """What a model said as every file and database takes it: no zero byte, no half of a character, no flood."""
    return said[:_MAX_REASON].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
