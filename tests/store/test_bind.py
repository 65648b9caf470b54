import numpy as np
import pytest

from rilaas.core import Signature, SignatureMismatch, TensorSpec
from rilaas.store.dataset import bind

CAMERA = TensorSpec("image", "UINT8", (-1, 120, 160, 3))
SPEED = TensorSpec("speed", "FP32", (-1, 1))


def signature(*specs):
    return Signature.of(specs, ())


def bound(inputs, *specs):
    found = bind(inputs, signature(*specs))
    signature(*specs).check_inputs(found.inputs)
    return found


def test_what_fits_is_not_touched():
    image = np.zeros((2, 120, 160, 3), np.uint8)
    found = bound({"image": image}, CAMERA)
    assert found.inputs["image"] is image
    assert found.notes == ()


def test_names_that_are_equal_come_first_then_their_last_part_then_the_only_one():
    image, other = np.zeros((120, 160, 3), np.uint8), np.ones((120, 160, 3), np.uint8)
    assert bound({"image": image, "left/image": other}, CAMERA).inputs["image"].max() == 0
    found = bound({"left/image": other, "speed": np.zeros(1)}, CAMERA)
    assert found.inputs["image"].max() == 1
    assert "The field left/image is the input image." in found.notes
    assert "Not used: speed." in found.notes
    assert bound({"photo": image}, CAMERA).notes[0] == "The field photo is the input image."


@pytest.mark.parametrize(
    "inputs",
    [
        {"photo": np.zeros(1), "speed": np.zeros(1)},
        {"left/image": np.zeros(1), "right/image": np.zeros(1)},
        {},
    ],
)
def test_a_field_that_could_be_several_is_asked_for(inputs):
    with pytest.raises(SignatureMismatch, match=r"No field can be the input image: UINT8"):
        bind(inputs, signature(CAMERA))


def test_a_batch_axis_is_added_only_where_the_first_axis_is_free():
    found = bound({"speed": np.zeros(1, np.float32)}, SPEED)
    assert found.inputs["speed"].shape == (1, 1)
    assert found.notes == ("speed got a batch axis in front.",)
    with pytest.raises(SignatureMismatch):
        bind({"speed": np.zeros(1, np.float32)}, signature(TensorSpec("speed", "FP32", (2, 1))))


@pytest.mark.parametrize("shape", [(60, 80, 3), (240, 320, 3), (1, 60, 80, 3)])
def test_an_image_of_another_size_is_resized_and_that_is_said(shape):
    image = np.full(shape, 100, np.uint8)
    found = bound({"image": image}, CAMERA)
    assert found.inputs["image"].shape == (1, 120, 160, 3)
    assert (found.inputs["image"] == 100).all()
    assert any("was resized from" in note and "to 160 x 120 pixels" in note for note in found.notes)


def test_grey_and_deep_images_become_colour():
    grey = np.full((120, 160), 50, np.uint8)
    assert (bound({"image": grey}, CAMERA).inputs["image"] == 50).all()
    deep = np.full((120, 160), 65535, np.uint16)
    found = bound({"image": deep}, CAMERA)
    assert (found.inputs["image"] == 255).all()
    assert "image was scaled from 16 bits to 8." in found.notes


def test_an_image_of_floats_is_not_guessed_at():
    with pytest.raises(SignatureMismatch):
        bind({"image": np.zeros((120, 160, 3), np.float32)}, signature(CAMERA))


@pytest.mark.parametrize(
    ("given", "wanted", "works"),
    [
        ("float64", "FP32", True),
        ("int64", "FP32", True),
        ("bool", "FP32", True),
        ("int64", "INT32", True),
        ("int64", "UINT8", True),
        ("float32", "INT32", False),
        ("float32", "BYTES", False),
    ],
)
def test_numbers_are_converted_where_nothing_is_lost_before_the_point(given, wanted, works):
    spec = TensorSpec("x", wanted, (-1, 3))
    inputs = {"x": np.ones((1, 3), given)}
    if works:
        found = bound(inputs, spec)
        assert (found.inputs["x"] == 1).all()
        assert "was converted" in found.notes[0]
    else:
        with pytest.raises(SignatureMismatch):
            bind(inputs, signature(spec))


def test_integers_that_do_not_fit_are_refused():
    with pytest.raises(SignatureMismatch):
        bind({"x": np.array([[300]])}, signature(TensorSpec("x", "UINT8", (-1, 1))))
    with pytest.raises(SignatureMismatch):
        bind({"x": np.array([[2**40]])}, signature(TensorSpec("x", "INT32", (-1, 1))))
