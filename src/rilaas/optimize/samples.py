"""What a network saw and what it was to answer: samples, and four parts of them that never overlap."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, Tensors

Arrays = Mapping[str, NDArray[Any]]
PARTS = ("training", "calibration", "validation", "test")
_SEEN = 8  # rows that tell one preprocessing from another


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows that a robot saw, made ready for the network when they are asked for.

    Attributes:
        raw: What the robot sends, by the names of the model's signature; the first axis counts samples.
        preprocess: The model folder's own, from ``raw`` rows to what the weights take; None where they take it as is.
        targets: What the network (before postprocessing) was to answer, by its own output names, first axis counts
            samples; None where nobody knows: then the float model is the teacher.
        groups: (N,) which recording each sample comes from: neighbours in time are alike, and stay in one part.
    """

    raw: Arrays
    preprocess: Callable[[dict[str, Any]], Tensors] | None = None
    targets: Arrays | None = None
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        lengths = {f"{name} has {len(array)}" for name, array in {**self.raw, **(self.targets or {})}.items()}
        if len({text.rpartition(" ")[2] for text in lengths}) != 1 or not len(self):
            raise InvalidInput(
                f"Samples need one row of each tensor, and at least one: {', '.join(sorted(lengths))}."
            )

    def __len__(self) -> int:
        return len(next(iter(self.raw.values()), ()))

    def inputs(self, rows: slice | Sequence[int] | NDArray[np.int64] = slice(None)) -> dict[str, NDArray[Any]]:
        """What the weights take, for some rows."""
        chosen = {name: array[rows] for name, array in self.raw.items()}
        return dict(chosen if self.preprocess is None else self.preprocess(chosen))

    def answers(
        self, rows: slice | Sequence[int] | NDArray[np.int64] = slice(None)
    ) -> dict[str, NDArray[Any]] | None:
        """What the network was to answer, for some rows; None where nobody knows."""
        return None if self.targets is None else {name: array[rows] for name, array in self.targets.items()}

    def take(self, rows: slice | Sequence[int] | NDArray[np.int64]) -> Samples:
        """Some of them."""
        targets = None if self.targets is None else {name: array[rows] for name, array in self.targets.items()}
        groups = None if self.groups is None else self.groups[rows]
        return Samples({name: array[rows] for name, array in self.raw.items()}, self.preprocess, targets, groups)

    @cached_property
    def keys(self) -> frozenset[bytes]:
        """A hash of each row that a robot sends: the same picture has the same key wherever it stands."""
        columns = [np.ascontiguousarray(self.raw[name]) for name in sorted(self.raw)]
        return frozenset(
            hashlib.blake2b(b"".join(column[row].tobytes() for column in columns), digest_size=16).digest()
            for row in range(len(self))
        )

    @cached_property
    def digest(self) -> str:
        """Hexadecimal hash of all rows and targets, in order."""
        total = hashlib.sha256()
        for side in (self.raw, self.targets or {}):
            for name in sorted(side):
                total.update(f"{name} {side[name].dtype} {side[name].shape}".encode())
                total.update(np.ascontiguousarray(side[name]).tobytes())
        return total.hexdigest()

    @cached_property
    def seen(self) -> str:
        """Hexadecimal hash of what the network sees of some rows: another preprocessing gives another."""
        total = hashlib.sha256()
        for row in np.unique(np.linspace(0, len(self) - 1, _SEEN).round().astype(int)):
            inputs = self.inputs([int(row)])
            for name in sorted(inputs):
                array = np.ascontiguousarray(inputs[name])
                total.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
        return total.hexdigest()


@dataclass(frozen=True, eq=False)
class Data:
    """Four parts without a common sample. A pass sees training, calibration and validation; nobody learns from test.

    Attributes:
        training: Gradients come from these.
        calibration: Ranges of activations come from these.
        validation: Decisions (when to stop, what survives a search) come from these.
        test: Reported errors come from these.

    Raises:
        InvalidInput: Two parts have a sample in common; it says which and how many.
    """

    training: Samples
    calibration: Samples
    validation: Samples
    test: Samples

    def __post_init__(self) -> None:
        for index, name in enumerate(PARTS):
            for other in PARTS[index + 1 :]:
                if common := len(getattr(self, name).keys & getattr(self, other).keys):
                    raise InvalidInput(
                        f"{common} samples are in the {name} part and in the {other} part.",
                        "Errors would look smaller than they are: give each recording to one part only.",
                    )

    @property
    def words(self) -> str:
        """How many samples each part has, and what errors are held against, for people."""
        toward = "what was expected" if self.test.targets is not None else "the float model's answers"
        counts = ", ".join(f"{len(getattr(self, name)):,} {name}" for name in PARTS)
        return f"{counts}; errors are against {toward}"

    @property
    def digest(self) -> str:
        """Hexadecimal hash of what passes may see."""
        return hashlib.sha256(
            "".join(part.digest for part in (self.training, self.calibration, self.validation)).encode()
        ).hexdigest()


def split(samples: Samples, *, seed: int = 0, shares: Sequence[float] = (0.7, 0.1, 0.1, 0.1)) -> Data:
    """Split samples into the four parts, whole recordings at a time; repeated samples are left out.

    Args:
        samples: With ``groups``; without, 20 blocks of neighbours stand for recordings.
        seed: Draws which recording goes where.
        shares: Of training, calibration, validation and test; a part gets at least one recording.

    Raises:
        InvalidInput: There are fewer than four recordings, or a part is left without a sample.
    """
    groups = samples.groups if samples.groups is not None else np.arange(len(samples)) * 20 // max(20, len(samples))
    names = np.unique(groups)
    if len(names) < len(PARTS):
        raise InvalidInput(
            f"{len(names)} recordings cannot be split into {', '.join(PARTS)}.",
            f"Give at least {len(PARTS)} recordings, or {len(PARTS)} samples without recordings.",
        )
    order = np.random.default_rng(seed).permutation(names)
    ends = np.round(np.cumsum(shares) / np.sum(shares) * len(order)).astype(int)
    for index in range(len(PARTS)):  # none is empty
        low = (ends[index - 1] if index else 0) + 1
        ends[index] = min(max(ends[index], low), len(order) - len(PARTS) + index + 1)
    fresh = _first_of_each(samples)
    parts, start = [], 0
    for end in ends:
        rows = np.flatnonzero(np.isin(groups, order[start:end]) & fresh)
        if not len(rows):
            raise InvalidInput("Too many samples are the same: a part is left without one.", "Record more.")
        parts.append(samples.take(rows))
        start = end
    return Data(*parts)


def _first_of_each(samples: Samples) -> NDArray[np.bool_]:
    """Whether a sample is the first of its kind."""
    columns = [np.ascontiguousarray(samples.raw[name]) for name in sorted(samples.raw)]
    seen: set[bytes] = set()
    fresh = np.zeros(len(samples), np.bool_)
    for row in range(len(samples)):
        key = hashlib.blake2b(b"".join(column[row].tobytes() for column in columns), digest_size=16).digest()
        fresh[row] = key not in seen
        seen.add(key)
    return fresh
