"""Writes ``tests/infer/road_integer.tflite``, in an environment with TensorFlow: ``python -m`` this module."""

from pathlib import Path

from tests.optimize.tensorflow.road import applied

FILE = Path(__file__).parents[2] / "infer" / "road_integer.tflite"


def made():
    """The document's Integer only Q of the small camera network: uint8 in and out."""
    return applied("tensorflow.integer")


if __name__ == "__main__":
    FILE.write_bytes(made().data)
