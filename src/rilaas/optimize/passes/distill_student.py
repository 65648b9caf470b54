"""A small network of convolutions and fully connected layers, to learn what a larger one answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from rilaas.core import InvalidInput


@dataclass(frozen=True)
class Convolution:
    """One convolution without padding, with ReLU after it.

    Attributes:
        channels: Of its output.
        kernel: Rows and columns [px].
        stride: In both directions [px].
    """

    channels: int
    kernel: int
    stride: int


@dataclass(frozen=True)
class Architecture:
    """Of a student.

    Attributes:
        convolutions: In order; none where the network takes no picture.
        hidden: Neurons of the fully connected layers before the last.
    """

    convolutions: tuple[Convolution, ...]
    hidden: tuple[int, ...]


class Student(nn.Module):
    """Convolutions over the picture, fully connected layers over their features and all other inputs.

    Args:
        architecture: Its layers.
        inputs: Shape of one sample of each input: at most one (C, H, W), others are vectors.
        outputs: Number of elements of each output, which is a vector.
        examples: (N, ...) of each input: they are normalized by their mean and deviation.
        answers: (N, E) of each output: they are given in these units.
    """

    def __init__(
        self,
        architecture: Architecture,
        inputs: Sequence[tuple[int, ...]],
        outputs: Sequence[int],
        examples: Sequence[torch.Tensor],
        answers: Sequence[torch.Tensor],
    ) -> None:
        super().__init__()
        self.outputs = list(outputs)
        self.picture = next((at for at, shape in enumerate(inputs) if len(shape) == 3), -1)
        self.features = nn.Sequential()
        size = sum(math.prod(shape) for at, shape in enumerate(inputs) if at != self.picture)
        if self.picture >= 0:
            channels, *area = inputs[self.picture]
            self.features = nn.Sequential(_Normalized(examples[self.picture]))
            for each in architecture.convolutions:
                kernel = min(each.kernel, *area)
                self.features.append(nn.Conv2d(channels, each.channels, kernel, each.stride))
                self.features.append(nn.ReLU())
                channels, area = each.channels, [(side - kernel) // each.stride + 1 for side in area]
            size += channels * math.prod(area)
        self.control = nn.Sequential()
        for neurons in architecture.hidden:
            self.control.extend([nn.Linear(size, neurons), nn.ReLU()])
            size = neurons
        self.control.append(nn.Linear(size, sum(outputs)))
        self.control.append(_InUnits(torch.cat([each.reshape(len(each), -1).float() for each in answers], 1)))

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One vector for each output."""
        parts = [each.flatten(1) for at, each in enumerate(inputs) if at != self.picture]
        if self.picture >= 0:
            parts.insert(0, self.features(inputs[self.picture]).flatten(1))
        made = self.control(parts[0] if len(parts) == 1 else torch.cat(parts, 1))
        return (made,) if len(self.outputs) == 1 else tuple(made.split(self.outputs, 1))

    def fold(self) -> None:
        """Take normalization and units into the layers beside them, which changes no answer."""
        if isinstance(scale := self.control[-1], _InUnits):
            _fold_after(self.control[-2], scale)  # type: ignore[arg-type]
            del self.control[-1]
        if len(self.features) > 1 and isinstance(normalized := self.features[0], _Normalized):
            _fold_before(self.features[1], normalized)  # type: ignore[arg-type]
            del self.features[0]


class _Normalized(nn.Module):
    """Each channel of a picture with mean 0 and deviation 1."""

    def __init__(self, examples: torch.Tensor) -> None:
        super().__init__()
        deviation, mean = torch.std_mean(examples.float(), (0, 2, 3), keepdim=True)
        self.register_buffer("mean", mean)
        self.register_buffer("gain", 1 / deviation.clamp(min=1e-6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = (x - self.mean) * self.gain  # type: ignore[operator]
        return made


class _InUnits(nn.Module):
    """From mean 0 and deviation 1 to the units of each element."""

    def __init__(self, answers: torch.Tensor) -> None:
        super().__init__()
        deviation, mean = torch.std_mean(answers, 0)
        self.register_buffer("mean", mean)
        self.register_buffer("gain", deviation.nan_to_num(1.0).clamp(min=1e-6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = x * self.gain + self.mean  # type: ignore[operator]
        return made


@torch.no_grad()
def _fold_before(layer: nn.Conv2d, normalized: _Normalized) -> None:
    layer.weight.mul_(normalized.gain)  # type: ignore[arg-type]
    layer.bias.sub_((layer.weight * normalized.mean).sum((1, 2, 3)))  # type: ignore[union-attr, operator]


@torch.no_grad()
def _fold_after(layer: nn.Linear, units: _InUnits) -> None:
    layer.weight.mul_(units.gain[:, None])  # type: ignore[index]
    layer.bias.mul_(units.gain).add_(units.mean)  # type: ignore[arg-type]


def count_fitting(convolutions: Sequence[Convolution], area: Sequence[int]) -> int:
    """How many of some convolutions, in order, have a picture that is as large as their kernel."""
    rows, columns = area
    for number, each in enumerate(convolutions):
        if min(rows, columns) < each.kernel:
            return number
        rows, columns = ((side - each.kernel) // each.stride + 1 for side in (rows, columns))
    return len(convolutions)


def check_fits(architecture: Architecture, area: Sequence[int]) -> None:
    """Raise ``InvalidInput`` where a picture is too small for the strides of a student."""
    rows, columns = area
    for number, each in enumerate(architecture.convolutions, 1):
        kernel = min(each.kernel, rows, columns)
        rows, columns = ((side - kernel) // each.stride + 1 for side in (rows, columns))
        if number < len(architecture.convolutions) and min(rows, columns) < 2:
            raise InvalidInput(
                f"After {number} of {len(architecture.convolutions)} convolutions the student's picture has "
                f"{rows} x {columns} pixels.",
                "Give it fewer layers or smaller strides.",
            )
