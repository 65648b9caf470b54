"""A look into a .tflite file without running it: its parameters, convolutions and matrix products.

Read with the schema that comes with LiteRT (schema.fbs of TensorFlow Lite, version 3).
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidModelFolder, MissingDependency
from rilaas.optimize.product import Product

_CONV, _DEPTHWISE, _FULLY, _TRANSPOSED, _DEQUANTIZE = 3, 4, 9, 67, 6  # BuiltinOperator
_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64, 7: np.int16, 9: np.int8}  # TensorType


def read(data: bytes) -> tuple[list[NDArray[Any]], list[Product]]:
    """Parameters (weights and biases) and products of a file.

    Raises:
        MissingDependency: LiteRT is not installed.
        InvalidModelFolder: It is no such file.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise MissingDependency(
            "LiteRT is not installed, and its files cannot be read without it.", "pip install 'rilaas[litert]'"
        ) from error
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
        return _read(model)
    except (struct.error, IndexError, ValueError, TypeError, AttributeError) as error:
        raise InvalidModelFolder(f"This is no LiteRT file: {error!s:.200}.") from error


def _read(model: Any) -> tuple[list[NDArray[Any]], list[Product]]:
    arrays: dict[tuple[int, int], NDArray[Any]] = {}
    products = []
    for number, graph in enumerate(model.subgraphs):
        makers = {int(out): each for each in graph.operators for out in each.outputs}
        for operator in graph.operators:
            code = _code(model, operator)
            if code not in (_CONV, _DEPTHWISE, _FULLY, _TRANSPOSED):
                continue
            for position in (1, 2):
                if position < len(operator.inputs) and operator.inputs[position] >= 0:
                    index = _source(model, int(operator.inputs[position]), makers)
                    if (array := _stored(model, graph, index)) is not None:
                        arrays[number, index] = array
            index = _source(model, int(operator.inputs[1]), makers)
            products.append(
                Product(
                    _stored(model, graph, index),
                    _zero(graph.tensors[index]),
                    _macs(code, graph, operator),
                )
            )
    return list(arrays.values()), products


def _code(model: Any, operator: Any) -> int:
    said = model.operatorCodes[operator.opcodeIndex]
    return max(int(said.builtinCode), int(said.deprecatedBuiltinCode))


def _source(model: Any, index: int, makers: dict[int, Any]) -> int:
    """The tensor behind one that is converted from float16 when it is used."""
    maker = makers.get(index)
    return int(maker.inputs[0]) if maker is not None and _code(model, maker) == _DEQUANTIZE else index


def _stored(model: Any, graph: Any, index: int) -> NDArray[Any] | None:
    tensor = graph.tensors[index]
    content, dtype = model.buffers[tensor.buffer].data, _DTYPES.get(tensor.type)
    if content is None or not len(content) or dtype is None:
        return None
    return np.asarray(content, np.uint8).view(dtype).reshape(tuple(tensor.shape))


def _zero(tensor: Any) -> int:
    """Zero point of stored integers; LiteRT's weights are symmetric, so it is 0 but for very old files."""
    points = None if tensor.quantization is None else tensor.quantization.zeroPoint
    return 0 if points is None or not len(points) else int(points[0])


def _macs(code: int, graph: Any, operator: Any) -> int:
    weights = [int(size) for size in graph.tensors[int(operator.inputs[1])].shape]
    out = math.prod(int(size) for size in graph.tensors[int(operator.outputs[0])].shape)
    if code == _TRANSPOSED:
        given = math.prod(int(size) for size in graph.tensors[int(operator.inputs[2])].shape)
        return given * weights[0] * weights[1] * weights[2]
    if code == _DEPTHWISE:
        return out * weights[1] * weights[2]
    return out * math.prod(weights[1:])
