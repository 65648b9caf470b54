"""Weights in ONNX or safetensors, compiled by PyTorch's inductor with the weights frozen into the code.

Compiling takes seconds (5 s for a PilotNet, 0.5 s when the cache has it) and happens when the weights are opened,
for one sample; more rows are computed one after the other, so that no robot ever waits for the compiler. What was
compiled is kept in ``~/.cache/rilaas/torch-compile`` (or below ``XDG_CACHE_HOME``, or in the folder that
``TORCHINDUCTOR_CACHE_DIR`` names); a process that cannot write there uses a temporary folder.

int8: inductor makes integer kernels (oneDNN) of ``QuantizeLinear`` and ``DequantizeLinear`` around convolutions and
linear layers; ``kernels`` says of how many.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rilaas.core import InvalidModelFolder, MissingDependency, RilaasError
from rilaas.infer.torch_session import (
    PRECISIONS,
    TorchNetwork,
    TorchSession,
    check_memory,
    network_of_onnx,
    why_no_torch,
)

_log = logging.getLogger("rilaas.infer")
_CACHE = "TORCHINDUCTOR_CACHE_DIR"
_COMPILER_BYTES = 450 * 2**20  # measured: 1011 MB of address space for a PilotNet, 801 MB without compiling
_OPTIONS = {
    "freezing": True,  # weights are constants: they are packed for the kernels once
    "compile_threads": 1,  # no processes of its own
    "cpp_cache_precompile_headers": False,  # 100 MB in a scratch folder of 64 MB
}


class TorchCompile:
    """PyTorch's compiler as a backend."""

    name = "torch-compile"
    precisions = PRECISIONS

    def missing(self) -> str:
        """See ``Backend``."""
        if reason := why_no_torch(self.name):
            return reason
        if not _compiler():
            return (
                f"The backend {self.name} needs a C++ compiler. "
                "Install one (apt-get install g++), or name it in the environment variable CXX."
            )
        if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
            return f"The backend {self.name} needs Python's headers. Install them (apt-get install python3-dev)."
        return ""

    def open(self, path: Path, *, precision: str = "fp32", threads: int = 1) -> TorchSession:
        """See ``Backend``; ``open_network`` opens a torch module."""
        return self.open_network(network_of_onnx(path, self), precision=precision, threads=threads)

    def open_network(self, network: TorchNetwork, *, precision: str = "fp32", threads: int = 1) -> TorchSession:
        """The same for a module that is in memory already; see ``torch_folder.network_of_folder``."""
        if reason := self.missing():
            raise MissingDependency(reason)
        check_memory(self.name, _COMPILER_BYTES)

        def prepare(ready: TorchNetwork) -> Callable[..., Any]:
            return compiled(ready, precision)

        return TorchSession(network, precision=precision, threads=threads, prepare=prepare)


def compiled(network: TorchNetwork, precision: str) -> Callable[..., Any]:
    """Compile a network for one sample.

    Args:
        network: In evaluation mode, without gradients.
        precision: That its module is in.

    Raises:
        InvalidModelFolder: It has free axes besides the first, or inductor cannot compile it.
    """
    import torch

    from rilaas.infer.torch_kernels import example_tensors, without_torchs_warnings

    examples = example_tensors(network.inputs, precision)
    if examples is None:
        raise InvalidModelFolder(
            f"torch-compile needs fixed shapes (the first axis may be free); {network.label} has "
            f"{'; '.join(map(str, network.inputs.values()))}.",
            "Use the backend torch, or export the network with fixed shapes.",
        )
    start = time.monotonic()
    try:
        with _cache_folder() as place, without_torchs_warnings(), torch.no_grad():
            graph = _graph(network.module, examples)
            made = torch._inductor.compile(graph, list(examples), options=_OPTIONS)
            made(*examples)
    except RilaasError:
        raise
    except Exception as error:  # inductor raises everything that there is
        raise InvalidModelFolder(
            f"torch-compile cannot compile {network.label}: {_reason(error)}",
            "Use the backend torch, onnxruntime or openvino, which need no compiler.",
        ) from error
    _log.info("torch-compile: %s compiled in %.1f s (cache %s).", network.label, time.monotonic() - start, place)
    is_free = [spec.shape[:1] == (-1,) for spec in network.inputs.values()]
    return made if not any(is_free) else row_by_row(made, is_free)


def _reason(error: BaseException) -> str:
    """What the C++ compiler said first, or the error's own first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = next((line for line in lines if " error: " in line), lines[0] if lines else type(error).__name__)
    return re.sub(r"(?<!\w)/(?:[^\s/:]+/)+", "", said)[:300]


def row_by_row(call: Callable[..., Any], is_free: list[bool]) -> Callable[..., Any]:
    """What computes one sample, for any number of samples.

    Args:
        call: Takes inputs with one row each, where their first axis is free.
        is_free: Of each input, whether its first axis is.
    """
    first = is_free.index(True)

    def compute(*inputs: Any) -> Any:
        import torch

        rows = inputs[first].shape[0]
        if rows == 1:
            return call(*inputs)
        made = []
        for row in range(rows):
            given = [
                tensor[row : row + 1].contiguous(memory_format=_format(tensor)) if free else tensor
                for tensor, free in zip(inputs, is_free, strict=True)
            ]
            made.append([each.clone() for each in call(*given)])
        if not made:
            raise ValueError("there are no rows to compute")
        return tuple(torch.cat(column) for column in zip(*made, strict=True))

    return compute


def _format(tensor: Any) -> Any:
    import torch

    return torch.channels_last if tensor.dim() == 4 else torch.contiguous_format


def _graph(module: Any, examples: list[Any]) -> Any:
    """A module as a graph of tensor operations, which inductor takes."""
    import torch

    if isinstance(module, torch.fx.GraphModule):
        return module
    return torch.export.export(module, tuple(examples), strict=False).module()


def _compiler() -> str:
    """The C++ compiler that inductor would use; '' where there is none."""
    named = os.environ.get("CXX", "")
    wanted = [named] if named else ["clang++"] if sys.platform == "darwin" else ["g++"]
    return next((found for name in wanted if (found := shutil.which(name))), "")


@contextlib.contextmanager
def _cache_folder() -> Iterator[str]:
    """Where inductor keeps what it compiled, for a while: it looks into its environment variable each time."""
    named = os.environ.get(_CACHE)
    try:
        place = Path(named) if named and named != _torchs_own() else _own_folder()
    except OSError as error:
        raise InvalidModelFolder(
            "torch-compile has no folder to write to: this process may write no files.",
            "Use the backend torch, onnxruntime or openvino, or an isolation with a scratch folder (bubblewrap).",
        ) from error
    os.environ[_CACHE] = str(place)
    try:
        yield str(place)
    finally:
        os.environ.pop(_CACHE)
        if named:
            os.environ[_CACHE] = named


def _torchs_own() -> str:
    """What torch writes into the variable when it is imported: a folder of /tmp that anybody could have made."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    return str(default_cache_dir())


def _own_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    place = Path(base, "rilaas", "torch-compile")
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(place, os.W_OK):
            return place
    return Path(tempfile.mkdtemp(prefix="rilaas-torch-compile-"))


TORCH_COMPILE = TorchCompile()
