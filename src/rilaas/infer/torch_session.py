"""Weights in ONNX or safetensors, computed by PyTorch on the CPU.

Images are computed with the channels last in memory: 500 us instead of 716 us for the lane-following PilotNet (one
thread, batch 1, AVX-512). The number of threads is torch's own and one for the whole process: it is set for each call
and put back after it, so that others in this process keep theirs.

int8: ``QuantizeLinear`` and ``DequantizeLinear`` alone are computed in float here (``kernels`` says so);
``torch-compile`` makes integer kernels of them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rilaas.core import InvalidInput, InvalidModelFolder, MissingDependency, RilaasError, Tensors, TensorSpec
from rilaas.infer.session import Kernels

if TYPE_CHECKING:
    import torch
    from torch import nn

PRECISIONS = ("fp32", "bf16")
_IMAGE_RANK = 4
_CODE_BYTES = 320 * 2**20  # measured: 801 MB of address space in all for a PilotNet, 468 MB of it libraries


@dataclass(frozen=True, eq=False)
class TorchNetwork:
    """A torch module with the names of what it takes and gives.

    Attributes:
        label: What its file is called in errors.
        module: In evaluation mode. Its ``forward`` takes tensors in the order of ``inputs``.
        inputs: By name; an empty shape where nobody knows it.
        outputs: By name.
    """

    label: str
    module: nn.Module
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


class TorchSession:
    """The weights of a model as a torch module.

    Attributes:
        inputs: What the weights take, by name.
        outputs: What they give, by name.

    Args:
        network: The module.
        precision: What the float parts are computed in: ``fp32`` or ``bf16``; inputs and outputs stay float32.
        threads: Threads to compute with.
        prepare: Makes something faster of the module that takes and gives the same; called once.

    Raises:
        InvalidInput: It does not know the precision.
        InvalidModelFolder: The module does not compute in this precision.
    """

    def __init__(
        self,
        network: TorchNetwork,
        *,
        precision: str = "fp32",
        threads: int = 1,
        prepare: Callable[[TorchNetwork], Callable[..., Any]] | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise InvalidInput(f"torch computes in {', '.join(PRECISIONS)}, not in {precision!r}.")
        self.inputs, self.outputs = network.inputs, network.outputs
        self._label, self._precision, self._threads, self._prepare = network.label, precision, threads, prepare
        self._original, self._names = network, tuple(network.outputs)
        with self.computing():
            self._network = replace(network, module=_ready(network, precision))
            self._is_image = _takes_images(self._network.module)
            self._call = self._network.module if prepare is None else prepare(self._network)

    def run(self, inputs: Tensors) -> dict[str, Any]:
        """Compute.

        Args:
            inputs: By the file's own names, of its datatypes.

        Returns:
            Outputs by the file's own names, the caller's to keep.

        Raises:
            KeyError: An input is missing.
            ValueError: An input's shape does not fit.
            TypeError: An input's datatype does not fit.
        """
        from rilaas.infer.torch_export import in_order

        with self.computing():
            given = [self._taken(spec, inputs[name]) for name, spec in self.inputs.items()]
            made = in_order(self._call(*given), tuple(self._original.outputs))
            arrays = dict(zip(self._original.outputs, made, strict=True))
            return {name: _array(arrays[name]) for name in self._names}

    def only(self, names: tuple[str, ...]) -> TorchSession:
        """The same weights, computing these outputs alone where the graph allows it."""
        if names == self._names:
            return self
        outputs = {name: self.outputs[name] for name in names}
        if set(names) == set(self._names) or not hasattr(self._original.module, "graph"):
            session = TorchSession.__new__(TorchSession)
            session.__dict__.update(self.__dict__, _names=names, outputs=outputs)
            return session
        places = [tuple(self._original.outputs).index(name) for name in names]
        module = _with_outputs(self._original.module, places)
        network = replace(self._original, module=module, outputs=outputs)
        return TorchSession(network, precision=self._precision, threads=self._threads, prepare=self._prepare)

    def kernels(self) -> Kernels | None:
        """See ``Session``: what torch calls while one example is computed; None where nobody knows its shape."""
        from rilaas.infer.torch_kernels import count_kernels, example_tensors

        examples = example_tensors(self._network.inputs, self._precision)
        if examples is None:
            return None
        with self.computing():
            plain = count_kernels(self._network.module, examples)
            own = plain if self._prepare is None else count_kernels(self._call, examples)
        return Kernels(max(plain.total, own.total), own.integer)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """With this session's threads and without gradients, for a while."""
        import torch

        before = torch.get_num_threads()
        if before != self._threads:
            torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                yield
        finally:
            if before != self._threads:
                torch.set_num_threads(before)

    def _taken(self, spec: TensorSpec, array: Any) -> torch.Tensor:
        """A tensor of its own: modules may change what they take."""
        import torch

        array = np.asarray(array)
        if array.dtype != spec.dtype:
            raise TypeError(f"input {spec.name!r} is of type {array.dtype}; {self._label} takes {spec}")
        if spec.shape and not spec.accepts(spec.datatype, array.shape):
            raise ValueError(f"input {spec.name!r} has shape {list(array.shape)}; {self._label} takes {spec}")
        if not array.flags.writeable:
            array = array.copy()  # torch warns of arrays that may not be written
        tensor = torch.from_numpy(array)
        dtype = torch.bfloat16 if self._precision == "bf16" and tensor.is_floating_point() else tensor.dtype
        if self._is_image and tensor.dim() == _IMAGE_RANK:
            return tensor.to(dtype, memory_format=torch.channels_last, copy=True)
        return tensor.to(dtype, copy=True).contiguous()


def _ready(network: TorchNetwork, precision: str) -> nn.Module:
    """A copy of the module without gradients, in a precision, images with the channels last."""
    import copy

    import torch

    module = copy.deepcopy(network.module)
    module.requires_grad_(False)
    if precision == "bf16":
        from rilaas.infer.torch_kernels import in_bfloat16

        if is_quantized(module):
            raise InvalidModelFolder(
                f"{network.label} holds quantized weights, whose float parts torch computes in fp32.",
                'Write precision = "fp32".',
            )
        module = in_bfloat16(module)
    if _takes_images(module):
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def is_quantized(module: nn.Module) -> bool:
    """Whether a converted module quantizes."""
    graph: Any = getattr(module, "graph", None)
    return graph is not None and any("quantized_decomposed" in str(node.target) for node in graph.nodes)


def _takes_images(module: nn.Module) -> bool:
    return any(tensor.dim() == _IMAGE_RANK for tensor in (*module.parameters(), *module.buffers()))


def _with_outputs(module: Any, places: list[int]) -> nn.Module:
    """A converted module that computes some of its outputs only."""
    import copy

    made = copy.deepcopy(module)
    output = next(node for node in made.graph.nodes if node.op == "output")
    output.args = (tuple(output.args[0][place] for place in places),)
    made.graph.eliminate_dead_code()
    made.delete_all_unused_submodules()
    made.recompile()
    kept: nn.Module = made
    return kept


def _array(tensor: torch.Tensor) -> np.ndarray:
    import torch

    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return np.array(tensor.detach().numpy(), order="C")  # a copy: it may be an input, or lie in a buffer


class Torch:
    """PyTorch as a backend."""

    name = "torch"
    precisions = PRECISIONS

    def missing(self) -> str:
        """See ``Backend``."""
        return why_no_torch(self.name)

    def open(self, path: Path, *, precision: str = "fp32", threads: int = 1) -> TorchSession:
        """See ``Backend``; ``open_network`` opens a torch module."""
        return self.open_network(network_of_onnx(path, self), precision=precision, threads=threads)

    def open_network(self, network: TorchNetwork, *, precision: str = "fp32", threads: int = 1) -> TorchSession:
        """The same for a module that is in memory already; see ``torch_folder.network_of_folder``."""
        return TorchSession(network, precision=precision, threads=threads)


def why_no_torch(backend: str) -> str:
    """Why torch cannot be used; '' where it can."""
    for package in ("torch", "onnx"):
        if importlib.util.find_spec(package) is None:
            return f"The backend {backend} needs {package}. Install it with: pip install 'rilaas[optimize]'"
    return ""


def check_memory(backend: str, more_bytes: int = 0) -> None:
    """Refuse to load torch where it cannot fit: its libraries end the process then, or fail without a reason.

    Args:
        backend: Who needs it.
        more_bytes: What that needs besides [bytes].

    Raises:
        InvalidModelFolder: This process may use less address space than torch's libraries and its code take.
    """
    import resource

    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
    needed_bytes = _library_bytes() + _CODE_BYTES + more_bytes
    if limit_bytes != resource.RLIM_INFINITY and limit_bytes < needed_bytes:
        mib = -(-needed_bytes // 2**20)
        raise InvalidModelFolder(
            f"The backend {backend} needs about {mib} MiB of address space; this process may use "
            f"{limit_bytes // 2**20} MiB.",
            f"Write memory_bytes = {mib * 2**20} or more under [limits] in model.toml"
            f"{'' if _is_small() else ', or install torch for CPUs alone'}, or use the backend onnxruntime.",
        )


def _library_bytes() -> int:
    """Size of the libraries that importing torch loads; those of CUDA come with it [bytes]."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return 0
    torch_folder = Path(spec.origin).parent
    libraries = {
        *torch_folder.glob("lib/*.so*"),
        *torch_folder.parent.glob("nvidia/*/lib/*.so*"),
    }
    return sum(path.stat().st_size for path in libraries)


def _is_small() -> bool:
    return _library_bytes() < 2**30


def network_of_onnx(path: Path, backend: Any) -> TorchNetwork:
    """An ONNX file as a torch module.

    Args:
        path: The file; tensors that it keeps in other files lie beside it.
        backend: Who needs it.

    Raises:
        MissingDependency: torch or onnx is not installed.
        InvalidModelFolder: It is no ONNX file, or has an operator that is not converted.
    """
    if reason := backend.missing():
        raise MissingDependency(reason)
    check_memory(backend.name)
    if path.suffix != ".onnx":
        raise InvalidModelFolder(
            f"{path.name} has weights without a network.",
            "Write network() in hooks.py, which gives the torch module, and load the whole model folder.",
        )
    import onnx

    from rilaas.infer.torch_graph import input_names, module_of_onnx

    try:
        model = onnx.load(str(path))
        module = module_of_onnx(model)
    except RilaasError as error:
        raise InvalidModelFolder(f"{backend.name} cannot load {path.name}: {error.message}", error.hint) from error
    except Exception as error:  # protobuf and torch have no common base but this
        said = str(error).replace(str(path), path.name).splitlines() or [type(error).__name__]
        raise InvalidModelFolder(f"{backend.name} cannot load {path.name}: {said[0]}") from error
    names = set(input_names(model))
    inputs = {each.name: _spec(path, each) for each in model.graph.input if each.name in names}
    outputs = {each.name: _spec(path, each) for each in model.graph.output}
    return TorchNetwork(path.name, module, inputs, outputs)


def _spec(path: Path, value: Any) -> TensorSpec:
    import onnx

    from rilaas.core.signature import datatype_of

    kind = value.type.tensor_type
    try:
        datatype = datatype_of(np.empty(0, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)))
    except (KeyError, RilaasError):
        known = onnx.TensorProto.DataType.Name(kind.elem_type)
        raise InvalidModelFolder(
            f"{path.name} has {value.name!r} of type {known}, which the protocol cannot carry."
        ) from None
    sizes = tuple(size.dim_value if size.HasField("dim_value") else -1 for size in kind.shape.dim)
    return TensorSpec(value.name, datatype, sizes)


TORCH = Torch()
