"""Every ONNX operator that can be converted, with the function that does it."""

from __future__ import annotations

from rilaas.optimize.passes.tensorflow.elementwise import ELEMENTWISE
from rilaas.optimize.passes.tensorflow.keras_model import Operator
from rilaas.optimize.passes.tensorflow.pooling import POOLING
from rilaas.optimize.passes.tensorflow.shaping import SHAPING
from rilaas.optimize.passes.tensorflow.weighted import WEIGHTED

OPERATORS: dict[str, Operator] = {**ELEMENTWISE, **POOLING, **SHAPING, **WEIGHTED}
