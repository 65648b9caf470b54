"""int8 by PyTorch's own quantization of exported graphs (PT2E, in torchao)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rilaas.core import InvalidInput, MissingDependency, ModelFailed, did_you_mean
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.graph import Graph
from rilaas.optimize.passes.qdq import check_float
from rilaas.optimize.samples import Samples

if TYPE_CHECKING:
    from torch import Tensor, fx

RANGES = ("histogram", "minmax")
_NOISY = ("torchao", "torch.utils._pytree")  # loggers that tell of CUDA libraries and of each other on import


@dataclass(frozen=True)
class QuantizePt2e:
    """Post-training quantization with torchao's X86InductorQuantizer.

    Static: activations uint8 by tensor with ranges that calibration found, weights int8 by output channel, around
    convolutions and linear layers. Dynamic: linear layers alone, with ranges that are found anew for each input, as
    ``torch.quantization.quantize_dynamic`` does it. Both come out as QuantizeLinear and DequantizeLinear, which
    torch-compile, onnxruntime and openvino turn into integer kernels (dynamic: torch-compile alone).
    Source: PyTorch 2 Export Quantization, pytorch/ao.

    Attributes:
        dynamic: Find the ranges of activations while the network runs.
        ranges: ``histogram`` (torch's default: the range with the smallest squared error) or ``minmax``.
        samples: Samples of the calibration part that are looked at; all, where there are fewer.
        batch: Samples of one computation.
        reduce_range: Activations in seven bits, as torch's backend ``fbgemm`` has them: needed by processors without
            VNNI.
    """

    name: ClassVar[str] = "quantize.pt2e"
    needs: ClassVar[frozenset[str]] = frozenset({"calibration"})
    version: ClassVar[int] = 1

    dynamic: bool = False
    ranges: str = "minmax"
    samples: int = 256
    batch: int = 32
    reduce_range: bool = False

    def __post_init__(self) -> None:
        if self.ranges not in RANGES:
            raise InvalidInput(f"There are no ranges {self.ranges!r}.", did_you_mean(self.ranges, RANGES))
        for name in ("samples", "batch"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} = {getattr(self, name)}: at least one is needed.")

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        model = network.to_onnx()
        check_float(Graph(model))
        samples = context.part("calibration", self.name)
        import_pt2e()
        import torch

        from rilaas.infer.torch_export import onnx_of_module
        from rilaas.infer.torch_graph import input_names, module_of_onnx

        names, outputs = input_names(model), [each.name for each in model.graph.output]
        examples = _tensors(samples, names, 0, 2)
        before = torch.get_num_threads()
        torch.set_num_threads(context.target.threads)
        try:
            made = self._quantized(module_of_onnx(model).requires_grad_(False), names, samples, context)
            self._check(made, examples)
            return Network.of_onnx(onnx_of_module(made, examples, outputs))
        finally:
            torch.set_num_threads(before)

    def _quantized(self, module: fx.GraphModule, names: tuple[str, ...], samples: Samples, context: Context) -> Any:
        import torch
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        examples = tuple(_tensors(samples, names, 0, 2).values())
        batch = torch.export.Dim("batch")
        with _quiet(), torch.no_grad():
            shapes = tuple({0: batch} for _ in examples)
            program = torch.export.export(module, examples, dynamic_shapes=shapes, strict=False)
            prepared = prepare_pt2e(program.module(), self._quantizer())
            count = 1 if self.dynamic else min(self.samples, len(samples))
            for start in range(0, count, self.batch):
                context.tell(start / count, f"calibrating with sample {start + 1} of {count}")
                prepared(*_tensors(samples, names, start, min(start + self.batch, count)).values())
            return convert_pt2e(prepared)

    def _quantizer(self) -> Any:
        import torch
        from torchao.quantization.pt2e import MinMaxObserver
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

        config = x86.get_default_x86_inductor_quantization_config(
            is_dynamic=self.dynamic, reduce_range=self.reduce_range
        )
        quantizer = x86.X86InductorQuantizer()
        if self.dynamic:
            return quantizer.set_function_type_qconfig(torch.nn.functional.linear, config)
        if self.ranges == "minmax":
            observer = MinMaxObserver.with_args(eps=2**-12)
            spec = replace(config.input_activation, observer_or_fake_quant_ctr=observer)
            config = replace(config, input_activation=spec, output_activation=spec)
        return quantizer.set_global(config)

    def _check(self, made: Any, examples: dict[str, Tensor]) -> None:
        import torch

        with torch.no_grad():
            given = made(*examples.values())
        for each in given if isinstance(given, tuple | list) else (given,):
            if not bool(torch.isfinite(each.float()).all()):
                raise ModelFailed(
                    f"{self.name}: the quantized network gives numbers that are not finite.",
                    "Look whether the calibration samples are what the robot sees.",
                )


def import_pt2e() -> None:
    """Load torchao without what it prints about libraries for other hardware.

    Raises:
        MissingDependency: It is not installed.
    """
    with _quiet():
        try:
            import torchao.quantization.pt2e.quantize_pt2e
            import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer  # noqa: F401
        except ImportError as error:
            raise MissingDependency(
                "The pass quantize.pt2e needs torchao.", "Install it with: pip install 'rilaas[optimize]'"
            ) from error


def _tensors(samples: Samples, names: tuple[str, ...], start: int, stop: int) -> dict[str, Tensor]:
    """What the network takes, for some samples; the last one twice where there is one only."""
    import torch

    stop = max(stop, start + 1)
    rows = list(range(start, min(stop, len(samples)))) or [0]
    arrays = samples.inputs(rows)
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InvalidInput(
            f"The samples give {', '.join(arrays)}; the network takes {', '.join(names)}.",
            "Optimize the model folder whose preprocess makes the network's inputs.",
        )
    return {name: torch.from_numpy(np.array(arrays[name])) for name in names}


@contextmanager
def _quiet() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _NOISY]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
