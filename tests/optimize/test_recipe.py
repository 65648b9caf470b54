"""Recipes as people write them: what is wrong is told with file, pass and field; the same work has the same hash."""

import pytest

from rilaas.core import InvalidInput, NotFound
from rilaas.infer.target import Target
from rilaas.optimize.order import check_order
from rilaas.optimize.recipe import read_recipe, recipe_names, recipe_of

WHOLE = """
name = "mine"
description = "integers"
target = "cpu/openvino/int8"

[[pass]]
name = "fold.normalization"

[[pass]]
name = "quantize.static"
samples = 64

[gate]
max_mse_ratio = 1.05
"""


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


def test_a_file_is_read_with_its_passes_target_and_gate(tmp_path):
    recipe = read_recipe(written(tmp_path, WHOLE), threads=2)
    assert [each.name for each in recipe.passes] == ["fold.normalization", "quantize.static"]
    assert recipe.passes[1].samples == 64
    assert recipe.target == Target("cpu", "openvino", "int8", 2)
    assert recipe.gate.max_mse_ratio == 1.05
    assert recipe.needs == {"calibration"}


def test_the_hash_is_of_the_work_and_not_of_the_name(tmp_path):
    one = read_recipe(written(tmp_path, WHOLE))
    assert read_recipe(written(tmp_path, WHOLE.replace('"mine"', '"yours"'))).digest == one.digest
    assert read_recipe(written(tmp_path, WHOLE.replace("= 64", "= 65"))).digest != one.digest
    assert read_recipe(written(tmp_path, WHOLE.replace("openvino", "onnxruntime"))).digest != one.digest
    assert one.on(Target()).digest != one.digest


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[gate]", "[gates]", "unknown key 'gates'.*Did you mean 'gate'"),
        ('name = "mine"', "", "'name' is missing"),
        ('name = "mine"', 'name = "My Recipe"', "A variant cannot be called 'My Recipe'"),
        ("quantize.static", "quantize.statik", "pass 2: There is no pass 'quantize.statik'.*quantize.static"),
        ("samples", "sample", "pass 2: The pass quantize.static has no field 'sample'.*Did you mean 'samples'"),
        ("= 64", "= -1", "mine.toml, pass 2: samples = -1"),
        ("= 64", '= "64"', "quantize.static: samples = '64'; it has to be of type int"),
        ("openvino/int8", "openvin/int8", "no runtime 'openvin'.*Did you mean 'openvino'"),
        ("cpu/openvino", "cuda/openvino", "does not exist"),
        ("max_mse_ratio", "max_mse", "no limit 'max_mse'"),
        ('\n[[pass]]\nname = "fold.normalization"', '\n[[pass]]\nnmae = "x"', "pass 1 has no name"),
        ("[[pass]]", "[pass]", "TOML"),
    ],
    ids=[
        "table",
        "name",
        "no name",
        "pass",
        "field",
        "bounds",
        "type",
        "runtime",
        "device",
        "limit",
        "pass name",
        "syntax",
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, old, new, words):
    path = written(tmp_path, WHOLE.replace(old, new))
    with pytest.raises(InvalidInput, match=words) as caught:
        read_recipe(path)
    assert path in str(caught.value)


def test_passes_that_are_no_tables_are_refused():
    with pytest.raises(InvalidInput, match="passes are written as tables"):
        recipe_of({"name": "a", "target": "cpu/openvino/int8", "pass": {"name": "x"}}, "here")


def test_an_unknown_recipe_names_those_like_it():
    with pytest.raises(NotFound, match="no recipe 'balancd'.*Did you mean 'balanced'"):
        read_recipe("balancd")


@pytest.mark.parametrize("name", recipe_names())
def test_each_recipe_of_ours_is_called_as_its_file_says_and_its_order_can_be(name):
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.description
    check_order(recipe.passes)
    assert bool(recipe.source) == name.startswith("paper.")


@pytest.mark.parametrize("name", ["fast", "balanced"])
def test_a_preset_keeps_the_error_small(name):
    assert read_recipe(name).gate.max_mse_ratio <= 1.05


def test_the_fast_preset_needs_no_data():
    assert read_recipe("fast").needs == frozenset()
