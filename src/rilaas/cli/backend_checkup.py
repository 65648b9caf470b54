"""What ``rilaas doctor`` says about runtimes: which are there, why others are not, what the processor offers.

Versions of packages and files of the machine are looked at; no runtime is imported, which would take seconds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from rilaas.cli.check import Check
from rilaas.infer.target import processor_features
from rilaas.store import BACKENDS

# backend: the packages that it needs, and the extra that brings them
_PACKAGES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "onnxruntime": (("onnxruntime",), "serve"),
    "openvino": (("openvino",), "openvino"),
    "torch": (("torch",), "optimize"),
    "torch-compile": (("torch",), "optimize"),
    "litert": (("ai-edge-litert",), "litert"),
    "tensorrt": (("tensorrt",), "tensorrt"),
    "torch-tensorrt": (("torch", "torch-tensorrt"), "tensorrt"),
}
_ON_CARDS = ("tensorrt", "torch-tensorrt")
_COMPILERS = ("c++", "g++", "clang++")
_DRIVER = Path("/proc/driver/nvidia/version")


def check_backends() -> Iterator[Check]:
    """The processor, and each backend that ``model.toml`` can name."""
    features = processor_features()
    if features:
        yield Check("processor", "ok", f"for small numbers: {', '.join(features)}")
    else:
        yield Check("processor", "absent", "no instructions for int8 or bfloat16 are known", "float32 is computed.")
    yield from (_backend(name) for name in BACKENDS if name != "python")


def _backend(name: str) -> Check:
    packages, extra = _PACKAGES[name]
    versions = {package: _version(package) for package in packages}
    label = f"backend {name}"
    missing = [package for package, version in versions.items() if not version]
    if missing:
        hint = f"Where it is needed: pip install 'rilaas[{extra}]'"
        return Check(label, "absent", f"missing: {', '.join(missing)}", hint)
    found = ", ".join(f"{package} {version}" for package, version in versions.items())
    if name in _ON_CARDS and not _DRIVER.exists():
        return Check(label, "absent", f"{found}; no NVIDIA driver", "It runs on NVIDIA cards only.")
    if name == "torch-compile" and not _compiler():
        return Check(label, "absent", f"{found}; no C++ compiler", "Install one: apt-get install g++")
    return Check(label, "ok", found)


def _compiler() -> str | None:
    """The C++ compiler that PyTorch would use."""
    named = os.environ.get("CXX", "")
    return next((path for each in (named, *_COMPILERS) if each and (path := shutil.which(each))), None)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
