"""A fleet of real processes on loopback: two servers, an interceptor with TLS, a robot."""

import numpy as np
import pytest

from rilaas.cli.fleet import FleetServer
from tests.file_fleet import FileFleet
from tests.model_folders import write_affine_model

SERVERS = (FleetServer("edge-1", "edge"), FleetServer("cloud-1", "cloud", 0.02))


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    model = write_affine_model(folder / "affine", name="affine", a=2.0, b=1.0, size=3)
    with FileFleet(folder / "home", model, "affine", SERVERS, "round_robin") as running:
        yield running


@pytest.fixture
def inputs():
    return {"x": np.array([[1.0, 2.0, 3.0]], np.float32)}
