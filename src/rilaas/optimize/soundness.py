"""Whether what a pass gave can be used at all: finite weights, the same inputs and outputs, finite answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, InvalidModelFolder, ModelFailed, TensorSpec
from rilaas.infer.session import Session
from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.samples import Samples

_DIVERGED = "Lower its learning rate, or prune and quantize less."


def check_weights_are_finite(network: Network, made_by: str) -> None:
    """Look at all float tensors of a graph; a LiteRT file is judged by its answers alone.

    Raises:
        ModelFailed: A weight is not finite: the pass diverged.
    """
    if network.format != "onnx":
        return
    from onnx import numpy_helper

    for tensor in network.to_onnx().graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind not in "biu" and not np.isfinite(values.astype(np.float32)).all():
            raise ModelFailed(f"The pass {made_by} diverged: the weights {tensor.name} are not finite.", _DIVERGED)


def check_interface(network: Network, original: Network, target: Target, samples: Samples | None) -> None:
    """Run what a recipe made once on its own runtime, and hold it against the original.

    Args:
        network: The result.
        original: The float network.
        target: Where the result runs.
        samples: A few to ask it; drawn ones where None and all shapes but the first axis are known.

    Raises:
        ModelFailed: The runtime cannot load or compute it, its inputs or outputs are not called as the original's,
            its outputs are no float, or an answer is not finite.
    """
    try:
        with open_network(original) as before:
            inputs, outputs = dict(before.inputs), dict(before.outputs)
        with open_network(network, target) as after:
            _check_side("inputs", inputs, after.inputs)
            _check_side("outputs", outputs, after.outputs)
            answers = _answers(after, samples)
    except (ModelFailed, InvalidInput) as error:
        hint = error.hint or "Another target may: see `rilaas doctor`."
        raise ModelFailed(f"{target} cannot run what the recipe made: {error.message}", hint) from error
    for name, values in answers.items():
        if not np.isfinite(values).all():
            raise ModelFailed(f"The recipe's network answers {name} with values that are not finite.", _DIVERGED)


def _check_side(side: str, wanted: Mapping[str, TensorSpec], own: Mapping[str, TensorSpec]) -> None:
    if set(wanted) != set(own):
        raise InvalidModelFolder(
            f"its {side} are {', '.join(sorted(own))}; the original has {', '.join(sorted(wanted))}."
        )
    for name, spec in own.items():
        if spec.datatype != wanted[name].datatype:
            raise InvalidModelFolder(
                f"{name} is {spec.datatype} and not {wanted[name].datatype}: whoever asks a variant gives "
                "and gets what the original takes and gives."
            )


def _answers(session: Session, samples: Samples | None) -> dict[str, Any]:
    if samples is not None:
        return dict(outputs_of(session, samples))
    draw, inputs = np.random.default_rng(0), {}
    for name, spec in session.inputs.items():
        if -1 in spec.shape[1:] or spec.dtype.kind not in "fiu":
            return {}
        shape = tuple(1 if size == -1 else size for size in spec.shape)
        inputs[name] = draw.random(shape).astype(spec.dtype)
    return session.run(inputs)
