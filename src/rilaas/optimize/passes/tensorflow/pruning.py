"""Pruning of single weights while they train, alone and with weights in int8 afterwards.

Source: Paniego et al., Model Optimization in Deep Learning Based Robot Control for Autonomous Driving, 2024; fields
have the values of its script for CARLA (the one for Gazebo prunes from 0.5 to 0.8). Zeros are stored as any other
weight: neither the size nor the time changes, only what a compressed file saves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context, check_share
from rilaas.optimize.passes.tensorflow.flatbuffer import tflite_of
from rilaas.optimize.passes.tensorflow.framework import Framework
from rilaas.optimize.passes.tensorflow.post_training import begin, by_default
from rilaas.optimize.passes.tensorflow.toolkit import frequency_of, prune
from rilaas.optimize.passes.tensorflow.training import Stage, check_training, lesson_of

_TRAINS = frozenset({"training"})


@dataclass(frozen=True, slots=True)
class Prune:
    """The smallest weights of each layer become zero, more of them with every step: the document's Weight pruning.

    The share of zeros at step t of T is ``final + (initial - final) * (1 - t / T)^3``. Source: Zhu and Gupta, To
    prune, or not to prune, eq. 1.

    Attributes:
        initial: Share of zeros at the first step.
        final: Share of zeros at the last.
        frequency: Steps between two choices of the weights that are zero, at most.
        epochs: Times that the training part is seen.
        learning_rate: Learning rate of Adam.
        batch: Samples of one step.
        toward: ``auto``, ``targets`` or ``teacher``.
    """

    initial: float = 0.30
    final: float = 0.40
    frequency: int = 100
    epochs: int = 2
    learning_rate: float = 1e-3
    batch: int = 128
    toward: str = "auto"

    name: ClassVar[str] = "tensorflow.prune"
    needs: ClassVar[frozenset[str]] = _TRAINS
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check(self)

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        return _pruned(self, network, context, lambda framework: lambda converter: None)


@dataclass(frozen=True, slots=True)
class PruneDynamic(Prune):
    """As ``Prune``, and weights in int8 afterwards: the document's Weight pruning + Q."""

    name: ClassVar[str] = "tensorflow.prune_dynamic"

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        return _pruned(self, network, context, by_default)


def _pruned(own: Prune, network: Network, context: Context, settings: Callable[[Framework], Any]) -> Network:
    framework, made = begin(network, context)
    with lesson_of(made, context, own.name, share=1.0, batch=own.batch, toward=own.toward) as lesson:
        schedule = _schedule(framework, own, lesson.steps * own.epochs)
        stage = Stage("pruning", own.epochs, own.learning_rate, 0.1, 0.9)
        pruned = prune(framework, made, lesson, context, stage, schedule)
    return tflite_of(framework, pruned, settings(framework))


def _schedule(framework: Framework, own: Prune, steps: int) -> Any:
    """From ``initial`` to ``final``, which the last choice of weights reaches."""
    frequency = frequency_of(own.frequency, steps)
    last = steps // frequency * frequency
    return framework.tfmot.sparsity.keras.PolynomialDecay(
        own.initial, own.final, begin_step=0, end_step=last, frequency=frequency
    )


def _check(own: Prune) -> None:
    check_training(epochs=(own.epochs,), learning_rate=own.learning_rate, batch=own.batch, toward=own.toward)
    check_share("initial", own.initial, high=0.99)
    check_share("final", own.final, high=0.99)
    if own.final < own.initial:
        raise InvalidInput(f"final = {own.final:g} is below initial = {own.initial:g}.", "Weights stay zero.")
    if own.frequency < 1:
        raise InvalidInput(f"frequency = {own.frequency}: it is at least 1 step.")
