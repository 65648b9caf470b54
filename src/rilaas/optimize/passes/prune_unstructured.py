"""The smallest weights become 0, one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context, check_share
from rilaas.optimize.passes.training import Hooks, Learning, fit
from rilaas.optimize.passes.training_keep import keep_weights, keep_zeros, weight_tensor
from rilaas.optimize.passes.training_module import TrainedModule, network_of, open_module
from rilaas.optimize.passes.training_weights import WeightTensor, set_weights, weights_of

Masks = dict[str, NDArray[np.bool_]]

_UPDATES = 100  # how often a growing share is taken anew: often enough for a smooth curve


@dataclass(frozen=True)
class PruneUnstructured(Learning):
    """Set the weights of smallest magnitude to 0 and train the others; biases stay.

    No runtime here gets faster by it: what falls is the size after gzip. Sources: S. Han et al., "Learning both
    Weights and Connections for Efficient Neural Networks", NIPS 2015; the growing share: M. Zhu, S. Gupta, "To prune,
    or not to prune", arXiv:1710.01878, equation 1.

    Attributes:
        epochs: With 0 it needs no data: weights become 0 and nothing is trained.
        scope: ``local``: the shares below of each tensor; ``global``: ``ratio`` of all weights ranked together.
        ratio: Share of zeros at the end, where ``scope`` is ``global``.
        conv: Share of zeros of each convolution at the end, where ``scope`` is ``local``.
        linear: Share of zeros of each fully connected layer at the end, where ``scope`` is ``local``.
        schedule: ``constant``: the last share from ``begin`` on; ``polynomial``: from ``initial`` times it at
            ``begin`` along 1 - (1 - t)^3 up to it at ``end``.
        initial: Share of the last share that the polynomial begins with.
        begin: When pruning begins, as a share of the training.
        end: When the polynomial has reached the last share, as a share of the training.
    """

    name: ClassVar[str] = "prune.unstructured"
    version: ClassVar[int] = 1

    epochs: int = 2
    scope: str = "local"
    ratio: float = 0.5
    conv: float = 0.5
    linear: float = 0.5
    schedule: str = "constant"
    initial: float = 0.0
    begin: float = 0.0
    end: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ratio", "conv", "linear", "initial", "begin", "end"):
            check_share(name, getattr(self, name))
        for what, value, valid in (
            ("scope", self.scope, ("local", "global")),
            ("schedule", self.schedule, ("constant", "polynomial")),
        ):
            if value not in valid:
                raise InvalidInput(f"{what} = {value!r} does not exist.", f"Write one of {', '.join(valid)}.")
        if self.begin > self.end:
            raise InvalidInput(f"begin = {self.begin:g} is after end = {self.end:g}.")

    @property
    def needs(self) -> frozenset[str]:
        """Nothing where nothing is trained."""
        return frozenset({"training", "validation"} if self.epochs else ())

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        if not self.epochs:
            model = network.to_onnx()
            weights = weights_of(model, self.name)
            masks = self.masks(weights, 1.0)
            set_weights(model, {each.name: np.where(masks[each.name], 0, each.value) for each in weights})
            return Network.of_onnx(model)
        trained = open_module(network, self.name)
        hooks = Hooks()
        pruning = _Pruning(self, trained, hooks)
        hooks.before_step.append(pruning.update)
        keep_weights(trained, hooks, clusters=False)  # of an earlier pruning
        fit(trained, self, context, self.name, hooks=hooks)
        pruning.finish()
        return network_of(trained, context)

    def share_at(self, done: float) -> float:
        """Share of the last share of zeros when this share of the training is done."""
        if done < self.begin:
            return 0.0
        if self.schedule == "constant" or done >= self.end:
            return 1.0
        t = (done - self.begin) / (self.end - self.begin)
        return 1.0 + (self.initial - 1.0) * (1.0 - t) ** 3

    def masks(self, weights: list[WeightTensor], share: float) -> Masks:
        """Which weights are 0 when ``share`` of the last share is to be 0."""
        if self.scope == "global":
            return smallest_of_all(weights, share * self.ratio)
        last = {"conv": self.conv, "linear": self.linear}
        return {each.name: smallest(each.value, share * last[each.kind]) for each in weights}


class _Pruning:
    """Masks that grow while a module is trained."""

    def __init__(self, settings: PruneUnstructured, trained: TrainedModule, hooks: Hooks) -> None:
        self.settings, self.trained = settings, trained
        self.share = -1.0
        self.masks: Mapping[str, torch.Tensor] = {
            name: torch.zeros(weight_tensor(name, layer).value.shape, dtype=torch.bool)
            for name, layer in trained.layers.items()
        }
        for name, layer in trained.layers.items():
            keep_zeros(layer.weight, self.masks[name], hooks)  # type: ignore[arg-type]

    def update(self, done: float) -> None:
        """Take the masks anew where the share has grown."""
        share = math.floor(self.settings.share_at(done) * _UPDATES) / _UPDATES
        if share > self.share:
            self._set(share)

    def finish(self) -> None:
        """All zeros that were asked for are there, also where the training ended early."""
        if self.share < 1:
            self._set(1.0)

    @torch.no_grad()
    def _set(self, share: float) -> None:
        self.share = share
        layers = self.trained.layers
        masks = self.settings.masks([weight_tensor(name, layer) for name, layer in layers.items()], share)
        for name, layer in layers.items():
            self.masks[name].copy_(torch.from_numpy(masks[name]))
            layer.weight.masked_fill_(self.masks[name], 0.0)  # type: ignore[operator]


def smallest(value: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """Where a share of a tensor with the smallest magnitudes is; of equal ones the first."""
    mask = np.zeros(value.size, np.bool_)
    mask[np.argsort(np.abs(value), axis=None, kind="stable")[: round(share * value.size)]] = True
    return mask.reshape(value.shape)


def smallest_of_all(weights: list[WeightTensor], share: float) -> Masks:
    """The same of all tensors together."""
    flat = smallest(np.concatenate([each.value.reshape(-1) for each in weights]), share)
    ends = np.cumsum([each.value.size for each in weights])
    return {
        each.name: flat[end - each.value.size : end].reshape(each.value.shape)
        for each, end in zip(weights, ends, strict=True)
    }
