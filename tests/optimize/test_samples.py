"""Samples in four parts that have nothing in common."""

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.optimize.samples import PARTS, Data, Samples, split


def rows(*values, **more):
    return Samples({"x": np.array(values, np.float32)[:, None]}, **more)


def test_validation_data_cannot_be_calibration_data():
    with pytest.raises(InvalidInput, match="1 samples are in the calibration part and in the validation part"):
        Data(rows(1), rows(2, 3), rows(3, 4), rows(5))


@pytest.mark.parametrize("name", PARTS[:3])
def test_no_part_has_a_sample_of_the_test_part(name):
    parts = {"training": rows(1), "calibration": rows(2), "validation": rows(3), "test": rows(4)}
    parts[name] = rows(9, 4)
    with pytest.raises(InvalidInput, match=f"in the {name} part and in the test part"):
        Data(**parts)


def test_a_copy_of_a_sample_under_another_target_is_still_the_same_sample():
    one = rows(3, targets={"y": np.zeros((1, 1), np.float32)})
    two = rows(3, targets={"y": np.ones((1, 1), np.float32)})
    with pytest.raises(InvalidInput, match="calibration part and in the validation"):
        Data(rows(1), one, two, rows(4))


@given(
    st.lists(st.integers(0, 60), min_size=40, max_size=120),
    st.integers(4, 12),
    st.integers(0, 5),
)
def test_a_split_has_nothing_in_common_and_keeps_recordings_whole(values, recordings, seed):
    groups = np.arange(len(values)) * recordings // len(values)
    samples = rows(*values, groups=groups)
    try:
        data = split(samples, seed=seed)
    except InvalidInput:  # a part is left without a sample that no other has
        reject()
    parts = [getattr(data, name) for name in PARTS]
    assert sum(map(len, parts)) == len(set(values))
    owners = [set(part.groups.tolist()) for part in parts]
    assert sum(map(len, owners)) == len(set().union(*owners))


def test_a_split_is_drawn_from_its_seed():
    samples = rows(*range(200))
    first, again, other = split(samples, seed=1), split(samples, seed=1), split(samples, seed=2)
    assert first.digest == again.digest != other.digest
    assert first.test.digest == again.test.digest


def test_too_few_recordings_are_told():
    with pytest.raises(InvalidInput, match="3 recordings cannot be split"):
        split(rows(1, 2, 3, groups=np.array([0, 1, 2])))


def test_tensors_of_different_lengths_and_no_rows_are_refused():
    with pytest.raises(InvalidInput, match="x has 2, y has 3"):
        Samples({"x": np.zeros((2, 1))}, targets={"y": np.zeros((3, 1))})
    with pytest.raises(InvalidInput, match="at least one"):
        Samples({"x": np.zeros((0, 1))})


def test_preprocessing_happens_when_rows_are_asked_for():
    asked = []

    def preprocess(inputs):
        asked.append(len(inputs["x"]))
        return {"input": inputs["x"] * 2}

    samples = rows(1, 2, 3, 4, preprocess=preprocess)
    assert asked == []
    assert samples.take([1, 3]).inputs()["input"].ravel().tolist() == [4.0, 8.0]
    assert asked == [2]


def test_the_hash_of_samples_sees_values_targets_and_order():
    digests = {
        rows(1, 2).digest,
        rows(2, 1).digest,
        rows(1, 3).digest,
        rows(1, 2, targets={"y": np.zeros((2, 1), np.float32)}).digest,
        rows(1, 2, targets={"y": np.ones((2, 1), np.float32)}).digest,
    }
    assert len(digests) == 5
    assert rows(1, 2).digest == rows(1, 2).digest
