"""Training that feels the rounding to eight bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.passes.aware_rounding import RoundedModule, rounded_module
from rilaas.optimize.passes.contract import Context, check_share
from rilaas.optimize.passes.fold import FoldNormalization
from rilaas.optimize.passes.static import QuantizeStatic
from rilaas.optimize.passes.training import Hooks, Learning, fit
from rilaas.optimize.passes.training_keep import keep_parameter
from rilaas.optimize.passes.training_module import TrainedModule
from rilaas.optimize.passes.training_weights import WeightTensor

KEPT = ("zeros", "clusters")


@dataclass(frozen=True)
class QuantizeAware(Learning):
    """Quantize as ``quantize.static`` does, then train through the rounding.

    The forward pass rounds activations and weights as an integer runtime does; gradients pass as if it did not
    (straight-through), but for activations outside of their range. Normalizations are folded before, so that training
    sees the weights that are rounded. Ranges begin as those of the calibration part, are widened by what training
    sees for the first part of it, and are then frozen. Source: B. Jacob et al., "Quantization and Training of Neural
    Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.

    With pruned weights this is what TensorFlow calls PQAT, with clustered ones CQAT, with both PCQAT. Put
    ``fold.normalization`` before clustering: folding multiplies each channel by a number of its own. A scale for each
    channel leaves each channel no more values than clusters; one scale for all leaves the whole tensor no more.

    torchao's PT2E training was left aside: it puts the roundings where inductor wants them, its last layer too, while
    this file has to be the one of ``quantize.static``, whose kernels onnxruntime and OpenVINO have.

    Attributes:
        keep: What pruned and clustered weights keep: of ``zeros``, ``clusters``.
        observe: For which first share of the training ranges are widened.
        samples: Samples of the calibration part that the first ranges come from.
        per_channel: One scale for each output channel of weights instead of one for all.
    """

    name: ClassVar[str] = "quantize.aware"
    needs: ClassVar[frozenset[str]] = frozenset({"training", "calibration", "validation"})
    version: ClassVar[int] = 1

    epochs: int = 3
    learning_rate: float = 1e-4
    rate: str = "cosine"
    keep: tuple[str, ...] = KEPT
    observe: float = 0.5
    samples: int = 256
    per_channel: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("observe", self.observe)
        for each in self.keep:
            if each not in KEPT:
                raise InvalidInput(f"keep has {each!r}.", f"Write a list of {', '.join(KEPT)}.")

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        from onnx import numpy_helper

        folded = FoldNormalization().apply(network, context)
        static = QuantizeStatic(samples=self.samples, per_channel=self.per_channel)
        model = static.apply(folded, context).to_onnx()
        source = folded.to_onnx()
        floats = {tensor.name: numpy_helper.to_array(tensor) for tensor in source.graph.initializer}
        # A Clip may be left out where a range stands for it: then the range may not widen.
        widens = not any(node.op_type == "Clip" for node in source.graph.node)
        rounded = rounded_module(model, floats, widens=widens)
        hooks = Hooks()
        for number, layer in enumerate(rounded.layers):
            value = layer.weight.weight.detach().numpy().copy()
            tensor = WeightTensor(str(number), "", layer.weight.axis or 0, value)
            zeros, clusters = (each in self.keep for each in KEPT)
            keep_parameter(layer.weight.weight, tensor, hooks, zeros=zeros, clusters=clusters)

        def observe(share: float) -> None:
            for each in rounded.activations.values():
                each.observes = share < self.observe

        hooks.before_step.append(observe)
        stored = set(floats)
        inputs = tuple(each.name for each in model.graph.input if each.name not in stored)
        trained = TrainedModule(rounded.module, inputs, tuple(each.name for each in model.graph.output))
        fit(trained, self, context, self.name, hooks=hooks)
        store_integers(model, rounded)
        return Network.of_onnx(model)


def store_integers(model: Any, rounded: RoundedModule) -> None:
    """Put trained weights, biases and ranges into the quantized graph, in place."""
    makers = {name: node for node in model.graph.node for name in node.output}
    values: dict[str, NDArray[Any]] = {}
    for name, activation in rounded.activations.items():
        values[name] = np.array(activation.scale)
        zero_point = next(
            n.input[2] for n in model.graph.node if n.op_type == "QuantizeLinear" and n.input[1] == name
        )
        values[zero_point] = np.array(activation.zero_point)
    for layer in rounded.layers:
        restore = makers[layer.node.input[1]]
        with torch.no_grad():
            scale = layer.weight.scale
            shape = [1] * layer.weight.weight.dim()
            if layer.weight.axis is not None:
                shape[layer.weight.axis] = -1
            levels = layer.weight.levels
            integers = (layer.weight.weight / scale.reshape(shape)).round().clamp(-levels, levels).numpy()
        values[restore.input[0]] = integers.T if layer.is_transposed else integers
        values[restore.input[1]] = scale.numpy()
        bias = makers.get(layer.node.input[2]) if len(layer.node.input) > 2 else None
        if layer.bias is not None and bias is not None:
            given = makers[layer.node.input[0]].input[1]
            step = values[given].astype(np.float64) * scale.numpy().astype(np.float64)
            values[bias.input[1]] = step
            values[bias.input[0]] = np.round(layer.bias.detach().numpy() / step)
        elif layer.bias is not None:
            values[layer.node.input[2]] = layer.bias.detach().numpy()
    _store(model, values)


def _store(model: Any, values: dict[str, NDArray[Any]]) -> None:
    """Replace initializers, each in its own type and shape."""
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        if tensor.name not in values:
            continue
        old = numpy_helper.to_array(tensor)
        new = values[tensor.name]
        if old.dtype.kind in "iu":
            limits = np.iinfo(old.dtype)
            new = np.clip(new, limits.min, limits.max)
        new = np.ascontiguousarray(np.broadcast_to(new.astype(old.dtype).reshape(old.shape), old.shape))
        tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))
