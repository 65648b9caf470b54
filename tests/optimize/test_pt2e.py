import functools
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from rilaas.core import InvalidInput
from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.pt2e import QuantizePt2e
from rilaas.optimize.recipe import read_recipe
from rilaas.optimize.samples import Samples
from tests.infer.onnx_graph import graph_of, random

torch.set_num_threads(1)


def float_network(seed=0):
    """A convolution, a normalisation and two linear layers over (N, 3, 8, 8) images."""
    return Network.of_onnx(
        graph_of(
            [
                ("Conv", "image conv.weight conv.bias", "c", {"strides": [2, 2]}),
                ("BatchNormalization", "c norm.weight norm.bias norm.mean norm.var", "n"),
                ("Relu", "n", "r"),
                ("Flatten", "r", "f"),
                ("Gemm", "f hidden.weight hidden.bias", "h", {"transB": 1}),
                ("Relu", "h", "hr"),
                ("Gemm", "hr last.weight last.bias", "command", {"transB": 1}),
            ],
            {"image": ("batch", 3, 8, 8)},
            {
                "conv.weight": random(16, 3, 3, 3, seed=seed),
                "conv.bias": random(16),
                "norm.weight": random(16, low=0.5),
                "norm.bias": random(16, seed=1),
                "norm.mean": random(16, seed=2),
                "norm.var": random(16, low=0.5, high=2),
                "hidden.weight": random(32, 144, seed=3) / 6,
                "hidden.bias": random(32),
                "last.weight": random(2, 32) / 4,
                "last.bias": random(2),
            },
            ("command",),
        )
    )


NETWORK = float_network()
CALIBRATION = Samples({"image": random(40, 3, 8, 8, seed=5)})
TEST = Samples({"image": random(64, 3, 8, 8, seed=6)})


def context(calibration=CALIBRATION, **rest):
    return Context(Target("cpu", "torch-compile", "int8"), NETWORK, calibration=calibration, **rest)


KINDS = {
    "static": QuantizePt2e(batch=16),
    "static by histogram": QuantizePt2e(ranges="histogram", reduce_range=True, batch=16),
    "dynamic": QuantizePt2e(dynamic=True),
}


@functools.cache
def network_of(kind):
    return KINDS[kind].apply(NETWORK, context())


@pytest.fixture(params=KINDS)
def quantized(request):
    return KINDS[request.param], network_of(request.param)


def answers(network, runtime="onnxruntime"):
    with open_network(network, Target("cpu", runtime, "int8")) as session:
        return outputs_of(session, TEST)["command"]


def test_a_quantized_network_is_onnx_that_answers_nearly_the_same(quantized):
    _, network = quantized
    expected, got = answers(NETWORK), answers(network)
    error = np.mean((got - expected) ** 2) / expected.var()
    assert 0 < error < 1e-3


def test_names_and_the_free_batch_stay(quantized):
    _, network = quantized
    graph = network.to_onnx().graph
    (image,), (command,) = graph.input, graph.output
    assert (image.name, command.name) == ("image", "command")
    assert [size.dim_param or size.dim_value for size in image.type.tensor_type.shape.dim] == ["batch", 3, 8, 8]


def test_weights_are_stored_as_integers(quantized):
    made, network = quantized
    stored = {tensor.data_type for tensor in network.to_onnx().graph.initializer if np.prod(tensor.dims) > 500}
    assert stored == {onnx.TensorProto.INT8}
    assert len(network.data) < len(NETWORK.data) * (0.6 if made.dynamic else 0.5)


def test_torch_gives_what_onnxruntime_gives(quantized):
    _, network = quantized
    np.testing.assert_allclose(answers(network, "torch"), answers(network), atol=5e-2)  # one step of seven bits


def test_dynamic_quantizes_linear_layers_alone():
    graph = network_of("dynamic").to_onnx().graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    (conv,) = (node for node in graph.node if node.op_type == "Conv")
    assert conv.input[0] == "image"
    linear = [node for node in graph.node if node.op_type in ("Gemm", "MatMul")]
    assert [makers[node.input[0]] for node in linear] == ["DequantizeLinear"] * 2
    assert sum(node.op_type == "DynamicQuantizeLinear" for node in graph.node) == 2


def test_the_same_arguments_give_the_same_bytes_progress_is_told_and_all_else_stays():
    before, told = NETWORK.digest, []
    torch.set_num_threads(2)
    try:
        again = KINDS["static"].apply(NETWORK, context(tell=lambda share, words: told.append((share, words))))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert again.data == network_of("static").data
    assert Network(NETWORK.data).digest == before
    assert [share for share, _ in told] == [0.0, 0.4, 0.8]
    assert told[1][1] == "calibrating with sample 17 of 40"


def test_without_calibration_samples_it_says_what_to_give():
    with pytest.raises(InvalidInput, match="needs calibration data"):
        QuantizePt2e().apply(NETWORK, context(calibration=None))


def test_samples_of_another_network_are_named():
    with pytest.raises(InvalidInput, match="The samples give picture; the network takes image"):
        QuantizePt2e().apply(NETWORK, context(Samples({"picture": random(4, 3, 8, 8)})))


def test_a_network_is_quantized_once_only():
    once = network_of("static")
    with pytest.raises(InvalidInput, match="quantized already"):
        QuantizePt2e().apply(once, context())


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"ranges": "min-max"}, "Did you mean 'minmax'"), ({"samples": 0}, "samples = 0"), ({"batch": 0}, "batch = 0")],
    ids=["ranges", "samples", "batch"],
)
def test_wrong_fields_are_refused(fields, said):
    with pytest.raises(InvalidInput, match=said):
        QuantizePt2e(**fields)


def test_the_studys_recipes_have_its_names_and_numbers():
    static = read_recipe("paper.torch.static_quan")
    (quantize,) = static.passes
    assert (quantize.samples, quantize.batch, quantize.ranges) == (10 * 1024, 1024, "histogram")
    assert "calibration part" in static.description
    dynamic = read_recipe("paper.torch.dynamic_quan")
    assert dynamic.passes == (QuantizePt2e(dynamic=True),)
    assert "silently left in float" in dynamic.description
    baseline = read_recipe("paper.torch.baseline")
    assert (baseline.passes, str(baseline.target)) == ((), "cpu/torch/fp32")


def test_nothing_is_printed_and_nothing_heavy_is_loaded_before_it_is_used():
    code = """
import sys
import rilaas.optimize.passes.pt2e as pt2e
assert not {"torch", "torchao", "onnxscript"} & set(sys.modules)
pt2e.import_pt2e()
assert "torchao" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
