"""Weights that become 0 one by one."""

import numpy as np
import pytest

from rilaas.core import InvalidInput, ModelFailed
from rilaas.optimize.passes.finetune import Finetune
from rilaas.optimize.passes.prune_unstructured import PruneUnstructured, smallest, smallest_of_all
from rilaas.optimize.passes.training_weights import WeightTensor
from tests.optimize.learning_task import context, mse, trained_network, weights


@pytest.fixture(scope="module")
def network():
    return trained_network()


def zeros(network):
    return {name: float((value == 0).mean()) for name, value in weights(network).items()}


def is_conv(name, network):
    return weights(network)[name].ndim == 4


def test_the_smallest_magnitudes_are_chosen_whatever_their_sign():
    mask = smallest(np.array([[0.1, -3.0], [-0.2, 2.0]], np.float32), 0.5)
    np.testing.assert_array_equal(mask, [[True, False], [True, False]])


def test_of_equal_magnitudes_exactly_the_share_is_chosen():
    assert smallest(np.ones((10, 10), np.float32), 0.37).sum() == 37


def test_a_global_ranking_takes_more_of_the_tensor_with_small_weights():
    small, large = (
        WeightTensor(name, "conv", 0, np.full((2, 4), size, np.float32))
        for name, size in zip("ab", (1, 9), strict=True)
    )
    masks = smallest_of_all([large, small], 0.5)
    assert masks["a"].all()
    assert not masks["b"].any()


@pytest.mark.parametrize(("done", "share"), [(0.0, 0.0), (0.2, 0.25), (0.4, 0.90625), (0.6, 1.0), (1.0, 1.0)])
def test_the_polynomial_is_that_of_zhu_and_gupta(done, share):
    # s(t) = s_f + (s_i - s_f) (1 - (t - t0) / (n dt))^3 with t0 = 0.2, t0 + n dt = 0.6, s_i = 0.25 s_f
    settings = PruneUnstructured(schedule="polynomial", initial=0.25, begin=0.2, end=0.6)
    assert settings.share_at(done) == pytest.approx(share)


def test_a_constant_share_begins_at_once():
    assert PruneUnstructured(begin=0.3).share_at(0.29) == 0
    assert PruneUnstructured(begin=0.3).share_at(0.3) == 1


def test_local_shares_hold_for_each_tensor_without_data(network):
    settings = PruneUnstructured(epochs=0, conv=0.4, linear=0.2)
    assert not settings.needs
    made = settings.apply(network, context(network, training=None, validation=None))
    for name, share in zeros(made).items():
        assert share == pytest.approx(0.4 if is_conv(name, made) else 0.2, abs=0.03)


def test_a_global_share_holds_for_all_together(network):
    made = PruneUnstructured(epochs=0, scope="global", ratio=0.3).apply(network, context(network))
    values = np.concatenate([each.reshape(-1) for each in weights(made).values()])
    assert (values == 0).mean() == pytest.approx(0.3, abs=1e-4)
    assert len({round(share, 2) for share in zeros(made).values()}) > 1


@pytest.mark.parametrize("schedule", ["constant", "polynomial"])
def test_training_keeps_zeros_and_heals_what_pruning_broke(network, schedule):
    shares = {"conv": 0.6, "linear": 0.6}
    broken = PruneUnstructured(epochs=0, **shares).apply(network, context(network))
    settings = PruneUnstructured(
        epochs=6, learning_rate=3e-3, rate="cosine", batch=32, schedule=schedule, end=0.6, **shares
    )
    healed = settings.apply(network, context(network))
    for share in zeros(healed).values():
        assert share == pytest.approx(0.6, abs=0.05)
    assert mse(healed) < 0.5 * mse(broken)


def test_a_training_that_ends_early_has_all_zeros_that_were_asked_for(network):
    settings = PruneUnstructured(epochs=4, learning_rate=1e-5, schedule="polynomial", begin=0.8, end=1.0, patience=1)
    made = settings.apply(network, context(network))
    for share in zeros(made).values():
        assert share == pytest.approx(0.5, abs=0.05)


def test_zeros_of_an_earlier_pruning_stay_where_they_are(network):
    first = PruneUnstructured(epochs=0, conv=0.5, linear=0.5).apply(network, context(network))
    for later in (
        Finetune(epochs=1, learning_rate=3e-3, batch=32),
        PruneUnstructured(epochs=1, learning_rate=3e-3, conv=0.1, linear=0.1, batch=32),
    ):
        made = later.apply(first, context(network))
        for name, value in weights(made).items():
            before = weights(first)[name]
            assert (value[before == 0] == 0).all()
            assert (value != before).any()


def test_the_given_network_stays_and_the_same_arguments_give_the_same_bytes(network):
    before = bytes(network.data)
    settings = PruneUnstructured(epochs=1, batch=64)
    assert settings.apply(network, context(network)).data == settings.apply(network, context(network)).data
    assert network.data == before


def test_divergence_is_told(network):
    with pytest.raises(ModelFailed, match=r"prune\.unstructured diverged"):
        PruneUnstructured(epochs=3, learning_rate=1e6).apply(network, context(network))


@pytest.mark.parametrize(
    "wrong", [{"conv": 1.5}, {"scope": "row"}, {"schedule": "cubic"}, {"begin": 0.9, "end": 0.5}]
)
def test_a_configuration_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidInput):
        PruneUnstructured(**wrong)
