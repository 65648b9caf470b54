"""From a tf_keras model to the bytes of a LiteRT file whose signature has the names of the ONNX file."""

from __future__ import annotations

import re
import string
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput
from rilaas.infer.standard_error import standard_error_without
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.tensorflow.framework import NOISE, Framework
from rilaas.optimize.passes.tensorflow.keras_model import KerasModel

Settings = Callable[[Any], None]
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")  # TensorFlow changes names of inputs that are no identifiers
_LINE = 300


def tflite_of(framework: Framework, made: KerasModel, settings: Settings) -> Network:
    """Convert.

    Args:
        framework: TensorFlow.
        made: The model.
        settings: Sets the fields of a ``tf.lite.TFLiteConverter``.

    Raises:
        InvalidInput: TensorFlow cannot convert it so; its own words are in the message.
    """
    tf = framework.tf
    names = _names(made)
    specs = [
        tf.TensorSpec([None if shape[0] == -1 else shape[0], *shape[1:]], dtype.name, name=names[name])
        for name, (shape, dtype) in made.inputs.items()
    ]

    def answer(*tensors: Any) -> dict[str, Any]:
        found = made.model(list(tensors), training=False)
        return dict(zip(made.outputs, found if isinstance(found, list | tuple) else [found], strict=True))

    module = tf.Module()
    module.model = made.model
    module.answer = tf.function(answer, input_signature=specs)
    try:
        with tempfile.TemporaryDirectory(prefix="rilaas-saved-model-") as place, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with standard_error_without(*NOISE):
                tf.saved_model.save(module, place, signatures={"serving_default": module.answer})
                converter = tf.lite.TFLiteConverter.from_saved_model(place)
                settings(converter)
                data = bytes(converter.convert())
    except Exception as error:  # its ConverterError has no public name
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = next((line for line in lines if "error:" in line), lines[0] if lines else type(error).__name__)
        raise InvalidInput(f"TensorFlow cannot convert this network so: {said[:_LINE]}") from error
    for name, own in names.items():
        data = _renamed(data, own, name)
    return Network(data, "tflite")


def representative(made: KerasModel, context: Context, needed_by: str, most: int) -> Callable[[], Iterator[Any]]:
    """Calibration samples one by one, as the converter asks for them.

    Args:
        made: The model.
        context: With calibration data.
        needed_by: Name of the pass.
        most: How many at most.

    Raises:
        InvalidInput: There are no calibration data.
    """
    samples = context.part("calibration", needed_by)
    names, count = _names(made), min(most, len(samples))

    def rows() -> Iterator[dict[str, NDArray[Any]]]:
        for row in range(count):
            inputs = samples.inputs(slice(row, row + 1))
            yield {own: np.ascontiguousarray(inputs[name], made.inputs[name][1]) for name, own in names.items()}
            context.tell(0.1 + 0.7 * (row + 1) / count, f"calibrating, sample {row + 1} of {count}")

    return rows


def _names(made: KerasModel) -> dict[str, str]:
    """Names for TensorFlow: the ONNX ones where it takes them, else others of the same number of bytes."""
    names: dict[str, str] = {}
    letters = iter(string.ascii_lowercase)
    for name in made.inputs:
        if _PLAIN_NAME.fullmatch(name):
            names[name] = name
            continue
        own = next(
            (text for each in letters if (text := each * len(name.encode())) not in made.inputs and text), "rilaas"
        )
        names[name] = own
    return names


def _renamed(data: bytes, own: str, name: str) -> bytes:
    """A flat buffer with another key in its signature, of the same number of bytes."""
    if own == name:
        return data
    old, new = (struct.pack("<I", len(text.encode())) + text.encode() + b"\0" for text in (own, name))
    if data.count(old) != 1:
        raise InvalidInput(
            f"The input {name!r} cannot be named so in a LiteRT file.", "Rename it: letters and digits."
        )
    return data.replace(old, new)
