"""A small U-Net: which class each cell of a camera frame belongs to.

Source: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI
2015, with batch normalisation, two levels, and a first layer that halves the image at once.
"""

from __future__ import annotations

import torch
from torch import nn

from rilaas.learn.lane_label import CLASSES

INPUT_SHAPE = (3, 120, 160)
"""Channels, rows, columns; RGB in [-1, 1]."""


class Segmenter(nn.Module):
    """``input`` (N, 3, 120, 160) float32 in [-1, 1] to ``share`` (N, 4, 60, 80) float32: shares that add up to 1.

    140,692 parameters, 0.6 MB. Shares of the classes rather than their logarithms, so that a squared error means the
    same everywhere: it is the Brier score.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _step(3, 16, stride=2)
        self.down = nn.Sequential(_step(16, 32, stride=2), _step(32, 32))
        self.bottom = nn.Sequential(_step(32, 64, stride=2), _step(64, 64), _step(64, 64))
        self.grow = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.merge = _step(64, 32)
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.refine = _step(48, 16)
        self.classify = nn.Conv2d(16, len(CLASSES), 1)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return torch.softmax(self.logits(input), dim=1)

    def logits(self, input: torch.Tensor) -> torch.Tensor:
        """Unnormalized logarithms of the shares, (N, 4, 60, 80), to learn from."""
        half = self.stem(input)
        quarter = self.down(half)
        up = self.merge(torch.cat([self.grow(self.bottom(quarter)), quarter], dim=1))
        up = self.refine(torch.cat([self.enlarge(up), half], dim=1))
        logits: torch.Tensor = self.classify(up)
        return logits


def _step(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
