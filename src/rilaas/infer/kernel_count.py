"""What a runtime really computes with: kernels that multiply matrices or convolve, and those of them with integers.

A file with QuantizeLinear everywhere can still be computed in float; only the graph that the runtime made tells.
"""

from __future__ import annotations

from typing import Any

from rilaas.infer.session import Kernels

# Of onnxruntime's optimized graph. Names of domain com.microsoft: docs/ContribOperators.md of its sources.
_ORT_INTEGER = {
    "ConvInteger",
    "DynamicQuantizeMatMul",
    "MatMulInteger",
    "MatMulInteger16",
    "MatMulIntegerToFloat",
    "QAttention",
    "QGemm",
    "QLinearConv",
    "QLinearConvTranspose",
    "QLinearMatMul",
    "DynamicQuantizeLSTM",
}
_ORT_FLOAT = {
    "Attention",
    "Conv",
    "ConvTranspose",
    "FusedConv",
    "FusedGemm",
    "FusedMatMul",
    "FusedMatMulActivation",
    "GRU",
    "Gemm",
    "LSTM",
    "MatMul",
    "MatMulNBits",
    "MultiHeadAttention",
    "NhwcFusedConv",
    "RNN",
    "TransposeMatMul",
}
# Of OpenVINO's runtime model, rt_info "layerType".
_OV_LAYERS = {
    "Convolution",
    "Deconvolution",
    "FullyConnected",
    "FullyConnectedCompressed",
    "FullyConnectedQuantized",
    "FullyConnectedQuantizedLegacy",
    "GRUCell",
    "GRUSeq",
    "LSTMCell",
    "LSTMSeq",
    "MatMul",
    "RNNCell",
    "RNNSeq",
}


def kernels_of_onnx(graph: Any) -> Kernels:
    """Of the graph that onnxruntime optimized.

    Args:
        graph: An ``onnx.GraphProto``.
    """
    total = integer = 0
    for node in graph.node:
        total += node.op_type in _ORT_INTEGER or node.op_type in _ORT_FLOAT
        integer += node.op_type in _ORT_INTEGER
        for attribute in node.attribute:
            for below in (attribute.g, *attribute.graphs):
                inner = kernels_of_onnx(below)
                total, integer = total + inner.total, integer + inner.integer
    return Kernels(total, integer)


def kernels_of_openvino(model: Any) -> Kernels:
    """Of an OpenVINO runtime model.

    Small matrix products that it fuses into one kernel with what is around them (``Subgraph``) are not told apart by
    it, and not counted.

    Args:
        model: What ``compiled.get_runtime_model()`` gave.
    """
    total = integer = 0
    for node in model.get_ordered_ops():
        info = node.get_rt_info()
        if "layerType" in info and info["layerType"].astype(str) in _OV_LAYERS:
            kind = info["primitiveType"].astype(str) if "primitiveType" in info else ""
            total += 1
            integer += kind.upper().endswith(("_I8", "_U8"))
    return Kernels(total, integer)
