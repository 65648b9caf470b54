import numpy as np
import pytest

from rilaas.core import DATATYPES, Signature, SignatureMismatch, TensorSpec
from rilaas.core.signature import datatype_of

CAMERA = TensorSpec("image", "UINT8", (-1, 4, 6, 3))
SPEED = TensorSpec("speed", "FP32", (-1, 1), unit="m/s")
BOTH = Signature.of((CAMERA, SPEED), (SPEED,))


def good():
    return {"image": np.zeros((1, 4, 6, 3), np.uint8), "speed": np.zeros((1, 1), np.float32)}


def test_tensors_that_fit_pass():
    BOTH.check_inputs(good())
    BOTH.check_outputs({"speed": np.zeros((7, 1), np.float32)})


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(SignatureMismatch, match=r"no input 'imge'.*Did you mean 'image'"):
        BOTH.check_inputs({**good(), "imge": np.zeros(1)})


def test_a_missing_tensor_is_refused_naming_it_and_what_came():
    with pytest.raises(SignatureMismatch, match=r"Input image: UINT8 \[-1, 4, 6, 3\] is missing; got speed"):
        BOTH.check_inputs({"speed": good()["speed"]})


def test_another_dtype_is_refused_naming_both_and_how_to_convert():
    with pytest.raises(
        SignatureMismatch, match=r"'speed' is FP64 \[1, 1\]; the model has speed: FP32.*astype\('float32'\)"
    ):
        BOTH.check_inputs({**good(), "speed": np.zeros((1, 1))})


def test_a_missing_batch_axis_is_refused_saying_how_to_add_it():
    with pytest.raises(SignatureMismatch, match=r"Add the batch axis: image\[None\]"):
        BOTH.check_inputs({**good(), "image": np.zeros((4, 6, 3), np.uint8)})


def test_what_is_no_array_is_refused():
    with pytest.raises(SignatureMismatch, match=r"is a list.*Pass a numpy array"):
        BOTH.check_inputs({**good(), "speed": [[1.0]]})


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_maps_to_numpy_and_back(datatype):
    assert datatype_of(np.zeros(1, DATATYPES[datatype])) == datatype


def test_strings_count_as_bytes_and_byte_order_does_not_matter():
    assert datatype_of(np.array(["a"])) == "BYTES"
    assert datatype_of(np.array([b"a"])) == "BYTES"
    assert datatype_of(np.zeros(1, ">f4")) == "FP32"


def test_a_dtype_without_counterpart_is_refused():
    with pytest.raises(SignatureMismatch, match="complex128 cannot be sent"):
        datatype_of(np.zeros(1, complex))


@pytest.mark.parametrize("shape", [(-2,), (1,) * 9])
def test_a_spec_with_an_impossible_shape_is_refused(shape):
    with pytest.raises(SignatureMismatch, match="at most 8 axes"):
        TensorSpec("x", "FP32", shape)


def test_a_spec_with_an_unknown_datatype_is_refused_with_the_nearest():
    with pytest.raises(SignatureMismatch, match="Did you mean 'FP32'"):
        TensorSpec("x", "FP33", (1,))
