"""Gradient descent on a tf_keras model: towards targets, or towards the float network's outputs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, ModelFailed, did_you_mean
from rilaas.optimize.opened import open_network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.tensorflow.framework import Framework
from rilaas.optimize.passes.tensorflow.keras_model import KerasModel
from rilaas.optimize.samples import Samples

_TEACHER = "Write toward = 'teacher'."
TOWARD = ("auto", "targets", "teacher")
Answers = Callable[[NDArray[np.int64]], list[NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One call of ``fit``.

    Attributes:
        words: What progress calls it.
        epochs: Times that all rows are seen.
        learning_rate: Learning rate of Adam.
        start: Share of the pass that is done before it.
        end: Share that is done after it.
    """

    words: str
    epochs: int
    learning_rate: float
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learnt from, the same for all stages of a pass.

    Attributes:
        samples: Of the training part.
        rows: Those that are used.
        answers: What the model is to give for some rows, in the order of its outputs.
        batch: Samples of one step.
        seed: Draws the order.
    """

    samples: Samples
    rows: NDArray[np.int64]
    answers: Answers
    batch: int
    seed: int

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return math.ceil(len(self.rows) / self.batch)


@contextlib.contextmanager
def lesson_of(
    made: KerasModel, context: Context, needed_by: str, *, share: float, batch: int, toward: str
) -> Iterator[Lesson]:
    """Choose rows of the training part, and where the model is to go.

    Args:
        made: The model.
        context: With training data.
        needed_by: Name of the pass.
        share: Of the training part that is used, drawn by the seed.
        batch: Samples of one step.
        toward: ``auto``: targets where there are some, else the teacher; ``targets``; or ``teacher``.

    Raises:
        InvalidInput: There are no training data, or no targets where they are asked for.
    """
    samples = context.part("training", needed_by)
    if toward == "targets" and samples.targets is None:
        raise InvalidInput(f"The pass {needed_by} is to learn targets, and the data have none.", _TEACHER)
    random = np.random.default_rng(context.seed)
    rows = np.sort(random.permutation(len(samples))[: max(1, round(share * len(samples)))])
    if samples.targets is not None and toward != "teacher":
        yield Lesson(samples, rows, _targets(made, samples), batch, context.seed)
        return
    with open_network(context.original) as teacher:

        def taught(chosen: NDArray[np.int64]) -> list[NDArray[np.float32]]:
            found = teacher.run(samples.inputs(chosen))
            return [np.asarray(found[name], np.float32) for name in made.outputs]

        yield Lesson(samples, rows, taught, batch, context.seed)


def train(
    framework: Framework,
    made: KerasModel,
    lesson: Lesson,
    context: Context,
    stage: Stage,
    callbacks: Sequence[Any] = (),
) -> None:
    """Change the weights of ``made.model``: Adam on the mean squared error.

    Raises:
        ModelFailed: A loss or a weight is not finite.
    """
    keras, model = framework.keras, made.model
    context.tell(stage.start, stage.words)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=stage.learning_rate), loss="mse")
    listeners = keras.callbacks.CallbackList(list(callbacks), model=model)
    listeners.on_train_begin()
    for epoch in range(stage.epochs):
        listeners.on_epoch_begin(epoch)
        order = np.random.default_rng((lesson.seed, epoch)).permutation(lesson.rows)
        for step in range(lesson.steps):
            listeners.on_train_batch_begin(step)
            loss = _one_step(made, lesson, np.sort(order[step * lesson.batch : (step + 1) * lesson.batch]))
            listeners.on_train_batch_end(step)
            if not np.isfinite(loss):
                raise ModelFailed(
                    f"{stage.words} diverged in epoch {epoch + 1}, step {step + 1}: the loss is not finite.",
                    f"Try a smaller learning_rate than {stage.learning_rate:g}.",
                )
            done = (epoch * lesson.steps + step + 1) / (stage.epochs * lesson.steps)
            share = stage.start + (stage.end - stage.start) * done
            context.tell(share, f"{stage.words}, epoch {epoch + 1} of {stage.epochs}")
        listeners.on_epoch_end(epoch)
    listeners.on_train_end()
    if not all(np.isfinite(weights).all() for weights in model.get_weights()):
        raise ModelFailed(
            f"{stage.words} diverged: a weight is not finite.",
            f"Try a smaller learning_rate than {stage.learning_rate:g}.",
        )


def _one_step(made: KerasModel, lesson: Lesson, rows: NDArray[np.int64]) -> float:
    """The loss before a step of gradient descent on some rows."""
    given = lesson.samples.inputs(rows)
    inputs = [np.asarray(given[name], dtype) for name, (_, dtype) in made.inputs.items()]
    return float(np.ravel(made.model.train_on_batch(inputs, lesson.answers(rows)))[0])


def check_training(*, epochs: Sequence[int], learning_rate: float, batch: int, toward: str) -> None:
    """Raise ``InvalidInput`` where fields of a training pass are out of bounds."""
    if min(epochs) < 1 or batch < 1:
        raise InvalidInput(f"epochs = {tuple(epochs)}, batch = {batch}: each is at least 1.")
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise InvalidInput(f"learning_rate = {learning_rate:g}: it is above 0.", "The document's is 0.001.")
    if toward not in TOWARD:
        raise InvalidInput(f"toward = {toward!r}.", did_you_mean(toward, TOWARD))


def _targets(made: KerasModel, samples: Samples) -> Answers:
    missing = set(made.outputs) - set(samples.targets or {})
    if missing:
        raise InvalidInput(f"The data have no targets for output {sorted(missing)[0]!r}.", _TEACHER)

    def known(chosen: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        found = samples.answers(chosen) or {}
        return [np.asarray(found[name], np.float32) for name in made.outputs]

    return known
