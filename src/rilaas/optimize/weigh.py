"""What weights are like: bytes, parameters, multiplications, zeros, distinct values."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.optimize import flatbuffer, product
from rilaas.optimize.measured import Weight
from rilaas.optimize.network import Network
from rilaas.optimize.product import Product

_GZIP_LEVEL = 6  # what gzip does unless told otherwise


def weigh(network: Network, size_bytes: int | None = None, packed: bytes | None = None) -> Weight:
    """Weigh a network.

    Args:
        network: The weights.
        size_bytes: Of the file on disk, where that is not the network's own bytes.
        packed: The bytes of that file.
    """
    arrays, products = _read(network)
    stored = [(each.weights, each.zero) for each in products if each.weights is not None]
    zeros = sum(int(np.count_nonzero(weights == zero)) for weights, zero in stored)
    total = sum(weights.size for weights, _ in stored)
    data = network.data if packed is None else packed
    return Weight(
        size_bytes=len(network.data) if size_bytes is None else size_bytes,
        gzip_bytes=len(gzip.compress(data, _GZIP_LEVEL, mtime=0)),
        parameters=sum(array.size for array in arrays),
        macs=sum(each.macs for each in products),
        sparsity=zeros / total if total else 0.0,
        unique_weights=max((int(np.unique(weights).size) for weights, _ in stored), default=0),
    )


def integer_products(network: Network) -> tuple[int, int]:
    """How many convolutions and matrix products a file has, and how many of them store integers.

    A runtime cannot compute with integers what is not stored so; whether it does with those that are, only it says.
    """
    _, products = _read(network)
    stored = [each for each in products if each.weights is not None]
    return len(stored), sum(each.is_integer for each in stored)


def _read(network: Network) -> tuple[list[NDArray[Any]], list[Product]]:
    """Parameters and products of a file."""
    if network.format == "tflite":
        return flatbuffer.read(network.data)
    model = network.to_onnx()
    return product.constants_of(model), product.products_of(model)
