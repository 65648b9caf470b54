"""The one protocol: anything that predicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from rilaas.core.signature import Signature

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one prediction went, in seconds; 0 where a step does not exist.

    Attributes:
        queue_s: Waiting for a free replica, batching included.
        preprocess_s: The model's own preprocessing.
        compute_s: The backend.
        postprocess_s: The model's own postprocessing.
        total_s: From call to answer, as the caller saw it: the round trip where the policy is remote.
        server: Who answered; '' in this process.
        attempts: Servers tried, 1 where the first one answered.
        request_id: Names the request in logs on both sides; '' in this process.
    """

    queue_s: float = 0.0
    preprocess_s: float = 0.0
    compute_s: float = 0.0
    postprocess_s: float = 0.0
    total_s: float = 0.0
    server: str = ""
    attempts: int = 1
    request_id: str = ""

    @property
    def wire_s(self) -> float:
        """What is left of the total: network, codecs and forwarding."""
        return max(0.0, self.total_s - self.queue_s - self.preprocess_s - self.compute_s - self.postprocess_s)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction(Mapping[str, np.ndarray]):
    """Output tensors by name, with the timing of the call."""

    tensors: Tensors
    timing: Timing = Timing()

    def __getitem__(self, name: str) -> np.ndarray:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)


@runtime_checkable
class Policy(Protocol):
    """Anything that predicts: a model here, a variant, a server far away, a recorder, a dispatcher, a planner.

    ``check_policy`` tests an implementation.
    """

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        ...

    def predict(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        """Outputs for inputs.

        Args:
            inputs: Tensors that fit ``signature.inputs``.
            deadline_s: Seconds from now after which the answer is useless; None waits.

        Raises:
            SignatureMismatch: The inputs do not fit.
            DeadlineExceeded: The deadline passed.
            RilaasError: Anything else that went wrong, by its code.
        """
        ...

    def reset(self) -> None:
        """Forget everything between episodes."""
        ...
