"""TensorFlow, tf_keras and the Model Optimization Toolkit, imported when a pass runs."""

from __future__ import annotations

import functools
import os
import warnings
from dataclasses import dataclass
from typing import Any

from rilaas.core import MissingDependency
from rilaas.infer.standard_error import standard_error_without

# The toolkit knows Keras 2 only; TensorFlow reads these when it is imported.
_SETTINGS = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
NOISE = (
    b"absl::InitializeLog",
    b"oneDNN custom operations",
    b"cpu_feature_guard.cc",
    b"rebuild TensorFlow with the appropriate compiler flags",
    b"cuda",
    b"MLIR V1",
    b"fully_quantize",
    b"tf_tfl_flatbuffer",
    b"tflite/python/",
    b"saved_model/reader.cc",
    b"saved_model/loader.cc",
    b"Created TensorFlow Lite XNNPACK delegate",
)
_INSTALL = "Install it in an environment of its own with: pip install 'rilaas[tensorflow]'"


@dataclass(frozen=True)
class Framework:
    """The three modules.

    Attributes:
        tf: ``tensorflow``.
        keras: ``tf_keras``.
        tfmot: ``tensorflow_model_optimization``.
    """

    tf: Any
    keras: Any
    tfmot: Any


@functools.cache
def import_tensorflow() -> Framework:
    """The modules, with one thread and deterministic kernels.

    Raises:
        MissingDependency: One of them is not installed.
    """
    os.environ.update(_SETTINGS)
    try:
        with standard_error_without(*NOISE), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of their own age
            import tensorflow as tf
            import tensorflow_model_optimization as tfmot
            import tf_keras as keras
    except ImportError as error:
        raise MissingDependency(
            f"TensorFlow's passes need {error.name}, which is not installed.", _INSTALL
        ) from error
    tf.get_logger().setLevel("ERROR")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # somebody computed with it already
        pass
    tf.config.experimental.enable_op_determinism()
    return Framework(tf, keras, tfmot)


def start_anew(framework: Framework, seed: int) -> None:
    """Forget earlier models, and draw everything random from a seed."""
    framework.keras.backend.clear_session()
    framework.keras.utils.set_random_seed(seed)
