import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from rilaas.core import InvalidInput
from rilaas.infer.torch_export import onnx_of_module
from rilaas.infer.torch_graph import module_of_onnx
from tests.infer.onnx_graph import graph_of, random

torch.set_num_threads(1)


class Detector(nn.Module):
    """Pieces of what detectors and segmenters have: groups, a skip, an upsampling, two outputs."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish())
        self.wide = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.norm = nn.LayerNorm(8)
        self.boxes = nn.Linear(8, 5)
        self.stem[1].running_mean.uniform_(-1, 1)

    def forward(self, image, gain):
        x = self.stem(image)
        x = x + torch.relu(self.wide(x))
        big = nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
        mask = torch.cat([self.up(x), big], 1).softmax(1)
        rows = self.norm(x.flatten(2).transpose(1, 2))
        return {"mask": mask, "boxes": self.boxes(rows) * gain[:, None]}


IMAGE, GAIN = random(3, 3, 8, 12), random(3, 5)


@pytest.fixture(scope="module")
def exported():
    module = Detector()
    examples = {"gain": torch.zeros(1, 5), "image": torch.zeros(1, 3, 8, 12)}
    return module, onnx_of_module(module, examples, ("boxes", "mask"))


def run(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def test_a_module_gives_the_same_answers_as_onnx_for_any_number_of_rows(exported):
    module, model = exported
    assert module.training
    module.eval()
    for rows in (1, 3):
        image, gain = IMAGE[:rows], GAIN[:rows]
        with torch.inference_mode():
            expected = module(torch.from_numpy(image), torch.from_numpy(gain))
        boxes, mask = run(model, {"image": image, "gain": gain})
        np.testing.assert_allclose(boxes, expected["boxes"].numpy(), atol=1e-5)
        np.testing.assert_allclose(mask, expected["mask"].numpy(), atol=1e-5)
    module.train()


def test_inputs_go_by_the_names_of_forward_and_outputs_by_those_of_the_dict(exported):
    _, model = exported
    assert [each.name for each in model.graph.input] == ["image", "gain"]
    assert [each.name for each in model.graph.output] == ["boxes", "mask"]
    assert "stem.0.weight" in {tensor.name for tensor in model.graph.initializer}


def test_nothing_tells_where_it_was_made_and_the_same_module_gives_the_same_bytes(exported):
    module, model = exported
    data = model.SerializeToString(deterministic=True)
    assert b"/home" not in data
    assert b"test_torch_export" not in data
    examples = {"image": torch.zeros(2, 3, 8, 12), "gain": torch.zeros(2, 5)}
    assert onnx_of_module(module, examples, ("boxes", "mask")).SerializeToString(deterministic=True) == data


def test_there_and_back_again_keeps_answers_and_names_of_layers(exported):
    _, model = exported
    module = module_of_onnx(model)
    assert isinstance(module.get_submodule("wide"), nn.Conv2d)
    assert isinstance(module.get_submodule("up"), nn.ConvTranspose2d)
    (linear,) = (layer for layer in module.modules() if isinstance(layer, nn.Linear))
    assert linear.bias is not None
    again = onnx_of_module(module, {"image": torch.zeros(2, 3, 8, 12), "gain": torch.zeros(2, 5)}, ("boxes", "mask"))
    for one, other in zip(
        run(again, {"image": IMAGE, "gain": GAIN}), run(model, {"image": IMAGE, "gain": GAIN}), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_quantization_comes_back_as_quantization():
    weights = {
        "w": np.random.default_rng(0).integers(-127, 128, (4, 6)).astype(np.int8),
        "ws": random(4, low=0.01, high=0.02), "wz": np.zeros(4, np.int8),
        "s": np.float32(0.02), "z": np.uint8(120), "b": random(4),
    }  # fmt: skip
    nodes = [
        ("QuantizeLinear", "x s z", "q"),
        ("DequantizeLinear", "q s z", "d"),
        ("DequantizeLinear", "w ws wz", "wd", {"axis": 0}),
        ("Gemm", "d wd b", "y", {"transB": 1}),
    ]
    model = graph_of(nodes, {"x": ("batch", 6)}, weights)
    again = onnx_of_module(module_of_onnx(model), {"x": torch.zeros(2, 6)}, ("y",))
    kinds = [node.op_type for node in again.graph.node]
    assert (kinds.count("QuantizeLinear"), kinds.count("DequantizeLinear")) == (1, 2)
    x = random(5, 6)
    np.testing.assert_allclose(run(again, {"x": x})[0], run(model, {"x": x})[0], atol=1e-5)


def test_dynamic_quantization_comes_back_too():
    weights = {
        "w": np.random.default_rng(0).integers(-127, 128, (6, 4)).astype(np.int8),
        "wz": np.int8(3), "scale": np.float32(0.01),
    }  # fmt: skip
    nodes = [
        ("DynamicQuantizeLinear", "x", "q s z"),
        ("MatMulInteger", "q w z wz", "i"),
        ("Cast", "i", "f", {"to": 1}),
        ("Mul", "s scale", "t"),
        ("Mul", "f t", "y"),
    ]
    model = graph_of(nodes, {"x": ("batch", 6)}, weights)
    module = module_of_onnx(model)
    x = random(5, 6)
    expected = run(model, {"x": x})[0]
    with torch.inference_mode():
        np.testing.assert_allclose(module(torch.from_numpy(x))[0].numpy(), expected, atol=1e-4)
    again = onnx_of_module(module, {"x": torch.zeros(2, 6)}, ("y",))
    assert "DynamicQuantizeLinear" in {node.op_type for node in again.graph.node}
    np.testing.assert_allclose(run(again, {"x": x})[0], expected, atol=1e-4)


class Wrong(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return {
            "branch": lambda: x if x.sum() > 0 else -x,
            "rows": lambda: x.reshape(2, -1),
            "count": lambda: (x, x),
            "kind": lambda: "left",
        }[self.how]()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("branch", "without branches"),
        ("rows", "any number of rows"),
        ("count", "gives 2 values; 1 tensors were expected: y"),
        ("kind", "Let forward return one tensor"),
    ],
)
def test_what_cannot_be_exported_says_what_would_be_right(how, said):
    with pytest.raises(InvalidInput, match=said):
        onnx_of_module(Wrong(how), {"x": torch.zeros(3, 4)}, ("y",))
