"""From data sets to samples: a model's inputs, what its network was to answer, and which recording they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, SignatureMismatch, Tensors, TensorSpec, did_you_mean
from rilaas.optimize.network import Network
from rilaas.optimize.samples import PARTS, Arrays, Samples
from rilaas.optimize.subject import Subject
from rilaas.store.dataset import Dataset, Sample, bind
from rilaas.store.dataset.bind import AXIS

RECORDING = "recording"
"""A field of whole numbers that says which recording a sample comes from."""
MOST = 20_000
"""Samples that are read; of more, so many that lie evenly."""


def _nobody(note: str) -> None:
    """Listens to no note."""


def read_samples(
    datasets: Sequence[Dataset], subject: Subject, *, most: int = MOST, say: Callable[[str], None] = _nobody
) -> Samples:
    """Data sets as samples of a model.

    Fields are bound to the model's inputs as ``rilaas.store.dataset.bind`` does it. What is expected and has the name
    of an output of the weights is what the network was to answer, and becomes a target; where the folder has a
    postprocessing, what is expected of the robot's outputs alone says nothing about the network's own, and the float
    model is the teacher. A name that both have is the network's where its values fit the network's shape only.

    Recordings are told apart by the field ``recording``; without it, by data set where there are four or more (files
    of a folder). Else neighbours in time stand for them; see ``split``.

    Args:
        datasets: Open; see ``rilaas.evaluate.offline.open_datasets``.
        subject: The model.
        most: Samples to read at most.
        say: Called once with each thing that was done to make fields fit, and with what is not used.

    Raises:
        InvalidInput: There is no sample, there are too few recordings, or a target does not fit the network.
        SignatureMismatch: A field is missing or does not fit the model.
    """
    total = sum(map(len, datasets))
    if not total:
        raise InvalidInput("The data set holds no samples.", "Give recordings of what the robot saw.")
    chosen = set(np.linspace(0, total - 1, most).round().astype(int).tolist()) if total > most else None
    raw: dict[str, list[NDArray[Any]]] = {}
    expected: dict[str, list[NDArray[Any]]] = {}
    groups: list[int] = []
    notes: dict[str, None] = {}
    signature = subject.folder.manifest.signature
    has_recording = RECORDING not in signature.inputs and all(RECORDING in each.info.fields for each in datasets)
    for number, sample in _numbered(datasets, chosen):
        fields = dict(sample.inputs)
        if RECORDING not in signature.inputs and RECORDING in fields:
            given = np.ravel(fields.pop(RECORDING))
            number = _recording(given, number) if has_recording else number
        found = bind(fields, signature)
        bound = found.inputs
        notes.update(dict.fromkeys(note for note in found.notes if not note.endswith(AXIS)))
        rows = _rows(bound, signature.inputs)
        _extend(raw, bound)
        has_axis = not _is_single(fields, bound)
        _extend(expected, {name: _as_rows(name, value, rows, has_axis) for name, value in sample.expected.items()})
        groups += [number] * rows
    columns = {name: np.concatenate(parts) for name, parts in raw.items()}
    wanted = {name: np.concatenate(parts) for name, parts in expected.items()}
    is_told = has_recording or len(datasets) >= len(PARTS)
    samples = samples_of(columns, wanted, np.array(groups, np.int64) if is_told else None, subject)
    for note in (*notes, *_unused(wanted, samples.targets or {}, subject)):
        say(note)
    return samples


def samples_of(raw: Arrays, expected: Arrays, groups: NDArray[np.int64] | None, subject: Subject) -> Samples:
    """Arrays as samples of a model; see ``read_samples``.

    Args:
        raw: By the names of the model's inputs, (N, ...) each; others are left out.
        expected: By name, (N, ...) each.
        groups: (N,) which recording each row comes from; None where nobody knows.
        subject: The model.

    Raises:
        InvalidInput: There is no sample, there are too few recordings, or a target does not fit the network.
        SignatureMismatch: An input is missing or does not fit the model.
    """
    signature = subject.folder.manifest.signature
    inputs = {name: array for name, array in raw.items() if name in signature.inputs}
    signature.check_inputs(inputs)
    rows = _rows(inputs, signature.inputs)
    if rows < len(PARTS):
        raise InvalidInput(
            f"{rows} samples are too few: they are split into {', '.join(PARTS)}.", "Give some hundreds or more."
        )
    if groups is not None and len(np.unique(groups)) < len(PARTS):
        raise InvalidInput(
            f"The samples come from {len(np.unique(groups))} recordings; {', '.join(PARTS)} need one each at least.",
            f"Give {len(PARTS)} recordings or more, or leave the field {RECORDING!r} away.",
        )
    for name, array in inputs.items():
        _check_finite(f"The input {name!r}", array)
    return Samples(inputs, subject.preprocess, _targets(expected, subject) or None, groups)


def outputs_of_network(network: Network) -> dict[str, tuple[int, ...]]:
    """Shapes of an ONNX network's outputs by name; -1 is free, () is not known."""
    return {each.name: _shape_of(each.type.tensor_type.shape) for each in network.to_onnx().graph.output}


def _shape_of(shape: Any) -> tuple[int, ...]:
    return tuple(size.dim_value if size.HasField("dim_value") else -1 for size in shape.dim)


def _targets(expected: Arrays, subject: Subject) -> dict[str, NDArray[np.float32]]:
    own = outputs_of_network(subject.network)
    outputs = subject.folder.manifest.signature.outputs
    if expected and not set(expected) & {*own, *outputs}:
        raise InvalidInput(
            f"Nothing that is expected is an output of the model or of its network: {', '.join(sorted(expected))}.",
            did_you_mean(min(expected), sorted({*own, *outputs})),
        )
    targets = {}
    for name, shape in own.items():
        if name not in expected:
            continue
        array = expected[name]
        fits = not shape or TensorSpec(name, "FP32", shape).accepts("FP32", array.shape)
        is_robots = name in outputs and subject.hooks.postprocess is not None
        if is_robots and not (fits and _differ(outputs[name], shape)):
            continue
        if not fits or array.dtype.kind not in "biuf":
            raise InvalidInput(
                f"The expected {name!r} is {array.dtype} {list(array.shape)}; the network gives {list(shape)}.",
                "Each sample needs one number for each that the network gives.",
            )
        _check_finite(f"The expected {name!r}", array)
        targets[name] = array.astype(np.float32)
    return targets


def _unused(expected: Arrays, targets: Arrays, subject: Subject) -> Iterator[str]:
    """What is expected and no target, in words."""
    own = outputs_of_network(subject.network)
    for name in sorted(set(expected) - set(targets)):
        if name in own:
            yield f"Not used as a target: {name}, for the folder's postprocessing stands between it and the weights."
        else:
            yield f"Not used as a target: {name}; the outputs of the weights are called {', '.join(own)}."


def _differ(spec: TensorSpec, shape: tuple[int, ...]) -> bool:
    """Whether what a model gives and what its network gives under the same name cannot be mixed up."""
    return len(spec.shape) != len(shape) or any(
        -1 not in (a, b) and a != b for a, b in zip(spec.shape, shape, strict=True)
    )


def _numbered(datasets: Sequence[Dataset], chosen: set[int] | None) -> Iterator[tuple[int, Sample]]:
    """Samples with the number of their data set."""
    first = 0
    for number, dataset in enumerate(datasets):
        for index in range(len(dataset)):
            if chosen is None or first + index in chosen:
                yield number, dataset[index]
        first += len(dataset)


def _recording(given: NDArray[Any], dataset: int) -> int:
    """The number of a recording, unique over data sets."""
    if given.size != 1 or given.dtype.kind not in "iu" or not 0 <= int(given[0]) < 2**31:
        raise InvalidInput(
            f"The field {RECORDING!r} is {given.dtype} {given.tolist()}.",
            "It is one whole number for each sample, from 0 to 2^31 - 1.",
        )
    return dataset * 2**31 + int(given[0])


def _rows(bound: Tensors, specs: Mapping[str, TensorSpec]) -> int:
    """How many samples the inputs hold."""
    for name, spec in specs.items():
        if not spec.shape or spec.shape[0] not in (-1, 1):
            raise SignatureMismatch(
                f"The first axis of the input {spec} does not count samples.",
                "Give the model a batch axis in front, -1 or 1, so that samples can be told apart.",
            )
        if len(bound[name]) != len(bound[next(iter(specs))]):
            sizes = ", ".join(f"{each} has {len(array)}" for each, array in bound.items())
            raise SignatureMismatch(f"The inputs hold different numbers of samples: {sizes}.")
    return len(bound[next(iter(specs))])


def _is_single(fields: Tensors, bound: Tensors) -> bool:
    """Whether a sample came without a batch axis."""
    named = [fields[name] for name in bound if name in fields] or list(fields.values())
    return max(map(np.ndim, named)) < max(map(np.ndim, bound.values()))


def _as_rows(name: str, value: NDArray[Any], rows: int, has_axis: bool) -> NDArray[Any]:
    """What is expected of a sample with a batch axis in front."""
    array = np.asarray(value) if has_axis else np.asarray(value)[None]
    if not array.ndim or len(array) != rows:
        raise InvalidInput(f"The expected {name!r} has shape {list(array.shape)} for {rows} samples.")
    return array


def _extend(columns: dict[str, list[NDArray[Any]]], parts: Tensors) -> None:
    for name, part in parts.items():
        known = columns.setdefault(name, [])
        if known and (known[0].shape[1:] != part.shape[1:] or known[0].dtype != part.dtype):
            raise InvalidInput(
                f"{name!r} is {known[0].dtype} {list(known[0].shape[1:])} in one sample and {part.dtype} "
                f"{list(part.shape[1:])} in another.",
                "All samples have one size.",
            )
        known.append(part)


def _check_finite(what: str, array: NDArray[Any]) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        rows = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
        raise InvalidInput(f"{what} is not finite in {len(rows)} samples, such as {int(rows[0])}.", "Leave them out.")
