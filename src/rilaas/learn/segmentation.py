"""Training and judging a segmenter of camera frames."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rilaas.core import Policy
from rilaas.learn.dagger import Progress
from rilaas.learn.lane_label import CLASSES, LabelledFrames
from rilaas.learn.segmenter import Segmenter

_BATCH = 64  # of frames while it is judged


@dataclass(frozen=True, slots=True)
class SegmentationTraining:
    """How a segmenter learns.

    Attributes:
        seed: Everything random is drawn from it.
        steps: Gradient steps, while the learning rate goes to 0.
        batch_size: Frames in each step.
        learning_rate: Of Adam, at first.
        threads: Torch's threads.
    """

    seed: int = 1
    steps: int = 1200
    batch_size: int = 16
    learning_rate: float = 3e-3
    threads: int = 1


def train_segmenter(
    training: SegmentationTraining, frames: LabelledFrames, on_progress: Callable[[Progress], None] | None = None
) -> Segmenter:
    """Train a segmenter by cross entropy against the shares of each cell. Ctrl-C ends it early.

    Frames are turned left to right at random, and their light is changed a little. The same settings and frames on
    the same machine give the same weights.

    Args:
        training: How.
        frames: What to learn from.
        on_progress: Called after each step.
    """
    torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    rng = np.random.default_rng([training.seed, 0x5E61])
    network = Segmenter()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), training.learning_rate)
    loss, start_s = math.nan, time.perf_counter()
    try:
        for step in range(training.steps):
            for group in optimizer.param_groups:
                group["lr"] = training.learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / training.steps))
            inputs, shares = _batch(frames, rng.integers(len(frames), size=training.batch_size), rng)
            error = -(shares * torch.log_softmax(network.logits(inputs), dim=1)).sum(dim=1).mean()
            optimizer.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            value = float(error.detach())
            loss = value if math.isnan(loss) else 0.98 * loss + 0.02 * value
            if on_progress is not None:
                share = (step + 1) / training.steps
                left_s = (time.perf_counter() - start_s) * (1.0 - share) / share
                on_progress(Progress("learn", share, left_s, len(frames), loss))
    except KeyboardInterrupt:
        pass
    network.eval()
    return network


def _batch(
    frames: LabelledFrames, chosen: NDArray[np.int64], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    images, shares = frames.image[chosen], frames.shares(chosen)
    turned = rng.random(len(chosen)) < 0.5
    images[turned], shares[turned] = images[turned, :, ::-1], shares[turned, :, :, ::-1]
    factor = np.exp(rng.normal(0.0, 0.15, (len(chosen), 1, 1, 1)) + rng.normal(0.0, 0.05, (len(chosen), 3, 1, 1)))
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    inputs = inputs * torch.from_numpy((factor / 127.5).astype(np.float32)) - 1.0
    return inputs.clamp_(-1.0, 1.0).contiguous(memory_format=torch.channels_last), torch.from_numpy(shares)


def intersection_over_union(policy: Policy, frames: LabelledFrames) -> NDArray[np.float64]:
    """How well a policy labels pixels: of each class, pixels that both call so over pixels that either calls so.

    Source: the Jaccard index as in the PASCAL VOC segmentation task: over all pixels of all frames.

    Args:
        policy: From ``image`` to ``labels``.
        frames: With the true labels.

    Returns:
        (len(CLASSES),) float64; NaN for a class that neither has.
    """
    count = len(CLASSES)
    confusion = np.zeros((count, count), np.int64)
    for first in range(0, len(frames), _BATCH):
        part = slice(first, first + _BATCH)
        labels = policy.predict({"image": frames.image[part]}).tensors["labels"]
        pairs = count * frames.labels[part].astype(np.int64).ravel() + labels.astype(np.int64).ravel()
        confusion += np.bincount(pairs, minlength=count**2).reshape(count, count)
    both = np.diag(confusion).astype(np.float64)
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    with np.errstate(invalid="ignore"):
        return np.asarray(both / either)
