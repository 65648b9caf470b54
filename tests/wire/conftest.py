"""Keys and a verifier that knows them; hypothesis without its time limit per example, which slow machines miss."""

import pytest
from hypothesis import settings

from rilaas.wire import generate_key
from tests.wire.token_site import Site

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    made = {kind: generate_key(folder / kind, kind) for kind in ("ed25519", "ecdsa", "rsa")}
    return {**made, "mallory": generate_key(folder / "mallory")}


@pytest.fixture
def site(keys):
    return Site(keys["ed25519"], keys["ecdsa"], keys["rsa"])
