"""How far the answers of several networks are from what was to be answered, and from one of them.

Samples are asked one by one, as a robot asks: a network that measures the ranges of its activations at run time
measures them over a whole batch, and answers otherwise there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, ModelFailed, did_you_mean
from rilaas.infer.session import Session
from rilaas.optimize.samples import Samples

MAX_ELEMENTS = 64
"""Of one output: up to here each element has its own error; above, a sample's largest difference stands for all."""

Answers = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Deviation:
    """Of one network; see ``Measured`` for the fields."""

    squared_error: NDArray[np.float64]
    output_mse: dict[str, float]
    difference: NDArray[np.float32]
    elements: tuple[str, ...]
    has_targets: bool
    answer_variance: float


@dataclass(eq=False)
class _Sums:
    """What is kept of one network while samples go by."""

    squared_error: list[NDArray[np.float64]] = field(default_factory=list)
    difference: list[NDArray[np.float32]] = field(default_factory=list)
    by_output: dict[str, float] = field(default_factory=dict)


def deviations(sessions: Sequence[Session], names: Sequence[str], reference: int, test: Samples) -> list[Deviation]:
    """Compare, sample by sample, so that large outputs need no large memory.

    Args:
        sessions: The networks; the same inputs and outputs.
        names: What errors call them.
        reference: Index of the float model among them.
        test: What to ask; where it has no targets, the reference's answers stand for them.

    Raises:
        InvalidInput: Targets do not fit the outputs.
        ModelFailed: A network's outputs have other names or shapes than the reference's.
    """
    sums = [_Sums() for _ in sessions]
    moments: dict[str, NDArray[np.float64]] = {}
    elements: tuple[str, ...] = ()
    for at in range(len(test)):
        rows = slice(at, at + 1)
        inputs = test.inputs(rows)
        base = _answers(sessions[reference], inputs)
        wanted = _wanted(test.answers(rows), base)
        elements = tuple(name for output, values in base.items() for name in element_names(output, values))
        for name, values in base.items():
            flat = values.reshape(len(values), -1).astype(np.float64)
            one = np.stack([flat.sum(axis=0), (flat**2).sum(axis=0)])
            moments[name] = moments[name] + one if name in moments else one
        for index, session in enumerate(sessions):
            own = base if index == reference else _answers(session, inputs)
            _check_alike(own, base, names[index])
            _add(sums[index], own, wanted, base)
    variance = _variance(moments, len(test))
    return [_finished(each, elements, test.targets is not None, variance, len(test)) for each in sums]


def element_names(output: str, values: NDArray[Any]) -> list[str]:
    """Names of the elements of an output (N, ...), such as ``command[1]``."""
    count = int(np.prod(values.shape[1:]))
    if count > MAX_ELEMENTS:
        return [f"{output}[largest]"]
    if values.ndim == 1:
        return [output]
    places = [",".join(map(str, place)) for place in np.ndindex(*values.shape[1:])]
    return [f"{output}[{place}]" for place in places]


def _answers(session: Session, inputs: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    return {name: np.array(values, np.float32) for name, values in session.run(inputs).items()}


def _wanted(targets: Answers | None, base: Answers) -> Answers:
    if targets is None:
        return base
    for name, values in targets.items():
        if name not in base:
            raise InvalidInput(
                f"There are targets for {name!r}, which the model does not give.", did_you_mean(name, base)
            )
        if values.shape != base[name].shape:
            raise InvalidInput(
                f"Targets {name} have the shape {list(values.shape)} and answers {list(base[name].shape)}.",
                "The first axis counts samples; the rest is that of the model's output before postprocessing.",
            )
    return targets


def _check_alike(own: Answers, base: Answers, name: str) -> None:
    if {key: values.shape for key, values in own.items()} != {key: values.shape for key, values in base.items()}:
        said = [", ".join(f"{key} {list(values.shape)}" for key, values in side.items()) for side in (own, base)]
        raise ModelFailed(f"{name} answers {said[0]}; the model that it was made from {said[1]}.")


def _add(sums: _Sums, own: Answers, wanted: Answers, base: Answers) -> None:
    squares = {name: (own[name].astype(np.float64) - values) ** 2 for name, values in wanted.items()}
    flat = {name: values.reshape(len(values), -1) for name, values in squares.items()}
    sums.squared_error.append(np.concatenate(list(flat.values()), axis=1).mean(axis=1))
    for name, values in flat.items():
        if values.shape[1] > MAX_ELEMENTS:
            sums.by_output[name] = sums.by_output.get(name, 0.0) + float(values.mean(axis=1).sum())
            continue
        for element, value in zip(element_names(name, squares[name]), values.sum(axis=0), strict=True):
            sums.by_output[element] = sums.by_output.get(element, 0.0) + float(value)
    columns = []
    for name, values in base.items():
        apart = (own[name] - values).reshape(len(values), -1)
        if apart.shape[1] > MAX_ELEMENTS:
            largest = np.abs(np.nan_to_num(apart, nan=np.inf)).argmax(axis=1)
            apart = apart[np.arange(len(apart)), largest][:, None]
        columns.append(apart)
    sums.difference.append(np.concatenate(columns, axis=1))


def _variance(moments: Mapping[str, NDArray[np.float64]], count: int) -> float:
    """Of each element over samples, mean over all elements."""
    each = [values[1] / count - (values[0] / count) ** 2 for values in moments.values()]
    return max(0.0, float(np.concatenate(each).mean()))


def _finished(sums: _Sums, elements: tuple[str, ...], has_targets: bool, variance: float, count: int) -> Deviation:
    return Deviation(
        np.concatenate(sums.squared_error),
        {name: value / count for name, value in sums.by_output.items()},
        np.concatenate(sums.difference),
        elements,
        has_targets,
        variance,
    )
