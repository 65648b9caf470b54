"""What training has to leave as it is: exact zeros of pruned weights, equal values of clustered ones."""

from __future__ import annotations

import numpy as np
import torch

from rilaas.optimize.passes.training import Hooks
from rilaas.optimize.passes.training_module import TrainedModule
from rilaas.optimize.passes.training_weights import WeightTensor, clusters_of, zeros_of


def weight_tensor(name: str, layer: torch.nn.Module) -> WeightTensor:
    """The weight of a layer of torch as passes look at weights; a copy."""
    weight = layer.weight.detach().contiguous().numpy().copy()  # type: ignore[operator]
    transposed = isinstance(layer, torch.nn.modules.conv._ConvTransposeNd)
    kind = "linear" if isinstance(layer, torch.nn.Linear) else "conv"
    return WeightTensor(name, kind, int(transposed), np.asarray(weight))


def keep_weights(trained: TrainedModule, hooks: Hooks, *, zeros: bool = True, clusters: bool = True) -> None:
    """Let training keep what it finds in the weights themselves.

    Zeros get no gradient. A cluster gets the mean of its members' gradients, so that it moves as one value: its
    centroid learns. Source: S. Han et al., "Deep Compression", ICLR 2016, section 3 (the sum there; the mean differs
    by a factor, which Adam does not see).

    Args:
        trained: Its weights as they are now say what is kept.
        hooks: Where to join in.
        zeros: Whether zeros are kept.
        clusters: Whether clusters are kept.
    """
    for name, layer in trained.layers.items():
        parameter: torch.nn.Parameter = layer.weight  # type: ignore[assignment]
        keep_parameter(parameter, weight_tensor(name, layer), hooks, zeros=zeros, clusters=clusters)


def keep_parameter(
    parameter: torch.nn.Parameter, found: WeightTensor, hooks: Hooks, *, zeros: bool, clusters: bool
) -> None:
    """The same for one tensor.

    Args:
        parameter: What is trained.
        found: Its value now.
        hooks: Where to join in.
        zeros: Whether zeros are kept.
        clusters: Whether clusters are kept.
    """
    own = clusters_of(found) if clusters else None
    if own is not None:
        _keep_clusters(parameter, torch.from_numpy(own), hooks)
    mask = zeros_of(found.value) if zeros else None
    if mask is not None:
        keep_zeros(parameter, torch.from_numpy(mask), hooks)


def keep_zeros(parameter: torch.nn.Parameter, mask: torch.Tensor, hooks: Hooks) -> None:
    """Hold weights at 0 where a mask, which may change, is True."""

    def without_gradient() -> None:
        if parameter.grad is not None:
            parameter.grad.masked_fill_(mask, 0.0)

    def back_to_zero() -> None:
        with torch.no_grad():
            parameter.masked_fill_(mask, 0.0)

    hooks.after_gradient.append(without_gradient)
    hooks.after_step.append(back_to_zero)


def _keep_clusters(parameter: torch.nn.Parameter, ids: torch.Tensor, hooks: Hooks) -> None:
    """Let members of a cluster stay equal."""
    flat = ids.reshape(-1)
    count = torch.bincount(flat)
    first = torch.zeros(len(count), dtype=torch.int64).scatter_(0, flat.flip(0), torch.arange(len(flat)).flip(0))

    def mean_gradient() -> None:
        if parameter.grad is None:
            return
        gradient = parameter.grad.contiguous().reshape(-1)
        total = torch.zeros(len(count)).index_add_(0, flat, gradient)
        parameter.grad.copy_((total / count)[flat].reshape(parameter.shape))

    def equal_again() -> None:  # rounding of vector units may differ between the middle and the end of a tensor
        with torch.no_grad():
            values = parameter.detach().contiguous().reshape(-1)[first]
            parameter.copy_(values[flat].reshape(parameter.shape))

    hooks.after_gradient.append(mean_gradient)
    hooks.after_step.append(equal_again)
