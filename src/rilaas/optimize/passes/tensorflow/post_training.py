"""Conversion without training: the techniques of TensorFlow's converter.

Source: Paniego et al., Model Optimization in Deep Learning Based Robot Control for Autonomous Driving, 2024; fields
have the values of its scripts (DeepLearningStudio, Carla-FollowLane/tensorflow). What differs: calibration samples
come from the calibration part alone, where the scripts took validation images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.tensorflow.flatbuffer import representative, tflite_of
from rilaas.optimize.passes.tensorflow.framework import Framework, import_tensorflow, start_anew
from rilaas.optimize.passes.tensorflow.keras_model import KerasModel, keras_of

_SAMPLES = 10_000  # the document's


def begin(network: Network, context: Context) -> tuple[Framework, KerasModel]:
    """TensorFlow, and a network as a Keras model."""
    context.tell(0.0, "starting TensorFlow")
    framework = import_tensorflow()
    start_anew(framework, context.seed)
    made = keras_of(network)
    context.tell(0.1, "converting")
    return framework, made


@dataclass(frozen=True, slots=True)
class Convert:
    """Float32 in a LiteRT file: the document's Baseline."""

    name: ClassVar[str] = "tensorflow.convert"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        framework, made = begin(network, context)
        return tflite_of(framework, made, lambda converter: None)


@dataclass(frozen=True, slots=True)
class DynamicRange:
    """Weights in int8, activations rounded to int8 while they are computed: the document's Dynamic Range Q.

    The converter leaves weights of fewer than 1024 numbers in float.
    """

    name: ClassVar[str] = "tensorflow.dynamic"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        framework, made = begin(network, context)
        return tflite_of(framework, made, by_default(framework))


@dataclass(frozen=True, slots=True)
class Float16:
    """Weights in float16, computed in float32: the document's Float16 Q."""

    name: ClassVar[str] = "tensorflow.float16"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        framework, made = begin(network, context)
        usual = by_default(framework)

        def settings(converter: Any) -> None:
            usual(converter)
            converter.target_spec.supported_types = [framework.tf.float16]

        return tflite_of(framework, made, settings)


@dataclass(frozen=True, slots=True)
class Integer:
    """Weights and activations in int8, inputs and outputs in uint8: the document's Integer only Q.

    Operators without an integer kernel are an error. The session of the variant takes and gives float all the same.

    Attributes:
        samples: Calibration samples at most; the document took 10 000 (100 for Gazebo).
    """

    samples: int = _SAMPLES

    name: ClassVar[str] = "tensorflow.integer"
    needs: ClassVar[frozenset[str]] = frozenset({"calibration"})
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_samples(self.samples)

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        framework, made = begin(network, context)
        tf, usual = framework.tf, by_default(framework)
        rows = representative(made, context, self.name, self.samples)

        def settings(converter: Any) -> None:
            usual(converter)
            converter.representative_dataset = rows
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8

        return tflite_of(framework, made, settings)


@dataclass(frozen=True, slots=True)
class IntegerFloat:
    """As ``Integer``, but float inputs and outputs, and float where there is no integer kernel.

    The document's Integer (float fallback) Q.

    Attributes:
        samples: Calibration samples at most; the document took 10 000 (100 for Gazebo).
    """

    samples: int = _SAMPLES

    name: ClassVar[str] = "tensorflow.integer_float"
    needs: ClassVar[frozenset[str]] = frozenset({"calibration"})
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_samples(self.samples)

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        framework, made = begin(network, context)
        usual, rows = by_default(framework), representative(made, context, self.name, self.samples)

        def settings(converter: Any) -> None:
            usual(converter)
            converter.representative_dataset = rows

        return tflite_of(framework, made, settings)


def by_default(framework: Framework) -> Any:
    """The converter's own optimizations, which round weights to int8."""

    def settings(converter: Any) -> None:
        converter.optimizations = [framework.tf.lite.Optimize.DEFAULT]

    return settings


def check_samples(samples: int) -> None:
    """Raise ``InvalidInput`` where there would be none."""
    if samples < 1:
        raise InvalidInput(f"samples = {samples}: at least one is needed.")
