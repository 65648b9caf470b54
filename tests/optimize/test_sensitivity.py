import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from rilaas.core import InvalidInput
from rilaas.optimize.network import Network
from rilaas.optimize.passes.static import QuantizeStatic
from rilaas.optimize.samples import Samples
from rilaas.optimize.sensitivity import layer_sensitivity
from tests.optimize.small_networks import context, images, pilot, samples


def spoiled(name, factor):
    """The pilot with one weight of a layer far above the others: eight bits of one scale are too few for it."""
    model = pilot().to_onnx()
    for tensor in model.graph.initializer:
        if tensor.name == name:
            array = numpy_helper.to_array(tensor).copy()
            array[:, 0] *= factor
            tensor.CopyFrom(numpy_helper.from_array(array, name))
    return Network.of_onnx(model)


def test_every_layer_has_its_error_size_and_work():
    said = []
    rows = layer_sensitivity(pilot(), samples(), samples(32, 9), tell=lambda share, _: said.append(share))
    assert [(row.name, row.op) for row in rows] == [("n1", "Conv"), ("n3", "Conv"), ("n6", "Gemm"), ("n8", "Gemm")]
    assert [row.parameters for row in rows] == [600, 864, 2304, 48]
    assert [row.size_bytes for row in rows] == [2400, 3456, 9216, 192]
    assert [row.macs for row in rows] == [14400, 6912, 2304, 48]
    assert all(0 < row.mse < 1e-3 for row in rows)
    assert all(abs(row.increase) < 0.05 for row in rows)
    assert said == sorted(said)
    assert (said[0], said[-1]) == (0.0, 1.0)


def test_the_layer_that_int8_hurts_stands_out_and_is_the_one_that_is_kept():
    network = spoiled("f1", 300.0)
    given = Samples({"image": images(40)})
    rows = {row.name: row for row in layer_sensitivity(network, given, Samples({"image": images(20, 3)}))}
    worst = max(rows.values(), key=lambda row: row.mse)
    assert worst.name == "n6"
    assert worst.mse > 5 * sorted(row.mse for row in rows.values())[-2]
    assert worst.increase is None
    kept = QuantizeStatic(keep_worst=1, min_macs=0).apply(network, context(network, calibration=given))
    floats = {t.name for t in kept.to_onnx().graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    assert "f1" in floats
    assert "f2" not in floats


def test_many_samples_are_drawn_by_the_seed():
    many = Samples({"image": np.repeat(images(60), 5, axis=0) + images(300, 8) * 0.01})
    one, same, other = (layer_sensitivity(pilot(), samples(), many, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_a_quantized_network_has_no_float_layers_to_try():
    with pytest.raises(InvalidInput, match="already"):
        layer_sensitivity(QuantizeStatic().apply(pilot(), context()), samples(), samples())
