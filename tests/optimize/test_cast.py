import numpy as np
import onnx
import pytest

from rilaas.core import InvalidInput
from rilaas.infer.backends import backend_named
from rilaas.optimize.network import Network
from rilaas.optimize.passes.cast import CastBfloat16, CastFloat16
from rilaas.optimize.passes.registry import make_pass
from rilaas.optimize.passes.shape import ShapeFix
from rilaas.optimize.passes.static import QuantizeStatic
from tests.infer.onnx_graph import graph_of, random
from tests.optimize.small_networks import answers, context, images, operators, pilot

RUNTIMES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(bool(backend_named(name).missing()), reason=f"{name} is not installed"),
    )
    for name in ("onnxruntime", "openvino")
]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("made", "tolerance"), [(CastFloat16(), 2e-3), (CastBfloat16(), 2e-2)], ids=["half", "brain"]
)
def test_weights_take_half_the_bytes_and_the_network_stays_float(made, tolerance, runtime):
    cast = made.apply(pilot(), context())
    onnx.checker.check_model(cast.to_onnx(), full_check=True)
    size, small = (sum(len(t.raw_data) for t in n.to_onnx().graph.initializer) for n in (pilot(), cast))
    assert small < 0.6 * size
    wanted, found = answers(pilot(), runtime=runtime)["command"], answers(cast, runtime=runtime)["command"]
    assert found.dtype == np.float32
    assert 0 < np.abs(found - wanted).max() < tolerance * np.abs(wanted).max()
    assert made.apply(pilot(), context()).digest == cast.digest


def test_bfloat16_rounds_to_nearest_even():
    values = np.array([[1.0, 1.00390625, 1.01171875, -3.0e38, 1e-38]], np.float32).T
    network = Network.of_onnx(graph_of([("MatMul", "x w", "y")], {"x": (1, 5)}, {"w": values}))
    cast = CastBfloat16().apply(network, context())
    half = next(t for t in cast.to_onnx().graph.initializer if t.data_type == onnx.TensorProto.BFLOAT16)
    bits = np.frombuffer(half.raw_data, "<u2").astype(np.uint32) << 16
    found = bits.view(np.float32)
    np.testing.assert_array_equal(found[:3], [1.0, 1.0, 1.015625])  # halfway: to the even neighbour
    np.testing.assert_allclose(found[3:], values[3:, 0], rtol=2**-8)


def test_what_is_too_large_for_half_stays_in_float32_and_is_told():
    weights = {"w": random(4, 6) * 1e5, "v": random(6, 2)}
    nodes = [("MatMul", "x w", "a"), ("MatMul", "a v", "y")]
    network = Network.of_onnx(graph_of(nodes, {"x": ("n", 4)}, weights))
    said = []
    cast = CastFloat16().apply(network, context(tell=lambda _, words: said.append(words)))
    kinds = {t.name: t.data_type for t in cast.to_onnx().graph.initializer}
    assert kinds == {"w": onnx.TensorProto.FLOAT, "v.half": onnx.TensorProto.FLOAT16}
    assert len(said) == 1
    assert said[0].startswith("w stays in float32")


def test_a_network_without_float_weights_is_refused():
    network = Network.of_onnx(graph_of([("Relu", "x", "y")], {"x": ("n", 4)}))
    with pytest.raises(InvalidInput, match="no weights in float32"):
        CastFloat16().apply(network, context())


@pytest.mark.parametrize("made", [None, QuantizeStatic()], ids=["float", "int8"])
def test_a_fixed_batch_is_one_sample_everywhere(made):
    network = pilot() if made is None else made.apply(pilot(), context())
    fixed = ShapeFix().apply(network, context())
    model = fixed.to_onnx()
    onnx.checker.check_model(model, full_check=True)
    sides = (*model.graph.input, *model.graph.output, *model.graph.value_info)
    assert all(size.dim_value > 0 for value in sides for size in value.type.tensor_type.shape.dim)
    assert [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim] == [1, 2]
    np.testing.assert_allclose(answers(fixed)["command"], answers(network)["command"], atol=1e-5)
    assert operators(fixed) == operators(network)


def test_a_fixed_batch_is_not_answered_for_two(tmp_path):
    path = tmp_path / "fixed.onnx"
    path.write_bytes(ShapeFix().apply(pilot(), context()).data)
    for name in ("onnxruntime", "openvino"):
        backend = backend_named(name)
        if not backend.missing():
            session = backend.open(path)
            assert session.run({"image": images(1)})["command"].shape == (1, 2)
            with pytest.raises(Exception, match=r"(?i)shape|dimension"):
                session.run({"image": images(2)})


def test_other_free_axes_cannot_be_fixed():
    weights = {"w": random(2, 3, 3, 3)}
    network = Network.of_onnx(graph_of([("Conv", "x w", "y")], {"x": ("n", 3, "height", 8)}, weights))
    with pytest.raises(InvalidInput, match="another axis than the first"):
        ShapeFix().apply(network, context())
    with pytest.raises(InvalidInput, match="batch = 0"):
        make_pass("shape.fix", {"batch": 0})
