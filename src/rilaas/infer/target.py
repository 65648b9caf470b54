"""Where a variant runs: device, runtime, precision, threads; and what this processor offers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from rilaas.core import InvalidInput, MissingDependency, did_you_mean
from rilaas.infer.backends import backend_named
from rilaas.store import BACKENDS

DEVICES = ("cpu", "cuda")
TARGET_PRECISIONS = ("fp32", "bf16", "fp16", "int8")
_RUNTIMES = tuple(name for name in BACKENDS if name != "python")
_ON_CARDS = ("tensorrt", "torch-tensorrt")

# Flags of /proc/cpuinfo that decide which arithmetic is fast, and what people call them.
_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX-VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "avx512_fp16": "AVX-512 FP16",
    "amx_bf16": "AMX BF16",
    "amx_int8": "AMX INT8",
    "asimddp": "NEON dot product",
    "i8mm": "NEON I8MM",
    "bf16": "NEON BF16",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Hardware and runtime that a variant is made for.

    Attributes:
        device: ``cpu`` or ``cuda``.
        runtime: A backend of ``rilaas.store.BACKENDS``, such as ``openvino``.
        precision: ``fp32``, ``bf16``, ``fp16``, or ``int8`` where the recipe quantizes.
        threads: Threads to compute with. One by default: two threads of PyTorch were 40 to 190 times slower than one
            on cores that did other work too.

    Example:
        >>> str(Target.parse("cpu/openvino/int8"))
        'cpu/openvino/int8'
    """

    device: str = "cpu"
    runtime: str = "onnxruntime"
    precision: str = "fp32"
    threads: int = 1

    def __post_init__(self) -> None:
        for what, value, valid in (
            ("device", self.device, DEVICES),
            ("runtime", self.runtime, _RUNTIMES),
            ("precision", self.precision, TARGET_PRECISIONS),
        ):
            if value not in valid:
                raise InvalidInput(f"There is no {what} {value!r}.", did_you_mean(value, valid))
        if (self.device == "cuda") != (self.runtime in _ON_CARDS):
            raise InvalidInput(
                f"{self} does not exist: {', '.join(_ON_CARDS)} run on cuda, the other runtimes on cpu here.",
                "Write for example cpu/openvino/int8 or cuda/tensorrt/fp16.",
            )
        if self.threads < 1:
            raise InvalidInput(f"threads = {self.threads}: at least one is needed.")

    @classmethod
    def parse(cls, text: str, *, threads: int = 1) -> Target:
        """Read ``device/runtime/precision``.

        Raises:
            InvalidInput: It is not of this form, or there is no such target.
        """
        device, _, rest = text.partition("/")
        runtime, _, precision = rest.partition("/")
        if not precision or "/" in precision:
            raise InvalidInput(f"{text!r} is no target.", "Write DEVICE/RUNTIME/PRECISION: cpu/openvino/int8.")
        return cls(device, runtime, precision, threads)

    def __str__(self) -> str:
        return f"{self.device}/{self.runtime}/{self.precision}"

    def missing(self) -> str:
        """Why it cannot be used on this machine, with what to install; '' where it can."""
        return backend_named(self.runtime).missing()

    def check_is_there(self) -> None:
        """Raise ``MissingDependency`` where the target cannot be used on this machine."""
        if reason := self.missing():
            raise MissingDependency(f"The target {self} is not available here: {reason}")


@functools.cache
def processor_features() -> tuple[str, ...]:
    """What this processor has for small numbers, such as ``AVX-512 VNNI``; empty where nobody can tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    line = next((row for row in text.splitlines() if row.lower().startswith(("flags", "features"))), "")
    flags = set(line.partition(":")[2].split())
    return tuple(name for flag, name in _FEATURES.items() if flag in flags)
