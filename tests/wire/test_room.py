"""The room as a whole: what it offers, and what loading it costs."""

import subprocess
import sys

import pytest

import rilaas.wire


def test_everything_that_the_room_offers_is_there():
    for name in rilaas.wire.__all__:
        assert getattr(rilaas.wire, name).__doc__ or name in ("METHODS", "SERVICE")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rilaas.wire.nothing


def test_a_replicas_half_loads_neither_grpc_nor_cryptography():
    code = "import sys, rilaas.wire; assert not {'grpc', 'cryptography', 'jwt'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
