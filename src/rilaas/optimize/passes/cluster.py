"""Weights take few values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.passes.cluster_kmeans import cluster_values
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.training import Hooks, Learning, fit
from rilaas.optimize.passes.training_keep import keep_weights, weight_tensor
from rilaas.optimize.passes.training_module import network_of, open_module
from rilaas.optimize.passes.training_weights import WeightTensor, set_weights, weights_of, zeros_of

INITS = ("kmeans++", "linear")


@dataclass(frozen=True)
class ClusterWeights(Learning):
    """Replace each weight by the mean of its cluster, and train the means on; biases stay.

    No runtime here gets faster or its file smaller by it: what falls is the size after gzip. Where a tensor has been
    pruned its zeros stay, as a cluster of their own. Source: S. Han et al., "Deep Compression", ICLR 2016.

    Attributes:
        epochs: With 0 it needs no data: the means are not trained.
        number: Clusters of each tensor, zeros included.
        init: First means: ``kmeans++``, or ``linear``: evenly between the extremes.
        per_channel: Whether each output channel has clusters of its own. There are as many values as channels times
            clusters then, and gzip gains less.
    """

    name: ClassVar[str] = "cluster.weights"
    version: ClassVar[int] = 1

    epochs: int = 0
    number: int = 16
    init: str = "kmeans++"
    per_channel: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.number <= 256:
            raise InvalidInput(f"number = {self.number} is not within 2 and 256.")
        if self.init not in INITS:
            raise InvalidInput(f"init = {self.init!r} does not exist.", f"Write one of {', '.join(INITS)}.")

    @property
    def needs(self) -> frozenset[str]:
        """Nothing where nothing is trained."""
        return frozenset({"training", "validation"} if self.epochs else ())

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        rng = np.random.default_rng(context.seed)
        if not self.epochs:
            model = network.to_onnx()
            weights = weights_of(model, self.name)
            clustered = {}
            for index, each in enumerate(weights):
                context.tell(index / len(weights), f"clustering {each.name}")
                clustered[each.name] = self.clustered(each, rng)
            set_weights(model, clustered)
            return Network.of_onnx(model)
        trained = open_module(network, self.name)
        for name, layer in trained.layers.items():
            context.tell(0.0, f"clustering {name}")
            with torch.no_grad():
                made = torch.from_numpy(self.clustered(weight_tensor(name, layer), rng))
                layer.weight.copy_(made)  # type: ignore[operator]
        hooks = Hooks()
        keep_weights(trained, hooks)
        fit(trained, self, context, self.name, hooks=hooks)
        return network_of(trained, context)

    def clustered(self, weight: WeightTensor, rng: np.random.Generator) -> NDArray[np.float32]:
        """One tensor with few values."""
        zeros = zeros_of(weight.value)
        if not self.per_channel:
            return self._values(weight.value.reshape(-1), zeros is not None, rng).reshape(weight.value.shape)
        rows = np.stack([self._values(row, zeros is not None, rng) for row in weight.rows])
        return np.asarray(weight.of_rows(rows))

    def _values(
        self, values: NDArray[np.float32], keeps_zeros: bool, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        kept = values != 0 if keeps_zeros else np.ones(values.shape, np.bool_)
        clustered = np.zeros(values.shape, np.float32)
        if kept.any():
            number = self.number - (not kept.all())
            clustered[kept] = cluster_values(values[kept], number, rng, init=self.init)
        return clustered
