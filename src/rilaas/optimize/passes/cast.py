"""Weights stored in half the bytes; every computation stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.graph import Graph

_HALF_MAX = float(np.finfo(np.float16).max)
_SUFFIX = ".half"
_TAKERS = ("Conv", "ConvTranspose", "GRU", "Gather", "Gemm", "LSTM", "MatMul", "RNN")


@dataclass(frozen=True)
class CastFloat16:
    """Weights in float16, cast to float32 where they are used: half the file, inputs and outputs in float32.

    As the float16 quantization of TensorFlow Lite. Runtimes compute the cast once, when they load the file; what they
    multiply in is the target's ``precision``. A tensor with a value beyond 65504 stays in float32, and the progress
    says which. Values below 6e-8 become 0.
    """

    name: ClassVar[str] = "cast.float16"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        from onnx import numpy_helper

        def cast(array: NDArray[np.float32], name: str) -> Any | None:
            largest = np.abs(array).max()
            if largest > _HALF_MAX:
                words = f"stays in float32: {largest:g} is too large for float16"
                context.tell(0.5, f"{name.removesuffix(_SUFFIX)} {words}")
                return None
            return numpy_helper.from_array(array.astype(np.float16), name)

        return _with_cast_weights(network, cast, self.name)


@dataclass(frozen=True)
class CastBfloat16:
    """Weights in bfloat16, rounded to nearest even, cast to float32 where they are used: half the file.

    Three digits remain of each weight, and every size that float32 has. onnxruntime and OpenVINO read such files and
    compute in float32, unless the target's ``precision`` is bf16 and the processor has it: then nothing is lost that
    the runtime would not round away itself.
    """

    name: ClassVar[str] = "cast.bfloat16"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        from onnx import TensorProto

        def cast(array: NDArray[np.float32], name: str) -> Any:
            bits = np.ascontiguousarray(array).view(np.uint32).astype(np.uint64)
            rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
            tensor = TensorProto(name=name, data_type=TensorProto.BFLOAT16, dims=array.shape)
            tensor.raw_data = rounded.tobytes()
            return tensor

        return _with_cast_weights(network, cast, self.name)


def _with_cast_weights(
    network: Network, cast: Callable[[NDArray[np.float32], str], Any | None], label: str
) -> Network:
    """Replace float weights of layers by what ``cast`` makes of them, and a node that makes them float again."""
    from onnx import TensorProto, helper

    graph = Graph(network.to_onnx())
    taken = [
        name
        for node in graph.nodes
        if node.op_type in _TAKERS
        for name in node.input
        if (array := graph.array(name)) is not None and array.dtype == np.float32 and array.ndim > 1
    ]
    if not taken:
        raise InvalidInput(
            f"{label}: the network has no weights in float32.",
            "Put it before the pass that quantizes, or leave it out.",
        )
    for name in dict.fromkeys(taken):
        array = graph.array(name)
        assert array is not None
        tensor = cast(array, graph.fresh(f"{name}{_SUFFIX}"))
        if tensor is None:
            continue
        graph.add(tensor)
        out = graph.fresh(f"{name}.float")
        for node in graph.consumers(name):
            for at, given in enumerate(node.input):
                if given == name:
                    node.input[at] = out
        node = helper.make_node("Cast", [tensor.name], [out], name=graph.fresh(f"{name}.cast"), to=TensorProto.FLOAT)
        graph.nodes.insert(0, node)
    return Network.of_onnx(graph.tidy())
