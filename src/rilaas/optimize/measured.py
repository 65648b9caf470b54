"""What is known about a variant: its price in bytes and seconds, and what it costs in error."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rilaas.infer.session import Kernels


@dataclass(frozen=True, slots=True)
class Weight:
    """What the weights themselves are like.

    Attributes:
        size_bytes: Of the file of weights [bytes].
        gzip_bytes: Of it after gzip: what pruning and clustering save on the way to the robot [bytes].
        parameters: How many numbers.
        macs: Multiplications of one sample in convolutions and matrix products.
        sparsity: Share of weights (not biases) that are exactly 0.
        unique_weights: Largest number of distinct values in one tensor of weights.
    """

    size_bytes: int
    gzip_bytes: int
    parameters: int
    macs: int
    sparsity: float
    unique_weights: int


@dataclass(frozen=True, eq=False)
class Measured:
    """One variant, measured on this machine beside the others in the same run.

    Attributes:
        name: Of the variant: the recipe's name; ``float`` is the model as it came.
        target: ``device/runtime/precision``.
        weight: Of its file.
        load_s: From file to the first answer [s].
        compute_s: (N,) times of the weights alone, one sample each, in rounds that alternate with the others [s].
        total_s: (N,) times of the whole policy with its pre- and postprocessing [s].
        squared_error: (N,) mean squared error of each test sample, of all network outputs.
        output_mse: By output name and element, such as ``command[1]``: mean squared error over the test samples.
        difference: (N, E) outputs minus those of the float model, by test sample and output element.
        elements: Names of the E elements.
        kernels: What the backend computes with; None where it does not tell.
        wanted_integer: Whether its target says int8.
        load_average: Of the machine while it was measured: other work makes times longer.
        notes: What a reader has to know beside.
        has_targets: Whether errors are against what was to be answered; else they are against the float model.
        answer_variance: Of the float model's answers over the test samples, mean over all outputs: the error of
            somebody who always gives the mean answer.
        recordings: (N,) which recording each test sample comes from; None where nobody knows.
        rounds: That times come from, the same number from each, in order; 0 where nobody knows.
    """

    name: str
    target: str
    weight: Weight
    load_s: float
    compute_s: NDArray[np.float64]
    total_s: NDArray[np.float64]
    squared_error: NDArray[np.float64]
    output_mse: dict[str, float]
    difference: NDArray[np.float32]
    elements: tuple[str, ...]
    kernels: Kernels | None = None
    wanted_integer: bool = False
    load_average: float = 0.0
    notes: tuple[str, ...] = field(default=())
    has_targets: bool = True
    answer_variance: float = 0.0
    recordings: NDArray[np.int64] | None = None
    rounds: int = 0

    @property
    def mse(self) -> float:
        """Mean squared error over the test samples."""
        return float(self.squared_error.mean())

    @property
    def p50_s(self) -> float:
        """Median time of the weights alone [s]."""
        return float(np.percentile(self.compute_s, 50))

    @property
    def p99_s(self) -> float:
        """99th percentile of the time of the weights alone [s]."""
        return float(np.percentile(self.compute_s, 99))

    @property
    def is_really_integer(self) -> bool | None:
        """Whether it computes with integers where its target says so; None where nobody can tell."""
        if not self.wanted_integer or self.kernels is None or not self.kernels.total:
            return None
        return self.kernels.integer > 0


@dataclass(frozen=True, eq=False)
class Driven:
    """A variant in closed loop, with its own measured latency.

    Attributes:
        name: As in ``Measured``.
        scores: By metric, one value an episode, in the order of the suite, so that variants pair by seed; NaN where a
            metric is not defined for an episode.
        units: By metric.
        frequency_hz: (N,) achieved control frequency of each episode [Hz].
        trajectories: Poses (N, 3) float64 [m, m, rad] of some episodes, by scenario and seed.
        map_svg: The map under them as shapes of an SVG, by scenario and seed; '' where there is none.
        suite: Name and digest of the suite.
    """

    name: str
    scores: dict[str, NDArray[np.float64]]
    units: dict[str, str]
    frequency_hz: NDArray[np.float64]
    trajectories: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    map_svg: dict[str, str] = field(default_factory=dict)
    suite: str = ""
