"""A network that is ready to run, without a model folder around it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rilaas.infer.backends import backend_named
from rilaas.infer.session import Session
from rilaas.infer.target import Target
from rilaas.optimize.network import SUFFIX, Network
from rilaas.optimize.samples import Samples

_BATCH = 32


@contextmanager
def open_network(network: Network, target: Target | None = None) -> Iterator[Session]:
    """A network on a runtime, for the time of a ``with``.

    Args:
        network: The weights.
        target: Where to; onnxruntime on the CPU where None.

    Raises:
        MissingDependency: The runtime is not there.
        InvalidModelFolder: The runtime cannot load these weights.
    """
    target = target or Target()
    precision = "fp32" if target.precision == "int8" else target.precision
    with tempfile.TemporaryDirectory(prefix="rilaas-network-") as place:
        path = Path(place, f"weights{SUFFIX[network.format]}")
        path.write_bytes(network.data)
        yield backend_named(target.runtime).open(path, precision=precision, threads=target.threads)


def outputs_of(session: Session, samples: Samples, *, batch: int = _BATCH) -> dict[str, NDArray[np.float32]]:
    """What a network answers to samples, in batches where it takes them.

    Args:
        session: An open network.
        samples: What to ask.
        batch: Samples of one call; one by one where the weights' first axis is fixed to 1.

    Returns:
        By output name: (N, ...) float32.
    """
    if any(spec.shape[:1] == (1,) for spec in session.inputs.values()):
        batch = 1
    parts = [session.run(samples.inputs(slice(at, at + batch))) for at in range(0, len(samples), batch)]
    return {name: np.concatenate([np.asarray(part[name], np.float32) for part in parts]) for name in parts[0]}
