"""Weights that are ready to run: what every backend gives, and how its tensors are held against ``model.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rilaas.core import InvalidModelFolder, Tensors, TensorSpec, did_you_mean


@dataclass(frozen=True, slots=True)
class Kernels:
    """What a backend really computes with, as it says itself.

    Attributes:
        total: Kernels that multiply matrices or convolve.
        integer: Those of them that multiply integers.
    """

    total: int
    integer: int


class Session(Protocol):
    """The weights of a model on one backend. A session belongs to one thread at a time.

    Attributes:
        inputs: What the weights take, by name.
        outputs: What they give, by name; always float where the model is quantized inside.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    def run(self, inputs: Tensors) -> dict[str, Any]:
        """Compute: arrays by the names of the weights. What is given back is the caller's to keep."""
        ...

    def only(self, names: tuple[str, ...]) -> Session:
        """The same weights, computing these outputs alone."""
        ...

    def kernels(self) -> Kernels | None:
        """What it computes with; None where the backend does not tell."""
        ...


class Backend(Protocol):
    """A runtime that opens weights."""

    name: str  # one of ``rilaas.store.BACKENDS``
    precisions: tuple[str, ...]  # those of ``PRECISIONS`` that it computes in

    def missing(self) -> str:
        """Why it cannot be used on this machine, with what to install; '' where it can."""
        ...

    def open(self, path: Path, *, precision: str = "fp32", threads: int = 1) -> Session:
        """Load a file of weights.

        Args:
            path: A file with one of ``rilaas.store.weights.SUFFIXES``.
            precision: What to compute the float parts in.
            threads: Threads to compute with.

        Raises:
            MissingDependency: A package or the hardware is not there.
            InvalidModelFolder: It cannot load the file: the message names the operator where one is not supported.
        """
        ...


def check_side(session: Session, label: str, side: str, wanted: Mapping[str, TensorSpec]) -> None:
    """Compare the inputs or outputs of weights with those of ``model.toml``.

    Args:
        session: The weights.
        label: What the file is called in errors.
        side: ``input`` or ``output``.
        wanted: What ``model.toml`` says. Outputs may be fewer than the file has; inputs may not.

    Raises:
        InvalidModelFolder: They differ; the message says both sides.
    """
    own = session.inputs if side == "input" else session.outputs
    says = f"model.toml says {'; '.join(map(str, wanted.values()))}; {label} has {'; '.join(map(str, own.values()))}"
    for name, spec in wanted.items():
        if name not in own:
            raise InvalidModelFolder(
                f"The weights have no {side} {name!r}: {says}.", did_you_mean(name, own) + _hooks_hint(side)
            )
        if not _fits(spec, own[name]):
            raise InvalidModelFolder(
                f"The {side} {name!r} of the weights differs: model.toml says {spec}; {label} has {own[name]}.",
                _hooks_hint(side).strip(),
            )
    missing = set(own) - set(wanted)
    if side == "input" and missing:
        raise InvalidModelFolder(f"Nothing is given to input {sorted(missing)[0]!r} of the weights: {says}.")


def _fits(said: TensorSpec, own: TensorSpec) -> bool:
    """Whether ``own`` takes every tensor that ``said`` allows; a file may leave shapes of outputs out."""
    if said.datatype != own.datatype:
        return False
    if not own.shape:
        return True
    return len(said.shape) == len(own.shape) and all(
        have in (-1, want) for want, have in zip(said.shape, own.shape, strict=True)
    )


def _hooks_hint(side: str) -> str:
    hook = "preprocess(inputs)" if side == "input" else "postprocess(outputs)"
    return f" Correct model.toml, or convert in hooks.py: {hook}."
