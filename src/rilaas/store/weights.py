"""Which weight files are taken, and why the others are not."""

from __future__ import annotations

import json
import posixpath
from pathlib import Path

from rilaas.core import InvalidModelFolder
from rilaas.store.member import why_invalid
from rilaas.store.mistake import Mistakes
from rilaas.store.onnx_file import external_files

SUFFIXES = {
    "onnxruntime": (".onnx",),
    "openvino": (".onnx",),
    "torch": (".onnx", ".safetensors"),
    "torch-compile": (".onnx", ".safetensors"),
    "litert": (".tflite",),
    "tensorrt": (".onnx",),  # engines hold for one card and one version: they are built where they run
    "torch-tensorrt": (".onnx", ".safetensors"),
    "python": (".onnx", ".safetensors", ".npz"),
}
_RUNS_CODE = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib", ".dill", ".h5", ".keras", ".torchscript"}
_CONVERT = "Export them as ONNX or safetensors."
_MAX_SAFETENSORS_HEADER = 100 * 2**20  # what the safetensors library allows


def check_weights(folder: Path, name: str, backend: str, mistakes: Mistakes) -> None:
    """Look at a weight file that exists inside the folder; nothing of it is run.

    Args:
        folder: The model folder.
        name: The file, relative to the folder.
        backend: One of ``BACKENDS``.
        mistakes: Where to note what is wrong.
    """
    path = folder / name
    valid = SUFFIXES[backend]
    reason = _pickled(path)
    if reason:
        mistakes.in_file(name, f"{reason} such weights can run any code when they are loaded. {_CONVERT}")
    elif path.suffix not in valid:
        why = " formats of this suffix can run code when they are loaded." if path.suffix in _RUNS_CODE else ""
        mistakes.in_file(
            name,
            f"weights of the backend {backend} end with {' or '.join(valid)}, not {path.suffix!r};{why} {_CONVERT}",
        )
    elif path.suffix == ".onnx":
        _check_onnx(folder, name, mistakes)
    elif path.suffix == ".safetensors":
        _check_safetensors(path, name, mistakes)


def _pickled(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(2)
        if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
            return "this is a pickle:"
        if head != b"PK":
            return ""
        file.seek(0)
        content = file.read(64 * 2**10)
    if path.suffix != ".npz" and b"data.pkl" in content:
        return "this is a PyTorch archive with a pickle inside:"
    return ""


def _check_onnx(folder: Path, name: str, mistakes: Mistakes) -> None:
    try:
        locations = external_files(folder / name)
    except InvalidModelFolder as error:
        mistakes.in_file(name, error.message)
        return
    for location in sorted(locations):
        beside = posixpath.join(posixpath.dirname(name), location)
        if why := why_invalid(location):
            mistakes.in_file(name, f"it keeps tensors in the file {location!r}: {why}.")
        elif (folder / beside).is_symlink() or not (folder / beside).is_file():
            mistakes.in_file(name, f"it keeps tensors in the file {location!r}, which is not in the folder.")


def _check_safetensors(path: Path, name: str, mistakes: Mistakes) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_SAFETENSORS_HEADER):
            mistakes.in_file(name, f"this is no safetensors file: its header claims {length} of {size} bytes.")
            return
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError):
            header = None
    if not isinstance(header, dict):
        mistakes.in_file(name, "this is no safetensors file: its header is no JSON object.")
