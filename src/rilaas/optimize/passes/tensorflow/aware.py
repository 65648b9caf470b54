"""Quantization-aware training, alone and after clustering, pruning or both.

Source: Paniego et al., Model Optimization in Deep Learning Based Robot Control for Autonomous Driving, 2024; fields
have the values of its scripts for CARLA (DeepLearningStudio, Carla-FollowLane/tensorflow). What differs: the scripts
hold a tenth of the training part back and print its error; here the whole part trains, and batch normalization keeps
its statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context, check_share
from rilaas.optimize.passes.fold import FoldNormalization
from rilaas.optimize.passes.tensorflow.flatbuffer import tflite_of
from rilaas.optimize.passes.tensorflow.post_training import begin, by_default
from rilaas.optimize.passes.tensorflow.toolkit import cluster, frequency_of, prune, quantize
from rilaas.optimize.passes.tensorflow.training import Stage, check_training, lesson_of

_TRAINS = frozenset({"training"})
_SLOW = 0.01  # the document divides its learning rate by 100 before quantization
_DONE = 0.9  # share of the work after training; the rest converts
_MOST_CLUSTERS = 256  # int8 has no more values


@dataclass(frozen=True, slots=True)
class Aware:
    """Quantization-aware training of dense layers and convolutions: the document's Q aware training.

    Attributes:
        epochs: Times that the rows are seen.
        share: Of the training part that is used.
        learning_rate: Learning rate of Adam.
        batch: Samples of one step.
        toward: ``auto``, ``targets`` or ``teacher``.
    """

    epochs: int = 20
    share: float = 0.1
    learning_rate: float = 1e-3
    batch: int = 128
    toward: str = "auto"

    name: ClassVar[str] = "tensorflow.aware"
    needs: ClassVar[frozenset[str]] = _TRAINS
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_training(epochs=(self.epochs,), learning_rate=self.learning_rate, batch=self.batch, toward=self.toward)
        check_share("share", self.share)

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        framework, made = begin(network, context)
        with lesson_of(made, context, self.name, share=self.share, batch=self.batch, toward=self.toward) as lesson:
            stage = Stage("quantization-aware training", self.epochs, self.learning_rate, 0.1, _DONE)
            aware = quantize(framework, made, lesson, context, stage)
        return tflite_of(framework, aware, by_default(framework))


@dataclass(frozen=True, slots=True)
class ClusterAware:
    """Clustering, then quantization-aware training that keeps the clusters: the document's CQAT.

    Attributes:
        clusters: Distinct values of each output channel of a convolution, and of each dense layer.
        cluster_epochs: Of clustering, at a hundredth of ``learning_rate``.
        aware_epochs: Of quantization-aware training.
        learning_rate: Learning rate of Adam.
        batch: Samples of one step.
        toward: ``auto``, ``targets`` or ``teacher``.
    """

    clusters: int = 8
    cluster_epochs: int = 3
    aware_epochs: int = 1
    learning_rate: float = 1e-3
    batch: int = 128
    toward: str = "auto"

    name: ClassVar[str] = "tensorflow.cluster_aware"
    needs: ClassVar[frozenset[str]] = _TRAINS
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        epochs = (self.cluster_epochs, self.aware_epochs)
        check_training(epochs=epochs, learning_rate=self.learning_rate, batch=self.batch, toward=self.toward)
        _check_clusters(self.clusters)

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        framework, made = begin(_folded(network, context), context)
        middle = _between(self.cluster_epochs, self.aware_epochs)
        with lesson_of(made, context, self.name, share=1.0, batch=self.batch, toward=self.toward) as lesson:
            stage = Stage("clustering", self.cluster_epochs, self.learning_rate * _SLOW, 0.1, middle)
            clustered = cluster(
                framework, made, lesson, context, stage, clusters=self.clusters, per_channel=True, keep_zeros=False
            )
            stage = Stage("cluster-preserving training", self.aware_epochs, self.learning_rate, middle, _DONE)
            scheme = framework.tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme()
            aware = quantize(framework, clustered, lesson, context, stage, scheme)
        return tflite_of(framework, aware, by_default(framework))


@dataclass(frozen=True, slots=True)
class PruneAware:
    """Pruning, then quantization-aware training that keeps the zeros: the document's PQAT.

    Attributes:
        sparsity: Share of the weights of each layer that become zero.
        frequency: Steps between two choices of the weights that are zero, at most.
        prune_epochs: Of pruning, at a hundredth of ``learning_rate``.
        aware_epochs: Of quantization-aware training.
        learning_rate: Learning rate of Adam.
        batch: Samples of one step.
        toward: ``auto``, ``targets`` or ``teacher``.
    """

    sparsity: float = 0.5
    frequency: int = 100
    prune_epochs: int = 5
    aware_epochs: int = 3
    learning_rate: float = 1e-3
    batch: int = 128
    toward: str = "auto"

    name: ClassVar[str] = "tensorflow.prune_aware"
    needs: ClassVar[frozenset[str]] = _TRAINS
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        epochs = (self.prune_epochs, self.aware_epochs)
        check_training(epochs=epochs, learning_rate=self.learning_rate, batch=self.batch, toward=self.toward)
        _check_sparsity(self.sparsity, self.frequency)

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        framework, made = begin(_folded(network, context), context)
        middle = _between(self.prune_epochs, self.aware_epochs)
        with lesson_of(made, context, self.name, share=1.0, batch=self.batch, toward=self.toward) as lesson:
            own = framework.tfmot.sparsity.keras
            frequency = frequency_of(self.frequency, lesson.steps * self.prune_epochs)
            schedule = own.ConstantSparsity(self.sparsity, begin_step=0, frequency=frequency)
            stage = Stage("pruning", self.prune_epochs, self.learning_rate * _SLOW, 0.1, middle)
            pruned = prune(framework, made, lesson, context, stage, schedule)
            stage = Stage("prune-preserving training", self.aware_epochs, self.learning_rate, middle, _DONE)
            scheme = framework.tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
            aware = quantize(framework, pruned, lesson, context, stage, scheme)
        return tflite_of(framework, aware, by_default(framework))


@dataclass(frozen=True, slots=True)
class PruneClusterAware:
    """Pruning, clustering that keeps the zeros, then training that keeps zeros and clusters: the document's PCQAT.

    Attributes:
        sparsity: Share of the weights of each layer that become zero.
        frequency: Steps between two choices of the weights that are zero, at most.
        clusters: Distinct values of each tensor of weights; zero is one of them.
        prune_epochs: Of pruning, at a hundredth of ``learning_rate``.
        cluster_epochs: Of clustering, at ``learning_rate`` as in the scripts.
        aware_epochs: Of quantization-aware training.
        learning_rate: Learning rate of Adam.
        batch: Samples of one step.
        toward: ``auto``, ``targets`` or ``teacher``.
    """

    sparsity: float = 0.5
    frequency: int = 100
    clusters: int = 8
    prune_epochs: int = 5
    cluster_epochs: int = 5
    aware_epochs: int = 3
    learning_rate: float = 1e-3
    batch: int = 128
    toward: str = "auto"

    name: ClassVar[str] = "tensorflow.prune_cluster_aware"
    needs: ClassVar[frozenset[str]] = _TRAINS
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        epochs = (self.prune_epochs, self.cluster_epochs, self.aware_epochs)
        check_training(epochs=epochs, learning_rate=self.learning_rate, batch=self.batch, toward=self.toward)
        _check_sparsity(self.sparsity, self.frequency)
        _check_clusters(self.clusters)

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        framework, made = begin(_folded(network, context), context)
        first = _between(self.prune_epochs, self.cluster_epochs + self.aware_epochs)
        second = _between(self.prune_epochs + self.cluster_epochs, self.aware_epochs)
        with lesson_of(made, context, self.name, share=1.0, batch=self.batch, toward=self.toward) as lesson:
            own = framework.tfmot.sparsity.keras
            frequency = frequency_of(self.frequency, lesson.steps * self.prune_epochs)
            schedule = own.ConstantSparsity(self.sparsity, begin_step=0, frequency=frequency)
            stage = Stage("pruning", self.prune_epochs, self.learning_rate * _SLOW, 0.1, first)
            pruned = prune(framework, made, lesson, context, stage, schedule)
            stage = Stage("sparsity-preserving clustering", self.cluster_epochs, self.learning_rate, first, second)
            clustered = cluster(
                framework, pruned, lesson, context, stage, clusters=self.clusters, per_channel=False, keep_zeros=True
            )
            stage = Stage(
                "prune- and cluster-preserving training", self.aware_epochs, self.learning_rate, second, _DONE
            )
            scheme = framework.tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme(
                preserve_sparsity=True
            )
            aware = quantize(framework, clustered, lesson, context, stage, scheme)
        return tflite_of(framework, aware, by_default(framework))


def _between(before: int, after: int) -> float:
    """Share of the pass that is done between two stages of training."""
    return 0.1 + (_DONE - 0.1) * before / (before + after)


def _check_sparsity(sparsity: float, frequency: int) -> None:
    check_share("sparsity", sparsity, high=0.99)
    if frequency < 1:
        raise InvalidInput(f"frequency = {frequency}: it is at least 1 step.")


def _check_clusters(clusters: int) -> None:
    if not 2 <= clusters <= _MOST_CLUSTERS:
        raise InvalidInput(f"clusters = {clusters} is not within 2 and {_MOST_CLUSTERS}.")


def _folded(network: Network, context: Context) -> Network:
    """Without normalizations of its own: the toolkit's preserving schemes know none (TFMOT 0.8.1 raises there)."""
    return FoldNormalization().apply(network, context)
