"""What an engine of TensorRT computes with, from what its inspector says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rilaas.infer.session import Kernels

_PRODUCTS = ("conv", "gemm", "matmul", "matrixmultiply", "fullyconnected")
_INTEGER_TACTICS = ("i8i8", "s8s8", "imma", "int8", "int8x")


def kernels_of_engine(information: str) -> Kernels | None:
    """Count layers that multiply, and those of them that multiply integers.

    Args:
        information: ``EngineInspector.get_engine_information`` as JSON, of an engine that was built with detailed
            profiling verbosity. Up to 10.x the type stands in ``Format/Datatype`` of each input, from 11 on it is of
            its own.

    Returns:
        None where no layer says what it is: then nobody can tell.
    """
    try:
        layers = json.loads(information).get("Layers", [])
    except (ValueError, AttributeError):
        return None
    products = [layer for layer in layers if isinstance(layer, dict) and _is_product(layer)]
    if not products:
        return None
    return Kernels(len(products), sum(_is_integer(layer) for layer in products))


def _is_product(layer: dict[str, Any]) -> bool:
    words = " ".join(str(layer.get(key, "")) for key in ("LayerType", "ParameterType", "TacticName")).lower()
    return any(word in words for word in _PRODUCTS)


def _is_integer(layer: dict[str, Any]) -> bool:
    tactic = str(layer.get("TacticName", "")).lower()
    return any("int8" in kind for kind in _types(layer)) or any(word in tactic for word in _INTEGER_TACTICS)


def _types(layer: dict[str, Any]) -> Iterator[str]:
    """Types of the layer's inputs; that of its output says nothing about what it multiplies."""
    for given in layer.get("Inputs", []):
        if isinstance(given, dict):
            for key in ("Format/Datatype", "Format", "Datatype", "DataType"):
                yield str(given.get(key, "")).lower()
