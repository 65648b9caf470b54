"""Batches of samples, made when they are needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rilaas.optimize.samples import Samples

# Inputs that are ready stay in memory up to this size [bytes]: preprocessing often takes longer than a small student.
_KEPT_BYTES = 2**30

Inputs = dict[str, NDArray[Any]]


class Batches:
    """Rows of samples as the network takes them, with what was recorded for them.

    Args:
        samples: Where from.
        rng: Draws order and mixtures.
        share: Of the samples that is used at all, drawn once.
        mix: Share of each batch's rows that are mixtures of two.
        shift: Largest random shift of a picture, as a share of its sides; its border is repeated.
        jitter: Deviation of the logarithm of a random gain of each channel of a picture; half of it, in units of the
            picture's own deviation, is that of a summand.
    """

    def __init__(
        self,
        samples: Samples,
        rng: np.random.Generator,
        *,
        share: float = 1.0,
        mix: float = 0.0,
        shift: float = 0.0,
        jitter: float = 0.0,
    ) -> None:
        count = max(1, round(share * len(samples)))
        self._samples, self._rng, self._mix, self._jitter = samples, rng, mix, jitter
        self._shift = shift
        self._rows = np.sort(rng.permutation(len(samples))[:count])
        self._ready: dict[str, NDArray[Any]] | None = None
        self._is_ready = np.zeros(len(samples), np.bool_)
        self._deviations: dict[str, float] = {}
        self._small = samples.preprocess is not None

    def __len__(self) -> int:
        return len(self._rows)

    def order(self) -> NDArray[np.int64]:
        """All rows once, in a new order."""
        return self._rng.permutation(self._rows)

    def of(self, rows: NDArray[np.int64]) -> tuple[Inputs, Inputs | None]:
        """Inputs and targets of some rows; mixtures and shifted pictures have no targets, so then nobody has."""
        inputs, targets = self._inputs(rows), self._samples.answers(rows)
        if self._shift:
            inputs, targets = self._shifted(inputs), None
        if self._mix:
            inputs, targets = self._mixed(inputs), None
        return (self._in_other_light(inputs) if self._jitter else inputs), targets

    def _mixed(self, inputs: Inputs) -> Inputs:
        """Some rows replaced by weighted means of themselves and the row at the batch's other end."""
        count = len(next(iter(inputs.values())))
        weight = self._rng.beta(0.5, 0.5, count).astype(np.float32)
        weight[self._rng.random(count) >= self._mix] = 1.0
        mixed = {}
        for name, array in inputs.items():
            if array.dtype.kind == "f":
                own = torch.from_numpy(weight.astype(array.dtype)).reshape(-1, *[1] * (array.ndim - 1))
                given = torch.from_numpy(array)
                array = torch.lerp(given.flip(0), given, own).numpy()
            mixed[name] = array
        return mixed

    def _shifted(self, inputs: Inputs) -> Inputs:
        """Pictures as they would look from a little further left, right, up or down."""
        changed = {}
        for name, array in inputs.items():
            if array.ndim == 4:
                most = [round(self._shift * side) for side in array.shape[2:]]
                moved = np.empty_like(array)
                for picture, old in zip(moved, array, strict=True):
                    down, right = (int(self._rng.integers(-each, each + 1)) for each in most)
                    rows, columns = (
                        np.clip(np.arange(side) + by, 0, side - 1)
                        for side, by in zip(old.shape[1:], (down, right), strict=True)
                    )
                    picture[...] = old[:, rows[:, None], columns]
                array = moved
            changed[name] = array
        return changed

    def _in_other_light(self, inputs: Inputs) -> Inputs:
        """Pictures with another gain in each channel, and another brightness."""
        changed = {}
        for name, array in inputs.items():
            if array.dtype.kind == "f" and array.ndim == 4:
                count, channels = array.shape[:2]
                gain = np.exp(self._rng.normal(0.0, self._jitter, (count, channels, 1, 1))).astype(array.dtype)
                deviation = self._deviations.setdefault(name, float(array.std()))
                moved = self._rng.normal(0.0, 0.5 * self._jitter * deviation, (count, 1, 1, 1)).astype(array.dtype)
                array = torch.addcmul(*(torch.from_numpy(each) for each in (moved, array, gain))).numpy()
            changed[name] = array
        return changed

    def _inputs(self, rows: NDArray[np.int64]) -> Inputs:
        if not self._small:
            return self._samples.inputs(rows)
        if self._ready is None:
            first = self._samples.inputs(rows[:1])
            size = sum(array[0].nbytes for array in first.values()) * len(self._samples)
            self._small = size <= _KEPT_BYTES
            if not self._small:
                return self._samples.inputs(rows)
            self._ready = {
                name: np.empty((len(self._samples), *array.shape[1:]), array.dtype) for name, array in first.items()
            }
        missing = np.unique(rows[~self._is_ready[rows]])
        if len(missing):
            for name, array in self._samples.inputs(missing).items():
                self._ready[name][missing] = array
            self._is_ready[missing] = True
        return {name: array[rows] for name, array in self._ready.items()}
