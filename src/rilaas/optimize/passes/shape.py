"""Shapes that are known before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.graph import Graph


@dataclass(frozen=True)
class ShapeFix:
    """The free first axis of inputs and outputs becomes 1: a robot asks about one moment.

    Runtimes that plan memory and choose kernels for one shape need it (TensorRT, LiteRT), others gain a little;
    OpenVINO is given one shape at a time by its backend anyway. The weights then take one sample and no batch: the
    variant's ``model.toml`` has to say 1 for the first axis where no hooks stand between, and no table [batching].

    Attributes:
        batch: What the first axis becomes.
    """

    name: ClassVar[str] = "shape.fix"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    batch: int = 1

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise InvalidInput(f"batch = {self.batch}: at least one sample is computed.")

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        from onnx import shape_inference

        graph = Graph(network.to_onnx())
        for value in graph.model.graph.input:
            dims = value.type.tensor_type.shape.dim
            if value.name in graph.inputs and len(dims) and not dims[0].HasField("dim_value"):
                dims[0].Clear()
                dims[0].dim_value = self.batch
            for size in dims:
                if size.dim_value < 1:
                    raise InvalidInput(
                        f"{self.name}: another axis than the first of {value.name!r} is free.",
                        "Export the model with sizes for all other axes.",
                    )
        del graph.model.graph.value_info[:]
        for value in graph.model.graph.output:
            value.type.tensor_type.ClearField("shape")
        return Network.of_onnx(shape_inference.infer_shapes(graph.model, data_prop=True))
