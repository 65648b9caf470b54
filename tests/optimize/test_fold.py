import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network
from rilaas.optimize.passes.fold import FoldNormalization
from tests.infer.onnx_graph import graph_of, random
from tests.optimize.small_networks import answers, context, normalization, operators, pilot


def fold(model):
    network = model if isinstance(model, Network) else Network.of_onnx(model)
    folded = FoldNormalization().apply(network, context(network))
    onnx.checker.check_model(folded.to_onnx(), full_check=True)
    return network, folded


def check_same(network, folded, x, tolerance=2e-5):
    with open_network(network) as one, open_network(folded) as other:
        wanted, found = one.run({"x": x}), other.run({"x": x})
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, atol=tolerance * max(1.0, np.abs(array).max()))


X = random(2, 4, 7, 6)
NORMAL = "gamma beta mean var"


def test_the_normalization_before_the_first_convolution_of_the_study_is_folded():
    network, folded = fold(pilot())
    assert "BatchNormalization" not in operators(folded)
    np.testing.assert_allclose(answers(folded)["command"], answers(network)["command"], atol=1e-5)
    assert network.digest == pilot().digest


BEHIND = {
    "convolution": [("Conv", "x w b", "a", {"pads": [1, 1, 1, 1]})],
    "convolution without bias": [("Conv", "x w", "a", {"pads": [1, 1, 1, 1]})],
}


@pytest.mark.parametrize("nodes", BEHIND.values(), ids=BEHIND)
def test_a_normalization_behind_a_convolution_is_folded_with_any_padding(nodes):
    weights = {**normalization(5), "w": random(5, 4, 3, 3, seed=3), "b": random(5, seed=4)}
    model = graph_of([*nodes, ("BatchNormalization", f"a {NORMAL}", "y")], {"x": ("n", 4, 7, 6)}, weights)
    network, folded = fold(model)
    assert operators(folded) == ["Conv"]
    check_same(network, folded, X)


def test_grouped_and_transposed_convolutions_are_folded():
    weights = {**normalization(4), "w": random(6, 2, 3, 3, seed=3)}
    model = graph_of(
        [("BatchNormalization", f"x {NORMAL}", "a"), ("Conv", "a w", "y", {"group": 2})],
        {"x": ("n", 4, 7, 6)},
        weights,
    )
    network, folded = fold(model)
    assert operators(folded) == ["Conv"]
    check_same(network, folded, X)
    weights = {**normalization(5), "w": random(4, 5, 3, 3, seed=3)}
    model = graph_of(
        [("ConvTranspose", "x w", "a", {"strides": [2, 2]}), ("BatchNormalization", f"a {NORMAL}", "y")],
        {"x": ("n", 4, 7, 6)},
        weights,
    )
    network, folded = fold(model)
    assert operators(folded) == ["ConvTranspose"]
    check_same(network, folded, X)


@pytest.mark.parametrize("turned", [0, 1], ids=["as it is", "turned"])
def test_dense_layers_are_folded_on_both_sides(turned):
    shape = (5, 4) if turned else (4, 5)
    weights = {**normalization(4), **{f"{name}2": array for name, array in normalization(5, seed=8).items()}}
    weights |= {"w": random(*shape, seed=3), "b": random(1, 5, seed=4)}
    nodes = [
        ("BatchNormalization", f"x {NORMAL}", "a"),
        ("Gemm", "a w b", "c", {"transB": turned, "alpha": 0.5, "beta": 3.0}),
        ("BatchNormalization", "c gamma2 beta2 mean2 var2", "y"),
    ]
    network, folded = fold(graph_of(nodes, {"x": ("n", 4)}, weights))
    assert operators(folded) == ["Gemm"]
    check_same(network, folded, random(3, 4))


@pytest.mark.parametrize(
    "padding", [{"pads": [0, 1, 0, 0]}, {"auto_pad": "SAME_UPPER"}], ids=["one column", "automatic"]
)
def test_a_shift_before_padding_is_not_folded_for_the_border_is_zero(padding):
    weights = {**normalization(4), "w": random(5, 4, 3, 3, seed=3)}
    nodes = [("BatchNormalization", f"x {NORMAL}", "a"), ("Conv", "a w", "y", padding)]
    network, folded = fold(graph_of(nodes, {"x": ("n", 4, 7, 6)}, weights))
    assert operators(folded) == ["BatchNormalization", "Conv"]
    check_same(network, folded, X)


def test_a_mere_factor_before_padding_is_folded():
    weights = {"s": random(4, 1, 1), "w": random(5, 4, 3, 3, seed=3)}
    nodes = [("Mul", "x s", "a"), ("Conv", "a w", "y", {"pads": [1, 1, 1, 1]})]
    network, folded = fold(graph_of(nodes, {"x": ("n", 4, 7, 6)}, weights))
    assert operators(folded) == ["Conv"]
    check_same(network, folded, X)


def test_preprocessing_by_constants_is_folded():
    weights = {"mean": random(1, 4, 1, 1, seed=1), "std": random(4, 1, 1, seed=2, low=0.5), "n": np.float32(255)}
    weights |= {"w": random(5, 4, 3, 3, seed=3), "t": random(1, 5, 1, 1, seed=4), "one": np.float32(1)}
    nodes = [
        ("Div", "x n", "a"),
        ("Sub", "a mean", "b"),
        ("Div", "b std", "c"),
        ("Sub", "one c", "d"),
        ("Conv", "d w", "e"),
        ("Add", "t e", "y"),
    ]
    network, folded = fold(graph_of(nodes, {"x": ("n", 4, 7, 6)}, weights))
    assert operators(folded) == ["Conv"]
    check_same(network, folded, X * 255)


STAYS = {
    "seen by others": (
        [("BatchNormalization", f"x {NORMAL}", "a"), ("Conv", "a w", "c"), ("Relu", "a", "z")],
        ("c", "z"),
        ["BatchNormalization", "Conv", "Relu"],
    ),
    "an output itself": (
        [("BatchNormalization", f"x {NORMAL}", "a"), ("Conv", "a w", "c")],
        ("c", "a"),
        ["BatchNormalization", "Conv"],
    ),
    "an activation between": (
        [("BatchNormalization", f"x {NORMAL}", "a"), ("Relu", "a", "r"), ("Conv", "r w", "c")],
        ("c",),
        ["BatchNormalization", "Relu", "Conv"],
    ),
    "along another axis": ([("Mul", "x row", "a"), ("Conv", "a w", "c")], ("c",), ["Mul", "Conv"]),
    "division by the tensor": ([("Div", "row x", "a"), ("Conv", "a w", "c")], ("c",), ["Div", "Conv"]),
}


@pytest.mark.parametrize(("nodes", "outputs", "left"), STAYS.values(), ids=STAYS)
def test_what_is_not_the_same_for_every_taker_stays(nodes, outputs, left):
    weights = {**normalization(4), "w": random(5, 4, 3, 3, seed=3), "row": random(6, seed=5, low=0.5)}
    network, folded = fold(graph_of(nodes, {"x": ("n", 4, 7, 6)}, weights, outputs))
    assert operators(folded) == left
    check_same(network, folded, X + 2)


def test_weights_that_two_layers_share_are_folded_for_one_alone():
    weights = {**normalization(4), "w": random(4, 4, 3, 3, seed=3)}
    nodes = [("BatchNormalization", f"x {NORMAL}", "a"), ("Conv", "a w", "b"), ("Conv", "b w", "y")]
    network, folded = fold(graph_of(nodes, {"x": ("n", 4, 7, 6)}, weights))
    assert operators(folded) == ["Conv", "Conv"]
    check_same(network, folded, X)


def test_constants_are_computed_and_what_does_nothing_is_left_out():
    weights = {"w": random(4, 6, seed=3), "flip": np.array([-1.0], np.float32)}
    nodes = [
        ("Constant", "", "shape", {"value": numpy_helper.from_array(np.array([4, 6]))}),
        ("Reshape", "w shape", "wr"),
        ("Mul", "wr flip", "wn"),
        ("Relu", "x", "r"),
        ("Identity", "r", "i"),
        ("Dropout", "i", "d"),
        ("Gemm", "d wn", "y"),
    ]
    network, folded = fold(graph_of(nodes, {"x": ("n", 4)}, weights))
    assert operators(folded) == ["Relu", "Gemm"]
    assert len(folded.to_onnx().graph.initializer) == 1
    check_same(network, folded, random(3, 4))


def test_a_network_without_anything_to_fold_computes_the_same_and_a_second_time_changes_nothing():
    _, folded = fold(pilot())
    assert fold(folded)[1].digest == folded.digest
