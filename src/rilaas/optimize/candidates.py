"""Recipes that a search tries: what changes the network, and how it ends on each target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rilaas.infer.target import Target, processor_features
from rilaas.optimize.gate import Gate
from rilaas.optimize.passes.registry import PASSES, make_pass
from rilaas.optimize.recipe import Recipe

Rows = tuple[tuple[str, Mapping[str, Any]], ...]

RATIOS = (0.7, 0.5, 0.25)
STUDENTS = ((0.67, 2, 3), (0.33, 2, 3), (0.25, 1, 0), (0.5, 1, 0))
"""Widths of students, as shares of the network's, what their first stride is multiplied by, and how many convolutions
they have (0: all): after a wide first stride a picture is too small for many. Of the document's PilotNet the first is
16, 24 and 32 channels, eleven times as fast as the float network."""

_FOLD: tuple[str, Mapping[str, Any]] = ("fold.normalization", {})
_MINMAX = ("minmax", (("quantize.static", {"ranges": "minmax"}),))
_PERCENTILE = ("percentile", (("quantize.static", {"ranges": "percentile", "samples": 64}),))  # 0.2 s a sample
_LITERT: Mapping[str, tuple[tuple[str, Rows], ...]] = {
    "fp32": (("", (("tensorflow.convert", {}),)),),
    "fp16": (("", (("tensorflow.float16", {}),)),),
    "int8": (
        ("dynamic", (("tensorflow.dynamic", {}),)),
        ("static", (("tensorflow.integer_float", {}),)),
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What is done to the float network.

    Attributes:
        name: Part of names of recipes.
        rows: Passes with their fields.
        trains: Whether a number of epochs goes into the first of them.
    """

    name: str
    rows: Rows = ()
    trains: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A recipe but for how long it trains.

    Attributes:
        body: What is done to the float network.
        ending: What makes it ready for the target.
        target: Where it runs.
        rows: Passes of the ending.
        is_late: Whether it takes so long that only what reached the last rung gets it.
    """

    body: Body
    ending: str
    target: Target
    rows: Rows = field(default=())
    is_late: bool = False

    @property
    def name(self) -> str:
        """Of its recipe."""
        parts = (self.body.name, self.ending, self.target.runtime, self.target.precision)
        return "-".join(part for part in parts if part)

    def recipe(self, epochs: int, gate: Gate) -> Recipe:
        """With a number of epochs of training."""
        rows = list(self.body.rows)
        if self.body.trains:
            name, fields = rows[0]
            rows[0] = (name, {**fields, "epochs": epochs})
        passes = tuple(make_pass(name, fields) for name, fields in (*rows, *self.rows))
        words = f"found by a search: {self.body.name}, {self.ending or 'float'}"
        return Recipe(self.name, self.target, passes, words, gate=gate)


def bodies() -> tuple[Body, ...]:
    """The network as it is, taught to smaller ones, and pruned; what trains fastest first, for budgets end."""
    pruned = [
        Body(f"prune-{round(100 * ratio)}", (("prune.structured", {"ratio": ratio}), _FOLD), True) for ratio in RATIOS
    ]
    taught = []
    for width, stride, layers in STUDENTS:
        fields = {"width": width, "first_stride": stride, "layers": layers}
        name = f"distill-{round(100 * width)}{'-stride' if stride > 1 else ''}"
        taught.append(Body(name, (("distill", fields),), True))
    return tuple(each for each in (Body("as-is", (_FOLD,)), *taught, *pruned) if _exist(each.rows))


def candidates(targets: Sequence[Target]) -> tuple[Candidate, ...]:
    """Every body with every ending that a target has."""
    return tuple(
        Candidate(body, name, target, rows, name == _PERCENTILE[0])
        for body in bodies()
        for target in targets
        for name, rows in _endings(target)
        if _exist(rows)
    )


def default_targets(threads: int = 1) -> tuple[Target, ...]:
    """Those of this machine's processor that are worth trying and are there."""
    short = "bf16" if any("BF16" in feature for feature in processor_features()) else "fp32"
    names = ("cpu/openvino/int8", f"cpu/openvino/{short}", "cpu/onnxruntime/int8", "cpu/onnxruntime/fp32")
    found = (Target.parse(name, threads=threads) for name in names)
    return tuple(target for target in found if not target.missing())


def _endings(target: Target) -> tuple[tuple[str, Rows], ...]:
    if target.runtime == "litert":
        return _LITERT.get(target.precision, ())
    if target.precision == "int8":
        return (_MINMAX, _PERCENTILE)
    return (("", ()),)


def _exist(rows: Rows) -> bool:
    return all(name in PASSES for name, _ in rows)
