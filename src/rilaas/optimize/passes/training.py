"""Gradient descent as all training passes share it: batches, loss, learning rate, early stopping, divergence."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from rilaas.core import InvalidInput, ModelFailed
from rilaas.optimize.passes.contract import Context, check_share
from rilaas.optimize.passes.training_batch import Batches, Inputs
from rilaas.optimize.passes.training_goal import Goal, Goals, check_goal, open_goal
from rilaas.optimize.passes.training_module import TrainedModule, one_thread, tensors_of

RATES = ("constant", "cosine")

_Part = tuple[Inputs, Goals, float]
"""Inputs of some rows, what to answer, and which share of a batch they are."""

# A step of a large batch is summed up from parts of this many rows: memory stays small and Ctrl-C gets through.
_PART = 64
_POOL = 1024  # samples that are ready at once where batches are repeated
_TELL_EVERY_S = 0.25
# A loss this many times that of an answer of zeros has diverged, though it may still be a number.
_LOST = 1e4


@dataclass(frozen=True)
class Learning:
    """What all training passes have in common; Adam, as D. Kingma, J. Ba, arXiv:1412.6980.

    Attributes:
        epochs: How often each sample is seen.
        learning_rate: Of Adam.
        rate: ``constant``, or ``cosine``: half a cosine from ``learning_rate`` down to 0.
        batch: Samples of one step.
        share: Of the training samples that is used at all, above 0.
        loss: ``mse``, ``huber`` or ``cross_entropy``.
        toward: ``targets``, ``teacher`` (what the float network answers), or ``auto``: targets where there are some.
        teacher_share: Weight of the teacher's answers beside recorded targets, where ``toward`` is ``auto``.
        mix: Share of a batch's rows that are weighted means of two, which only the teacher can answer: with it, the
            teacher is the only goal. Source: L. Beyer et al., "Knowledge distillation: A good teacher is patient and
            consistent", CVPR 2022.
        shift: Largest random shift of pictures, as a share of their sides; with it the teacher is the only goal.
        jitter: How much the light of pictures is changed at random: deviation of the logarithm of each channel's
            gain. The teacher answers to what it then sees; recorded targets stay as they are.
        repeat: How often each batch is used before mixture and light are drawn anew: the teacher's answers are what
            takes longest.
        patience: Epochs without a lower loss on the validation part after which training ends and the best weights
            are taken; 0 trains to the end and takes the last.
    """

    epochs: int = 2
    learning_rate: float = 1e-4
    rate: str = "constant"
    batch: int = 64
    share: float = 1.0
    loss: str = "mse"
    toward: str = "auto"
    teacher_share: float = 0.0
    mix: float = 0.0
    shift: float = 0.0
    jitter: float = 0.0
    repeat: int = 1
    patience: int = 0

    def __post_init__(self) -> None:
        check_goal(self.loss, self.toward)
        if self.rate not in RATES:
            raise InvalidInput(f"rate = {self.rate!r} does not exist.", f"Write one of {', '.join(RATES)}.")
        for name in ("share", "teacher_share", "mix", "shift", "jitter"):
            check_share(name, getattr(self, name))
        for name, low in (("epochs", 0), ("batch", 1), ("repeat", 1), ("patience", 0)):
            if getattr(self, name) < low:
                raise InvalidInput(f"{name} = {getattr(self, name)}: it is {low} or more.")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise InvalidInput(f"learning_rate = {self.learning_rate:g}: it is above 0.")
        if (self.mix or self.shift) and self.toward == "targets":
            raise InvalidInput(
                "Nobody recorded targets for mixtures of two samples or for shifted pictures.",
                'Write mix = 0 and shift = 0, or toward = "teacher".',
            )


@dataclass(eq=False)
class Hooks:
    """Where a pass joins in; ``share`` is how much of the training is done, from 0 to 1.

    Attributes:
        before_step: Before the gradients of a step are computed.
        after_gradient: When they are, before the weights move.
        after_step: When the weights have moved.
    """

    before_step: list[Callable[[float], None]] = field(default_factory=list)
    after_gradient: list[Callable[[], None]] = field(default_factory=list)
    after_step: list[Callable[[], None]] = field(default_factory=list)


def fit(
    trained: TrainedModule,
    learning: Learning,
    context: Context,
    needed_by: str,
    *,
    hooks: Hooks | None = None,
    progress: tuple[float, float] = (0.0, 1.0),
    salt: int = 0,
) -> None:
    """Train a module in place; it is left in evaluation mode.

    Args:
        trained: The module.
        learning: How.
        context: Data, teacher, seed and progress.
        needed_by: Name of the pass.
        hooks: Where the pass joins in.
        progress: Which part of the pass's progress this is.
        salt: Tells several trainings of one pass apart: each draws its own order of samples.

    Raises:
        InvalidInput: Data are missing or do not fit.
        ModelFailed: It diverged.
    """
    samples = context.part("training", needed_by)
    toward = "teacher" if learning.mix or learning.shift else learning.toward
    with (
        one_thread(context.seed),
        open_goal(
            context,
            samples,
            trained.outputs,
            loss=learning.loss,
            toward=toward,
            teacher_share=learning.teacher_share,
        ) as goal,
    ):
        run = _Run(trained, learning, context, needed_by, goal, hooks or Hooks(), progress, salt)
        run.all_epochs()
    trained.module.eval()


class _Run:
    """The state of ``fit``."""

    def __init__(
        self,
        trained: TrainedModule,
        learning: Learning,
        context: Context,
        needed_by: str,
        goal: Goal,
        hooks: Hooks,
        progress: tuple[float, float],
        salt: int,
    ) -> None:
        self.trained, self.learning, self.context, self.needed_by = trained, learning, context, needed_by
        self.goal, self.hooks, self.progress = goal, hooks, progress
        rng = np.random.default_rng([context.seed, salt])
        samples = context.part("training", needed_by)
        self.batches = Batches(
            samples, rng, share=learning.share, mix=learning.mix, shift=learning.shift, jitter=learning.jitter
        )
        self.module = trained.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        weights = [each for each in self.module.parameters() if each.requires_grad]
        self.optimizer = torch.optim.Adam(weights, learning.learning_rate)
        self.rng = rng
        self.steps = learning.epochs * learning.repeat * math.ceil(len(self.batches) / learning.batch)
        self.step = 0
        self.scale = 0.0
        self.told_s = -math.inf

    def all_epochs(self) -> None:
        """Train; with patience, end with the best weights."""
        best, best_loss, waited = None, math.inf, 0
        if self.learning.patience:
            best, best_loss = copy.deepcopy(self.module.state_dict()), self.validate()
        for epoch in range(self.learning.epochs):
            self.epoch(epoch)
            if not self.learning.patience:
                continue
            loss = self.validate()
            if loss < best_loss:
                best, best_loss, waited = copy.deepcopy(self.module.state_dict()), loss, 0
            else:
                waited += 1
            if waited >= self.learning.patience:
                break
        if best is not None:
            self.module.load_state_dict(best)

    def epoch(self, number: int) -> None:
        """All samples once."""
        self.module.train()
        losses: list[float] = []
        for batch in self.prepared():
            share = self.step / max(1, self.steps)
            if self.learning.rate == "cosine":
                for group in self.optimizer.param_groups:
                    group["lr"] = self.learning.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
            for hook in self.hooks.before_step:
                hook(share)
            said = f"epoch {number + 1} of {self.learning.epochs}" + (f", loss {losses[-1]:.3g}" if losses else "")
            losses.append(self.descend(batch, said))
            self.step += 1
        if np.mean(losses) > _LOST * self.scale:
            self.diverged(float(np.mean(losses)))

    def prepared(self) -> Iterator[list[_Part]]:
        """Batches of one epoch; with ``repeat`` some are made at once and used in turn."""
        order, size = self.batches.order(), self.learning.batch
        rows = [order[start : start + size] for start in range(0, len(order), size)]
        if self.learning.repeat == 1:
            yield from map(self.prepare, rows)
            return
        together = max(1, _POOL // size)
        for start in range(0, len(rows), together):
            pool = []
            for each in rows[start : start + together]:
                self.tell("asking the teacher")
                pool.append(list(self.prepare(each)))
            for _ in range(self.learning.repeat):
                yield from (pool[index] for index in self.rng.permutation(len(pool)))

    def prepare(self, rows: NDArray[np.int64]) -> Iterator[_Part]:
        """A batch in parts, which are made when they are needed."""
        for part in np.array_split(rows, math.ceil(len(rows) / _PART)):
            inputs, targets = self.batches.of(part)
            yield inputs, self.goal.of(inputs, targets), len(part) / len(rows)

    def descend(self, batch: Iterable[_Part], said: str) -> float:
        """One step of the optimizer."""
        self.optimizer.zero_grad()
        total = 0.0
        for inputs, goals, weight in batch:
            self.tell(said)
            loss = self.loss_of(inputs, goals) * weight
            total += float(loss.detach())
            if not math.isfinite(total):
                self.diverged(total)
            loss.backward()  # type: ignore[no-untyped-call]
        for hook in self.hooks.after_gradient:
            hook()
        self.optimizer.step()
        for after in self.hooks.after_step:
            after()
        return total

    def loss_of(self, inputs: Inputs, goals: Goals) -> torch.Tensor:
        """Of some rows."""
        self.scale = self.scale or max(self.goal.scale(goals), 1e-6)
        return self.goal.distance(list(self.module(*tensors_of(self.trained, inputs))), goals)

    def validate(self) -> float:
        """The loss on the validation part."""
        samples = self.context.part("validation", self.needed_by)
        self.module.eval()
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(samples), _PART):
                self.tell("validating")
                rows = slice(start, start + _PART)
                inputs = samples.inputs(rows)
                goals = self.goal.of(inputs, samples.answers(rows))
                total += float(self.loss_of(inputs, goals)) * len(next(iter(inputs.values())))
        return total / len(samples)

    def diverged(self, loss: float) -> None:
        """Give up."""
        raise ModelFailed(
            f"The pass {self.needed_by} diverged after {self.step} steps: its loss is {loss:g}.",
            f"Lower its learning_rate, which is {self.learning.learning_rate:g}.",
        )

    def tell(self, said: str) -> None:
        """Progress, now and then."""
        now = time.monotonic()
        if now - self.told_s >= _TELL_EVERY_S:
            self.told_s = now
            low, high = self.progress
            self.context.tell(low + (high - low) * self.step / max(1, self.steps), said)
