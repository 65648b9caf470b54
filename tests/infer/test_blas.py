import numpy as np
import pytest

from rilaas.core import ModelFailed
from rilaas.infer import load
from rilaas.infer.blas import _openblas, blas_threads
from tests.model_folders import write_python_model

SOURCE = """
    from rilaas.infer.blas import blas_threads

    class Model:
        def __init__(self, folder, session): pass
        def predict(self, inputs):
            if (inputs["x"] < 0).any(): raise ValueError("negative")
            return {"y": inputs["x"] * 0 + blas_threads()}
"""


@pytest.fixture
def two_threads():
    if not blas_threads():
        pytest.skip("this numpy has no OpenBLAS")
    before, set_threads = blas_threads(), _openblas()[1]
    set_threads(2)
    yield
    set_threads(before)


def test_a_models_numpy_uses_as_many_threads_as_it_was_loaded_with(tmp_path, two_threads):
    folder = write_python_model(tmp_path / "m", SOURCE)
    x = {"x": np.ones((1, 3), np.float32)}
    assert load(folder, threads=1).predict(x)["y"][0, 0] == 1
    assert load(folder, threads=2).predict(x)["y"][0, 0] == 2


def test_the_rest_of_the_program_keeps_its_own_setting_even_after_an_error(tmp_path, two_threads):
    policy = load(write_python_model(tmp_path / "m", SOURCE))
    policy.predict({"x": np.ones((1, 3), np.float32)})
    with pytest.raises(ModelFailed, match="negative"):
        policy.predict({"x": -np.ones((1, 3), np.float32)})
    assert blas_threads() == 2
