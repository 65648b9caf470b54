"""Run a model folder in this process: load it as a Policy, measure how long it takes.

Runs the model's own Python code where it has some. May import core and store; onnxruntime is an extra.
"""

from rilaas.infer.load import load
from rilaas.infer.model import LoadedModel
from rilaas.infer.profile import LatencyProfile, example_inputs, profile

__all__ = ["LatencyProfile", "LoadedModel", "example_inputs", "load", "profile"]
