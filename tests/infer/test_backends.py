"""One suite for every backend; one that is missing on this machine is skipped with its reason."""

import numpy as np
import pytest

from rilaas.core import InvalidInput, InvalidModelFolder, MissingDependency, check_policy
from rilaas.infer import load
from rilaas.infer.backends import backend_named, backend_names
from rilaas.store import BACKENDS, PRECISIONS
from rilaas.store.weights import SUFFIXES
from tests.infer.two_layers import GIVES, HIDDEN, TAKES, expected, write_onnx, write_tflite

X = np.random.default_rng(2).normal(0, 1, (6, TAKES)).astype(np.float32)
TOLERANCE = {"fp32": 1e-5, "fp16": 1e-2, "bf16": 5e-2}
TOML = """
name = "two-layers"
task = "test"
backend = "{backend}"
precision = "{precision}"
weights = "{weights}"

[inputs.x]
datatype = "FP32"
shape = [-1, 4]

[outputs.y]
datatype = "FP32"
shape = [-1, 3]
"""


@pytest.fixture(scope="module", params=backend_names())
def backend(request):
    found = backend_named(request.param)
    if reason := found.missing():
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def weights(backend, tmp_path_factory):
    path = tmp_path_factory.mktemp(backend.name) / f"weights{SUFFIXES[backend.name][0]}"
    return write_tflite(path) if path.suffix == ".tflite" else write_onnx(path)


@pytest.fixture(scope="module")
def session(backend, weights):
    return backend.open(weights)


@pytest.mark.parametrize("name", backend_names())
def test_a_backend_says_what_it_is_and_why_it_is_missing(name, tmp_path):
    backend = backend_named(name)
    assert backend.name == name
    assert name in BACKENDS
    assert "fp32" in backend.precisions
    assert set(backend.precisions) <= set(PRECISIONS)
    if reason := backend.missing():
        assert "rilaas[" in reason
        with pytest.raises(MissingDependency):
            backend.open(write_onnx(tmp_path / "weights.onnx"))


def test_it_knows_inputs_and_outputs(session):
    assert [str(spec) for spec in session.inputs.values()] == [f"x: FP32 [-1, {TAKES}]"]
    assert {str(spec) for spec in session.outputs.values()} == {
        f"y: FP32 [-1, {GIVES}]",
        f"hidden: FP32 [-1, {HIDDEN}]",
    }


def test_it_computes_batches_of_any_size_in_any_order(session):
    for rows in (1, 3, 6, 1):
        found = session.run({"x": X[:rows]})
        assert set(found) == {"y", "hidden"}
        for name, wanted in expected(X[:rows]).items():
            assert found[name].dtype == np.float32
            np.testing.assert_allclose(found[name], wanted, atol=TOLERANCE["fp32"])


def test_an_answer_is_the_callers_to_keep(session):
    first = session.run({"x": X[:1]})
    kept = {name: array.copy() for name, array in first.items()}
    second = session.run({"x": X[1:2]})
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])
        array[...] = 7.0
    np.testing.assert_array_equal(session.run({"x": X[1:2]})["y"], second["y"])


def test_inputs_stay_as_they_are_however_they_lie_in_memory(session):
    wanted = expected(X[:2])["y"]
    strided = np.zeros((2, 2 * TAKES), np.float32)
    strided[:, ::2] = X[:2]
    read_only = X[:2].copy()
    read_only.flags.writeable = False
    for given in (strided[:, ::2], read_only, np.asfortranarray(X[:2])):
        np.testing.assert_allclose(session.run({"x": given})["y"], wanted, atol=TOLERANCE["fp32"])
        np.testing.assert_array_equal(given, X[:2])


def test_it_gives_some_outputs_alone_and_the_others_stay(session):
    some = session.only(("y",))
    np.testing.assert_allclose(some.run({"x": X[:2]})["y"], expected(X[:2])["y"], atol=TOLERANCE["fp32"])
    assert set(some.run({"x": X[:2]})) == {"y"}
    assert set(session.run({"x": X[:2]})) == {"y", "hidden"}
    assert list(session.only(("hidden", "y")).run({"x": X[:1]})) in (["hidden", "y"], ["y", "hidden"])


def test_float_weights_have_no_integer_kernels(session):
    kernels = session.kernels()
    assert kernels is None or (kernels.integer, kernels.total) == (0, 2)


def test_it_computes_in_every_precision_that_it_says(backend, weights):
    for precision in backend.precisions:
        found = backend.open(weights, precision=precision).run({"x": X[:1]})
        assert found["y"].dtype == np.float32
        np.testing.assert_allclose(found["y"], expected(X[:1])["y"], atol=TOLERANCE[precision])


def test_a_precision_that_it_lacks_is_refused_with_those_that_it_has(backend, weights):
    with pytest.raises(InvalidInput, match="fp32"):
        backend.open(weights, precision="fp8")


def test_two_threads_give_the_same(backend, weights):
    found = backend.open(weights, threads=2).run({"x": X[:3]})["y"]
    np.testing.assert_allclose(found, expected(X[:3])["y"], atol=TOLERANCE["fp32"])


def test_a_wrong_shape_is_an_error_and_the_next_call_works(session):
    for wrong in (np.zeros((1, TAKES + 1), np.float32), np.zeros((TAKES,), np.float32)):
        with pytest.raises(Exception, match=r"(?i)shape|rank|dim"):
            session.run({"x": wrong})
    np.testing.assert_allclose(session.run({"x": X[:1]})["y"], expected(X[:1])["y"], atol=TOLERANCE["fp32"])


def test_a_missing_input_is_an_error(session):
    with pytest.raises((KeyError, ValueError)):
        session.run({})


def test_a_broken_file_is_named_without_its_folder(backend, weights, tmp_path):
    broken = tmp_path / f"broken{weights.suffix}"
    broken.write_bytes(b"\x08\x01" + bytes(range(200)))
    with pytest.raises(InvalidModelFolder) as raised:
        backend.open(broken)
    assert broken.name in raised.value.message
    assert str(tmp_path) not in str(raised.value)


def test_a_model_folder_names_it(backend, weights, tmp_path):
    (tmp_path / weights.name).write_bytes(weights.read_bytes())
    (tmp_path / "model.toml").write_text(TOML.format(backend=backend.name, precision="fp32", weights=weights.name))
    policy = load(tmp_path)
    check_policy(policy)
    np.testing.assert_allclose(policy.predict({"x": X[:1]})["y"], expected(X[:1])["y"], atol=TOLERANCE["fp32"])
