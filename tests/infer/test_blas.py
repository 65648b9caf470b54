import subprocess
import sys

import numpy as np
import pytest

from rilaas.core import ModelFailed
from rilaas.infer import load
from rilaas.infer.blas import _openblas, blas_threads, few_blas_threads
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
    before = [library.threads() for library in _openblas()]
    for library in _openblas():
        library.set_threads(2)
    yield
    for library, count in zip(_openblas(), before, strict=True):
        library.set_threads(count)


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


def test_for_a_while_that_holds_many_calls_the_number_is_changed_once(two_threads):
    with few_blas_threads(1):
        assert [library.threads() for library in _openblas()] == [1] * len(_openblas())
    assert [library.threads() for library in _openblas()] == [2] * len(_openblas())


def test_every_openblas_is_lowered_opencvs_too():
    """OpenCV's wheel may bring its own; the first that /proc lists need not be numpy's."""
    code = (
        "import cv2, numpy\n"
        "from rilaas.infer.blas import _openblas, lower_blas_threads\n"
        "loaded = {line.split()[-1] for line in open('/proc/self/maps') if 'openblas' in line}\n"
        "lower_blas_threads(1)\n"
        "print(len(loaded), [library.threads() for library in _openblas()])"
    )
    pytest.importorskip("cv2")
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    count = int(said.split()[0])
    assert said.split(maxsplit=1)[1].strip() == str([1] * count)
