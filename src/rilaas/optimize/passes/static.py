"""Static int8: ranges of activations are measured once, on calibration samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rilaas.core import InvalidInput, did_you_mean
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context, check_share
from rilaas.optimize.passes.fold import FoldNormalization
from rilaas.optimize.passes.graph import Graph
from rilaas.optimize.passes.qdq import FALLBACK_OPS, INTEGER_OPS, Choice, check_float, insert_qdq
from rilaas.optimize.passes.ranges import MODES, Ranges, measure_ranges


@dataclass(frozen=True)
class QuantizeStatic:
    """Post-training static quantization with float fallback: what int8 has no good form for stays in float.

    Convolutions, Gemm, MatMul and what moves their results are computed in int8; the outputs of the network are given
    in float by its last layers, for 256 steps of a steering angle alone can be 1 % of its error. Normalizations are
    folded first. Source: Jacob et al., Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference, CVPR 2018; the ranges: see ``ranges.py``.

    Attributes:
        ranges: ``minmax``, ``percentile``, ``entropy`` or ``mean``.
        samples: Samples of the calibration part that are looked at.
        percentile: For ``percentile``: how much of the values lies inside [%].
        keep_float: Names of layers that stay in float.
        min_macs: Layers with fewer multiplications for one sample stay in float, where shapes are known: int8 saves
            no time there, and the last, smallest layers of a regression are those that it hurts most (on synthetic
            lanes 1.11 times the float model's error with them in int8, 1.006 times without).
        keep_worst: How many more layers stay in float: those whose int8 alone hurts most on the calibration part.
        per_channel: One scale for each output channel of weights instead of one for all.
        reduce_range: Weights in seven bits, for processors without VNNI.
    """

    name: ClassVar[str] = "quantize.static"
    needs: ClassVar[frozenset[str]] = frozenset({"calibration"})
    version: ClassVar[int] = 1

    ranges: str = "minmax"
    samples: int = 256
    percentile: float = 99.99
    keep_float: tuple[str, ...] = ()
    min_macs: int = 1000
    keep_worst: int = 0
    per_channel: bool = True
    reduce_range: bool = False

    def __post_init__(self) -> None:
        check_ranges(self.ranges, self.samples, self.percentile)
        for name in ("keep_worst", "min_macs"):
            if getattr(self, name) < 0:
                raise InvalidInput(f"{name} = {getattr(self, name)}: it is at least 0.")

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        network = FoldNormalization().apply(network, context)
        graph = Graph(network.to_onnx())
        check_float(graph)
        graph.check_layers(self.keep_float, self.name)
        samples = context.part("calibration", self.name)
        ranges = measure_ranges(
            network,
            samples,
            count=self.samples,
            mode=self.ranges,
            percentile=self.percentile,
            tell=context.tell,
        )
        kept = {*self.keep_float} | graph.small_layers(self.min_macs)
        if self.keep_worst:
            from rilaas.optimize.sensitivity import layer_errors

            errors = layer_errors(network, ranges, samples, tell=context.tell)
            left = [each for each in errors if each.name not in kept]
            kept |= {each.name for each in sorted(left, key=lambda each: -each.mse)[: self.keep_worst]}
        choice = Choice(kept, (), FALLBACK_OPS, self.per_channel, self.reduce_range)
        return insert_qdq(network, ranges, choice)


@dataclass(frozen=True)
class QuantizeIntegerOnly:
    """Post-training static quantization of everything, the network's own inputs and outputs included.

    Between the first QuantizeLinear and the last DequantizeLinear there are integers only, as in TensorFlow Lite's
    ``TFLITE_BUILTINS_INT8`` with uint8 in and out. Those two belong to the artifact: it takes and gives float, rounds
    and clips its input, and restores its output. The RA-L study left the last one to its evaluation, which forgot it,
    and published a mean squared error of 28157; its input was cast without rounding or clipping and wrapped around.

    Attributes:
        ranges: ``minmax``, ``percentile``, ``entropy`` or ``mean``.
        samples: Samples of the calibration part that are looked at.
        percentile: For ``percentile``: how much of the values lies inside [%].
        per_channel: One scale for each output channel of weights instead of one for all.
        reduce_range: Weights in seven bits, for processors without VNNI.
    """

    name: ClassVar[str] = "quantize.integer_only"
    needs: ClassVar[frozenset[str]] = frozenset({"calibration"})
    version: ClassVar[int] = 1

    ranges: str = "minmax"
    samples: int = 256
    percentile: float = 99.99
    per_channel: bool = True
    reduce_range: bool = False

    def __post_init__(self) -> None:
        check_ranges(self.ranges, self.samples, self.percentile)

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        network = FoldNormalization().apply(network, context)
        check_float(Graph(network.to_onnx()))
        ranges: Ranges = measure_ranges(
            network,
            context.part("calibration", self.name),
            count=self.samples,
            mode=self.ranges,
            percentile=self.percentile,
            tell=context.tell,
        )
        choice = Choice((), (), INTEGER_OPS, self.per_channel, self.reduce_range, float_outputs=False)
        result = insert_qdq(network, ranges, choice)
        if found := float_operators(result):
            left = sorted(found - {*INTEGER_OPS} or found)  # not those that are in float for their neighbour alone
            raise InvalidInput(
                f"{self.name}: {', '.join(left)} cannot be computed with integers.",
                "Use quantize.static, which leaves them in float.",
            )
        return result


def float_operators(network: Network) -> set[str]:
    """Operators of a quantized network that compute with floats: that take something else than restored integers."""
    from onnx import TensorProto, shape_inference

    graph = Graph(network.to_onnx())
    values = shape_inference.infer_shapes(graph.model).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*values.value_info, *values.output)}
    found = set()
    for node in graph.nodes:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            continue
        makers = [graph.producer(name) for name in node.input if name and graph.array(name) is None]
        is_fed = all(maker is not None and maker.op_type == "DequantizeLinear" for maker in makers)
        is_float = any(kinds.get(name, TensorProto.FLOAT) == TensorProto.FLOAT for name in node.output)
        takers = [taker for name in node.output for taker in graph.consumers(name)]
        is_taken = all(taker.op_type == "QuantizeLinear" for taker in takers) and takers
        if is_float and not (is_fed and is_taken and node.op_type in INTEGER_OPS):
            found.add(node.op_type)
    return found


def check_ranges(mode: str, samples: int, percentile: float) -> None:
    """Raise ``InvalidInput`` where a configuration of ranges does not exist."""
    if mode not in MODES:
        raise InvalidInput(f"There are no ranges {mode!r}.", did_you_mean(mode, MODES))
    if samples < 1:
        raise InvalidInput(f"samples = {samples}: at least one is needed.")
    check_share("percentile", percentile, low=50.0, high=100.0)
