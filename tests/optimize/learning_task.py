"""A task that a tiny network learns within a second: how bright the halves of a picture are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from rilaas.infer.target import Target
from rilaas.infer.torch_export import onnx_of_module
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.samples import Samples

SIZE = (12, 16)


def samples(count: int, seed: int, *, targets: bool = True) -> Samples:
    """Pictures of two brightnesses with noise; the targets are their half difference and mean."""
    rng = np.random.default_rng(seed)
    halves = rng.uniform(40, 215, (count, 2))
    image = np.repeat(halves, SIZE[1] // 2, 1)[:, None, :, None] + rng.normal(0, 10, (count, *SIZE, 3))
    left, right = halves.T / 127.5 - 1
    answers = np.stack([(left - right) / 2, (left + right) / 2], 1).astype(np.float32)
    raw = {"image": image.clip(0, 255).astype(np.uint8)}
    return Samples(raw, preprocess, {"command": answers} if targets else None)


def preprocess(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """To (N, 3, H, W) float32 in [-1, 1]."""
    image = inputs["image"].astype(np.float32).transpose(0, 3, 1, 2)
    return {"input": image / np.float32(127.5) - np.float32(1)}


def untrained_network(seed: int = 1) -> Network:
    """Normalization, two convolutions, two fully connected layers; the last but one is narrow."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(
            nn.BatchNorm2d(3),
            nn.Conv2d(3, 24, 3, 2),
            nn.ReLU(),
            nn.Conv2d(24, 32, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 3 * 5, 32),
            nn.ReLU(),
            nn.Linear(32, 10),
            nn.ReLU(),
            nn.Linear(10, 2),
        )
    return Network.of_onnx(onnx_of_module(module, {"input": torch.zeros(2, 3, *SIZE)}, ("command",)))


def context(original: Network, **changes: object) -> Context:
    """256 samples to train on, 64 each for the rest."""
    made = Context(
        target=Target(),
        original=original,
        training=samples(256, 1),
        calibration=samples(64, 2),
        validation=samples(64, 3),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def trained_network() -> Network:
    """The same after a training."""
    from rilaas.optimize.passes.finetune import Finetune

    network = untrained_network()
    return Finetune(epochs=8, learning_rate=3e-3, batch=32).apply(network, context(network))


def mse(network: Network, count: int = 64) -> float:
    """On samples that nobody else sees."""
    test = samples(count, 4)
    assert test.targets is not None
    return float(((answers(network, test) - test.targets["command"]) ** 2).mean())


def answers(network: Network, test: Samples) -> np.ndarray:
    """What a network says."""
    with open_network(network) as session:
        return outputs_of(session, test)["command"]


def weights(network: Network) -> dict[str, np.ndarray]:
    """Of convolutions and fully connected layers, by name."""
    from rilaas.optimize.passes.training_weights import weights_of

    return {each.name: each.value for each in weights_of(network.to_onnx(), "the test")}
