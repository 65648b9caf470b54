import numpy as np
import onnx
import pytest

from rilaas.core import InvalidInput
from rilaas.infer.backends import backend_named
from rilaas.infer.session import Kernels
from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network
from rilaas.optimize.passes.dynamic import QuantizeDynamic
from rilaas.optimize.passes.registry import make_pass
from tests.infer.onnx_graph import graph_of, random
from tests.optimize.small_networks import answers, context, error, pilot

KINDS = {
    "products": (QuantizeDynamic(min_macs=0), Kernels(4, 2)),
    "convolutions too": (QuantizeDynamic(min_macs=0, convolutions=True), Kernels(4, 4)),
    "one scale for all": (QuantizeDynamic(min_macs=0, per_channel=False), Kernels(4, 2)),
    "float activations": (QuantizeDynamic(min_macs=0, activations="float"), Kernels(4, 0)),
    "float activations, one scale": (
        QuantizeDynamic(min_macs=0, activations="float", convolutions=True, per_channel=False),
        Kernels(4, 0),
    ),
}


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("made", "kernels"), KINDS.values(), ids=KINDS)
def test_weights_are_s8_and_answers_stay_close_without_any_data(made, kernels, runtime):
    if reason := backend_named(runtime).missing():
        pytest.skip(reason)
    bare = context().__class__(Target(), pilot())
    network = made.apply(pilot(), bare)
    onnx.checker.check_model(network.to_onnx(), full_check=True)
    assert made.apply(pilot(), bare).digest == network.digest
    kinds = [t.data_type for t in network.to_onnx().graph.initializer if len(t.dims) > 1]
    assert kinds.count(onnx.TensorProto.INT8) == (4 if made.convolutions else 2)
    assert error(network, runtime=runtime) < 1.1 * error(pilot())
    if runtime == "onnxruntime":
        with open_network(network) as session:
            assert session.kernels() == kernels


def test_factors_of_a_gemm_and_a_missing_bias_are_kept():
    weights = {"w": random(5, 4), "v": random(5, 3, seed=1), "c": random(3, seed=2)}
    nodes = [("Gemm", "x w", "a", {"transB": 1, "alpha": 0.5}), ("Gemm", "a v c", "y", {"beta": 2.0})]
    network = Network.of_onnx(graph_of(nodes, {"x": ("n", 4)}, weights))
    bare = context().__class__(Target(), network)
    x = random(3, 4)
    with open_network(network) as session:
        wanted = session.run({"x": x})["y"]
    for made in (QuantizeDynamic(min_macs=0), QuantizeDynamic(min_macs=0, activations="float")):
        with open_network(made.apply(network, bare)) as session:
            np.testing.assert_allclose(session.run({"x": x})["y"], wanted, atol=0.05)


def test_weights_of_zeros_stay_zeros():
    network = Network.of_onnx(
        graph_of([("MatMul", "x w", "y")], {"x": ("n", 4)}, {"w": np.zeros((4, 3), np.float32)})
    )
    bare = context().__class__(Target(), network)
    for made in (QuantizeDynamic(min_macs=0), QuantizeDynamic(min_macs=0, activations="float")):
        with open_network(made.apply(network, bare)) as session:
            assert not session.run({"x": random(2, 4)})["y"].any()


def test_a_network_is_not_quantized_twice():
    bare = context().__class__(Target(), pilot())
    for made in (QuantizeDynamic(min_macs=0), QuantizeDynamic(min_macs=0, activations="float")):
        with pytest.raises(InvalidInput, match="already"):
            QuantizeDynamic(min_macs=0).apply(made.apply(pilot(), bare), bare)
    with pytest.raises(InvalidInput, match="dinamic"):
        make_pass("quantize.dynamic", {"activations": "dinamic"})


@pytest.mark.parametrize("activations", ["dynamic", "float"])
def test_small_layers_stay_in_float(activations):
    network = QuantizeDynamic(activations=activations, min_macs=100).apply(pilot(), context())
    kinds = [t.data_type for t in network.to_onnx().graph.initializer if len(t.dims) > 1]
    assert kinds.count(onnx.TensorProto.INT8) == 1
    np.testing.assert_allclose(answers(network)["command"], answers(pilot())["command"], atol=0.2)


def test_float_activations_differ_from_float_by_rounded_weights_alone():
    network = QuantizeDynamic(min_macs=0, activations="float").apply(pilot(), context())
    found, wanted = answers(network)["command"], answers(pilot())["command"]
    assert 0 < np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()
