"""Ranges of activations, measured on calibration samples: what eight bits have to cover.

Four ways, all from samples that are computed one by one in float:

- ``minmax``: the smallest and the largest value ever seen. The default: a regression answers with its extremes.
- ``percentile``: so that a share of the values lies inside; single outliers cost no resolution.
- ``entropy``: the clipping with the smallest Kullback-Leibler divergence between the histograms in float and in eight
  bits. Source: Migacz, 8-bit inference with TensorRT, GTC 2017.
- ``mean``: the mean over the samples of each sample's smallest and largest value. It is NNCF's default, made for
  classification, and is kept to show what it does: about half of all samples are clipped somewhere in every layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import ModelFailed
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network
from rilaas.optimize.passes.contract import Tell
from rilaas.optimize.samples import Samples

MODES = ("minmax", "percentile", "entropy", "mean")
Ranges = dict[str, tuple[float, float]]
_BINS = 2048
_LEVELS = 128  # of one sign


def measure_ranges(
    network: Network, samples: Samples, *, count: int, mode: str, percentile: float, tell: Tell
) -> Ranges:
    """The range of every float tensor that a network computes or takes.

    Args:
        network: Float.
        samples: The calibration part.
        count: How many of them, evenly spread; all where there are fewer.
        mode: One of ``MODES``.
        percentile: For ``percentile``: how much lies inside [%].
        tell: Progress.

    Raises:
        ModelFailed: A value is not finite.
    """
    rows = np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(np.int64))
    if mode == "mean":
        sums: dict[str, NDArray[np.float64]] = {}

        def add(name: str, array: NDArray[Any]) -> None:
            sums[name] = sums.get(name, np.zeros(2)) + np.array([array.min(), array.max()])

        _watch(network, samples, rows, add, tell)
        return {
            name: (float(low), float(high)) for name, (low, high) in ((n, s / len(rows)) for n, s in sums.items())
        }
    extremes: Ranges = {}

    def widen(name: str, array: NDArray[Any]) -> None:
        low, high = extremes.get(name, (np.inf, -np.inf))
        extremes[name] = min(low, float(array.min())), max(high, float(array.max()))

    if mode == "minmax":
        _watch(network, samples, rows, widen, tell)
        return extremes
    _watch(network, samples, rows, widen, lambda share, words: tell(share / 2, words))
    counts = {name: np.zeros(_BINS, np.int64) for name in extremes}

    def count_in(name: str, array: NDArray[Any]) -> None:
        counts[name] += np.histogram(array, bins=_BINS, range=_wide(*extremes[name]))[0]

    _watch(network, samples, rows, count_in, lambda share, words: tell(0.5 + share / 2, words))
    if mode == "percentile":
        return {name: _percentile(counts[name], *_wide(*extremes[name]), percentile) for name in extremes}
    return {name: _entropy(counts[name], *_wide(*extremes[name])) for name in extremes}


def _watch(
    network: Network, samples: Samples, rows: NDArray[np.int64], see: Callable[[str, NDArray[Any]], None], tell: Tell
) -> None:
    """Compute samples one by one and show every float tensor."""
    with open_network(_with_all_outputs(network)) as session:
        for number, row in enumerate(rows):
            tell(number / len(rows), f"ranges of sample {number + 1} of {len(rows)}")
            inputs = samples.inputs([int(row)])
            for name, array in (*inputs.items(), *session.run(inputs).items()):
                if array.dtype == np.float32 and array.size:
                    if not np.isfinite(array).all():
                        raise ModelFailed(f"The tensor {name!r} is not finite for calibration sample {row}.")
                    see(name, array)


def _with_all_outputs(network: Network) -> Network:
    """The same network, giving every float tensor that it computes."""
    import onnx

    model = network.to_onnx()
    known: Mapping[str, int] = {
        value.name: value.type.tensor_type.elem_type
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    given = {value.name for value in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in given and known.get(name) == onnx.TensorProto.FLOAT:
                model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return Network.of_onnx(model)


def _wide(low: float, high: float) -> tuple[float, float]:
    """A range of more than one value."""
    return (low, high) if high > low else (low, low + 1e-6)


def _percentile(counts: NDArray[np.int64], low: float, high: float, percentile: float) -> tuple[float, float]:
    edges = np.linspace(low, high, _BINS + 1)
    share = np.cumsum(counts) / counts.sum()
    tail = (1 - percentile / 100) / 2
    first, last = int(np.searchsorted(share, tail, side="right")), int(np.searchsorted(share, 1 - tail))
    return float(edges[first]), float(edges[min(last + 1, _BINS)])


def _entropy(counts: NDArray[np.int64], low: float, high: float) -> tuple[float, float]:
    """Clip at the size whose coarse histogram is most like the fine one."""
    reach = max(abs(low), abs(high))
    centres = np.abs(np.linspace(low, high, _BINS, endpoint=False) + (high - low) / _BINS / 2)
    places = np.minimum((centres / reach * _BINS).astype(np.int64), _BINS - 1)
    sizes = np.bincount(places, counts, _BINS).astype(np.float64)
    sizes[0] = sizes[1]  # zeros, which every clipping represents, say nothing
    best, clip = np.inf, reach
    for end in range(_LEVELS, _BINS + 1, 8):
        fine = sizes[:end].copy()
        fine[-1] += sizes[end:].sum()
        divergence = _divergence(fine, sizes[:end])
        if divergence < best:
            best, clip = divergence, reach * end / _BINS
    return max(low, -clip), min(high, clip)


def _divergence(fine: NDArray[np.float64], inside: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence of a histogram from itself in ``_LEVELS`` steps."""
    level = np.arange(len(inside)) * _LEVELS // len(inside)
    is_used = inside > 0
    total = np.bincount(level, inside, _LEVELS)
    used = np.bincount(level, is_used, _LEVELS)
    coarse = np.where(is_used, (total / np.maximum(used, 1))[level], 0.0)
    if not coarse.sum():
        return float(np.inf)
    p, q = fine / fine.sum(), coarse / coarse.sum()
    both = (p > 0) & (q > 0)
    return float((p[both] * np.log(p[both] / q[both])).sum() + p[(p > 0) & (q == 0)].sum() * 10)
