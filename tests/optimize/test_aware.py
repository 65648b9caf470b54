"""Training that feels the rounding: what it computes while it trains is what the file computes afterwards."""

import numpy as np
import pytest
import torch
from onnx import numpy_helper

from rilaas.core import InvalidInput, ModelFailed
from rilaas.optimize.passes import aware as aware_pass
from rilaas.optimize.passes.aware import QuantizeAware, store_integers
from rilaas.optimize.passes.aware_rounding import RoundedActivation, RoundedWeight, rounded_module
from rilaas.optimize.passes.cluster import ClusterWeights
from rilaas.optimize.passes.fold import FoldNormalization
from rilaas.optimize.passes.prune_unstructured import PruneUnstructured
from rilaas.optimize.passes.static import QuantizeStatic
from tests.optimize.learning_task import answers, context, mse, samples, trained_network

BRIEF = {"epochs": 1, "batch": 32}


@pytest.fixture(scope="module")
def network():
    return trained_network()


@pytest.fixture(scope="module")
def folded(network):
    """Clusters are made after folding, which multiplies each channel by a number of its own."""
    return FoldNormalization().apply(network, context(network))


@pytest.fixture(scope="module")
def aware(network):
    return QuantizeAware(epochs=2, batch=32, learning_rate=3e-4).apply(network, context(network))


def rounded(network):
    folded = FoldNormalization().apply(network, context(network))
    floats = {each.name: numpy_helper.to_array(each) for each in folded.to_onnx().graph.initializer}
    static = QuantizeStatic().apply(folded, context(network))
    return static, rounded_module(static.to_onnx(), floats, widens=True)


def integers(network):
    """Stored int8 weights, by name."""
    arrays = {each.name: numpy_helper.to_array(each) for each in network.to_onnx().graph.initializer}
    return {name: array for name, array in arrays.items() if array.dtype == np.int8 and array.ndim > 1}


def test_the_forward_pass_really_rounds_unlike_observers_that_only_look(network):
    _, made = rounded(network)
    first = next(iter(made.activations.values()))
    x = torch.linspace(float(first.low), float(first.high), 5000)
    assert len(torch.unique(first(x))) == 256
    for layer in made.layers:
        for channel in layer.weight().flatten(1):
            assert len(torch.unique(channel)) <= 255
        assert not torch.equal(layer.weight(), layer.weight.weight)


def test_the_module_that_is_trained_gives_what_the_file_gives(network):
    static, made = rounded(network)
    test = samples(64, 4)
    with torch.no_grad():
        (said,) = made.module(torch.from_numpy(test.inputs()["input"]))
    np.testing.assert_allclose(said.numpy(), answers(static, test), atol=2e-3)


@pytest.mark.parametrize("per_channel", [True, False], ids=["channels", "tensor"])
def test_the_file_gives_what_the_module_gave_at_the_end_of_its_training(network, per_channel, monkeypatch):
    made = []
    monkeypatch.setattr(
        aware_pass, "store_integers", lambda model, end: (made.append(end), store_integers(model, end))
    )
    learned = QuantizeAware(epochs=2, batch=32, learning_rate=3e-3, per_channel=per_channel)
    found = learned.apply(network, context(network))
    test = samples(64, 4)
    with torch.no_grad():
        (said,) = made[0].module.eval()(torch.from_numpy(test.inputs()["input"]))
    np.testing.assert_allclose(said.numpy(), answers(found, test), atol=2e-3)
    assert np.abs(answers(found, test) - answers(network, test)).max() > 1e-2  # training moved it by more than that


def test_gradients_pass_the_rounding_within_the_range_and_not_outside():
    activation = RoundedActivation(0.1, 0, 0, 255, widens=False)
    x = torch.tensor([-1.0, 0.33, 20.0, 99.0], requires_grad=True)
    activation(x).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]
    weight = RoundedWeight(torch.tensor([[0.5, -1.0], [0.003, 0.001]]), 0, 127)
    weight().sum().backward()
    assert weight.weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_ranges_widen_while_they_observe_and_then_stay():
    activation = RoundedActivation(0.1, 128, 0, 255, widens=True).train()
    low, high = float(activation.low), float(activation.high)
    activation(torch.tensor([100.0, -100.0]))
    assert (float(activation.low), float(activation.high)) == (low, high)
    activation.observes = True
    activation(torch.tensor([100.0, -100.0]))
    assert (float(activation.low), float(activation.high)) == (-100, 100)
    activation.eval()(torch.tensor([500.0]))
    assert float(activation.high) == 100


def test_a_range_that_stands_for_a_relu_never_goes_below_0():
    activation = RoundedActivation(0.1, 0, 0, 255, widens=True).train()
    activation.observes = True
    assert float(activation(torch.tensor([-50.0, 1.0]))[0]) == 0
    assert float(activation.low) == 0


def test_it_ends_as_the_same_graph_as_static_quantization_with_other_numbers(network, aware):
    static = QuantizeStatic().apply(network, context(network))
    nodes = [[(node.op_type, *node.input) for node in each.to_onnx().graph.node] for each in (aware, static)]
    assert nodes[0] == nodes[1]
    assert any((value != integers(static)[name]).any() for name, value in integers(aware).items())
    kinds = {each.data_type for each in aware.to_onnx().graph.initializer}
    assert {2, 3, 6} <= kinds  # u8 zero points, s8 weights, s32 biases


def test_it_costs_hardly_any_error_and_a_third_of_the_size(network, aware):
    assert mse(aware) < 1.2 * mse(network) + 1e-4
    assert len(aware.data) < 0.45 * len(network.data)


def test_training_goes_on_through_the_rounding(network):
    from rilaas.optimize.passes.training_weights import set_weights, weights_of

    model = network.to_onnx()
    rng = np.random.default_rng(0)
    noise = {
        each.name: each.value + rng.normal(0, each.value.std(), each.value.shape) for each in weights_of(model, "")
    }
    set_weights(model, noise)
    broken = type(network).of_onnx(model)
    still = QuantizeAware(epochs=0).apply(broken, context(network))
    healed = QuantizeAware(epochs=4, batch=32, learning_rate=1e-3).apply(broken, context(network))
    assert mse(healed) < 0.3 * mse(still)


def test_openvino_answers_the_same(aware):
    pytest.importorskip("openvino")
    from rilaas.infer.target import Target
    from rilaas.optimize.opened import open_network, outputs_of

    test = samples(16, 4)
    with open_network(aware, Target.parse("cpu/openvino/int8")) as session:
        other = outputs_of(session, test)["command"]
        kernels = session.kernels()
    np.testing.assert_allclose(other, answers(aware, test), atol=0.02)
    assert kernels is None or kernels.integer > 0


@pytest.mark.parametrize("zeros", [True, False], ids=["PQAT", "pruned-not-kept"])
def test_zeros_stay_zeros_where_they_are_kept(network, zeros):
    pruned = PruneUnstructured(epochs=0, conv=0.5, linear=0.5).apply(network, context(network))
    settings = QuantizeAware(**BRIEF, learning_rate=1e-2, keep=("zeros",) if zeros else ())
    made = settings.apply(pruned, context(network))
    share = np.mean([np.mean(value == 0) for value in integers(made).values()])
    assert (share >= 0.5) == zeros


@pytest.mark.parametrize("kept", [True, False], ids=["CQAT", "clusters-not-kept"])
def test_channels_have_no_more_values_than_clusters_where_they_are_kept(folded, kept):
    network = folded
    clustered = ClusterWeights(number=6).apply(network, context(network))
    settings = QuantizeAware(**BRIEF, learning_rate=1e-3, keep=("clusters",) if kept else ())
    made = settings.apply(clustered, context(network))
    most = max(
        len(np.unique(channel))
        for value in integers(made).values()
        for channel in (value.T if value.shape[0] > value.shape[-1] and value.ndim == 2 else value)
    )
    assert (most <= 6) == kept


def test_zeros_and_clusters_are_kept_together(network):
    pruned = PruneUnstructured(epochs=0, conv=0.5, linear=0.5).apply(network, context(network))
    clustered = ClusterWeights(number=8).apply(pruned, context(network))
    made = QuantizeAware(**BRIEF, learning_rate=1e-3).apply(clustered, context(network))
    for value in integers(made).values():
        assert (value == 0).mean() >= 0.45
        assert len(np.unique(value.reshape(value.shape[0], -1)[0])) <= 8


def test_one_scale_for_a_whole_tensor_keeps_its_clusters_few(folded):
    network = folded
    clustered = ClusterWeights(number=8).apply(network, context(network))
    made = QuantizeAware(**BRIEF, per_channel=False).apply(clustered, context(network))
    assert all(len(np.unique(value)) <= 8 for value in integers(made).values())


def test_the_same_seed_gives_the_same_bytes_and_the_given_network_stays(network):
    before = bytes(network.data)
    settings = QuantizeAware(**BRIEF)
    assert settings.apply(network, context(network)).data == settings.apply(network, context(network)).data
    assert network.data == before


def test_divergence_and_what_cannot_be_are_told(network, aware):
    with pytest.raises(ModelFailed, match=r"quantize\.aware diverged"):
        QuantizeAware(epochs=3, learning_rate=1e6).apply(network, context(network))
    with pytest.raises(InvalidInput, match="quantized already"):
        QuantizeAware().apply(aware, context(network))
    with pytest.raises(InvalidInput, match="keep has 'masks'"):
        QuantizeAware(keep=("masks",))
    with pytest.raises(InvalidInput, match="needs calibration data"):
        QuantizeAware().apply(network, context(network, calibration=None))
