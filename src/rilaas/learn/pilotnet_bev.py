"""PilotNet as the study of its optimization has it: a tall bird's-eye view in, throttle, steer and brake out.

Source: S. Paniego, N. Paliwal, J. M. Cañas, "Model Optimization in Deep Learning Based Robot Control for Autonomous
Driving", RA-L 9(1):715-722, 2024, and its published code: batch normalisation of the image (eps 1e-3), five
convolutions, and five fully connected layers, of which the first, 1152 x 1164, has 84 % of all weights.
"""

from __future__ import annotations

import torch
from torch import nn

INPUT_SHAPE = (3, 200, 66)
"""Channels, rows, columns; RGB in [-1, 1]."""

_STRAIGHT_AHEAD = (0.55, 0.5, 0.0)


class PilotNetBev(nn.Module):
    """``input`` (N, 3, 200, 66) float32 in [-1, 1] to ``controls`` (N, 3) float32: throttle, steer, brake.

    1,595,539 parameters, 6 MB. Its numbers are those of ``controls.ThrottleSteerBrake``. Weights begin as He et al.
    (arXiv:1502.01852) draw them, and it begins by driving straight ahead: with torch's own smaller weights and no
    offset, five fully connected layers learned the mean command and nothing else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.normalize = nn.BatchNorm2d(3, eps=1e-3)
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
            nn.Linear(1152, 1164),
            nn.ReLU(),
            nn.Linear(1164, 100),
            nn.ReLU(),
            nn.Linear(100, 50),
            nn.ReLU(),
            nn.Linear(50, 10),
            nn.ReLU(),
            last := nn.Linear(10, 3),
        )
        for part in self.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                assert part.bias is not None
                nn.init.zeros_(part.bias)
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.copy_(torch.tensor(_STRAIGHT_AHEAD))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """See the class."""
        controls: torch.Tensor = self.control(self.features(self.normalize(input)))
        return controls
