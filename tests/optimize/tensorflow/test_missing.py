"""Without TensorFlow: passes can be named and configured, and say what to install when they run."""

import importlib.util

import pytest

from rilaas.core import InvalidInput, MissingDependency
from rilaas.optimize.passes.registry import PASSES, make_pass
from tests.optimize.tensorflow.road import applied

NAMES = [name for name in PASSES if name.startswith("tensorflow.")]


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")
@pytest.mark.parametrize("name", NAMES)
def test_a_pass_says_what_to_install(name):
    with pytest.raises(MissingDependency, match=r"pip install 'rilaas\[tensorflow\]'"):
        applied(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_pass_is_named_as_its_registry_line(name):
    assert make_pass(name, {}).name == name


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("tensorflow.integer", {"samples": 0}, "at least one"),
        ("tensorflow.prune", {"final": 1.2}, "not within"),
        ("tensorflow.prune", {"initial": 0.5, "final": 0.4}, "below initial"),
        ("tensorflow.prune", {"epochs": 0}, "at least 1"),
        ("tensorflow.prune", {"frequency": 0}, "at least 1 step"),
        ("tensorflow.aware", {"learning_rate": -1.0}, "above 0"),
        ("tensorflow.aware", {"share": 1.5}, "not within"),
        ("tensorflow.aware", {"toward": "teacer"}, "Did you mean 'teacher'"),
        ("tensorflow.cluster_aware", {"clusters": 1}, "not within 2 and 256"),
        ("tensorflow.prune_aware", {"sparsity": 1.0}, "not within"),
    ],
)
def test_fields_out_of_bounds_say_what_would_be_right(name, fields, says):
    with pytest.raises(InvalidInput, match=says):
        make_pass(name, fields)
