"""From a network to a torch module that can be trained, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context


@dataclass(frozen=True, eq=False)
class TrainedModule:
    """A network while it is trained.

    Attributes:
        module: Takes the inputs in order, gives a tuple of the outputs in order.
        inputs: Names.
        outputs: Names.
    """

    module: torch.nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def layers(self) -> dict[str, torch.nn.Module]:
        """Convolutions and fully connected layers by name, in order."""
        kinds = (torch.nn.modules.conv._ConvNd, torch.nn.Linear)
        return {name: each for name, each in self.module.named_modules() if isinstance(each, kinds)}


def open_module(network: Network, needed_by: str) -> TrainedModule:
    """A torch module with the network's graph and a copy of its weights.

    Args:
        network: ONNX, float.
        needed_by: Name of the pass.

    Raises:
        InvalidInput: It is quantized already, or has nothing to train.
        InvalidModelFolder: It is not ONNX, or has an operator that torch's reader lacks.
    """
    from rilaas.infer.torch_graph import module_of_onnx

    model = network.to_onnx()
    quantized = sorted({node.op_type for node in model.graph.node} & {"QuantizeLinear", "DequantizeLinear"})
    if quantized:
        raise InvalidInput(
            f"The pass {needed_by} trains float weights; these are quantized ({quantized[0]}).",
            "Put it before the pass that quantizes, or train through the rounding with quantize.aware.",
        )
    stored = {tensor.name for tensor in model.graph.initializer}
    with torch.random.fork_rng(devices=[]):  # layers are made with random weights before they get theirs
        module = module_of_onnx(model)
    trained = TrainedModule(
        module,
        tuple(each.name for each in model.graph.input if each.name not in stored),
        tuple(each.name for each in model.graph.output),
    )
    if not trained.layers:
        raise InvalidInput(f"The pass {needed_by} found no convolution or fully connected layer to train.")
    return trained


def network_of(trained: TrainedModule, context: Context) -> Network:
    """The network with the module's weights.

    Args:
        trained: After training.
        context: Its training part gives the example that the export follows.
    """
    from rilaas.infer.torch_export import onnx_of_module

    samples = context.part("training", "the export")
    rows = [0, min(1, len(samples) - 1)]  # two rows, so that the first axis is seen to be free
    inputs = samples.inputs(rows)
    examples = {name: torch.from_numpy(inputs[name]).contiguous() for name in trained.inputs}
    module = trained.module.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with torch.random.fork_rng(devices=[]):
        return Network.of_onnx(onnx_of_module(module, examples, trained.outputs))


@contextmanager
def one_thread(seed: int) -> Iterator[None]:
    """Torch on one thread and with its own chance, for the time of a ``with``.

    One thread makes sums the same each time; more are 40 to 190 times slower on cores that do other work too.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def tensors_of(trained: TrainedModule, inputs: dict[str, Any]) -> list[torch.Tensor]:
    """Inputs in the module's order; pictures lie in memory as torch convolves them fastest."""
    found = [torch.from_numpy(inputs[name]) for name in trained.inputs]
    return [each.contiguous(memory_format=torch.channels_last) if each.ndim == 4 else each for each in found]
