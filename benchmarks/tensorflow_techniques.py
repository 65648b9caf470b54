"""Every technique of TensorFlow's table on a model folder: size, error, and what is left of zeros and clusters.

Runs in an environment with TensorFlow::

    python benchmarks/tensorflow_techniques.py models/lane-following frames.npz

``frames.npz`` is written by ``rilaas.learn.record``: fields ``inputs/NAME`` and ``expected/NAME``. Times of the
weights are one thread, one sample, of this machine as busy as it is.
"""

from __future__ import annotations

import gzip
import sys
import time
from pathlib import Path

import numpy as np

from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.recipe import read_recipe, recipe_names
from rilaas.optimize.samples import Samples, split
from rilaas.optimize.subject import read_subject
from rilaas.store import read_model_folder

_CALLS = 300


def read(path: str, subject) -> Samples:
    with np.load(path) as file:
        fields = {name: file[name] for name in file.files}
    session_outputs = [each.name for each in subject.network.to_onnx().graph.output]
    inputs = subject.folder.manifest.signature.inputs
    return Samples(
        {name: fields[f"inputs/{name}"] for name in inputs},
        subject.preprocess,
        {name: fields[f"expected/{name}"] for name in session_outputs},
        fields["inputs/recording"].ravel(),
    )


def zeros_and_values(network: Network) -> tuple[float, int, int]:
    """Share of zeros, and most distinct values of a dense layer and of a channel of a convolution."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = {
        schema.TensorType.INT8: np.int8,
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.FLOAT16: np.float16,
    }
    model = schema.Model.GetRootAs(network.data)
    graph = model.Subgraphs(0)
    arrays = []
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        data = model.Buffers(tensor.Buffer()).DataAsNumpy()
        if tensor.ShapeLength() in (2, 4) and not isinstance(data, int) and tensor.Type() in kinds:
            arrays.append(data.view(kinds[tensor.Type()]).reshape(tensor.ShapeAsNumpy()))
    zeros = sum(int((array == 0).sum()) for array in arrays) / sum(array.size for array in arrays)
    dense = [len(np.unique(array)) for array in arrays if array.ndim == 2]
    channels = [len(np.unique(channel)) for array in arrays if array.ndim == 4 for channel in array]
    return zeros, max(dense, default=0), max(channels, default=0)


def main(folder: str, frames: str) -> None:
    subject = read_subject(read_model_folder(Path(folder)))
    data = split(read(frames, subject))
    print("samples:", *(len(part) for part in (data.training, data.calibration, data.validation, data.test)))
    name = next(iter(data.test.targets))
    with open_network(subject.network) as session:
        float_mse = float(((outputs_of(session, data.test)[name] - data.test.targets[name]) ** 2).mean())
    print(f"ONNX float: mse {float_mse:.6f}, {len(subject.network.data)} bytes")
    print("| recipe | bytes | gzip | MSE | of float | kernels | zeros | values dense/channel | p50 us | made in s |")
    for recipe in map(read_recipe, recipe_names("paper.tf.*")):
        start, network = time.monotonic(), subject.network
        context = Context(recipe.target, network, data.training, data.calibration, data.validation)
        for each in recipe.passes:
            network = each.apply(network, context)
        made_s = time.monotonic() - start
        with open_network(network, recipe.target) as session:
            mse = float(((outputs_of(session, data.test)[name] - data.test.targets[name]) ** 2).mean())
            one, times = data.test.inputs(slice(0, 1)), []
            for _ in range(_CALLS):
                begin = time.perf_counter_ns()
                session.run(one)
                times.append(time.perf_counter_ns() - begin)
            kernels = session.kernels()
        zeros, dense, channel = zeros_and_values(network)
        print(
            f"| {recipe.name} | {len(network.data)} | {len(gzip.compress(network.data, mtime=0))} | {mse:.6f} "
            f"| {mse / float_mse:.3f} | {kernels.integer}/{kernels.total} | {zeros:.3f} | {dense}/{channel} "
            f"| {np.median(times) / 1e3:.0f} | {made_s:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
