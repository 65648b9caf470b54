import subprocess
import sys

import numpy as np
import onnx
import pytest

from rilaas.core import InvalidInput, ModelFailed
from rilaas.infer.backends import backend_named
from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network
from rilaas.optimize.passes.graph import Graph
from rilaas.optimize.passes.ranges import measure_ranges
from rilaas.optimize.passes.registry import make_pass
from rilaas.optimize.passes.static import QuantizeStatic
from rilaas.optimize.samples import Samples
from tests.infer.onnx_graph import graph_of, random
from tests.optimize.small_networks import answers, context, error, images, operators, pilot, samples

LAYERS = ["n1", "n3", "n6", "n8"]


@pytest.fixture(scope="module")
def quantized():
    return QuantizeStatic(min_macs=0).apply(pilot(), context())


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_every_layer_computes_with_integers_and_answers_almost_the_same(quantized, runtime):
    if reason := backend_named(runtime).missing():
        pytest.skip(reason)
    onnx.checker.check_model(quantized.to_onnx(), full_check=True)
    with open_network(quantized, Target("cpu", runtime)) as session:
        kernels = session.kernels()
        assert {str(spec) for spec in session.inputs.values()} == {"image: FP32 [-1, 3, 16, 12]"}
    assert kernels.integer == kernels.total > 1
    assert error(quantized, runtime=runtime) < 1.05 * error(pilot())
    floats = [t for t in quantized.to_onnx().graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert all(t.name.endswith("_scale") for t in floats)


def test_the_last_layer_gives_float_and_not_256_steps(quantized):
    assert operators(quantized)[-1] == "Gemm"
    found = answers(quantized, Samples({"image": images(600, 4)}))["command"]
    assert len(np.unique(found[:, 0])) > 400


def test_small_layers_stay_in_float_and_cost_nothing(quantized):
    network = QuantizeStatic(min_macs=100).apply(pilot(), context())
    layers = {layer.name: layer for layer in Graph(pilot().to_onnx()).layers()}
    assert [layers[name].macs for name in LAYERS] == [14400, 6912, 2304, 48]
    kinds = {t.name: t.data_type for t in network.to_onnx().graph.initializer}
    assert kinds["f2"] == onnx.TensorProto.FLOAT
    assert operators(network)[-3:] == ["Gemm", "Relu", "Gemm"]  # no rounding between a product and a float layer
    against = answers(pilot())["command"]
    one, other = (np.square(answers(n)["command"] - against).mean() for n in (network, quantized))
    assert one < other


def test_layers_that_are_kept_in_float_are_and_the_others_are_not():
    network = QuantizeStatic(keep_float=("n3",), min_macs=0).apply(pilot(), context())
    kinds = {t.name.removesuffix("_quantized"): t.data_type for t in network.to_onnx().graph.initializer}
    assert kinds["c2"] == onnx.TensorProto.FLOAT
    assert kinds["f1"] == onnx.TensorProto.INT8
    worst = QuantizeStatic(keep_worst=4, min_macs=0)
    assert "QuantizeLinear" not in operators(worst.apply(pilot(), context()))


def test_a_layer_that_does_not_exist_is_told_with_one_that_is_meant():
    with pytest.raises(InvalidInput, match="n33") as raised:
        QuantizeStatic(keep_float=("n33",)).apply(pilot(), context())
    assert "n3" in raised.value.hint


def test_activations_that_rounding_stood_for_come_back_where_it_is_dropped():
    weights = {"w": random(6, 4), "v": random(4, 3, seed=1)}
    nodes = [("Gemm", "x w", "a"), ("Relu", "a", "hidden"), ("Gemm", "hidden v", "b"), ("Relu", "b", "y")]
    network = Network.of_onnx(graph_of(nodes, {"x": ("n", 6)}, weights))
    given = Samples({"x": random(64, 6)})
    for made in (QuantizeStatic(min_macs=0), QuantizeStatic(keep_float=("n2",), min_macs=0)):
        network_out = made.apply(network, context(network, calibration=given))
        found = answers(network_out, given)["y"]
        assert found.min() == 0.0
        np.testing.assert_allclose(found, answers(network, given)["y"], atol=0.05)


def test_ranges_of_each_kind_lie_where_they_should():
    values = np.concatenate([np.linspace(-1, 2, 999), [50.0]]).astype(np.float32).reshape(100, 10)
    network = Network.of_onnx(graph_of([("Relu", "x", "r"), ("Neg", "r", "y")], {"x": ("n", 10)}))
    found = {
        mode: measure_ranges(
            network, Samples({"x": values}), count=100, mode=mode, percentile=98.0, tell=lambda *_: None
        )
        for mode in ("minmax", "percentile", "entropy", "mean")
    }
    assert found["minmax"]["x"] == (-1.0, 50.0)
    assert found["minmax"]["r"] == (0.0, 50.0)
    low, high = found["percentile"]["x"]
    assert -1.0 <= low < -0.9
    assert 1.9 < high < 2.1
    low, high = found["entropy"]["x"]
    assert (low, high < 45.0) == (-1.0, True)
    assert found["mean"]["x"] == pytest.approx((values.min(axis=1).mean(), values.max(axis=1).mean()), abs=1e-5)


def test_the_mean_of_extremes_ruins_a_regression_and_the_extremes_do_not():
    base = error(pilot())
    ratio = {
        mode: error(QuantizeStatic(ranges=mode).apply(pilot(), context())) / base
        for mode in ("minmax", "percentile", "entropy", "mean")
    }
    assert ratio["minmax"] < 1.05
    assert ratio["percentile"] < 1.1
    assert ratio["mean"] > 2 * ratio["minmax"]


def test_only_calibration_samples_are_looked_at_and_no_more_than_asked_for():
    seen = []

    def preprocess(inputs):
        seen.extend(inputs["image"][:, 0, 0, 0].tolist())
        return inputs

    given = Samples(samples().raw, preprocess)
    said = []
    made = QuantizeStatic(samples=5)
    made.apply(pilot(), context(calibration=given, tell=lambda share, words: said.append(share)))
    assert seen == [float(given.raw["image"][row, 0, 0, 0]) for row in (0, 12, 24, 35, 47)]
    assert said == sorted(said)
    with pytest.raises(InvalidInput, match="quantize.static needs calibration data"):
        made.apply(pilot(), context(calibration=None).__class__(Target(), pilot(), validation=samples()))


def test_values_that_are_not_finite_are_told_with_their_sample():
    broken = images(4)
    broken[2, 0, 0, 0] = np.inf
    with pytest.raises(ModelFailed, match="calibration sample 2"):
        QuantizeStatic().apply(pilot(), context(calibration=Samples({"image": broken})))


def test_a_network_is_not_quantized_twice(quantized):
    with pytest.raises(InvalidInput, match="already"):
        QuantizeStatic().apply(quantized, context())
    bare = Network.of_onnx(graph_of([("Relu", "x", "y")], {"x": ("n", 4)}))
    with pytest.raises(InvalidInput, match="nothing to quantize"):
        QuantizeStatic().apply(bare, context(bare, calibration=Samples({"x": random(4, 4)})))


def test_pruned_weights_stay_zero():
    model = pilot().to_onnx()
    for tensor in model.graph.initializer:
        if tensor.name == "f1":
            pruned = onnx.numpy_helper.to_array(tensor).copy()
            pruned[np.abs(pruned) < 0.1] = 0.0
            tensor.CopyFrom(onnx.numpy_helper.from_array(pruned, "f1"))
    network = QuantizeStatic().apply(Network.of_onnx(model), context())
    whole = next(t for t in network.to_onnx().graph.initializer if t.name == "f1_quantized")
    assert not onnx.numpy_helper.to_array(whole)[pruned == 0].any()


def test_the_same_arguments_give_the_same_bytes_in_another_process():
    code = "from tests.optimize.test_static import *; print(QuantizeStatic().apply(pilot(), context()).digest)"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {QuantizeStatic().apply(pilot(), context()).digest + "\n"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ranges": "minmix"}, "minmix"),
        ({"samples": 0}, "samples = 0"),
        ({"percentile": 3.0}, "percentile"),
        ({"keep_worst": -1}, "keep_worst"),
        ({"min_macs": -1}, "min_macs"),
        ({"keep": []}, "keep"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_out_of_bounds_is_refused(fields, words):
    with pytest.raises(InvalidInput, match=words):
        make_pass("quantize.static", fields)
