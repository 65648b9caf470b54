import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from rilaas.core import InvalidInput
from rilaas.infer.torch_graph import OPERATORS, input_names, module_of_onnx
from tests.infer.onnx_graph import graph_of, random

torch.set_num_threads(1)
BATCH = 3


def by_onnxruntime(model, inputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def inputs_for(model, batch=BATCH):
    made = {}
    for each in model.graph.input:
        kind = each.type.tensor_type
        shape = [size.dim_value or batch for size in kind.shape.dim]
        array = random(*shape, seed=len(each.name)) * 3
        made[each.name] = array.astype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return made


def same_answers(model, batch=BATCH, tolerance=1e-5):
    """The module's answers are those of onnxruntime, for more than one number of rows."""
    module = module_of_onnx(model)
    for rows in (batch, 1):
        inputs = inputs_for(model, rows)
        expected = by_onnxruntime(model, inputs)
        with torch.inference_mode():
            got = module(*(torch.from_numpy(inputs[name]) for name in input_names(model)))
        assert isinstance(got, tuple)
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert tuple(one.shape) == other.shape
            np.testing.assert_allclose(one.numpy(), other, rtol=tolerance, atol=tolerance)
    return module


def one(kind, shape, *, weights=None, opset=18, given="", outputs="y", batch="batch", **attributes):
    """A model of one node whose first input is x (batch, *shape)."""
    names = " ".join(["x", *(given.split() if given else weights or ())])
    return graph_of(
        [(kind, names, outputs, attributes)], {"x": (batch, *shape)}, weights, outputs.split(), opset=opset
    )


def ints(values):
    return np.array(values, np.int64)


W = random(6, 4, 3, 3)
IMAGE = (4, 9, 11)

CASES = {
    "Conv": one("Conv", IMAGE, weights={"w": W, "b": random(6)}, pads=[1, 1, 1, 1]),
    "Conv without a bias": one("Conv", IMAGE, weights={"w": W}, strides=[2, 1]),
    "Conv with groups and dilation": one(
        "Conv", IMAGE, weights={"w": random(8, 2, 3, 3)}, group=2, dilations=[2, 2]
    ),
    "Conv with uneven pads": one("Conv", IMAGE, weights={"w": W}, pads=[0, 1, 2, 3]),
    "Conv with pads like TensorFlow's": one("Conv", IMAGE, weights={"w": W}, auto_pad="SAME_UPPER", strides=[2, 2]),
    "Conv padded below": one("Conv", IMAGE, weights={"w": W}, auto_pad="SAME_LOWER", strides=[2, 3]),
    "Conv of a signal": one("Conv", (4, 20), weights={"w": random(5, 4, 5)}, strides=[2]),
    "Conv of a volume": one("Conv", (2, 5, 6, 7), weights={"w": random(3, 2, 2, 2, 2)}),
    "ConvTranspose": one(
        "ConvTranspose", IMAGE, weights={"w": random(4, 3, 3, 3), "b": random(3)}, strides=[2, 2], pads=[1, 1, 1, 1]
    ),
    "ConvTranspose with more": one(
        "ConvTranspose", IMAGE, weights={"w": random(4, 3, 3, 3)}, strides=[2, 2], group=2, output_padding=[1, 0]
    ),
    "Gemm": one("Gemm", (5,), weights={"w": random(5, 7), "b": random(7)}),
    "Gemm with factors": one(
        "Gemm", (5,), weights={"w": random(7, 5), "b": random(1, 7)}, transB=1, alpha=0.5, beta=2.0
    ),
    "Gemm with one number": one("Gemm", (5,), weights={"w": random(7, 5), "b": random(1)}, transB=1),
    "MatMul": one("MatMul", (4, 5), weights={"w": random(5, 6)}),
    "BatchNormalization": one(
        "BatchNormalization", IMAGE,
        weights={"s": random(4), "b": random(4), "m": random(4), "v": random(4, low=0.5, high=2)}, epsilon=1e-3,
    ),
    "LayerNormalization": one("LayerNormalization", (4, 6), weights={"s": random(6), "b": random(6)}),
    "LayerNormalization over two": one("LayerNormalization", (4, 6), weights={"s": random(4, 6)}, axis=1),
    "InstanceNormalization": one("InstanceNormalization", IMAGE, weights={"s": random(4), "b": random(4)}),
    "GroupNormalization": one(
        "GroupNormalization", IMAGE, weights={"s": random(4), "b": random(4)}, num_groups=2, opset=21
    ),
    "PRelu": one("PRelu", IMAGE, weights={"s": random(4, 1, 1)}),
    "PRelu with one slope": one("PRelu", IMAGE, weights={"s": random(1)}),
    "PRelu by element": one("PRelu", (3, 4), weights={"s": random(3, 4)}),
    "MaxPool": one("MaxPool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "MaxPool with uneven pads": one("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]),
    "MaxPool rounded up": one("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "AveragePool": one("AveragePool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "AveragePool that counts pads": one(
        "AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "AveragePool with uneven pads": one("AveragePool", IMAGE, kernel_shape=[2, 2], pads=[0, 0, 1, 1]),
    "GlobalAveragePool": one("GlobalAveragePool", IMAGE),
    "GlobalMaxPool": one("GlobalMaxPool", IMAGE),
    "ReduceMean": one("ReduceMean", IMAGE, weights={"a": ints([2, 3])}),
    "ReduceMean of old": one("ReduceMean", IMAGE, axes=[1, -1], keepdims=0, opset=17),
    "ReduceSum": one("ReduceSum", IMAGE, weights={"a": ints([1])}, keepdims=0),
    "ReduceMax of all": one("ReduceMax", (3,), keepdims=0),
    "ReduceL2": one("ReduceL2", IMAGE, weights={"a": ints([1])}),
    "Softmax": one("Softmax", (3, 5)),
    "Softmax of channels": one("Softmax", IMAGE, axis=1),
    "LogSoftmax": one("LogSoftmax", (5,)),
    "Clip": one("Clip", (5,), weights={"low": np.float32(-0.5), "high": np.float32(1)}),
    "Clip on one side": one("Clip", (5,), given="- high", weights={"high": np.float32(1)}),
    "Clip to 6": one("Clip", (5,), weights={"low": np.float32(0), "high": np.float32(6)}),
    "LeakyRelu": one("LeakyRelu", (5,), alpha=0.2),
    "Elu": one("Elu", (5,), alpha=0.7),
    "HardSigmoid": one("HardSigmoid", (5,), alpha=0.3, beta=0.4),
    "Gelu": one("Gelu", (5,), opset=20),
    "Gelu by tanh": one("Gelu", (5,), approximate="tanh", opset=20),
    "Pow": one("Pow", (5,), weights={"p": np.float32(2)}),
    "Mod": one("Mod", (5,), weights={"p": np.float32(0.7)}, fmod=1),
    "Flatten": one("Flatten", IMAGE),
    "Flatten further right": one("Flatten", IMAGE, axis=3),
    "Reshape with a free batch": one("Reshape", IMAGE, weights={"s": ints([-1, 4, 99])}),
    "Reshape that keeps axes": one("Reshape", IMAGE, weights={"s": ints([0, 0, -1])}),
    "Transpose": one("Transpose", IMAGE, perm=[0, 2, 3, 1]),
    "Transpose of all": one("Transpose", (3,)),
    "Squeeze": one("Squeeze", (1, 4, 1), weights={"a": ints([1, -1])}),
    "Unsqueeze": one("Unsqueeze", (4,), weights={"a": ints([-1, 0])}),
    "Split evenly": one("Split", IMAGE, outputs="y z", axis=1, num_outputs=2),
    "Split": one("Split", IMAGE, weights={"s": ints([1, 3])}, outputs="y z", axis=1),
    "Slice": one("Slice", IMAGE, weights={"s": ints([1, -3]), "e": ints([2**62, -1]), "a": ints([1, 3])}),
    "Slice backwards": one(
        "Slice", IMAGE, weights={"s": ints([-1]), "e": ints([-(2**62)]), "a": ints([1]), "t": ints([-2])}
    ),
    "Gather one": one("Gather", IMAGE, weights={"i": ints(-1)}, axis=1),
    "Gather some": one("Gather", IMAGE, weights={"i": ints([[0, -2], [1, 1]])}, axis=2),
    "Pad": one("Pad", IMAGE, weights={"p": ints([0, 0, 1, 2, 0, 0, 3, 0]), "v": np.float32(0.5)}),
    "Pad by reflection": one("Pad", IMAGE, weights={"p": ints([0, 0, 1, 2, 0, 0, 3, 0])}, mode="reflect"),
    "Pad some axes": one("Pad", IMAGE, given="p - a", weights={"p": ints([1, 2]), "a": ints([-1])}),
    "Expand": one("Expand", (1, 4), weights={"s": ints([1, 3, 4])}),
    "Tile": one("Tile", (2, 3), weights={"r": ints([1, 2, 3])}),
    "DepthToSpace": one("DepthToSpace", (8, 3, 4), blocksize=2),
    "DepthToSpace in the other order": one("DepthToSpace", (8, 3, 4), blocksize=2, mode="CRD"),
    "SpaceToDepth": one("SpaceToDepth", (2, 4, 6), blocksize=2),
    "TopK": one("TopK", (7,), weights={"k": ints([3])}, outputs="y z"),
    "ArgMax": one("ArgMax", IMAGE, axis=1, keepdims=0),
    "CumSum": one("CumSum", (5,), weights={"a": ints(1)}),
    "Cast": one("Cast", (5,), to=TensorProto.INT32),
    "Dropout": one("Dropout", (5,)),
    "Einsum": one("Einsum", (3, 4), weights={"w": random(4, 5)}, equation="bij,jk->bik"),
    "ArgMin": one("ArgMin", IMAGE, axis=-1),
    "ReduceMin": one("ReduceMin", IMAGE, weights={"a": ints([1])}),
    "ReduceProd": one("ReduceProd", IMAGE, weights={"a": ints([1, 2])}, keepdims=0),
    "ReduceL1": one("ReduceL1", IMAGE, weights={"a": ints([1])}),
    "ReduceSumSquare": one("ReduceSumSquare", IMAGE, weights={"a": ints([1])}),
    "ReduceLogSumExp": one("ReduceLogSumExp", IMAGE, weights={"a": ints([1])}),
    "GatherElements": one("GatherElements", (4,), given="i", weights={"i": ints([[1, 3]])}, axis=1, batch=1),
    "logic": graph_of(
        [("Greater", "x z", "g"), ("Less", "x h", "l"), ("And", "g l", "a"), ("Or", "g l", "o"), ("Xor", "g o", "q"),
         ("Not", "q", "n"), ("Where", "a x z", "w"), ("Constant", "", "c", {"value_float": 2.0}),
         ("CastLike", "n c", "m"), ("Mul", "w c", "y")],
        {"x": ("b", 4), "z": ("b", 4)}, {"h": np.float32(1)}, ("y", "n", "o", "m"),
    ),
    "a reshape by its own shape": graph_of(
        [("Shape", "x", "s"), ("Gather", "s zero", "n", {"axis": 0}), ("Unsqueeze", "n zeros", "u"),
         ("Concat", "u rest", "t", {"axis": 0}), ("Reshape", "x t", "y")],
        {"x": ("b", 4, 6)}, {"zero": ints(0), "zeros": ints([0]), "rest": ints([8, 3])},
    ),
    "a reshape by arithmetic": graph_of(
        [("Shape", "x", "s"), ("Slice", "s zeros one", "b"), ("Slice", "s one three", "r"),
         ("ReduceProd", "r", "p"), ("Mul", "b two", "t"), ("Div", "p two", "h"), ("Concat", "t h", "w", {"axis": 0}),
         ("Cast", "w", "i", {"to": TensorProto.INT64}), ("Reshape", "x i", "y")],
        {"x": ("b", 4, 6)},
        {"zeros": ints([0]), "one": ints([1]), "two": ints([2]), "three": ints([3])},
    ),
    "a constant of the batch's size": graph_of(
        [("Shape", "x", "s"), ("ConstantOfShape", "s", "c", {"value": onnx.helper.make_tensor("v", 1, [1], [3])}),
         ("Add", "x c", "y")],
        {"x": ("b", 4)},
    ),
    "what is known beforehand": graph_of(
        [("Size", "w", "n"), ("Range", "zero n one", "r"), ("Cast", "r", "f", {"to": 1}), ("Add", "x f", "y")],
        {"x": ("b", 6)}, {"w": random(2, 3), "zero": ints(0), "one": ints(1)},
    ),
    "integers whose range is found while they are computed": graph_of(
        [("DynamicQuantizeLinear", "x", "q s z"), ("ConvInteger", "q w z wz", "c", {"pads": [1, 0, 0, 1]}),
         ("Flatten", "c", "i"), ("Cast", "i", "y", {"to": 1}),
         ("Flatten", "q", "f"), ("MatMulInteger", "f m z mz", "j"), ("Cast", "j", "v", {"to": 1})],
        {"x": ("b", 2, 3, 4)},
        {"w": np.arange(-24, 24).reshape(4, 2, 2, 3).astype(np.int8), "wz": np.int8(2),
         "m": np.arange(-60, 60).reshape(24, 5).astype(np.int8), "mz": np.int8(-3)}, ("y", "v"),
    ),
    "Upsample": one("Upsample", IMAGE, weights={"s": np.array([1, 1, 2, 2], np.float32)}, opset=9),
}  # fmt: skip
UNARY = [
    "Abs",
    "Acos",
    "Asin",
    "Atan",
    "Celu",
    "Log",
    "Reciprocal",
    "Sqrt",
    "Tan",
    "ThresholdedRelu",
    "Ceil",
    "Cos",
    "Erf",
    "Exp",
    "Floor",
    "HardSwish",
    "Identity",
    "Mish",
    "Neg",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Tanh",
]
BINARY = [
    "Add",
    "Div",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Max",
    "Mean",
    "Min",
    "Mul",
    "Sub",
    "Sum",
]
RESIZES = [
    (mode, where, rounding, factor)
    for mode, where, rounding in (
        ("nearest", "asymmetric", "floor"),
        ("nearest", "half_pixel", "round_prefer_floor"),
        ("nearest", "half_pixel", "round_prefer_ceil"),
        ("nearest", "align_corners", "floor"),
        ("linear", "half_pixel", "floor"),
        ("linear", "align_corners", "floor"),
        ("linear", "asymmetric", "floor"),
        ("linear", "pytorch_half_pixel", "floor"),
        ("cubic", "half_pixel", "floor"),
    )
    for factor in (2.0, 0.5)
]


@pytest.mark.parametrize("name", CASES)
def test_an_operator_answers_as_onnxruntime_does(name):
    same_answers(CASES[name])


@pytest.mark.parametrize("kind", UNARY)
def test_an_operator_on_single_elements_answers_as_onnxruntime_does(kind):
    same_answers(one(kind, (2, 5)))


@pytest.mark.parametrize("kind", BINARY)
def test_an_operator_on_two_tensors_broadcasts_as_onnxruntime_does(kind):
    same_answers(one(kind, (3, 5), weights={"w": random(3, 1, low=0.5)}))
    same_answers(graph_of([(kind, "x z", "y")], {"x": ("b", 3, 5), "z": ("b", 1, 5)}))


@pytest.mark.parametrize(("mode", "where", "rounding", "factor"), RESIZES)
def test_a_picture_is_resized_as_onnxruntime_does(mode, where, rounding, factor):
    how = {"mode": mode, "coordinate_transformation_mode": where, "nearest_mode": rounding}
    scales = {"s": np.array([1, 1, factor, factor], np.float32)}
    same_answers(graph_of([("Resize", "x - s", "y", how)], {"x": ("b", 2, 6, 8)}, scales), tolerance=1e-4)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_a_picture_is_resized_to_a_size(mode):
    how = {"mode": mode, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", "axes": [2, 3]}
    sizes = {"s": np.array([7, 12], np.int64)}
    same_answers(graph_of([("Resize", "x - - s", "y", how)], {"x": ("b", 2, 6, 8)}, sizes), tolerance=1e-4)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.sampled_from([1, 2]),
    size=st.tuples(st.integers(5, 9), st.integers(5, 9)),
)
def test_any_convolution_answers_as_onnxruntime_does(kernel, strides, pads, dilations, groups, size):
    weights = {"w": random(4, 4 // groups, *kernel), "b": random(4)}
    same_answers(
        one("Conv", (4, *size), weights=weights, strides=strides, pads=pads, dilations=dilations, group=groups)
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["MaxPool", "AveragePool"]),
    kernel=st.integers(2, 3),
    stride=st.integers(1, 3),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
    size=st.integers(5, 9),
)
def test_any_pooling_answers_as_onnxruntime_does(kind, kernel, stride, pads, size):
    same_answers(one(kind, (2, size, size), kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads))


def test_every_operator_that_is_offered_is_compared():
    tested = {node.op_type for model in CASES.values() for node in model.graph.node} | set(UNARY) | set(BINARY)
    elsewhere = {"QuantizeLinear", "DequantizeLinear", "Resize"}  # in this file and in test_torch_session.py
    assert set(OPERATORS) - tested - elsewhere == set()


def test_an_operator_that_is_missing_is_named_with_its_node_and_what_to_do():
    model = one("Det", (3, 3))
    with pytest.raises(InvalidInput, match=r"operator Det \(node 'n0'\)") as caught:
        module_of_onnx(model)
    assert "onnxruntime" in caught.value.hint
    assert "Conv, " in caught.value.hint


def test_an_operator_of_somebodys_own_is_named_with_its_domain():
    model = graph_of([("acme::Grasp", "x", "y")], {"x": ("b", 3)}, domains=("acme",))
    with pytest.raises(InvalidInput, match="acme::Grasp"):
        module_of_onnx(model)
