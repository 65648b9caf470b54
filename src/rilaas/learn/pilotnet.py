"""PilotNet, the network that drives from a camera frame.

Source: M. Bojarski et al., "End to End Learning for Self-Driving Cars", arXiv:1604.07316, 2016: five convolutions and
three fully connected layers over a 66 x 200 image. As in the paper's text there is no layer of 1164 between them;
that number is the size of the flattened features there (1152 here). Two outputs instead of one: throttle, steering.
"""

from __future__ import annotations

import torch
from torch import nn

INPUT_SHAPE = (3, 66, 200)
"""Channels, rows, columns; RGB in [-1, 1]."""


class PilotNet(nn.Module):
    """``input`` (N, 3, 66, 200) float32 in [-1, 1] to ``command`` (N, 2) float32: throttle, steering.

    252,230 parameters, 1 MB.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 24, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(24, 36, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(36, 48, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(48, 64, 3),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.control = nn.Sequential(
            nn.Linear(1152, 100),
            nn.ReLU(),
            nn.Linear(100, 50),
            nn.ReLU(),
            nn.Linear(50, 10),
            nn.ReLU(),
            nn.Linear(10, 2),
        )

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """See the class."""
        command: torch.Tensor = self.control(self.features(input))
        return command
