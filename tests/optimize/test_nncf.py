"""NNCF is in no environment with the hub: these run where it is installed."""

import importlib.util
import sys

import numpy as np
import onnx
import pytest

from rilaas.core import InvalidInput, MissingDependency
from rilaas.infer.backends import backend_named
from rilaas.infer.target import Target
from rilaas.optimize.opened import open_network
from rilaas.optimize.passes.nncf import QuantizeNncf
from rilaas.optimize.passes.registry import make_pass
from tests.optimize.small_networks import answers, context, error, pilot

needs_nncf = pytest.mark.skipif(
    importlib.util.find_spec("nncf") is None, reason="nncf is not installed: pip install 'rilaas[nncf]'"
)


@needs_nncf
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_it_quantizes_with_the_extremes_of_all_samples(runtime, capfd):
    if reason := backend_named(runtime).missing():
        pytest.skip(reason)
    network = QuantizeNncf(min_macs=0).apply(pilot(), context())
    assert capfd.readouterr().out == ""
    assert sys.modules["openvino_telemetry"] is None
    onnx.checker.check_model(network.to_onnx(), full_check=True)
    assert QuantizeNncf(min_macs=0).apply(pilot(), context()).digest == network.digest
    with open_network(network, Target("cpu", runtime)) as session:
        assert session.kernels().integer > 0
    assert error(network, runtime=runtime) < 1.5 * error(pilot())


@needs_nncf
@pytest.mark.filterwarnings("ignore")
def test_its_own_ranges_are_worse_and_layers_can_be_kept():
    wanted = answers(pilot())["command"]

    def apart(**fields):
        return np.square(
            answers(QuantizeNncf(min_macs=0, **fields).apply(pilot(), context()))["command"] - wanted
        ).mean()

    assert apart(ranges="mean") > 3 * apart()
    kept = QuantizeNncf(keep_float=("n6",)).apply(pilot(), context())
    assert {t.name: t.data_type for t in kept.to_onnx().graph.initializer}["f1"] == onnx.TensorProto.FLOAT
    small = QuantizeNncf(min_macs=100).apply(pilot(), context())
    assert {t.name: t.data_type for t in small.to_onnx().graph.initializer}["f2"] == onnx.TensorProto.FLOAT


@pytest.mark.skipif(importlib.util.find_spec("nncf") is not None, reason="nncf is installed")
def test_where_it_is_missing_an_environment_of_its_own_is_proposed():
    with pytest.raises(MissingDependency) as raised:
        QuantizeNncf(min_macs=0).apply(pilot(), context())
    assert "rilaas[nncf]" in raised.value.hint
    assert "quantize.static" in raised.value.hint


def test_a_configuration_out_of_bounds_is_refused():
    with pytest.raises(InvalidInput, match="entropy"):
        make_pass("quantize.nncf", {"ranges": "entropy"})
    with pytest.raises(InvalidInput, match="samples = 0"):
        make_pass("quantize.nncf", {"samples": 0})
