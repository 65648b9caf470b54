"""What torch really calls while a module computes, and modules in other precisions."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from rilaas.core import TensorSpec
from rilaas.infer.session import Kernels

_MATRICES = frozenset({"mm", "addmm", "bmm", "baddbmm", "addmv", "mv"})
_LAYERS = ("conv", "linear")


class _Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts kernels that multiply matrices or convolve."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = self.integer = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        space, _, rest = str(func).partition(".")
        name = rest.partition(".")[0]
        if "prepack" not in name and (name in _MATRICES or any(word in name for word in _LAYERS)):
            self.total += 1
            self.integer += space in ("onednn", "quantized")
        return func(*args, **(kwargs or {}))


def count_kernels(call: Callable[..., Any], examples: list[Tensor]) -> Kernels:
    """Kernels of one computation.

    Args:
        call: A module, or what was made of it.
        examples: What it takes.
    """
    calls = _Calls()
    with calls:
        call(*examples)
    return Kernels(calls.total, calls.integer)


def example_tensors(inputs: Mapping[str, TensorSpec], precision: str = "fp32") -> list[Tensor] | None:
    """One sample of zeros for each input; None where a shape is not known, or more than its first axis is free."""
    made = []
    for spec in inputs.values():
        if not spec.shape or -1 in spec.shape[1:]:
            return None
        tensor = torch.from_numpy(np.zeros([abs(size) for size in spec.shape], spec.dtype))
        is_float = precision == "bf16" and tensor.is_floating_point()
        tensor = tensor.to(torch.bfloat16) if is_float else tensor
        made.append(tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor)
    return made


def in_bfloat16(module: nn.Module) -> nn.Module:
    """A copy that computes in bfloat16; what it casts to float32 it casts to bfloat16."""
    made = copy.deepcopy(module).to(torch.bfloat16)
    if isinstance(made, fx.GraphModule):
        for node in made.graph.nodes:
            node.args = fx.node.map_aggregate(node.args, _smaller)
            node.kwargs = fx.node.map_aggregate(node.kwargs, _smaller)
        made.recompile()
    return made


def _smaller(value: Any) -> Any:
    return torch.bfloat16 if value is torch.float32 else value


@contextmanager
def without_torchs_warnings() -> Iterator[None]:
    """Without warnings that torch gives about itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
