"""ONNX operators in TensorFlow: each graph is converted to LiteRT and answers what onnxruntime answers."""

import importlib.util

import numpy as np
import pytest

from rilaas.core import InvalidInput, ModelFailed
from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.registry import make_pass
from tests.infer.onnx_graph import graph_of, random

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_model_optimization") is None,
    reason="TensorFlow and its Model Optimization Toolkit are not installed",
)

PICTURE = {"x": ("batch", 4, 9, 8)}
ROW = {"x": ("batch", 6)}
NEAREST = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
LINEAR = {"mode": "linear"}
SMOOTH = ("Abs", "Neg", "Exp", "Sigmoid", "Softplus", "Softsign", "HardSwish", "Mish")
CONV = {"w": random(5, 4, 3, 3), "b": random(5)}


def graph(*nodes, weights=None, inputs=None, outputs=("y",), **more):
    return nodes, inputs or PICTURE, weights or {}, outputs, more


GRAPHS = {
    "conv_same_for_stride_1": graph(("Conv", "x w b", "y", {"pads": [1, 1, 1, 1]}), weights=CONV),
    "conv_pads_of_torch_for_stride_2": graph(
        ("Conv", "x w b", "y", {"pads": [1, 1, 1, 1], "strides": [2, 2]}), weights=CONV
    ),
    "conv_with_uneven_pads_and_strides": graph(
        ("Conv", "x w", "y", {"pads": [0, 2, 1, 0], "strides": [1, 2]}), weights={"w": CONV["w"]}
    ),
    "conv_with_dilation": graph(("Conv", "x w b", "y", {"dilations": [2, 2]}), weights=CONV),
    "conv_auto_pad": graph(("Conv", "x w b", "y", {"auto_pad": "SAME_LOWER", "strides": [2, 2]}), weights=CONV),
    "depthwise_conv": graph(
        ("Conv", "x w b", "a", {"group": 4, "pads": [1, 1, 1, 1]}),
        ("Relu", "a", "y"),
        weights={"w": random(8, 1, 3, 3), "b": random(8)},
    ),
    "transposed_conv": graph(
        ("ConvTranspose", "x w b", "y", {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
        weights={"w": random(4, 3, 3, 3), "b": random(3)},
    ),
    "normalization_after_conv_and_alone": graph(
        ("BatchNormalization", "x s0 t0 m0 v0", "a"),
        ("Conv", "a w b", "c"),
        ("BatchNormalization", "c s1 t1 m1 v1", "d"),
        ("Relu", "d", "y"),
        weights={
            **CONV,
            **{
                f"{each}{at}": random(size, seed=ord(each), low=0.5)
                for each in "stmv"
                for at, size in ((0, 4), (1, 5))
            },
        },
    ),
    "pooling": graph(
        ("MaxPool", "x", "a", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("AveragePool", "x", "b", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        (
            "AveragePool",
            "x",
            "c",
            {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1, "strides": [2, 2]},
        ),
        ("AveragePool", "x", "d", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        ("GlobalAveragePool", "x", "e"),
        ("GlobalMaxPool", "x", "f"),
        outputs=tuple("abcdef"),
    ),
    "reduce": graph(
        ("ReduceMean", "x hw", "a", {"keepdims": 0}),
        ("ReduceMax", "x c", "b", {"keepdims": 1}),
        ("ReduceSum", "x h", "d", {"keepdims": 0}),
        weights={"hw": np.array([2, 3]), "c": np.array([1]), "h": np.array([-2])},
        outputs=tuple("abd"),
    ),
    "resize": graph(
        (
            "Resize",
            "x - s",
            "a",
            {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"},
        ),
        ("Resize", "x - s", "b", {**LINEAR, "coordinate_transformation_mode": "half_pixel"}),
        ("Resize", "x - - z", "c", {**LINEAR, "coordinate_transformation_mode": "align_corners", "axes": [2, 3]}),
        weights={"s": np.array([1, 1, 2, 2], np.float32), "z": np.array([5, 11])},
        outputs=tuple("abc"),
    ),
    "squeeze_and_excite": graph(
        ("GlobalAveragePool", "x", "a"),
        ("Conv", "a w1", "b"),
        ("HardSigmoid", "b", "c", {"alpha": 0.2, "beta": 0.5}),
        ("Mul", "x c", "y"),
        weights={"w1": random(4, 4, 1, 1)},
    ),
    "residual_and_concat_and_softmax_over_channels": graph(
        ("Conv", "x w", "a", {"pads": [1, 1, 1, 1]}),
        ("Add", "a x", "b"),
        ("Concat", "b x", "c", {"axis": 1}),
        ("Softmax", "c", "y", {"axis": 1}),
        weights={"w": random(4, 4, 3, 3)},
    ),
    "slice_split_pad_transpose": graph(
        ("Slice", "x from to axes", "a"),
        ("Split", "x sizes", "b c", {"axis": 1}),
        ("Pad", "x pads zero", "d"),
        ("Pad", "x pads", "e", {"mode": "reflect"}),
        ("Transpose", "x", "f", {"perm": [0, 3, 1, 2]}),
        ("Transpose", "x", "g", {"perm": [0, 2, 3, 1]}),
        weights={
            "from": np.array([1, -6]),
            "to": np.array([4, 99]),
            "axes": np.array([1, 3]),
            "sizes": np.array([1, 3]),
            "pads": np.array([0, 0, 1, 2, 0, 0, 0, 3]),
            "zero": np.float32(0.5),
        },
        outputs=tuple("abcdefg"),
    ),
    "reshape_squeeze_unsqueeze": graph(
        ("Reshape", "x shape", "a"),
        ("Reshape", "x rest", "b"),
        ("GlobalAveragePool", "x", "c"),
        ("Squeeze", "c hw", "d"),
        ("Unsqueeze", "d two", "e"),
        weights={
            "shape": np.array([0, 2, -1, 8]),
            "rest": np.array([-1, 288]),
            "hw": np.array([2, 3]),
            "two": np.array([2]),
        },
        outputs=("a", "b", "d", "e"),
    ),
    "constants_of_every_shape": graph(
        ("Mul", "x one", "a"),
        ("Add", "channels a", "b"),
        ("Sub", "flat b", "c"),
        ("Div", "c row", "y"),
        weights={
            "one": np.float32(2),
            "channels": random(4, 1, 1),
            "flat": random(1, 4, 1, 1, seed=2),
            "row": random(8, low=1, high=2),
        },
    ),
    "picture_flattened_then_scaled_then_dense": graph(
        ("Flatten", "x", "a"),
        ("Mul", "a scale", "b"),
        ("Tanh", "b", "c"),
        ("MatMul", "c w", "d"),
        ("Add", "d bias", "e"),
        ("Relu", "e", "y"),
        weights={"scale": random(288), "w": random(288, 5, low=-0.2, high=0.2), "bias": random(5)},
    ),
    "flattened_pictures_that_meet": graph(
        ("Flatten", "x", "a"),
        ("Sigmoid", "x", "s"),
        ("Flatten", "s", "b"),
        ("Add", "a b", "c"),
        ("Softmax", "c", "d", {"axis": 1}),
        outputs=("c", "d"),
    ),
    "elementwise": graph(
        *((each, "x", f"y{each}") for each in SMOOTH),
        ("LeakyRelu", "x", "yl", {"alpha": 0.2}),
        ("Elu", "x", "ye", {"alpha": 0.7}),
        ("PRelu", "x slope", "yp"),
        ("Clip", "x low high", "yc"),
        ("Clip", "x zero six", "y6"),
        ("Pow", "x two", "yw"),
        weights={
            "slope": random(6),
            "low": np.float32(-0.3),
            "high": np.float32(0.4),
            "zero": np.float32(0),
            "six": np.float32(6),
            "two": np.float32(2),
        },
        inputs=ROW,
        outputs=(
            *(f"y{each}" for each in SMOOTH),
            *("yl", "ye", "yp", "yc", "y6", "yw"),
        ),
    ),
    "gemm_with_factors": graph(
        ("Gemm", "x w b", "y", {"alpha": 0.5, "beta": 2.0}),
        weights={"w": random(6, 3), "b": random(1, 3)},
        inputs=ROW,
    ),
    "shape_made_of_constants": graph(
        ("Concat", "zero minus", "shape", {"axis": 0}),
        ("Reshape", "x shape", "y"),
        weights={"zero": np.array([0]), "minus": np.array([-1])},
    ),
    "two_inputs_and_an_output_that_is_an_input": graph(
        ("Concat", "x z", "a", {"axis": 1}),
        ("Identity", "x", "same"),
        inputs={"x": ("batch", 6), "z": ("batch", 2)},
        outputs=("a", "same"),
    ),
    "fixed_batch": graph(("Gemm", "x w", "y"), weights={"w": random(6, 3)}, inputs={"x": (1, 6)}),
}


def converted(nodes, inputs, weights, outputs, more):
    before = Network.of_onnx(graph_of(nodes, inputs, weights, outputs, **more))
    return before, make_pass("tensorflow.convert", {}).apply(before, Context(Target("cpu", "litert"), before))


@pytest.mark.parametrize("case", GRAPHS)
def test_a_graph_answers_the_same_in_litert_under_the_same_names(case):
    before, after = converted(*GRAPHS[case])
    with open_network(before) as one, open_network(after, Target("cpu", "litert")) as other:
        shapes = [{name: spec.shape for name, spec in session.inputs.items()} for session in (one, other)]
        assert shapes[0] == shapes[1]
        rows = 1 if case == "fixed_batch" else 3
        given = {name: random(rows, *spec.shape[1:], seed=9, low=-2, high=2) for name, spec in one.inputs.items()}
        wanted, found = one.run(given), other.run(given)
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert found[name].shape == wanted[name].shape
        np.testing.assert_allclose(found[name], wanted[name], atol=2e-5, rtol=1e-4)


def test_names_that_tensorflow_changes_arrive_as_they_are():
    names = {"in/put.1:0": ("batch", 6), "0": ("batch", 6), "größe": ("batch", 6), "X": ("batch", 6)}
    nodes = (("Sub", "in/put.1:0 0", "a"), ("Mul", "a größe", "b"), ("Div", "b X", "/out/Add_3:0"))
    before, after = converted(nodes, names, {}, ("/out/Add_3:0",), {})
    given = {name: random(2, 6, seed=at, low=1, high=2) for at, name in enumerate(names)}
    with open_network(before) as one, open_network(after, Target("cpu", "litert")) as other:
        assert set(other.inputs) == set(names)
        wanted, found = one.run(given), other.run(given)
    np.testing.assert_allclose(found["/out/Add_3:0"], wanted["/out/Add_3:0"], rtol=1e-5)


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (graph(("Einsum", "x", "y", {"equation": "nchw->nhwc"})), "operator Einsum"),
        (graph(("Conv", "x w", "y", {"group": 2}), weights={"w": random(4, 2, 3, 3)}), "2 groups"),
        (graph(("Reshape", "x shape", "y"), weights={"shape": np.array([-1, 8])}), "mixes samples"),
        (graph(("Softmax", "x", "y", {"axis": 0})), "batch"),
        (graph(("MaxPool", "x", "y i", {"kernel_shape": [2, 2]}), outputs=("y", "i")), "indices"),
        (graph(("Relu", "x", "y"), inputs={"x": ("batch", 3, "high", 4)}), "shape.fix"),
        (
            graph(
                ("QuantizeLinear", "x s z", "q"),
                ("DequantizeLinear", "q s z", "y"),
                weights={"s": np.float32(0.1), "z": np.uint8(3)},
            ),
            "operator QuantizeLinear",
        ),
    ],
    ids=["unknown", "groups", "reshape", "softmax", "indices", "free_axis", "quantized"],
)
def test_what_cannot_be_converted_says_which_operator_and_why(case, says):
    with pytest.raises(InvalidInput, match=says):
        converted(*case)


def test_a_conversion_that_computes_something_else_is_no_result(monkeypatch):
    from rilaas.optimize.passes.tensorflow import operators

    def wrong(builder, node):
        builder.give(node, builder.layers.ReLU(name="wrong")(builder.value(node).tensor))

    monkeypatch.setitem(operators.OPERATORS, "Neg", wrong)
    with pytest.raises(ModelFailed, match="changed output 'y'"):
        converted(*graph(("Neg", "x", "y"), inputs=ROW))
