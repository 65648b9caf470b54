"""Whole channels are taken out."""

import pytest
import torch
from torch import nn

from rilaas.core import InvalidInput, ModelFailed
from rilaas.infer.torch_export import onnx_of_module
from rilaas.optimize.network import Network
from rilaas.optimize.passes.prune_structured import PruneStructured
from rilaas.optimize.product import products_of
from rilaas.optimize.samples import Samples
from tests.optimize.learning_task import SIZE, context, mse, preprocess, samples, trained_network, weights


@pytest.fixture(scope="module")
def network():
    return trained_network()


def macs(network):
    return sum(each.macs for each in products_of(network.to_onnx()))


def channels(network):
    return [value.shape[0] for value in weights(network).values()]


def test_each_layer_loses_its_share_but_for_outputs_and_narrow_layers(network):
    made = PruneStructured(ratio=0.5, epochs=0).apply(network, context(network))
    assert channels(network) == [24, 32, 32, 10, 2]
    assert channels(made) == [12, 16, 16, 10, 2]
    assert macs(made) < 0.4 * macs(network)
    assert len(made.data) < 0.5 * len(network.data)


def test_channels_that_are_left_are_a_multiple_of_round_to(network):
    made = PruneStructured(ratio=0.7, round_to=8, epochs=0).apply(network, context(network))
    assert channels(made) == [8, 8, 8, 10, 2]


def test_rounding_that_keeps_everything_is_told_instead_of_passed_on(network):
    with pytest.raises(InvalidInput, match=r"Nothing was pruned.*round_to, which is 64"):
        PruneStructured(ratio=0.75, round_to=64, epochs=0).apply(network, context(network))


def test_layers_may_have_shares_of_their_own(network):
    first = next(iter(weights(network))).removesuffix(".weight")
    made = PruneStructured(ratio=0.5, ratios=(f"{first}=0",), epochs=0).apply(network, context(network))
    assert channels(made)[:2] == [24, 16]
    with pytest.raises(InvalidInput, match=r"No layer is called 'nobody\.\*'"):
        PruneStructured(ratios=("nobody.*=0.5",), epochs=0).apply(network, context(network))


def test_a_global_ranking_takes_about_the_share_of_all_channels(network):
    made = PruneStructured(ratio=0.4, scope="global", epochs=0, round_to=1).apply(network, context(network))
    before, after = sum(channels(network)[:3]), sum(channels(made)[:3])
    assert 0.5 * before <= after <= 0.75 * before
    assert channels(made)[3:] == [10, 2]


@pytest.mark.parametrize("steps", [1, 3])
def test_training_heals_what_pruning_broke(network, steps):
    broken = PruneStructured(ratio=0.5, epochs=0).apply(network, context(network))
    healed = PruneStructured(ratio=0.5, epochs=3, steps=steps, learning_rate=3e-3, batch=32).apply(
        network, context(network)
    )
    assert channels(healed) == channels(broken)
    assert mse(healed) < 0.3 * mse(broken)


class Residual(nn.Module):
    """Two branches that are added, and two outputs, one of them a picture."""

    def __init__(self):
        super().__init__()
        self.stem, self.inner = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        self.norm, self.mask = nn.BatchNorm2d(32), nn.Conv2d(32, 3, 1)
        self.head = nn.Linear(32, 2)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.norm(self.inner(x)))
        return self.mask(x), self.head(x.mean((2, 3)))


def test_branches_that_are_added_lose_the_same_channels_and_pictures_keep_theirs():
    torch.manual_seed(0)
    network = Network.of_onnx(onnx_of_module(Residual(), {"input": torch.zeros(2, 3, *SIZE)}, ("mask", "command")))
    given = samples(32, 1)
    data = Samples(given.raw, preprocess)  # nobody knows the targets: the teacher answers
    made = PruneStructured(ratio=0.5, epochs=1, toward="teacher", batch=16, repeat=1).apply(
        network, context(network, training=data)
    )
    assert sorted(channels(made)) == [2, 3, 16, 16]
    assert macs(made) < 0.5 * macs(network)


def test_the_given_network_stays_and_the_same_arguments_give_the_same_bytes(network):
    before = bytes(network.data)
    settings = PruneStructured(epochs=1, batch=64, repeat=1)
    assert settings.apply(network, context(network)).data == settings.apply(network, context(network)).data
    assert network.data == before


def test_divergence_is_told(network):
    with pytest.raises(ModelFailed, match=r"prune\.structured diverged"):
        PruneStructured(epochs=3, learning_rate=1e6).apply(network, context(network))


@pytest.mark.parametrize(
    "wrong", [{"ratio": 1.0}, {"scope": "all"}, {"steps": 0}, {"round_to": 0}, {"ratios": ("conv1",)}]
)
def test_a_configuration_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidInput):
        PruneStructured(**wrong)
