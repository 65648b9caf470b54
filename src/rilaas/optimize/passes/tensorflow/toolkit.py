"""The Model Optimization Toolkit's stages on dense layers and convolutions: prune, cluster, quantize with awareness.

Transposed and depthwise convolutions are left alone: the toolkit cannot cluster them while it quantizes.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.tensorflow.framework import Framework
from rilaas.optimize.passes.tensorflow.keras_model import KerasModel
from rilaas.optimize.passes.tensorflow.training import Lesson, Stage, train

_CHOICES = 4  # of the weights that are zero, at least


def prune(
    framework: Framework, made: KerasModel, lesson: Lesson, context: Context, stage: Stage, schedule: Any
) -> KerasModel:
    """Set the smallest weights to zero on a schedule, while the others train.

    Args:
        framework: TensorFlow.
        made: The model.
        lesson: What is learnt from.
        context: Of the pass.
        stage: Epochs and learning rate.
        schedule: One of ``tfmot.sparsity.keras``.
    """
    sparsity = framework.tfmot.sparsity.keras
    wrapped = _with_layers(
        framework, made, lambda layer: sparsity.prune_low_magnitude(layer, pruning_schedule=schedule)
    )
    train(framework, wrapped, lesson, context, stage, [sparsity.UpdatePruningStep()])
    return made.with_model(sparsity.strip_pruning(wrapped.model))


def frequency_of(most: int, steps: int) -> int:
    """Steps between two choices of the weights that are zero, so that there are some: the first comes after as many.

    Args:
        most: At most; the document's 100 where training is long.
        steps: Of all epochs.
    """
    return max(1, min(most, steps // _CHOICES))


def cluster(
    framework: Framework,
    made: KerasModel,
    lesson: Lesson,
    context: Context,
    stage: Stage,
    *,
    clusters: int,
    per_channel: bool,
    keep_zeros: bool,
) -> KerasModel:
    """Give each tensor of weights few distinct values: k-means++ starts them, training moves them.

    Args:
        framework: TensorFlow.
        made: The model.
        lesson: What is learnt from.
        context: Of the pass.
        stage: Epochs and learning rate.
        clusters: Distinct values.
        per_channel: Of each output channel of a convolution, instead of the whole tensor.
        keep_zeros: Whether zeros stay zeros, and are one of the values.
    """
    from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster as experimental

    own = framework.tfmot.clustering.keras

    def wrap(layer: Any) -> Any:
        return experimental.cluster_weights(
            layer,
            number_of_clusters=clusters,
            cluster_centroids_init=own.CentroidInitialization.KMEANS_PLUS_PLUS,
            preserve_sparsity=keep_zeros,
            cluster_per_channel=per_channel,
        )

    wrapped = _with_layers(framework, made, wrap)
    train(framework, wrapped, lesson, context, stage)
    return made.with_model(own.strip_clustering(wrapped.model))


def quantize(
    framework: Framework, made: KerasModel, lesson: Lesson, context: Context, stage: Stage, scheme: Any = None
) -> KerasModel:
    """Train while weights and activations are rounded as int8 will round them.

    Args:
        framework: TensorFlow.
        made: The model.
        lesson: What is learnt from.
        context: Of the pass.
        stage: Epochs and learning rate.
        scheme: What survives: one of ``tfmot.experimental.combine``; the default scheme where None.
    """
    own = framework.tfmot.quantization.keras
    permute = framework.keras.layers.Permute  # only moves elements; without it the first layer would stay float
    annotated = _with_layers(framework, made, own.quantize_annotate_layer, permute)
    with warnings.catch_warnings(), _less_said():
        warnings.simplefilter("ignore")  # of layers too small to hold clusters: they are trained without
        aware = own.quantize_apply(annotated.model) if scheme is None else own.quantize_apply(annotated.model, scheme)
    wrapped = made.with_model(aware)
    train(framework, wrapped, lesson, context, stage)
    return wrapped


def _with_layers(framework: Framework, made: KerasModel, wrap: Callable[[Any], Any], *more: Any) -> KerasModel:
    """The same model with its dense layers and convolutions wrapped, and layers of ``more`` classes."""
    layers = framework.keras.layers

    def choose(layer: Any) -> Any:
        return wrap(layer) if type(layer) in (layers.Dense, layers.Conv2D, *more) else layer

    return made.with_model(framework.keras.models.clone_model(made.model, clone_function=choose))


@contextlib.contextmanager
def _less_said() -> Iterator[None]:
    """Keep the toolkit from warning on the root logger."""
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
