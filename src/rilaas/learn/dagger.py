"""DAgger: the student drives, the expert labels what the student sees, the student learns from all of it, again.

Source: S. Ross, G. Gordon, D. Bagnell, "A Reduction of Imitation Learning and Structured Prediction to No-Regret
Online Learning", AISTATS 2011, algorithm 3.1, with beta_i = decay^i.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rilaas.learn.controls import THROTTLE_STEERING, Controls
from rilaas.learn.demonstration import (
    Command,
    Demonstrations,
    Driver,
    Preprocess,
    Recording,
    collect,
    varied_scenario,
)
from rilaas.learn.pilotnet import PilotNet


@dataclass(frozen=True, slots=True)
class Dagger:
    """What to train.

    Attributes:
        maps: Maps to drive on, in turn.
        seed: Everything random is drawn from it.
        iterations: How often the student drives; the first time the expert does.
        episodes: Episodes in each iteration.
        recording: How an episode is recorded.
        decay: beta: the expert drives ``decay ** i`` of the time in iteration i.
        steps: Gradient steps after each iteration.
        final_steps: Gradient steps at the end, while the learning rate goes to 0.
        batch_size: Demonstrations in each step.
        learning_rate: Of Adam.
        weights: Of the squared error of each number that the network answers.
        threads: Torch's threads. More than one is far slower where the cores are busy with other work.
    """

    maps: tuple[str, ...] = ("oval", "s_bends", "zigzag")
    seed: int = 1
    iterations: int = 8
    episodes: int = 36
    recording: Recording = field(default_factory=Recording)
    decay: float = 0.6
    steps: int = 220
    final_steps: int = 1700
    batch_size: int = 64
    learning_rate: float = 1e-3
    weights: tuple[float, ...] = (1.0, 4.0)
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the training is.

    Attributes:
        stage: What is being done, in words.
        share: How much of the whole is done, from 0 to 1.
        left_s: Estimated time left [s].
        demonstrations: How many there are.
        loss: Mean squared error, weighted, averaged over the last steps; NaN before the first one.
    """

    stage: str
    share: float
    left_s: float
    demonstrations: int
    loss: float


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of it.

    Attributes:
        network: The student.
        demonstrations: How many it learned from.
        steps: Gradient steps that were done.
        loss: See ``Progress``.
        duration_s: Wall time [s].
        interrupted: Whether it was ended early by Ctrl-C.
    """

    network: nn.Module
    demonstrations: int
    steps: int
    loss: float
    duration_s: float
    interrupted: bool


def train(
    dagger: Dagger,
    preprocess: Preprocess,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    network: Callable[[], nn.Module] = PilotNet,
    controls: Controls = THROTTLE_STEERING,
) -> Outcome:
    """Train a network. The same settings on the same machine give the same weights.

    Ctrl-C ends it early: the student so far is returned, marked as interrupted.

    Args:
        dagger: What to train.
        preprocess: The model folder's own, see ``Preprocess``.
        on_progress: Called now and then.
        network: Makes the student: from ``Preprocess``'s input to as many numbers as ``controls`` has.
        controls: What these numbers mean.
    """
    torch.set_num_threads(dagger.threads)
    torch.manual_seed(dagger.seed)
    run = _Training(dagger, preprocess, on_progress, network(), controls)
    interrupted = False
    try:
        for iteration in range(dagger.iterations):
            run.drive(iteration)
            run.learn(dagger.steps, dagger.learning_rate, dagger.learning_rate, f"learn {iteration + 1}")
        run.learn(dagger.final_steps, dagger.learning_rate, 0.0, "learn, last time")
    except KeyboardInterrupt:
        interrupted = True
    return Outcome(
        network=run.network.eval(),
        demonstrations=len(run.data),
        steps=run.steps,
        loss=run.loss,
        duration_s=time.perf_counter() - run.start_s,
        interrupted=interrupted,
    )


class _Training:
    """The state of ``train``."""

    def __init__(
        self,
        dagger: Dagger,
        preprocess: Preprocess,
        on_progress: Callable[[Progress], None] | None,
        network: nn.Module,
        controls: Controls,
    ) -> None:
        self.dagger = dagger
        self.preprocess = preprocess
        self.on_progress = on_progress
        self.controls = controls
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(self.network.parameters(), dagger.learning_rate)
        self.rng = np.random.default_rng([dagger.seed, 0xDA66])
        self.data = Demonstrations.none()
        self.steps = 0
        self.loss = math.nan
        self.start_s = time.perf_counter()
        # Units of work, to estimate the time left: a gradient step is 1, an episode about 8.
        self._episode_work = 8.0
        self._total = dagger.iterations * (dagger.episodes * self._episode_work + dagger.steps) + dagger.final_steps
        self._done = 0.0

    def drive(self, iteration: int) -> None:
        """Collect the demonstrations of an iteration."""
        recording = replace(self.dagger.recording, expert_share=self.dagger.decay**iteration)
        student = self._driver() if iteration else None
        self.network.eval()
        new = []
        for episode in range(self.dagger.episodes):
            map_name = self.dagger.maps[(iteration + episode) % len(self.dagger.maps)]
            scenario = varied_scenario(map_name, recording.duration_s, self.rng)
            new.append(collect(scenario, recording, self.preprocess, student, self.rng))
            self._tell(f"drive {iteration + 1}", self._episode_work)
        self.data = Demonstrations.join([self.data, *new])

    def learn(self, steps: int, first_rate: float, last_rate: float, stage: str) -> None:
        """Take gradient steps; the learning rate follows half a cosine from the first to the last."""
        self.network.train()
        weights = torch.tensor(self.dagger.weights)
        targets = self.controls.encode(self.data.commands)
        for step in range(steps):
            share = 0.5 * (1.0 + math.cos(math.pi * step / steps))
            for group in self.optimizer.param_groups:
                group["lr"] = last_rate + share * (first_rate - last_rate)
            chosen = self.rng.integers(len(self.data), size=self.dagger.batch_size)
            error = self.network(_inputs(self.data, chosen, self.rng)) - torch.from_numpy(targets[chosen])
            loss = (weights * error * error).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.steps += 1
            value = float(loss.detach())
            self.loss = value if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * value
            self._tell(stage, 1.0)

    def _driver(self) -> Driver:
        def drive(seen: NDArray[np.float32]) -> Command:
            with torch.no_grad():
                answers = self.network(torch.from_numpy(seen)).numpy()
            throttle, steering = self.controls.decode(answers)[0].tolist()
            return throttle, steering

        return drive

    def _tell(self, stage: str, work: float) -> None:
        self._done += work
        if self.on_progress is not None:
            spent_s = time.perf_counter() - self.start_s
            share = min(1.0, self._done / self._total)
            self.on_progress(Progress(stage, share, spent_s * (1.0 - share) / share, len(self.data), self.loss))


def _inputs(data: Demonstrations, chosen: NDArray[np.int64], rng: np.random.Generator) -> torch.Tensor:
    """Inputs with the light changed a little: a factor and an offset for each image and channel."""
    inputs = torch.from_numpy(data.inputs[chosen]).contiguous(memory_format=torch.channels_last).float()
    size = (len(chosen), 3, 1, 1)
    shared = (len(chosen), 1, 1, 1)
    factor = np.exp(rng.normal(0.0, 0.05, size) + rng.normal(0.0, 0.15, shared)) / 127.5
    offset = rng.normal(0.0, 0.05, shared) - 1.0
    inputs = inputs * torch.from_numpy(factor.astype(np.float32)) + torch.from_numpy(offset.astype(np.float32))
    return inputs.clamp_(-1.0, 1.0)
