import io
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from PIL import Image

from rilaas.core import Signature, TensorSpec
from rilaas.report.overlay import draw, error_of, thumbnail

SVG = "{http://www.w3.org/2000/svg}"
PHOTO = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)


def drawn(inputs, outputs, expected=None, **options):
    """The drawing, parsed, after looking whether it is safe and of a sensible size."""
    data = draw(inputs, outputs, expected, **options)
    root = ET.fromstring(data)
    assert root.tag == f"{SVG}svg"
    assert 0 < float(root.get("width")) < 5000
    assert 0 < float(root.get("height")) < 10_000
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in {
            "svg", "style", "title", "rect", "text", "line", "path", "image", "circle", "g",
        }  # fmt: skip
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert "nan" not in value.lower().replace("dominant", "") or name == "href"
            if name == "href":
                assert value.startswith("data:image/png;base64,")
    return root


def words(root):
    return " ".join(element.text or "" for element in root.iter(f"{SVG}text"))


def classes(root):
    return [element.get("class") for element in root.iter()]


def test_wheels_are_the_way_that_the_robot_would_drive():
    spec = TensorSpec("wheels", "FP32", (-1, 2), unit="1")
    root = drawn(
        {"image": PHOTO[None]},
        {"wheels": np.array([[0.2, 0.5]], np.float32)},
        {"wheels": np.array([0.25, -0.5])},
        task="lane-following",
        signature=Signature.of((), (spec,)),
    )
    assert classes(root).count("on") == 1
    assert "want" in classes(root)
    assert "left" in words(root)
    assert "0.2" in words(root)
    assert "exp. −0.5" in words(root)
    assert "wheels [1]" in words(root)
    assert len(list(root.iter(f"{SVG}image"))) == 1


def tip_x(wheels):
    root = drawn({"image": PHOTO}, {"wheels": np.array(wheels)})
    points = next(element for element in root.iter() if element.get("class") == "on").get("d")[1:-1].split("L")
    return np.mean([float(point.split()[0]) for point in points])


def test_the_way_bends_to_the_side_of_the_slower_wheel():
    assert tip_x([0.2, 0.6]) < tip_x([0.4, 0.4]) < tip_x([0.6, 0.2])


def test_a_steering_angle_is_drawn_as_well():
    assert "on" in classes(drawn({"image": PHOTO}, {"steering": np.array([0.3])}))
    assert "on" not in classes(drawn({"image": PHOTO}, {"steering": np.array([[0.3, 0.1, 0.2]])}))


@pytest.mark.parametrize("scale", [1.0, 1 / 80])
def test_boxes_have_their_class_and_score_in_pixels_or_in_shares(scale):
    boxes = np.array([[[8, 6, 40, 30], [20, 20, 60, 55]]]) * scale
    outputs = {"boxes": boxes, "scores": np.array([[0.9, 0.4]]), "labels": np.array([b"mug", b"<b>"], object)}
    root = drawn({"image": PHOTO}, outputs, {"boxes": np.array([[8, 6, 44, 30.0]]) * scale})
    assert classes(root).count("line") == 2
    assert classes(root).count("want") == 1
    assert "mug 0.90" in words(root)
    assert "<b> 0.40" in words(root)


def test_of_many_boxes_the_best_are_drawn_and_that_is_said():
    boxes = np.tile([[5.0, 5, 20, 20]], (1000, 1))
    boxes[0] = np.nan
    root = drawn({"image": PHOTO}, {"boxes": boxes, "scores": np.linspace(0, 1, 1000), "classes": np.arange(1000)})
    assert classes(root).count("line") == 50
    assert "950 of 1000 boxes are not drawn." in words(root)
    assert "999 1.00" in words(root)


@pytest.mark.parametrize("columns", [3, 4, 5])
def test_grasps_are_two_fingers_with_the_best_on_top(columns):
    grasps = np.array([[40, 30, 0.5, 20, 0.2], [20, 20, 1.0, 10, 0.9], [np.nan, 0, 0, 0, 1.0]])[:, :columns]
    root = drawn({"rgb": PHOTO}, {"grasps": grasps}, {"grasps": grasps[:1]}, task="grasping")
    groups = list(root.iter(f"{SVG}g"))
    assert [group.get("opacity") for group in groups] == ["0.45", None]
    assert "1 of 3 grasps are not drawn." in words(root)
    assert ("0.90" in words(root)) == (columns == 5)


def test_what_has_no_picture_of_its_own_is_shown_as_numbers():
    outputs = {
        "few": np.array([0.5, -2.0]),
        "many": np.arange(10**6, dtype=np.float32),
        "map": np.zeros((1, 40, 60)),
        "texts": np.array([b"stop", b"go \xff"], object),
        "table": np.arange(40).reshape(10, 4),
        "bad": np.array([np.nan, np.inf, -np.inf]),
        "none": np.zeros((0, 4)),
        "number": np.array(7),
    }
    root = drawn({"x": np.zeros(3)}, outputs, {"few": np.array([0.1, 0.2]), "other": np.array([3.0])})
    said = words(root)
    for part in (
        "float32 1000000",
        "min 0, mean 5e+05, max 1e+06",
        "stop, go",
        "and 4 more rows",
        "NaN",
        "−∞",
        "empty",
    ):
        assert part in said
    assert "exp. 0.1" in said
    assert "exp. 3" in said
    assert len(list(root.iter(f"{SVG}image"))) == 1


def test_of_a_batch_the_first_row_is_drawn():
    root = drawn({"image": np.stack([PHOTO, PHOTO])}, {"wheels": np.array([[0.1, 0.2], [0.3, 0.4]])})
    assert "The first of 2 rows." in words(root)
    assert "0.3" not in words(root)


def test_many_tensors_are_counted_and_names_cannot_break_out():
    outputs = {f"<script>{i}</script>\n\x1b": np.zeros(2) for i in range(30)}
    root = drawn({}, outputs)
    assert "and 14 more tensors" in words(root)
    assert "no outputs" in words(drawn({}, {}))


DTYPES = st.sampled_from(["f2", "f4", "f8", "u1", "i8", "?", "S3", "U2", "O", "c16", "M8[s]"])
TENSORS = st.dictionaries(
    st.sampled_from(["image", "wheels", "boxes", "scores", "labels", "grasps", "steering", "y", "\x00<&"]),
    DTYPES.flatmap(
        lambda dtype: arrays_of.arrays(
            dtype,
            arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
            **({"elements": st.one_of(st.none(), st.binary(max_size=3), st.integers())} if dtype == "O" else {}),
        )
    ),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(inputs=TENSORS, outputs=TENSORS, expected=TENSORS, task=st.sampled_from(["", "lane-following", "grasping"]))
def test_whatever_there_is_can_be_drawn(inputs, outputs, expected, task):
    drawn(inputs, outputs, expected, task=task)
    for errors in error_of(outputs, expected).values():
        assert set(errors) == {"mae", "rmse", "max"}
        assert not any(value < 0 for value in errors.values())


@settings(max_examples=100, deadline=None)
@given(
    values=arrays_of.arrays("f8", st.tuples(st.integers(0, 30), st.integers(3, 5))),
    scores=arrays_of.arrays("f8", st.integers(0, 30)),
    wheels=arrays_of.arrays("f8", 2),
)
def test_places_that_no_image_has_are_drawn_or_left_out(values, scores, wheels):
    outputs = {"boxes": values[:, :4], "grasps": values, "scores": scores, "wheels": wheels}
    drawn({"image": PHOTO}, outputs, outputs, task="grasping")


def test_errors_are_those_of_the_numbers():
    found = error_of(
        {"y": np.array([[1.0, 2.0, 6.0]]), "odd": np.zeros(3), "text": np.array([b"a"], object), "only": np.ones(1)},
        {"y": np.array([1, 4, 2]), "odd": np.zeros(4), "text": np.array([b"a"], object)},
    )
    assert found == {"y": {"mae": 2.0, "rmse": pytest.approx(math.sqrt(20 / 3)), "max": 4.0}}


def test_an_error_with_what_is_not_finite_is_infinite_unless_both_are():
    both = np.array([np.nan, np.inf, 1.0])
    assert error_of({"y": both}, {"y": both})["y"]["max"] == 0.0
    assert error_of({"y": np.array([np.nan, 1.0])}, {"y": np.ones(2)})["y"]["mae"] == math.inf
    assert math.isnan(error_of({"y": np.zeros(0)}, {"y": np.zeros(0)})["y"]["mae"])


@pytest.mark.parametrize(
    ("array", "size", "first"),
    [
        (PHOTO, (80, 60), tuple(PHOTO[0, 0])),
        (PHOTO[None], (80, 60), tuple(PHOTO[0, 0])),
        (PHOTO.transpose(2, 0, 1), (80, 60), tuple(PHOTO[0, 0])),
        (np.full((600, 300), 65535, np.uint16), (50, 100), (127, 127, 127)),
        (np.full((10, 200, 4), 7, np.uint8), (100, 5), (7, 7, 7)),
        (np.full((20, 20), True), (20, 20), (255, 255, 255)),
        (np.full((3, 20, 30), 0.5, np.float32), (30, 20), (127, 127, 127)),
        (np.full((3000, 5000, 3), 9, np.uint8), (100, 60), (9, 9, 9)),
    ],
    ids=range(8),
)
def test_a_thumbnail_is_a_png_that_others_can_read(array, size, first):
    with Image.open(io.BytesIO(thumbnail(array, 100))) as image:
        assert image.format == "PNG"
        assert image.size == size
        assert image.getpixel((0, 0)) == first
        if size == (80, 60):
            np.testing.assert_array_equal(np.asarray(image), PHOTO)


@settings(max_examples=100, deadline=None)
@given(array=TENSORS.map(lambda tensors: next(iter(tensors.values()), np.zeros(0))))
def test_a_thumbnail_of_anything_is_a_png(array):
    with Image.open(io.BytesIO(thumbnail(array, 16))) as image:
        image.load()
        assert max(image.size) <= 16
