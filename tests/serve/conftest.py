"""Each isolation that this machine has, and a hostile model in it."""

import os
import shutil
import subprocess

import pytest

from rilaas.serve import bubblewrap
from rilaas.store import Limits
from tests.serve.hostile import MIB, Hostile


@pytest.fixture(scope="session")
def sandbox():
    """Bubblewrap, installed where that is possible."""
    if bubblewrap.why_not() and not shutil.which("bwrap") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-qq", "-y", "bubblewrap"], capture_output=True, check=False)
        bubblewrap._flags.cache_clear()
    if why := bubblewrap.why_not():
        pytest.skip(f"{why}; on Debian: apt-get install bubblewrap")


@pytest.fixture(params=["bwrap", "process"])
def kind(request):
    if request.param == "bwrap":
        request.getfixturevalue("sandbox")
    return request.param


@pytest.fixture
def hostile(tmp_path, kind):
    model = Hostile(tmp_path, kind, limits=Limits(memory_bytes=512 * MIB, cpus=1))
    yield model
    model.close()


@pytest.fixture
def sandboxed(tmp_path, sandbox):
    model = Hostile(tmp_path, "bwrap")
    yield model
    model.close()
