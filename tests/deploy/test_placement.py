import pytest

from rilaas.core import InvalidInput
from rilaas.deploy import Placement
from rilaas.store import Limits

GOOD = {"id": 12, "model": "alice/m", "revision": "3", "digest": f"sha256:{'0' * 64}", "replicas": 1, "threads": 1}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"digest": "sha256:../../x"}, "it is sha256: and 64"),
        ({"digest": 7}, "cannot be read"),
        ({"replicas": 0}, "replicas is 0; it is a whole number from 1"),
        ({"replicas": True}, "replicas is True"),
        ({"threads": "2"}, "threads is '2'"),
        ({"memory_bytes": -1}, "memory_bytes is -1"),
        ({"cpus": 0}, "cpus is 0"),
        ({"cpus": float("inf")}, "cannot be read"),
        ({"isolation": "ray"}, "isolation is 'ray'; it is one of auto, bwrap, process"),
        ({"model": "../m"}, "is not a model reference"),
        ({"model": None}, "is not a model reference"),
        ({"revision": ""}, "is not a model reference"),
        ({"revision": "@int8"}, "is not a model reference|names no version"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_placement_that_is_wrong_is_told(wrong, told):
    with pytest.raises(InvalidInput, match=told):
        Placement.read({**GOOD, **wrong})


@pytest.mark.parametrize("table", [None, [], 7, {}, {"id": 1}], ids=str)
def test_what_is_no_placement_is_told(table):
    with pytest.raises(InvalidInput, match="cannot be read"):
        Placement.read(table)


def test_a_placement_reads_what_the_hub_sends_and_fills_its_limits_from_the_model():
    sent = {"id": 12, "model": "alice/m", "revision": "3@int8", "digest": f"sha256:{'0' * 64}", "replicas": 2}
    sent |= {"threads": 1, "memory_bytes": None, "cpus": 1.5, "isolation": "auto", "colour": "green"}
    placement = Placement.read(sent)
    assert str(placement.ref) == "alice/m:3@int8"
    assert placement.limits(Limits(memory_bytes=5, cpus=1, answer_s=7.0)) == Limits(5, 2, 7.0)
    assert placement.is_like(Placement.read({**sent, "id": 13}))
    assert not placement.is_like(Placement.read({**sent, "replicas": 1}))
    assert Placement.read(placement.to_json()) == placement
