"""A price fitted to measured placements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from rilaas.learn.balancing import price_kernel as kernel
from rilaas.learn.balancing.price_data import Network, Samples

WIDTH = 32
_EPOCHS, _BATCH = 60, 512
_REGRET = 0.15  # of the mean service time: placements that nobody would choose weigh less


def blank() -> Network:
    """The network whose price is zero everywhere."""
    return (
        np.zeros((kernel.INPUTS, WIDTH)),
        np.zeros(WIDTH),
        np.zeros((WIDTH, WIDTH)),
        np.zeros(WIDTH),
        np.zeros((WIDTH, 1)),
        np.zeros(1),
    )


def fit(samples: Samples, seed: int, tell: Callable[[int, float], None], epochs: int = _EPOCHS) -> Network:
    """Weights whose own delay plus size times price ranks placements as their measured cost does.

    Differences within a row are fitted, for a row's constant is unknown: Huber loss of
    ``own + size * price - (own + cost)``, both centred over the row's servers, in units of the row's mean
    service time, with weight ``1 / (0.15 + regret)``.

    Args:
        samples: Placements.
        seed: Of weights and batches.
        tell: Called with each epoch and its loss.
        epochs: Passes over the samples.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the network is small: a second thread costs more than it does
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _fit(samples, tell, epochs)
    finally:
        torch.set_num_threads(threads)


def _fit(samples: Samples, tell: Callable[[int, float], None], epochs: int) -> Network:
    model = nn.Sequential(
        nn.Linear(kernel.INPUTS, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1)
    )
    there = torch.tensor(np.isfinite(samples.own_s))
    mask = there.float()
    size = torch.tensor(samples.size_s, dtype=torch.float32)
    unit = (size * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
    own = torch.tensor(np.where(np.isfinite(samples.own_s), samples.own_s, 0.0), dtype=torch.float32)
    cost = torch.tensor(samples.cost_s, dtype=torch.float32)
    total = torch.where(there, own + cost, torch.inf)
    regret = torch.where(there, total - total.min(1, keepdim=True).values, 0.0) / unit
    weight = mask / (_REGRET + regret.clamp(max=20.0))
    weight = weight / weight.sum(1, keepdim=True)
    x = torch.tensor(samples.inputs, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
    batches = -(-len(x) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=epochs * batches)
    for epoch in range(epochs):
        mean = 0.0
        for rows in torch.split(torch.randperm(len(x)), _BATCH):
            price = model(x[rows]).squeeze(-1)
            price = torch.where(
                price > 0.0, price, 0.05 * price
            )  # the policy cuts below 0; training has to get out again
            error = (size[rows] * price - cost[rows]) / unit[rows] * mask[rows]
            error = error - (error * weight[rows]).sum(1, keepdim=True)
            huber = torch.where(error.abs() < 0.5, error**2, error.abs() - 0.25)
            loss = (huber * weight[rows]).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            mean += loss.item() * len(rows) / len(x)
        tell(epoch + 1, mean)
    weights = [parameter.detach().double().numpy() for parameter in model.parameters()]
    return tuple(each.T.copy() if each.ndim == 2 else each for each in weights)
