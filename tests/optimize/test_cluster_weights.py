"""Weights that take few values."""

import gzip

import numpy as np
import pytest

from rilaas.core import InvalidInput, ModelFailed
from rilaas.optimize.passes.cluster import ClusterWeights
from rilaas.optimize.passes.cluster_kmeans import cluster_values
from rilaas.optimize.passes.finetune import Finetune
from rilaas.optimize.passes.prune_unstructured import PruneUnstructured
from rilaas.optimize.passes.training_weights import WeightTensor, clusters_of
from tests.optimize.learning_task import context, mse, trained_network, weights


@pytest.fixture(scope="module")
def network():
    return trained_network()


@pytest.fixture(scope="module")
def pruned(network):
    return PruneUnstructured(epochs=0, conv=0.5, linear=0.5).apply(network, context(network))


def values_of(network):
    return {name: len(np.unique(value)) for name, value in weights(network).items()}


def test_values_become_the_means_of_groups_that_lie_apart():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(mean, 0.01, 50) for mean in (-3, 0, 4)]).astype(np.float32)
    made = cluster_values(values, 3, rng)
    wanted = np.repeat([values[at : at + 50].mean() for at in (0, 50, 100)], 50)
    np.testing.assert_allclose(made, wanted, atol=1e-5)


@pytest.mark.parametrize("init", ["kmeans++", "linear"])
def test_no_value_is_nearer_to_the_mean_of_another_cluster(init):
    values = np.random.default_rng(1).normal(size=2000).astype(np.float32)
    made = cluster_values(values, 8, np.random.default_rng(2), init=init)
    means = np.unique(made)
    assert len(means) == 8
    nearest = means[np.abs(values[:, None] - means).argmin(1)]
    np.testing.assert_allclose(np.abs(values - made), np.abs(values - nearest), atol=1e-6)
    for mean in means:
        assert values[made == mean].mean() == pytest.approx(mean, abs=1e-5)


def test_as_many_distinct_values_as_clusters_stay_as_they_are():
    values = np.array([1, 5, 5, 2], np.float32)
    np.testing.assert_array_equal(cluster_values(values, 3, np.random.default_rng(0)), values)


def test_a_whole_tensor_has_so_many_values_without_data(network):
    settings = ClusterWeights(number=16)
    assert not settings.needs
    made = settings.apply(network, context(network, training=None, validation=None))
    assert max(values_of(made).values()) == 16
    assert len(gzip.compress(made.data)) < 0.4 * len(gzip.compress(network.data))
    assert mse(made) < mse(network) + 0.01


def test_each_channel_has_clusters_of_its_own(network):
    made = ClusterWeights(number=4, per_channel=True).apply(network, context(network))
    for name, value in weights(made).items():
        for row in value.reshape(value.shape[0], -1):
            assert len(np.unique(row)) <= 4, name
    assert max(values_of(made).values()) > 16


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("epochs", [0, 1])
def test_zeros_of_a_pruned_network_stay_as_a_cluster_of_their_own(network, pruned, per_channel, epochs):
    made = ClusterWeights(number=8, per_channel=per_channel, epochs=epochs, batch=32).apply(pruned, context(network))
    for name, value in weights(made).items():
        np.testing.assert_array_equal(value == 0, weights(pruned)[name] == 0)
    if not per_channel:
        assert max(values_of(made).values()) == 8


@pytest.mark.parametrize("per_channel", [False, True])
def test_training_moves_the_means_and_keeps_the_clusters(network, per_channel):
    still = ClusterWeights(number=4, per_channel=per_channel).apply(network, context(network))
    moved = ClusterWeights(number=4, per_channel=per_channel, epochs=4, learning_rate=1e-3, batch=32).apply(
        network, context(network)
    )
    assert mse(moved) < 0.7 * mse(still)
    for name, value in weights(moved).items():
        old = weights(still)[name]
        tensors = zip(value, old, strict=True) if per_channel else [(value, old)]
        for new, before in tensors:
            for each in np.unique(before):
                assert len(np.unique(new[before == each])) == 1


def test_fine_tuning_keeps_clusters_that_it_finds(network):
    clustered = ClusterWeights(number=8).apply(network, context(network))
    tuned = Finetune(epochs=2, learning_rate=1e-3, batch=32, patience=0).apply(clustered, context(network))
    assert max(values_of(tuned).values()) == 8
    assert any((value != weights(clustered)[name]).any() for name, value in weights(tuned).items())


def test_ordinary_weights_are_not_taken_for_clusters():
    value = np.random.default_rng(0).normal(size=(16, 32)).astype(np.float32)
    assert clusters_of(WeightTensor("w", "linear", 0, value)) is None
    few = WeightTensor("w", "linear", 0, np.round(value))
    assert len(np.unique(clusters_of(few))) == len(np.unique(few.value))
    own = WeightTensor("w", "linear", 1, np.round(value) + np.arange(32, dtype=np.float32) * np.pi)
    ids = clusters_of(own)
    assert ids is not None
    assert len(np.unique(ids)) == sum(len(np.unique(column)) for column in own.value.T)


def test_the_same_seed_gives_the_same_bytes(network):
    first, second = (ClusterWeights(number=8).apply(network, context(network)) for _ in range(2))
    assert first.data == second.data


def test_divergence_and_wrong_configurations_are_told(network):
    with pytest.raises(ModelFailed, match=r"cluster\.weights diverged"):
        ClusterWeights(epochs=3, learning_rate=1e6).apply(network, context(network))
    for wrong in ({"number": 1}, {"number": 257}, {"init": "random"}):
        with pytest.raises(InvalidInput):
            ClusterWeights(**wrong)
