import base64
import csv
import io
import json
import sqlite3
import tarfile
import zipfile

import numpy as np
import pytest
from mcap.writer import CompressionType
from PIL import Image

from rilaas.core import InvalidInput, NotFound, RilaasError
from rilaas.observe.recorder import Call, write_episode
from rilaas.store.dataset import Dataset, DatasetLimits, FieldInfo, freeze_dataset
from tests.store import recordings
from tests.store.recordings import COUNT, picture, save_picture, write_bag, write_mcap, write_plain_mcap


def frozen(path, **limits):
    """Freeze an upload and check that nothing but the file is left."""
    target = path.parent / "frozen"
    before = set(path.parent.iterdir()) - {target}
    info = freeze_dataset(path, path.name, target, limits=DatasetLimits(**limits))
    assert set(path.parent.iterdir()) - before == {target}
    data = Dataset(target)
    assert data.info == info
    assert len(data) == info.samples == len(list(data))
    return data


def refusal(path, **limits):
    before = sorted(path.parent.iterdir())
    with pytest.raises(InvalidInput) as caught:
        freeze_dataset(path, path.name, path.parent / "frozen", limits=DatasetLimits(**limits))
    assert caught.value.code == "invalid_input"
    assert sorted(path.parent.iterdir()) == before
    return str(caught.value)


def npz(tmp_path, **arrays):
    path = tmp_path / "data.npz"
    np.savez(path, **{name.replace("__", "/"): array for name, array in arrays.items()})
    return path


def zipped(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return path


def test_the_rows_of_arrays_are_samples(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (4, 6, 8, 3), np.uint8)
    wheels = np.arange(8, dtype=np.float32).reshape(4, 2)
    names = np.array(["a", "bb", "", "ü"])
    with frozen(npz(tmp_path, inputs__image=images, name=names, expected__wheels=wheels)) as data:
        assert data.info.fields == {"image": FieldInfo("uint8", (6, 8, 3)), "name": FieldInfo("bytes", ())}
        assert data.info.expected == {"wheels": FieldInfo("float32", (2,))}
        assert data.info.source == "npz"
        for index, sample in enumerate(data):
            np.testing.assert_array_equal(sample.inputs["image"], images[index])
            assert sample.inputs["name"] == np.array(names[index].encode(), object)
            np.testing.assert_array_equal(sample.expected["wheels"], wheels[index])
        np.testing.assert_array_equal(data[-1].inputs["image"], images[3])
        for index in (4, -5):
            with pytest.raises(IndexError, match="0 to 3"):
                data[index]


@pytest.mark.parametrize("dtype", [">f8", ">i2", "?", "<f2", "u8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_layout_and_byte_order_gives_the_same_data_set(tmp_path, dtype, order):
    values = np.arange(24).reshape(4, 3, 2)
    given = np.asarray(values, dtype, order=order)
    with frozen(npz(tmp_path, x=given)) as data:
        np.testing.assert_array_equal([sample.inputs["x"] for sample in data], given)
        digest = data.info.digest
    with frozen(npz(tmp_path, x=np.ascontiguousarray(given.astype(given.dtype.newbyteorder("="))))) as data:
        assert data.info.digest == digest
        assert data[0].inputs["x"].dtype == given.dtype.newbyteorder("=")


def test_the_digest_is_that_of_the_content(tmp_path):
    digests = []
    for array in (
        np.zeros((2, 3)),
        np.zeros((2, 3)),
        np.zeros((3, 3)),
        np.zeros((2, 3), np.float32),
        np.ones((2, 3)),
    ):
        with frozen(npz(tmp_path, x=array)) as data:
            digests.append(data.info.digest)
            content = data.path.read_bytes()
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4
    with frozen(npz(tmp_path, x=np.ones((2, 3)))) as data:
        assert data.path.read_bytes() == content


def test_numpy_itself_reads_a_frozen_data_set(tmp_path):
    with frozen(npz(tmp_path, x=np.arange(6).reshape(2, 3))) as data, np.load(data.path) as arrays:
        np.testing.assert_array_equal(arrays["000001/inputs/x"], [3, 4, 5])


@pytest.mark.parametrize("together", [True, False])
def test_a_recorders_episodes_are_samples_of_what_was_answered(tmp_path, together):
    texts = np.array([b"left", b""], object)
    calls = [Call(0.1 * i, {"x": np.full((1, 3), i), "name": texts}, {"y": np.full((1, 2), -i)}) for i in range(3)]
    calls.insert(1, Call(0.0, {"x": np.zeros((1, 3)), "name": texts}, {}, error="unavailable"))
    (tmp_path / "run").mkdir()
    for number in (1, 2):
        write_episode(tmp_path / "run" / f"episode-0000{number}.npz", calls)
    upload = zipped(tmp_path / "run", tmp_path / "run.zip")
    single = tmp_path / "run" / "episode-00001.npz"
    with frozen(upload if together else single) as data:
        assert data.info.source == "episodes"
        assert len(data) == (6 if together else 3)
        for index, sample in enumerate(data):
            np.testing.assert_array_equal(sample.inputs["x"], np.full((1, 3), index % 3))
            assert sample.inputs["name"].tolist() == [b"left", b""]
            np.testing.assert_array_equal(sample.expected["y"], np.full((1, 2), -(index % 3)))


BAD_ARRAYS = {
    "different numbers of samples: x 2, y 3": {"x": np.zeros((2, 1)), "y": np.zeros((3, 1))},
    "single number": {"x": np.array(3.0)},
    "holds no samples": {"x": np.zeros((0, 3))},
    "has no inputs": {"expected__y": np.zeros((2, 3))},
    "complex128": {"x": np.zeros((2, 3), complex)},
    "is no array that can be read": {"x": np.zeros(2, "datetime64[s]")},
    "two arrays for inputs 'x'": {"x": np.zeros((2, 1)), "inputs__x": np.zeros((2, 1))},
}


@pytest.mark.parametrize(("why", "arrays"), BAD_ARRAYS.items(), ids=range(len(BAD_ARRAYS)))
def test_arrays_that_are_no_samples_are_told_with_what_would_have_been_valid(tmp_path, why, arrays):
    assert why in refusal(npz(tmp_path, **arrays))


def test_a_pickle_is_never_loaded(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.array([{"a": 1}, None], object), allow_pickle=True)
    assert "it holds object" in refusal(path)


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path):
    path = npz(tmp_path, x=np.zeros((10, 100)))
    assert "more than 9 samples" in refusal(path, samples=9)
    assert "more than 500 bytes" in refusal(path, sample_bytes=500)
    assert "more than 5000 bytes" in refusal(path, total_bytes=5000)
    assert "more than 1 files" in refusal(
        npz(tmp_path, x=np.zeros(3), **{f"y{n}": np.zeros(3) for n in range(99)}), files=1
    )
    endless = io.BytesIO()
    np.lib.format.write_array_header_1_0(endless, {"descr": "<f8", "fortran_order": False, "shape": (10**15, 0)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", endless.getvalue())
    assert "more than 100 samples" in refusal(path, samples=100)


def picture_folder(tmp_path, suffix="png"):
    for number in range(3):
        save_picture(tmp_path / "photos" / "left" / f"{number}.{suffix}", number)
    return tmp_path / "photos"


def test_a_folder_of_images_becomes_samples_in_the_order_of_their_names(tmp_path):
    folder = picture_folder(tmp_path)
    (folder / "left" / ".hidden").write_text("x")
    with frozen(zipped(folder, tmp_path / "photos.zip")) as data:
        assert data.info.fields == {"image": FieldInfo("uint8", (6, 8, 3))}
        assert data.info.source == "images"
        for number, sample in enumerate(data):
            np.testing.assert_array_equal(sample.inputs["image"], picture(number))


def test_images_come_in_a_tar_as_jpeg_or_alone_too(tmp_path):
    folder = picture_folder(tmp_path, "jpg")
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as archive:
        archive.add(folder, "photos")
    with frozen(tmp_path / "photos.tar.gz") as data:
        assert len(data) == 3
    with frozen(save_picture(tmp_path / "one.png", 7)) as data:
        np.testing.assert_array_equal(data[0].inputs["image"], picture(7))


def test_images_of_any_colour_mode_and_size_are_rgb(tmp_path):
    (tmp_path / "photos").mkdir()
    for number, mode in enumerate(["L", "RGBA", "P", "1", "LA"]):
        Image.fromarray(picture(number, 4 + number)).convert(mode).save(tmp_path / "photos" / f"{number}.png")
    with frozen(zipped(tmp_path / "photos", tmp_path / "photos.zip")) as data:
        assert data.info.fields == {"image": FieldInfo("uint8", (None, 8, 3))}
    deep = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    Image.fromarray(deep).save(tmp_path / "depth.png")
    with frozen(tmp_path / "depth.png") as data:
        np.testing.assert_array_equal(data[0].inputs["image"], deep)


TABLES = {
    "labels.csv": "file,wheels[0],wheels[1],speed\n0.png,0.5,0.25,1\nleft/1.png, 1,2,3\n2.png,nan,-1e3,0\n",
    "expected.csv": "\ufefffile,wheels[0],wheels[1],speed\r\n0.png,0.5,0.25,1\r\n1.png,1,2,3\r\n2.png,nan,-1e3,0\r\n",
    "labels.json": json.dumps(
        {
            "0.png": {"wheels": [0.5, 0.25], "speed": 1},
            "1.png": {"wheels": [1, 2], "speed": 3},
            "2.png": {"wheels": [float("nan"), -1e3], "speed": 0},
        }
    ),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_beside_the_images_says_what_is_expected(tmp_path, table):
    folder = picture_folder(tmp_path)
    (folder / table).write_text(TABLES[table], encoding="utf-8")
    with frozen(zipped(folder, tmp_path / "photos.zip")) as data:
        assert data.info.expected == {"wheels": FieldInfo("float64", (2,)), "speed": FieldInfo("float64", (1,))}
        np.testing.assert_array_equal([s.expected["wheels"] for s in data], [[0.5, 0.25], [1, 2], [np.nan, -1e3]])


BAD_TABLES = {
    ("labels.csv", "file\n"): "no columns of numbers",
    ("labels.csv", "file,x\n0.png,left\n"): "row 1, 'x' is 'left', no number",
    ("labels.csv", "file,x\n0.png,1,2\n"): "row 1 has 3 cells, not 2",
    ("labels.csv", "file,x\n9.png,1\n"): "names the file '9.png', which is not there",
    ("labels.csv", "file,x\n0.png,1\n0.png,1\n"): "twice",
    ("labels.csv", "file,x\n0.png,1\n"): "says nothing about 2 of 3 images, such as left/1.png",
    ("labels.csv", "a\0b"): "no ",
    ("labels.json", "[1]"): "is no JSON object",
    ("labels.json", "{"): "is no JSON",
    ("labels.json", '{"0.png": {"x": ["a"]}}'): "no array of numbers",
    ("labels.json", '{"0.png": {"x": [[1], [1, 2]]}}'): "no array of numbers",
    ("labels.json", "[" * 100_000): "is no JSON",
}


@pytest.mark.parametrize(("table", "why"), BAD_TABLES.items(), ids=range(len(BAD_TABLES)))
def test_a_table_that_is_wrong_is_told_with_its_row(tmp_path, table, why):
    folder = picture_folder(tmp_path)
    (folder / table[0]).write_text(table[1])
    assert why in refusal(zipped(folder, tmp_path / "photos.zip"))


def test_a_table_without_names_is_one_vector(tmp_path):
    folder = picture_folder(tmp_path)
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[f"{n}.png", n, -n] for n in range(3)])
    with frozen(zipped(folder, tmp_path / "photos.zip")) as data:
        np.testing.assert_array_equal([s.expected["expected"] for s in data], [[0, 0], [1, -1], [2, -2]])


def test_an_image_that_is_none_or_too_large_is_named(tmp_path):
    folder = picture_folder(tmp_path)
    assert "left/0.png has 8 x 6 pixels; at most 40" in refusal(zipped(folder, tmp_path / "photos.zip"), pixels=40)
    (folder / "left" / "1.png").write_bytes(b"GIF89a")
    assert "left/1.png is no intact PNG or JPEG" in refusal(zipped(folder, tmp_path / "photos.zip"))


def check_recording(data, source):
    assert data.info.source == source
    assert data.info.fields == {
        "camera/image_raw": FieldInfo("uint8", (6, 8, 3)),
        "joint_states/position": FieldInfo("float64", (2,)),
        "joint_states/velocity": FieldInfo("float64", (2,)),
        "joint_states/effort": FieldInfo("float64", (0,)),
        "cmd_vel/linear": FieldInfo("float64", (3,)),
        "cmd_vel/angular": FieldInfo("float64", (3,)),
    }
    assert data.info.expected == {"wheels": FieldInfo("float64", (2,))}
    assert "A sample is a message of /camera/image_raw with the newest of every other topic." in data.info.notes
    assert len(data) == COUNT
    for number, sample in enumerate(data):
        np.testing.assert_array_equal(sample.inputs["camera/image_raw"], picture(number))
        np.testing.assert_array_equal(sample.inputs["joint_states/position"], [number, number + 0.5])
        np.testing.assert_array_equal(sample.inputs["cmd_vel/angular"], [0, 0, -number])
        np.testing.assert_allclose(sample.expected["wheels"], [number / 10, 0.5], rtol=1e-6)


@pytest.mark.parametrize("compression", list(CompressionType))
def test_an_mcap_of_a_robot_becomes_samples(tmp_path, compression):
    with frozen(write_mcap(tmp_path / "run.mcap", compression)) as data:
        check_recording(data, "mcap")


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_a_rosbag2_folder_becomes_samples(tmp_path, storage):
    folder = write_bag(tmp_path / "bag", storage)
    with frozen(zipped(folder, tmp_path / "bag.zip")) as data:
        check_recording(data, "rosbag2" if storage == "sqlite3" else "mcap")


def test_a_recording_without_definitions_is_read_by_those_of_ros_itself(tmp_path):
    folder = write_bag(tmp_path / "bag")
    (path,) = folder.glob("*.db3")
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE message_definitions")
    database.close()
    with frozen(zipped(folder, tmp_path / "bag.zip")) as data:
        check_recording(data, "rosbag2")


@pytest.mark.parametrize("encoding", ["bgr8", "rgb8"])
def test_images_are_rgb_however_they_were_sent(tmp_path, monkeypatch, encoding):
    monkeypatch.setitem(recordings.TOPICS, "/camera/image_raw", lambda n: recordings.image(n, encoding))
    with frozen(write_mcap(tmp_path / "run.mcap")) as data:
        check_recording(data, "mcap")


def test_plain_mcap_with_json_is_read(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(picture(3)).save(buffer, "png")
    shot = {"timestamp": {"sec": 1}, "format": "png", "data": base64.b64encode(buffer.getvalue()).decode()}
    path = write_plain_mcap(
        tmp_path / "run.mcap",
        [
            ("/speed", "Speed", {"value": 1.5}),
            ("/words", "Words", {"text": "hello"}),
            ("/camera", "foxglove.CompressedImage", shot),
        ],
    )
    with frozen(path) as data:
        np.testing.assert_array_equal(data[0].inputs["camera"], picture(3))
        np.testing.assert_array_equal(data[0].inputs["speed"], [1.5])
        assert any("/words was left out: it holds neither images nor numbers" in note for note in data.info.notes)


def test_a_topic_that_begins_late_does_not_cost_the_others_their_samples(tmp_path):
    steps = [("/fast", "Speed", {"value": n}) for n in range(10)]
    with frozen(write_plain_mcap(tmp_path / "run.mcap", [*steps, ("/late", "Speed", {"value": 1})])) as data:
        assert len(data) == 10
        assert "The topic /late was left out: it begins in the second half." in data.info.notes
    early = [*steps[:3], ("/late", "Speed", {"value": 1}), *steps[3:]]
    with frozen(write_plain_mcap(tmp_path / "run.mcap", early)) as data:
        assert len(data) == 7
        assert set(data.info.fields) == {"fast", "late"}


def test_what_is_no_data_set_is_told_with_what_would_be(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    assert "notes.txt is no data set that can be read. Upload an .npz of arrays, an .mcap" in refusal(path)
    np.save(tmp_path / "x.npy", np.zeros(3))
    assert "single array" in refusal(tmp_path / "x.npy")
    (tmp_path / "stuff").mkdir()
    (tmp_path / "stuff" / "a.txt").write_text("x")
    assert "holds no images, arrays or recordings, but a.txt" in refusal(
        zipped(tmp_path / "stuff", tmp_path / "a.zip")
    )
    with pytest.raises(NotFound):
        Dataset(tmp_path / "nothing")
    with pytest.raises(InvalidInput, match="no frozen data set"):
        Dataset(path)
    with pytest.raises(RilaasError, match="no frozen data set"):
        Dataset(npz(tmp_path, x=np.zeros(3)))
