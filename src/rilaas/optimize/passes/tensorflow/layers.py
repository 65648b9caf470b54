"""Layers that tf_keras lacks. Imported when TensorFlow is there, and only then.

Each is registered by name: the toolkit writes models down and reads them back when it wraps layers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from rilaas.optimize.passes.tensorflow.framework import import_tensorflow

_framework = import_tensorflow()
tf, keras = _framework.tf, _framework.keras
_registered = keras.utils.register_keras_serializable(package="rilaas")

UNARY: dict[str, Callable[..., Any]] = {
    "Abs": tf.abs,
    "Ceil": tf.math.ceil,
    "Elu": lambda x, alpha=1.0: tf.where(x > 0, x, alpha * tf.math.expm1(tf.minimum(x, 0.0))),
    "Erf": tf.math.erf,
    "Exp": tf.exp,
    "Floor": tf.math.floor,
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: tf.clip_by_value(alpha * x + beta, 0.0, 1.0),
    "HardSwish": lambda x: x * (tf.nn.relu6(x + 3.0) * (1.0 / 6.0)),  # as LiteRT knows it
    "LeakyRelu": lambda x, alpha=0.01: tf.nn.leaky_relu(x, alpha),
    "Log": tf.math.log,
    "Mish": lambda x: x * tf.tanh(tf.math.softplus(x)),
    "Neg": tf.negative,
    "Reciprocal": tf.math.reciprocal,
    "Relu": tf.nn.relu,
    "Sigmoid": tf.sigmoid,
    "Softplus": tf.math.softplus,
    "Softsign": tf.math.softsign,
    "Sqrt": tf.sqrt,
    "Tanh": tf.tanh,
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": tf.add,
    "Div": tf.divide,
    "Max": tf.maximum,
    "Min": tf.minimum,
    "Mul": tf.multiply,
    "Pow": tf.pow,
    "Sub": tf.subtract,
    "MatMul": tf.matmul,
}
REDUCE: dict[str, Callable[..., Any]] = {
    "ReduceMax": tf.reduce_max,
    "ReduceMean": tf.reduce_mean,
    "ReduceMin": tf.reduce_min,
    "ReduceSum": tf.reduce_sum,
}


class _Configured(keras.layers.Layer):  # type: ignore[misc, name-defined]
    """A layer whose arguments are its whole state."""

    def __init__(self, **arguments: Any) -> None:
        own = {key: arguments.pop(key) for key in tuple(arguments) if key in self.fields}
        super().__init__(**arguments)
        self.own = own

    fields: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        """See Keras."""
        return {**super().get_config(), **self.own}


@_registered
class Unary(_Configured):
    """A function of each element: ``function`` of ``UNARY``, with ``arguments``."""

    fields = ("function", "arguments")

    def call(self, x: Any) -> Any:
        """(N, ...) to the same shape."""
        return UNARY[self.own["function"]](x, **self.own["arguments"])


@_registered
class Clip(_Configured):
    """Between ``low`` and ``high``; None is open."""

    fields = ("low", "high")

    def call(self, x: Any) -> Any:
        """(N, ...) to the same shape."""
        if self.own["low"] is not None:
            x = tf.maximum(x, self.own["low"])
        return x if self.own["high"] is None else tf.minimum(x, self.own["high"])


@_registered
class Binary(_Configured):
    """A function of two tensors, which broadcast: ``function`` of ``BINARY``."""

    fields = ("function",)

    def call(self, pair: Sequence[Any]) -> Any:
        """Two tensors to one."""
        return BINARY[self.own["function"]](*pair)


@_registered
class WithConstant(_Configured):
    """A function of a tensor and constant ``values`` (nested lists): ``function`` of ``BINARY``; ``first`` or not."""

    fields = ("function", "values", "first")

    def call(self, x: Any) -> Any:
        """(N, ...) to what it broadcasts to."""
        constant = tf.constant(self.own["values"], x.dtype)
        pair = (constant, x) if self.own["first"] else (x, constant)
        return BINARY[self.own["function"]](*pair)


@_registered
class Slope(_Configured):
    """PReLU with constant ``slope`` as nested lists."""

    fields = ("slope",)

    def call(self, x: Any) -> Any:
        """(N, ...) to the same shape."""
        return tf.maximum(x, 0.0) + tf.constant(self.own["slope"], x.dtype) * tf.minimum(x, 0.0)


@_registered
class Reduce(_Configured):
    """Over ``axes``: ``function`` of ``REDUCE``."""

    fields = ("function", "axes", "keepdims")

    def call(self, x: Any) -> Any:
        """(N, ...) to fewer elements."""
        return REDUCE[self.own["function"]](x, axis=list(self.own["axes"]), keepdims=self.own["keepdims"])


@_registered
class Pick(_Configured):
    """Every ``step``-th element of one ``axis`` from ``start`` to before ``end``."""

    fields = ("axis", "start", "end", "step")

    def call(self, x: Any) -> Any:
        """(N, ...) to a shorter axis."""
        every = [slice(None)] * len(x.shape)
        every[self.own["axis"]] = slice(self.own["start"], self.own["end"], self.own["step"])
        return x[tuple(every)]


@_registered
class Pad(_Configured):
    """At the ends of each axis: ``pads`` as pairs, with ``value``, or in ``mode`` SYMMETRIC or REFLECT."""

    fields = ("pads", "value", "mode")

    def call(self, x: Any) -> Any:
        """(N, ...) to longer axes."""
        return tf.pad(x, self.own["pads"], mode=self.own["mode"], constant_values=self.own["value"])


@_registered
class Resize(_Configured):
    """To ``size`` = (height, width), ``method`` nearest or bilinear, ``corners`` or half pixels."""

    fields = ("size", "method", "corners")

    def call(self, x: Any) -> Any:
        """(N, H, W, C) to (N, height, width, C)."""
        method, size = self.own["method"], self.own["size"]
        if method == "nearest":  # as ONNX with asymmetric and floor, and as torch
            return tf.compat.v1.image.resize_nearest_neighbor(x, size)
        resize = functools.partial(tf.raw_ops.ResizeBilinear, images=x, size=size)
        return resize(align_corners=self.own["corners"], half_pixel_centers=not self.own["corners"])


@_registered
class ToFloat(_Configured):
    """Integers as float32."""

    def call(self, x: Any) -> Any:
        """(N, ...) to the same shape."""
        return tf.cast(x, tf.float32)
