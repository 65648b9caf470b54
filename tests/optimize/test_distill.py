"""A small student learns what the float network answers."""

import numpy as np
import pytest
import torch
from torch import nn

from rilaas.core import InvalidInput, ModelFailed
from rilaas.infer.torch_export import onnx_of_module
from rilaas.optimize.network import Network
from rilaas.optimize.passes.distill import Distill
from rilaas.optimize.passes.distill_student import Architecture, Convolution, Student
from rilaas.optimize.product import products_of
from rilaas.optimize.samples import Samples
from tests.optimize.learning_task import SIZE, answers, context, mse, samples, trained_network, weights


@pytest.fixture(scope="module")
def network():
    return trained_network()


def shapes(network):
    return [value.shape for value in weights(network).values()]


def test_a_derived_student_is_thinner_and_has_fewer_layers_and_pixels(network):
    made = Distill(epochs=0, width=0.5).apply(network, context(network))
    assert [shape[0] for shape in shapes(made)] == [12, 16, 16, 10, 2]
    made = Distill(epochs=0, width=0.25, layers=1, first_stride=2, hidden=(8,)).apply(network, context(network))
    assert shapes(made) == [(8, 3, 3, 3), (8, 8 * 3 * 4), (2, 8)]
    strides = [node.attribute for node in made.to_onnx().graph.node if node.op_type == "Conv"]
    assert [list(each.ints) for each in strides[0] if each.name == "strides"] == [[4, 4]]


def test_a_given_student_has_the_layers_that_were_asked_for(network):
    settings = Distill(epochs=0, channels=(6, 8), kernels=(5, 3), strides=(4, 1), hidden=(12,))
    made = settings.apply(network, context(network))
    assert shapes(made) == [(6, 3, 5, 5), (8, 6, 2, 2), (12, 16), (2, 12)]  # a kernel is no larger than its picture


def test_a_taught_student_is_far_nearer_to_the_teacher_than_before_and_much_smaller(network):
    student = {"channels": (8, 8), "kernels": (5, 3), "strides": (4, 1), "hidden": (16,)}
    test = samples(64, 4)
    taught = Distill(epochs=4, batch=32, mix=0.5, jitter=0.05, **student).apply(network, context(network))
    blank = Distill(epochs=0, **student).apply(network, context(network))
    gaps = [float(((answers(each, test) - answers(network, test)) ** 2).mean()) for each in (taught, blank)]
    assert gaps[0] < 0.05 * gaps[1]
    macs = [sum(each.macs for each in products_of(each.to_onnx())) for each in (taught, network)]
    assert macs[0] < 0.1 * macs[1]
    assert len(taught.data) < 0.2 * len(network.data)


def test_recorded_targets_count_beside_the_teacher(network):
    wrong = untaught_targets()
    settings = {
        "epochs": 10,
        "batch": 32,
        "mix": 0.0,
        "shift": 0.0,
        "jitter": 0.0,
        "repeat": 1,
        "channels": (8,),
        "strides": (4,),
        "hidden": (16,),
    }
    taught = Distill(toward="teacher", **settings).apply(network, context(network, training=wrong))
    told = Distill(toward="auto", **settings).apply(network, context(network, training=wrong))
    assert mse(taught) < 0.1 * mse(told)


def untaught_targets():
    given = samples(256, 1)
    return Samples(given.raw, given.preprocess, {"command": given.targets["command"] + 5})


def test_folding_changes_no_answer():
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(16, 3, *SIZE, generator=generator) * 255
    wanted = torch.rand(16, 2, generator=generator) * torch.tensor([20.0, 0.1]) - 5
    student = Student(Architecture((Convolution(4, 3, 2),), (8,)), [(3, *SIZE)], [2], [pictures], [wanted])
    with torch.no_grad():
        (before,) = student(pictures)
        assert before.std(0)[0] > 10 * before.std(0)[1]  # in the units of each element
        student.fold()
        (after,) = student(pictures)
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)
    assert [type(each) for each in student.features] == [nn.Conv2d, nn.ReLU]
    assert [type(each) for each in student.control] == [nn.Linear, nn.ReLU, nn.Linear]


class Two(nn.Module):
    """A picture and a speed to a steering angle and two numbers."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 4, 3), nn.Linear(4 + 1, 3)

    def forward(self, image, speed):
        made = self.out(torch.cat([torch.relu(self.conv(image)).mean((2, 3)), speed], 1))
        return made[:, :1], made[:, 1:]


def test_vectors_beside_the_picture_and_several_outputs_are_learned_too():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    example = {"image": torch.zeros(2, 1, 8, 8), "speed": torch.zeros(2, 1)}
    network = Network.of_onnx(onnx_of_module(Two(), example, ("steer", "rest")))
    raw = {"image": rng.normal(size=(128, 1, 8, 8)), "speed": rng.normal(size=(128, 1))}
    data = Samples({name: array.astype(np.float32) for name, array in raw.items()})
    made = Distill(epochs=1, channels=(4,), hidden=(8,)).apply(network, context(network, training=data))
    graph = made.to_onnx().graph
    assert [each.name for each in graph.input] == ["image", "speed"]
    assert [each.name for each in graph.output] == ["steer", "rest"]


def test_a_network_of_vectors_has_a_student_without_convolutions():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 2))
    network = Network.of_onnx(onnx_of_module(module, {"state": torch.zeros(2, 6)}, ("action",)))
    data = Samples({"state": np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)})
    made = Distill(epochs=1, width=0.25).apply(network, context(network, training=data))
    assert shapes(made) == [(8, 6), (2, 8)]


def test_a_network_that_answers_with_pictures_is_told_what_helps_instead():
    module = nn.Conv2d(3, 2, 3)
    network = Network.of_onnx(onnx_of_module(module, {"input": torch.zeros(2, 3, *SIZE)}, ("mask",)))
    with pytest.raises(InvalidInput, match=r"answers with vectors; the output 'mask'.*prune\.structured"):
        Distill().apply(network, context(network))


def test_a_picture_that_becomes_too_small_is_told(network):
    with pytest.raises(InvalidInput, match=r"After 2 of 3 convolutions .*fewer layers or smaller strides"):
        Distill(channels=(4, 4, 4), strides=(4, 2, 2), kernels=(3, 3, 3)).apply(network, context(network))


def test_the_same_seed_gives_the_same_bytes_and_the_given_network_stays(network):
    before = bytes(network.data)
    settings = Distill(epochs=1, channels=(4,), hidden=(8,), repeat=2, mix=1.0, jitter=0.1)
    first, second, other = (settings.apply(network, context(network, seed=seed)) for seed in (0, 0, 1))
    assert first.data == second.data
    assert first.data != other.data
    assert network.data == before


def test_divergence_is_told(network):
    with pytest.raises(ModelFailed, match="distill diverged"):
        Distill(epochs=3, learning_rate=1e6, channels=(4,)).apply(network, context(network))


@pytest.mark.parametrize(
    "wrong", [{"width": 0.0}, {"channels": (4, 4), "strides": (2,)}, {"hidden": (0,)}, {"layers": -1}]
)
def test_a_configuration_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidInput):
        Distill(**wrong)
