"""A model folder as a policy in this process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rilaas.core import (
    DeadlineExceeded,
    ModelFailed,
    Prediction,
    RilaasError,
    Signature,
    SignatureMismatch,
    Tensors,
    Timing,
)
from rilaas.infer.blas import lower_blas_threads, restore_blas_threads
from rilaas.infer.failure import model_failed
from rilaas.infer.runner import Runner
from rilaas.store import ModelFolder


class LoadedModel:
    """A loaded model: a ``Policy``; made by ``load``.

    The model's code gets read-only views of the inputs, so that it cannot change the caller's arrays.

    Args:
        folder: Where it came from.
        runner: How it computes.
        threads: Threads that it may compute with.
    """

    def __init__(self, folder: ModelFolder, runner: Runner, threads: int = 1) -> None:
        self.folder = folder
        self._signature = folder.manifest.signature
        self._runner = runner
        self._threads = threads

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        return self._signature

    def predict(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        """See ``Policy.predict``.

        Raises:
            SignatureMismatch: The inputs do not fit; nothing was computed.
            DeadlineExceeded: The deadline had passed before, or passed meanwhile.
            ModelFailed: The model's code or weights failed, or gave outputs that do not fit its own signature.
        """
        start = time.monotonic()
        self._signature.check_inputs(inputs)
        if deadline_s is not None and deadline_s <= 0.0:
            raise DeadlineExceeded("The deadline had passed before the model began.")
        given = {name: _read_only(array) for name, array in inputs.items()}
        blas = lower_blas_threads(self._threads)
        try:
            run = self._runner.run(given)
        except RilaasError:
            raise
        except (Exception, SystemExit) as error:
            raise model_failed(self.folder, "predict", error) from error
        finally:
            restore_blas_threads(blas)
        outputs = self._checked(run.outputs)
        total_s = time.monotonic() - start
        if deadline_s is not None and total_s > deadline_s:
            raise DeadlineExceeded(
                f"The model answered after {1e3 * total_s:.3f} ms; the deadline was {1e3 * deadline_s:.6g} ms."
            )
        return Prediction(outputs, Timing(0.0, run.preprocess_s, run.compute_s, run.postprocess_s, total_s))

    def reset(self) -> None:
        """See ``Policy.reset``."""
        try:
            self._runner.reset()
        except (Exception, SystemExit) as error:
            raise model_failed(self.folder, "reset", error) from error

    def _checked(self, outputs: Mapping[str, Any]) -> Mapping[str, Any]:
        name = self.folder.manifest.name
        if not isinstance(outputs, Mapping):
            raise ModelFailed(f"The model {name} gave a {type(outputs).__name__} instead of arrays by name.")
        try:
            self._signature.check_outputs(outputs)
        except SignatureMismatch as error:
            raise ModelFailed(f"The model {name} broke its own signature: {error.message}", error.hint) from None
        return outputs


def _read_only(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view
