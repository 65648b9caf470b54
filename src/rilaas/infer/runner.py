"""The two ways a model computes: weights between two functions, or a class with its own loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rilaas.infer.hooks import Step
from rilaas.infer.session import Session as Weights


@dataclass(frozen=True, slots=True)
class Run:
    """One computation.

    Attributes:
        outputs: By the signature's names; not checked.
        preprocess_s: Before the weights [s].
        compute_s: In the weights [s]; everything where there are none.
        postprocess_s: After the weights, and between where they ran several times [s].
    """

    outputs: Mapping[str, Any]
    preprocess_s: float
    compute_s: float
    postprocess_s: float


class Runner(Protocol):
    """How a model computes."""

    def run(self, inputs: dict[str, Any]) -> Run:
        """Compute once; anything may be raised."""
        ...

    def reset(self) -> None:
        """Forget everything between episodes; anything may be raised."""
        ...


class Pipeline:
    """preprocess, weights, postprocess."""

    def __init__(self, preprocess: Step | None, session: Weights, postprocess: Step | None) -> None:
        self._preprocess, self._session, self._postprocess = preprocess, session, postprocess

    def run(self, inputs: dict[str, Any]) -> Run:
        """See ``Runner``."""
        start = time.monotonic()
        given: Mapping[str, Any] = inputs if self._preprocess is None else self._preprocess(inputs)
        ready = time.monotonic()
        outputs: Mapping[str, Any] = self._session.run(given)
        computed = time.monotonic()
        if self._postprocess is not None:
            outputs = self._postprocess(dict(outputs))
        return Run(outputs, ready - start, computed - ready, time.monotonic() - computed)

    def reset(self) -> None:
        """Functions remember nothing."""


class Session:
    """What a class ``Model`` gets as ``session``: its weights, with a clock.

    Attributes:
        inputs: What the weights take: name to ``TensorSpec``.
        outputs: What they give.
    """

    def __init__(self, session: Weights) -> None:
        self.inputs, self.outputs = session.inputs, session.outputs
        self._run = session.run
        self.first_at: float | None = None
        self.spent_s = 0.0

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Compute with the weights, as often as wanted.

        Args:
            inputs: By the names of the weights.

        Returns:
            Outputs by the names of the weights.
        """
        start = time.monotonic()
        if self.first_at is None:
            self.first_at = start
        outputs = self._run(inputs)
        self.spent_s += time.monotonic() - start
        return outputs


class OwnLoop:
    """A class ``Model`` with its own loop, as grasp planning has one.

    Args:
        model: The class: called with the folder and the session, or None where there are no weights.
        folder: The model folder.
        session: The weights, if any.
    """

    def __init__(self, model: Callable[..., Any], folder: Path, session: Weights | None) -> None:
        self._session = Session(session) if session is not None else None
        self._model = model(folder, self._session)

    def run(self, inputs: dict[str, Any]) -> Run:
        """See ``Runner``."""
        session = self._session
        if session is not None:
            session.first_at, session.spent_s = None, 0.0
        start = time.monotonic()
        outputs = self._model.predict(inputs)
        total_s = time.monotonic() - start
        if session is None:
            return Run(outputs, 0.0, total_s, 0.0)
        before_s = total_s if session.first_at is None else session.first_at - start
        return Run(outputs, before_s, session.spent_s, max(0.0, total_s - before_s - session.spent_s))

    def reset(self) -> None:
        """Call the model's own ``reset``, where it has one."""
        reset = getattr(self._model, "reset", None)
        if reset is not None:
            reset()
