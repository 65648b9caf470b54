"""Rows of a report with times, errors and scores that were chosen, so that every figure can be checked by hand."""

import numpy as np

from rilaas.infer.session import Kernels
from rilaas.infer.target import Target
from rilaas.optimize.gate import Gate, Violation
from rilaas.optimize.measured import Driven, Measured, Weight
from rilaas.optimize.recipe import Recipe
from rilaas.optimize.row import Row

SAMPLES, CALLS, EPISODES = 300, 1000, 12


def row(
    name,
    target="cpu/onnxruntime/fp32",
    *,
    median_s=400e-6,
    error=1.0,
    size=6_000_000,
    sparsity=0.0,
    kernels=None,
    recipe=True,
    passes=(),
    gate=None,
    violations=(),
    score=None,
    steps=(),
    seed=0,
    has_targets=True,
):
    """A variant: median time, error against 0.001, bytes; ``score`` gives it a closed loop with this mean."""
    draw = np.random.default_rng(seed)
    noise = 1.0 + 0.05 * np.abs(np.random.default_rng(99).standard_normal(CALLS))  # the same for all: one machine
    noise /= np.median(noise)
    errors = 0.001 * np.random.default_rng(5).chisquare(2, SAMPLES) / 2.0
    measured = Measured(
        name=name,
        target=target,
        weight=Weight(size, int(size * (0.93 - 0.8 * sparsity)), 1_595_539, 28_200_000, sparsity, 4000),
        load_s=0.02,
        compute_s=median_s * noise,
        total_s=median_s * noise + 50e-6,
        squared_error=error * errors,
        output_mse={"command[0]": error * 0.001, "command[1]": error * 0.0012},
        difference=(draw.normal(0.0, 0.003, (SAMPLES, 2)) if name != "float" else np.zeros((SAMPLES, 2))).astype(
            np.float32
        ),
        elements=("command[0]", "command[1]"),
        kernels=kernels,
        wanted_integer=target.endswith("int8"),
        load_average=0.4,
        has_targets=has_targets,
        answer_variance=0.5,
    )
    made = None
    if recipe:
        made = Recipe(name, Target.parse(target), tuple(passes), gate=gate or Gate())
    return Row(measured, None if score is None else drive(name, score), made, tuple(violations), tuple(steps))


def drive(name, score):
    """Twelve episodes; the same ones are hard for all."""
    hard = np.random.default_rng(3).normal(0.0, 5.0, EPISODES)
    way = np.linspace(0.0, 6.0, 80)
    poses = {f"loop, seed {k}": np.column_stack([np.cos(way), np.sin(way), way]) for k in range(EPISODES)}
    return Driven(
        name,
        {"driving_score": score + hard, "driven_lane_m": 20.0 + 0.1 * hard},
        {"driving_score": "", "driven_lane_m": "m"},
        np.full(EPISODES, 20.0),
        poses,
        suite="lf (abc)",
    )


def usual():
    """The float model, torch eager, ours, one that fails, and two of the document's."""
    broken = Violation("max_mse_ratio", 1.05, 12.5, "default ranges: its mean squared error is 12.5 times.")
    gate = Gate(max_mse_ratio=1.05)
    return [
        row("float", recipe=False, score=90.0),
        row("paper.torch.baseline", "cpu/torch/fp32", median_s=800e-6),
        row(
            "balanced",
            "cpu/openvino/int8",
            median_s=160e-6,
            error=1.01,
            size=1_500_000,
            kernels=Kernels(9, 8),
            gate=gate,
            score=89.5,
        ),
        row("max", "cpu/openvino/int8", median_s=50e-6, size=450_000, kernels=Kernels(9, 9), gate=gate, score=89.8),
        row(
            "default ranges",
            "cpu/openvino/int8",
            median_s=40e-6,
            error=12.5,
            size=1_500_000,
            gate=gate,
            violations=[broken],
        ),
        row("paper.torch.local_prune", "cpu/torch/fp32", median_s=790e-6, error=1.02, sparsity=0.4, passes=[PRUNED]),
        row("paper.torch.dynamic_quan", "cpu/torch/int8", median_s=900e-6, kernels=Kernels(9, 0), passes=[PRUNED]),
    ]


def _pruned():
    from dataclasses import make_dataclass

    kind = make_dataclass("Pruned", [("share", float, 0.4)], frozen=True)
    kind.name, kind.needs, kind.version = "prune.unstructured", frozenset(), 1
    return kind()


PRUNED = _pruned()
