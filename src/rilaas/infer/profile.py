"""How long a policy takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from rilaas.core import InvalidInput, Policy, Signature, Tensors, TensorSpec


@dataclass(frozen=True, slots=True)
class LatencyProfile:
    """Times of repeated predictions, as the caller saw them, in seconds.

    Attributes:
        n: Predictions measured, after the warm-up.
        mean_s: Mean [s].
        p50_s: Median [s].
        p95_s: 95th percentile [s].
        p99_s: 99th percentile [s].
        worst_s: The longest [s].
        preprocess_s: Mean of the model's preprocessing [s].
        compute_s: Mean of its backend [s].
        postprocess_s: Mean of its postprocessing [s].
    """

    n: int
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    worst_s: float
    preprocess_s: float
    compute_s: float
    postprocess_s: float

    def __str__(self) -> str:
        p50, p95, p99 = (f"{1e3 * value:.2f}" for value in (self.p50_s, self.p95_s, self.p99_s))
        return f"p50 {p50} ms, p95 {p95} ms, p99 {p99} ms (n={self.n})"


def example_inputs(signature: Signature, *, batch: int = 1, seed: int | None = None) -> dict[str, np.ndarray]:
    """Inputs that fit a signature.

    Args:
        signature: What they have to fit.
        batch: Size of the first axis where it is free; other free axes are 1.
        seed: Draw values (0 to 255 where whole numbers allow it, else normal); zeros where None.
    """
    draw = None if seed is None else np.random.default_rng(seed)
    return {name: _example(spec, batch, draw) for name, spec in signature.inputs.items()}


def profile(policy: Policy, inputs: Tensors | None = None, *, n: int = 200, warm_up: int = 20) -> LatencyProfile:
    """Measure a policy, one prediction after the other.

    Args:
        policy: What to measure; remote or here.
        inputs: What to ask; drawn values that fit the signature where None.
        n: Predictions to measure, at least 1.
        warm_up: Predictions before that are not counted.

    Raises:
        InvalidInput: ``n`` is below 1.
        RilaasError: A prediction failed.
    """
    if n < 1:
        raise InvalidInput(f"n = {n}: at least one prediction is needed.")
    inputs = example_inputs(policy.signature, seed=0) if inputs is None else inputs
    for _ in range(warm_up):
        policy.predict(inputs)
    total_s, steps_s = np.empty(n), np.empty((n, 3))
    for index in range(n):
        start = time.monotonic()
        timing = policy.predict(inputs).timing
        total_s[index] = time.monotonic() - start
        steps_s[index] = timing.preprocess_s, timing.compute_s, timing.postprocess_s
    p50_s, p95_s, p99_s = np.percentile(total_s, [50, 95, 99])
    preprocess_s, compute_s, postprocess_s = steps_s.mean(axis=0)
    return LatencyProfile(
        n,
        float(total_s.mean()),
        float(p50_s),
        float(p95_s),
        float(p99_s),
        float(total_s.max()),
        float(preprocess_s),
        float(compute_s),
        float(postprocess_s),
    )


def _example(spec: TensorSpec, batch: int, draw: np.random.Generator | None) -> np.ndarray:
    shape = tuple((batch if axis == 0 else 1) if size == -1 else size for axis, size in enumerate(spec.shape))
    if spec.datatype == "BYTES":
        return np.full(shape, b"", object)
    if draw is None:
        return np.zeros(shape, spec.dtype)
    if spec.dtype.kind == "f":
        return draw.standard_normal(shape).astype(spec.dtype)
    high = 2 if spec.datatype == "BOOL" else min(256, int(np.iinfo(spec.dtype).max) + 1)
    return draw.integers(0, high, shape).astype(spec.dtype)
