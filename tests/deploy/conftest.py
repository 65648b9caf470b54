"""A hub that a test speaks for, and models that it has."""

import pytest

from tests.deploy.fake_hub import FakeHub
from tests.model_folders import write_affine_model, write_python_model

BROKEN = "print('my last words', flush=True)\nraise ValueError('no such tensor')\n"


@pytest.fixture
def hub(tmp_path):
    fake = FakeHub(tmp_path / "hub").start()
    yield fake
    fake.stop()


@pytest.fixture
def affine(tmp_path):
    """Makes a model y = a * x + 1."""

    def make(a):
        return write_affine_model(tmp_path / "models" / f"affine-{a:g}", a=a)

    return make


@pytest.fixture
def broken(tmp_path):
    """A model that says its last words and cannot be loaded."""
    return write_python_model(tmp_path / "models" / "broken", BROKEN, name="broken")
