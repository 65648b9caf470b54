"""What a network is trained toward, batch by batch: the recorded targets, or what the float network answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from rilaas.core import InvalidInput
from rilaas.infer.session import Session
from rilaas.optimize.opened import open_network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.samples import Samples

TOWARD = ("auto", "targets", "teacher")
LOSSES = ("mse", "huber", "cross_entropy")

_CLASS_AXIS = 1  # of (N, C) scores of images and (N, C, H, W) scores of pixels

Goals = list[tuple[float, list[torch.Tensor]]]
"""One tensor an output, with its weight in the loss."""


class Goal:
    """Answers that a batch should get, and how far others are from them.

    Args:
        outputs: Names of the network's outputs, in order.
        loss: One of ``LOSSES``.
        teacher: The float network, open; None where only recorded targets count.
        teacher_share: Weight of the teacher's answers against recorded targets, from 0 to 1.
    """

    def __init__(self, outputs: tuple[str, ...], loss: str, teacher: Session | None, teacher_share: float) -> None:
        self.outputs, self.loss, self.teacher, self.teacher_share = outputs, loss, teacher, teacher_share

    def of(self, inputs: dict[str, NDArray[Any]], targets: dict[str, NDArray[Any]] | None) -> Goals:
        """What to answer to a batch: lists of one tensor an output, each with its weight in the loss."""
        goals: Goals = []
        if targets is not None and self.teacher_share < 1:
            goals.append((1 - self.teacher_share, [torch.from_numpy(targets[name]) for name in self.outputs]))
        if self.teacher is not None and (targets is None or self.teacher_share > 0):
            said = self.teacher.run(inputs)
            share = self.teacher_share if goals else 1.0
            goals.append((share, [torch.from_numpy(np.asarray(said[name])) for name in self.outputs]))
        return goals

    def distance(self, answers: list[torch.Tensor], goals: Goals) -> torch.Tensor:
        """The loss: a mean over samples and elements, and over outputs."""
        total = torch.zeros(())
        for share, wanted in goals:
            for name, answer, goal in zip(self.outputs, answers, wanted, strict=True):
                if self.loss != "cross_entropy" and answer.shape != goal.shape:
                    raise InvalidInput(
                        f"The targets of {name!r} have shape {tuple(goal.shape)}, its answers {tuple(answer.shape)}.",
                        'Give targets of that shape; class numbers go with loss = "cross_entropy".',
                    )
                total = total + share / len(answers) * self._of_one(answer, goal)
        return total

    def scale(self, goals: Goals) -> float:
        """The loss of an answer of zeros: what is far above it has diverged."""
        with torch.no_grad():
            zeros = [torch.zeros_like(goal, dtype=torch.float32) for goal in goals[0][1]]
            return 10.0 if self.loss == "cross_entropy" else float(self.distance(zeros, goals))

    def _of_one(self, answer: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
        if self.loss == "cross_entropy":
            if goal.is_floating_point():  # the teacher's scores
                return functional.cross_entropy(answer, goal.softmax(_CLASS_AXIS))
            return functional.cross_entropy(answer, goal.long())
        if self.loss == "huber":
            return functional.huber_loss(answer, goal.to(answer.dtype))
        return functional.mse_loss(answer, goal.to(answer.dtype))


def check_goal(loss: str, toward: str) -> None:
    """Raise ``InvalidInput`` where a loss or a goal does not exist."""
    for what, value, valid in (("loss", loss, LOSSES), ("toward", toward, TOWARD)):
        if value not in valid:
            raise InvalidInput(f"{what} = {value!r} does not exist.", f"Write one of {', '.join(valid)}.")


@contextmanager
def open_goal(
    context: Context, samples: Samples, outputs: tuple[str, ...], *, loss: str, toward: str, teacher_share: float
) -> Iterator[Goal]:
    """A goal for the time of a ``with``; the teacher is open as long.

    Args:
        context: Its ``original`` is the teacher.
        samples: What is trained on; where they have no targets, ``auto`` is the teacher.
        outputs: Of the network, in order.
        loss: See ``Goal``.
        toward: ``targets``; ``teacher``; or ``auto``: targets where there are some, else the teacher.
        teacher_share: See ``Goal``; counts where both are there and ``toward`` is ``auto``.

    Raises:
        InvalidInput: Targets are wanted, and there are none; or they do not fit the outputs.
    """
    check_goal(loss, toward)
    if toward == "targets" and samples.targets is None:
        raise InvalidInput("The samples have no targets to train toward.", 'Write toward = "teacher".')
    if toward != "teacher" and samples.targets is not None:
        _check_targets(samples, outputs)
    share = {"targets": 0.0, "teacher": 1.0, "auto": teacher_share if samples.targets is not None else 1.0}[toward]
    if share == 0:
        yield Goal(outputs, loss, None, 0.0)
        return
    with open_network(context.original) as teacher:
        yield Goal(outputs, loss, teacher, share)


def _check_targets(samples: Samples, outputs: tuple[str, ...]) -> None:
    missing = [name for name in outputs if name not in (samples.targets or {})]
    if missing:
        raise InvalidInput(
            f"The samples have no target for the output {missing[0]!r}: they have "
            f"{', '.join(samples.targets or {}) or 'none'}.",
            'Name targets like the outputs of the weights, or write toward = "teacher".',
        )
