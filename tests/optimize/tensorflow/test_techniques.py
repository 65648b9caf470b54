"""The document's techniques: each on a small camera network, then on LiteRT."""

import importlib.util
import logging
from dataclasses import replace

import numpy as np
import pytest

from rilaas.core import InvalidInput, ModelFailed
from rilaas.infer.session import Kernels
from rilaas.optimize.passes.registry import make_pass
from rilaas.optimize.recipe import read_recipe, recipe_names
from tests.optimize.tensorflow.road import answers, applied, context, network, samples, weights_of

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_model_optimization") is None,
    reason="TensorFlow and its Model Optimization Toolkit are not installed",
)

# Short lessons: what is tested holds after any number of epochs.
SHORT = {
    "convert": {},
    "dynamic": {},
    "float16": {},
    "integer": {},
    "integer_float": {},
    "aware": {"epochs": 2, "share": 1.0, "batch": 16, "learning_rate": 1e-4},
    "prune": {"epochs": 1, "batch": 16, "learning_rate": 1e-4},
    "prune_dynamic": {"epochs": 1, "batch": 16, "learning_rate": 1e-4},
    "cluster_aware": {"cluster_epochs": 1, "batch": 16, "learning_rate": 1e-4},
    "prune_aware": {"prune_epochs": 1, "aware_epochs": 1, "batch": 16, "learning_rate": 1e-4},
    "prune_cluster_aware": {
        "prune_epochs": 1,
        "cluster_epochs": 1,
        "aware_epochs": 1,
        "batch": 16,
        "learning_rate": 1e-4,
    },
}
# Mean squared error of what the float network answers, of the variance of its answers, at most.
ERROR = {
    "convert": 1e-10,
    "dynamic": 1e-3,
    "float16": 1e-5,
    "integer": 1e-2,
    "integer_float": 1e-2,
    "aware": 0.02,
    "prune": 0.3,
    "prune_dynamic": 0.3,
    "cluster_aware": 0.3,
    "prune_aware": 0.5,
    "prune_cluster_aware": 0.5,
}
KERNELS = {
    "convert": Kernels(4, 0),
    "dynamic": Kernels(4, 1),  # only the first dense layer has 1024 weights
    "float16": Kernels(4, 0),
    "prune": Kernels(4, 0),
    "prune_dynamic": Kernels(4, 1),
}


@pytest.fixture(scope="module")
def made():
    """Each technique's file, made when it is first asked for."""
    found = {}

    def make(name):
        if name not in found:
            found[name] = applied(f"tensorflow.{name}", **SHORT[name])
        return found[name]

    return make


@pytest.mark.parametrize("name", SHORT)
def test_a_variant_takes_and_gives_floats_and_answers_almost_the_same(made, name):
    wanted, _, inputs, outputs = answers(network())
    found, kernels, takes, gives = answers(made(name))
    assert (takes, gives) == (inputs, outputs)
    assert found.dtype == np.float32
    assert np.mean((found - wanted) ** 2) / wanted.var() < ERROR[name]
    assert kernels == KERNELS.get(name, Kernels(4, 4))


@pytest.mark.parametrize("name", ["dynamic", "prune"])
def test_the_same_arguments_give_the_same_bytes(made, name):
    assert applied(f"tensorflow.{name}", **SHORT[name]).digest == made(name).digest


def test_another_seed_draws_other_batches(made):
    assert applied("tensorflow.prune", replace(context(), seed=1), **SHORT["prune"]).digest != made("prune").digest


def test_integers_are_smaller_than_floats(made):
    sizes = {name: len(made(name).data) for name in ("convert", "float16", "integer")}
    assert sizes["float16"] < 0.65 * sizes["convert"]
    assert sizes["integer"] < 0.55 * sizes["convert"]


@pytest.mark.parametrize(("name", "share"), [("prune", 0.4), ("prune_aware", 0.5), ("prune_cluster_aware", 0.5)])
def test_pruned_weights_are_zeros_in_the_file(made, name, share):
    for weights in weights_of(made(name)):
        assert np.mean(weights == 0) == pytest.approx(share, abs=1 / weights.size + 0.03)
        assert np.mean(weights == 0) >= share - 1 / weights.size


def test_training_without_pruning_has_no_such_zeros(made):
    assert max(np.mean(weights == 0) for weights in weights_of(made("aware"))) < 0.1


@pytest.mark.parametrize("name", ["cluster_aware", "prune_cluster_aware"])
def test_clustered_weights_have_eight_values_in_each_tensor_or_channel_of_the_file(made, name):
    convolutions, dense = [], []
    for weights in weights_of(made(name)):
        (convolutions if weights.ndim == 4 else dense).append(weights)
    assert all(len(np.unique(weights)) <= 8 for weights in dense)
    # A convolution has a scale for each channel, so that equal floats may be other integers in another channel.
    assert all(len(np.unique(channel)) <= 8 for weights in convolutions for channel in weights)


def test_training_without_clusters_has_many_values(made):
    assert all(len(np.unique(weights)) > 16 for weights in weights_of(made("aware")) if weights.size > 100)


def test_training_goes_toward_targets_where_there_are_some_and_toward_the_teacher_else():
    given = context(training=samples(64, 1, targets=True))  # targets are one more than the network answers
    fields = {"epochs": 30, "share": 1.0, "batch": 16, "learning_rate": 3e-3}
    off = {
        toward: float((answers(applied("tensorflow.aware", given, toward=toward, **fields))[0] - _wanted()).mean())
        for toward in ("auto", "teacher")
    }
    assert off["auto"] == pytest.approx(1.0, abs=0.2)
    assert off["teacher"] == pytest.approx(0.0, abs=0.2)


def _wanted():
    return answers(network())[0]


def test_an_integer_file_calibrates_with_the_calibration_part_alone(made):
    assert applied("tensorflow.integer", context(training=None, validation=None)).digest == made("integer").digest
    with pytest.raises(InvalidInput, match="needs calibration data"):
        applied("tensorflow.integer", context(calibration=None))
    assert applied("tensorflow.integer", samples=3).digest != made("integer").digest


def test_training_needs_training_data_and_targets_where_they_are_asked_for():
    with pytest.raises(InvalidInput, match="needs training data"):
        applied("tensorflow.prune", context(training=None))
    with pytest.raises(InvalidInput, match="have none"):
        applied("tensorflow.prune", toward="targets")


def test_a_training_that_diverges_says_so():
    with pytest.raises(ModelFailed, match=r"pruning diverged.*finite"):
        applied("tensorflow.prune", learning_rate=1e30, epochs=3, batch=16)


def test_a_finished_file_cannot_be_optimized_again(made):
    with pytest.raises(InvalidInput, match="tflite already"):
        applied("tensorflow.dynamic", before=made("convert"))


def test_progress_grows_to_the_end_and_names_the_stage():
    heard = []
    given = replace(context(), tell=lambda share, words: heard.append((share, words)))
    applied("tensorflow.cluster_aware", given, **SHORT["cluster_aware"])
    shares = [share for share, _ in heard]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert 0.85 < shares[-1] <= 1.0
    assert {words.partition(",")[0] for _, words in heard} >= {"clustering", "cluster-preserving training"}


def test_an_interrupt_ends_a_training_at_once():
    def interrupt(share, words):
        if "epoch 2" in words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        applied("tensorflow.prune", replace(context(), tell=interrupt), epochs=1000, batch=16)


def test_nothing_is_written_to_standard_error(capfd, caplog):
    with caplog.at_level(logging.DEBUG):
        answers(applied("tensorflow.integer_float"))
        answers(applied("tensorflow.cluster_aware", **SHORT["cluster_aware"]))
    written = capfd.readouterr()
    assert written.out == ""
    assert written.err == ""


def test_every_recipe_of_the_document_is_there_with_its_parameters():
    names = recipe_names("paper.tf.*")
    assert {name.removeprefix("paper.tf.") for name in names} == {
        *("baseline", "dynamic_quan", "int_quan", "int_flt_quan", "float16_quan", "quan_aware", "prune"),
        *("prune_quan", "clust_qat", "prune_qat", "prune_clust_qat"),
    }
    for name in names:
        (only,) = read_recipe(name).passes
        assert only == make_pass(only.name, {})  # the defaults are the document's


@pytest.mark.parametrize("name", ["aware", "prune_cluster_aware"])
def test_a_network_that_begins_with_normalization_as_the_documents_does_can_be_trained(name):
    before = network(normalized=True)
    found, kernels, *_ = answers(applied(f"tensorflow.{name}", before=before, **SHORT[name]))
    wanted, *_ = answers(before)
    assert np.mean((found - wanted) ** 2) / wanted.var() < ERROR[name]
    assert kernels == Kernels(4, 3)  # the toolkit leaves normalization float, and what reads it
