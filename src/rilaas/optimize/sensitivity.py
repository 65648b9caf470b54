"""Which layer int8 hurts: each alone is quantized, and the network's answers are held against the float model's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.passes.contract import Context, Tell, silent
from rilaas.optimize.passes.fold import FoldNormalization
from rilaas.optimize.passes.graph import Graph
from rilaas.optimize.passes.qdq import Choice, check_float, insert_qdq
from rilaas.optimize.passes.ranges import Ranges, measure_ranges
from rilaas.optimize.samples import Samples

_MAX_SAMPLES = 256
_BATCH = 32


@dataclass(frozen=True, slots=True)
class LayerError:
    """One layer in int8, all others in float.

    Attributes:
        name: Of the node.
        op: ``Conv``, ``ConvTranspose``, ``Gemm`` or ``MatMul``.
        parameters: Its weights.
        size_bytes: Of its weights in float32 [bytes]; in int8 a quarter of that.
        macs: Multiplications of one sample; 0 where shapes are not known.
        mse: Mean squared difference of the network's outputs from the float model's.
        increase: How much the mean squared error against the true answers grows; None where nobody knows them. It may
            be negative by chance.
    """

    name: str
    op: str
    parameters: int
    size_bytes: int
    macs: int
    mse: float
    increase: float | None


def layer_sensitivity(
    network: Network, calibration: Samples, validation: Samples, *, seed: int = 0, tell: Tell = silent
) -> list[LayerError]:
    """Quantize each Conv, Gemm and MatMul alone, with min-max ranges.

    Args:
        network: Float. Normalizations are folded first.
        calibration: Ranges come from these.
        validation: Errors come from these; of more than 256, as many are drawn.
        seed: Draws them.
        tell: Progress.

    Returns:
        One row a layer, in the order of the network.

    Raises:
        InvalidInput: The network is quantized already, or has no layers with weights.
    """
    network = FoldNormalization().apply(network, Context(Target(), network))
    check_float(Graph(network.to_onnx()))
    ranges = measure_ranges(
        network, calibration, count=_MAX_SAMPLES, mode="minmax", percentile=100.0, tell=_part(tell, 0.0, 0.3)
    )
    if len(validation) > _MAX_SAMPLES:
        rows = np.random.default_rng(seed).choice(len(validation), _MAX_SAMPLES, replace=False)
        validation = validation.take(np.sort(rows))
    return layer_errors(network, ranges, validation, tell=_part(tell, 0.3, 1.0))


def layer_errors(network: Network, ranges: Ranges, samples: Samples, *, tell: Tell = silent) -> list[LayerError]:
    """The same with ranges that are known.

    Args:
        network: Float, folded.
        ranges: Of its activations.
        samples: Errors come from these.
        tell: Progress.
    """
    graph = Graph(network.to_onnx())
    with open_network(network) as session:
        wanted = outputs_of(session, samples, batch=_BATCH)
    answers = samples.answers()
    found = []
    layers = graph.layers()
    for number, layer in enumerate(layers):
        tell(number / len(layers), f"{layer.name} in int8")
        node = next(node for node in graph.nodes if node.name == layer.name)
        behind = graph.only_consumer(node.output[0])
        fused = [behind.name] if behind is not None and behind.op_type in ("Relu", "Clip") else []
        alone = insert_qdq(network, ranges, Choice(only=(layer.name, *fused)))
        with open_network(alone) as session:
            given = outputs_of(session, samples, batch=_BATCH)
        increase = None if answers is None else _mse(given, answers) - _mse(wanted, answers)
        found.append(
            LayerError(
                layer.name,
                layer.op,
                layer.parameters,
                4 * layer.parameters,
                layer.macs,
                _mse(given, wanted),
                increase,
            )
        )
    tell(1.0, "")
    return found


def _mse(given: dict[str, np.typing.NDArray[np.float32]], wanted: object) -> float:
    """Mean over all elements of the outputs that both have."""
    assert isinstance(wanted, dict)
    squares = [np.square(given[name].astype(np.float64) - wanted[name]).ravel() for name in given if name in wanted]
    return float(np.concatenate(squares).mean()) if squares else 0.0


def _part(tell: Tell, start: float, end: float) -> Tell:
    return lambda share, words: tell(start + (end - start) * share, words)
