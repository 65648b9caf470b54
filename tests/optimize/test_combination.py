"""Recipes of several training passes, as they are written down."""

import itertools

import numpy as np
import pytest
from onnx import numpy_helper

from rilaas.optimize.passes.registry import make_pass
from rilaas.optimize.product import products_of
from rilaas.optimize.recipe import read_recipe
from tests.optimize.learning_task import context, mse, trained_network, weights

OURS = (
    "max",
    "smallest",
    "paper.torch.quan_aware",
    "paper.torch.local_prune",
    "paper.torch.global_prune",
    "paper.torch.prune_quan",
)


@pytest.fixture(scope="module")
def network():
    return trained_network()


def follow(steps, network):
    """Each pass on what the one before made; the float network stays the teacher."""
    made = network
    for name, fields in steps:
        made = make_pass(name, fields).apply(made, context(network))
    return made


def integers(network):
    arrays = [numpy_helper.to_array(each) for each in network.to_onnx().graph.initializer]
    return [array for array in arrays if array.dtype == np.int8 and array.ndim > 1]


@pytest.mark.parametrize("name", OURS)
def test_each_recipe_can_be_read_and_its_passes_stand_in_an_order_that_can_be(name):
    from rilaas.optimize.order import check_order

    recipe = read_recipe(name)
    check_order(recipe.passes)
    assert "training" in recipe.needs


def test_published_hyper_parameters_are_those_of_the_document():
    fields = [each for name in OURS if name.startswith("paper") for each in read_recipe(name).as_rows()]
    trained = [each for each in fields if "learning_rate" in each]
    assert {(each["learning_rate"], each["epochs"], each["batch"]) for each in trained} == {(1e-4, 2, 1024)}
    local, both = (read_recipe(f"paper.torch.{name}").as_rows() for name in ("local_prune", "prune_quan"))
    assert (local[0]["conv"], local[0]["linear"]) == (0.4, 0.2)
    assert [(each["conv"], each["linear"]) for each in both if "conv" in each] == [(0.3, 0.5)]
    assert read_recipe("paper.torch.global_prune").as_rows()[0]["ratio"] == 0.3


def test_channels_first_then_integers(network):
    steps = [
        ("prune.structured", {"ratio": 0.5, "epochs": 2, "batch": 32, "learning_rate": 3e-3}),
        ("finetune", {"epochs": 2, "batch": 32}),
        ("quantize.static", {}),
    ]
    made = follow(steps, network)
    macs = [sum(each.macs for each in products_of(each.to_onnx())) for each in (made, network)]
    assert macs[0] < 0.4 * macs[1]
    assert mse(made) < 2 * mse(network) + 2e-3


def test_a_student_is_clustered_trained_on_and_quantized(network):
    steps = [
        ("distill", {"channels": [8, 8], "strides": [4, 1], "hidden": [16], "epochs": 4, "batch": 32}),
        ("cluster.weights", {"number": 8, "epochs": 2, "learning_rate": 1e-3, "batch": 32}),
        ("quantize.aware", {"epochs": 1, "per_channel": False}),
    ]
    made = follow(steps, network)
    assert all(len(np.unique(value)) <= 8 for value in integers(made))
    assert mse(made) < 0.03


@pytest.mark.parametrize(
    "order", list(itertools.permutations(("prune", "cluster"))), ids=lambda order: "-then-".join(order)
)
def test_pruning_and_clusters_go_through_fine_tuning_and_quantization(network, order):
    steps = {
        "prune": ("prune.unstructured", {"epochs": 0, "conv": 0.5, "linear": 0.5}),
        "cluster": ("cluster.weights", {"number": 8}),
    }
    made = follow(
        [("fold.normalization", {}), *(steps[name] for name in order), ("finetune", {"epochs": 1})], network
    )
    for value in weights(made).values():
        assert (value == 0).mean() >= 0.45
        assert len(np.unique(value)) <= 9
    aware = make_pass("quantize.aware", {"epochs": 1, "per_channel": False}).apply(made, context(network))
    for value in integers(aware):
        assert (value == 0).mean() >= 0.45
        assert len(np.unique(value)) <= 9


def test_recipes_cannot_see_each_others_weights(network):
    before = bytes(network.data)
    alone = follow([("cluster.weights", {"number": 4})], network)
    follow([("prune.unstructured", {"epochs": 1, "batch": 64})], network)  # the document's script pruned in place
    assert network.data == before
    assert follow([("cluster.weights", {"number": 4})], network).data == alone.data
