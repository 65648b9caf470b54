"""Datasets: uploaded, frozen, shared, shown, deleted."""

import io
import zipfile

import numpy as np
import pytest

from rilaas.core import InvalidInput, NotFound, PermissionDenied
from rilaas.hub.actions.dataset import DatasetPush, delete_version, sweep
from rilaas.hub.actions.dataset_upload import upload_dataset
from rilaas.hub.actions.sharing import share
from rilaas.hub.dataset_store import dataset_blobs
from rilaas.hub.models import Dataset, DatasetVersion, Job
from rilaas.store.dataset import Dataset as Frozen
from tests.hub.run_parts import make_dataset, npz, png, rows, sent

pytestmark = pytest.mark.django_db


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return buffer.getvalue()


def large():
    """An .npz that is too large to be frozen while somebody waits."""
    noise = np.random.default_rng(0).integers(0, 255, (12, 700, 700), np.uint8)
    return npz(depth=noise)


def test_an_upload_makes_a_dataset_with_its_fields_and_samples(alice, browser):
    client = browser(alice)
    answer = client.post("/datasets/new", {"act": "upload", "name": "track-a", "file": sent(rows(5))})
    assert answer["Location"] == "/datasets/alice/track-a?version=1"
    page = client.get(answer["Location"])
    assert page.status_code == 200
    text = page.content.decode()
    assert "5 samples" in text
    assert "float32" in text
    shown = client.get("/datasets/alice/track-a.json").json()["shown"]
    assert [field["name"] for field in shown["fields"]] == ["x"]
    assert [field["name"] for field in shown["expected"]] == ["y"]
    assert len(shown["gallery"]) == 5


def test_the_same_content_is_the_same_version_and_other_content_the_next(alice, tmp_path):
    first = make_dataset(alice, tmp_path, rows(2))
    again = make_dataset(alice, tmp_path, rows(2))
    other = make_dataset(alice, tmp_path, rows(3))
    assert (first.number, first.is_new) == (1, True)
    assert (again.number, again.is_new) == (1, False)
    assert (other.number, other.is_new) == (2, True)


def test_the_number_of_a_deleted_version_is_given_to_its_content_only(alice, tmp_path):
    make_dataset(alice, tmp_path, rows(2))
    delete_version(alice, "alice", "rows", 1)
    assert make_dataset(alice, tmp_path, rows(3)).number == 2
    assert make_dataset(alice, tmp_path, rows(2)).number == 1


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("notes.txt", b"hello, this is no dataset", "no data set that can be read"),
        ("cut.npz", rows(3)[:-40], "cut.npz"),
        ("pickle.npz", npz(x=np.array([{"a": 1}], object)), "x.npy"),
        ("empty.zip", zipped(), "empty.zip"),
        ("unequal.npz", npz(x=np.zeros((2, 3)), y=np.zeros((3, 3))), "different numbers of samples"),
        ("cat.png", png()[:60], "no intact PNG or JPEG"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and " " not in value else "",
)
def test_a_refused_upload_is_told_on_the_page_the_form_is_kept_and_nothing_is_stored(
    alice, browser, name, data, says
):
    form = {"act": "upload", "name": "track-a", "description": "a sunny day", "file": sent(data, name)}
    answer = browser(alice).post("/datasets/new", form)
    text = answer.content.decode()
    assert answer.status_code == 400
    assert says in text
    assert 'value="track-a"' in text
    assert "a sunny day" in text
    assert not Dataset.objects.exists()
    assert not list(dataset_blobs().hashes())


@pytest.mark.parametrize("name", ["", "Big", "a/b", "../x", "données", "x.json", "a" * 65])
def test_a_name_that_cannot_be_is_refused(alice, browser, name):
    answer = browser(alice).post("/datasets/new", {"act": "upload", "name": name, "file": sent(rows(1))})
    assert answer.status_code == 400
    assert b"cannot be the name" in answer.content or b"does not end in" in answer.content
    assert not Dataset.objects.exists()


def test_several_pictures_with_a_table_beside_them_are_one_dataset(alice, browser):
    table = b"file,wheels[0],wheels[1]\na.png,0.1,0.2\nb.png,0.3,0.4\n"
    files = [sent(png(value=1), "a.png"), sent(png(value=2), "b.png"), sent(table, "labels.csv")]
    client = browser(alice)
    answer = client.post("/datasets/new", {"act": "upload", "name": "drive", "file": files})
    assert answer.status_code == 303, answer.content.decode()
    shown = client.get("/datasets/alice/drive.json").json()["shown"]
    assert (shown["samples"], shown["source_format"]) == (2, "images")
    assert [field["name"] for field in shown["expected"]] == ["wheels"]
    sample = client.get("/datasets/alice/drive/versions/1/samples/1.json").json()
    assert sample["expected"][0]["values"] == [0.3, 0.4]
    assert client.get("/datasets/alice/drive/versions/1/samples/1").status_code == 200


def test_a_folder_keeps_its_paths(alice, browser):
    files = [sent(png(value=1), "a.png"), sent(png(value=2), "a.png")]
    form = {"act": "upload", "name": "drive", "folder": files, "paths": "d/left/a.png\nd/right/a.png"}
    answer = browser(alice).post("/datasets/new", form)
    assert answer.status_code == 303, answer.content.decode()
    assert DatasetVersion.objects.get().samples == 2


def test_thumbnails_are_kept_and_pictures_can_do_nothing(alice, browser, tmp_path, settings):
    make_dataset(alice, tmp_path, png(640, 480))
    client = browser(alice)
    address = client.get("/datasets/alice/rows.json").json()["shown"]["gallery"][0]["picture"]
    for _ in range(2):
        answer = client.get(address)
        assert answer["Content-Type"] == "image/png"
        assert "sandbox" in answer["Content-Security-Policy"]
    assert len(list((settings.HOME / "pictures").rglob("000000-*"))) == 1
    assert client.get("/api/v1/datasets/alice/rows/versions/1/samples/1/picture").status_code == 404


def test_a_version_is_downloaded_as_numpy_reads_it(alice, browser, tmp_path):
    make_dataset(alice, tmp_path, rows(2))
    answer = browser(alice).get("/api/v1/datasets/alice/rows/versions/1/file")
    (tmp_path / "got.npz").write_bytes(b"".join(answer.streaming_content))
    with np.load(tmp_path / "got.npz") as arrays:
        assert arrays["000001/inputs/x"].tolist() == [3, 4, 5]
    with Frozen(tmp_path / "got.npz") as data:
        assert len(data) == 2


def test_a_large_upload_is_frozen_by_a_job(alice, browser, worker, settings):
    client = browser(alice)
    answer = client.post("/datasets/new", {"act": "upload", "name": "deep", "file": sent(large(), "deep.npz")})
    assert answer["Location"].startswith("/jobs/")
    assert not Dataset.objects.exists()
    worker.do_all()
    job = Job.objects.get()
    assert job.state == "done", job.error
    assert job.result["address"] == "/datasets/alice/deep?version=1"
    assert b"12 samples" in client.get(answer["Location"]).content
    assert not list((settings.HOME / "incoming").iterdir())


def test_a_large_upload_that_is_none_leaves_nothing(alice, tmp_path, worker, settings):
    job = make_dataset(alice, tmp_path, b"\x89MCAP0\r\n" + b"x" * 5_000_000)
    worker.do_all()
    job.refresh_from_db()
    assert (job.state, job.error["code"]) == ("failed", "invalid_input")
    assert not Dataset.objects.exists()
    assert not list((settings.HOME / "incoming").iterdir())
    assert not list((settings.HOME / "scratch").iterdir())


def test_a_small_archive_that_unpacks_to_much_is_no_work_for_a_page(alice, tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.zeros((100, 1024, 1024), np.uint8))
    assert isinstance(make_dataset(alice, tmp_path, buffer.getvalue()), Job)


def test_deleting_takes_the_file_and_leaves_what_others_have(alice, bob, browser, tmp_path):
    make_dataset(alice, tmp_path, rows(2))
    make_dataset(bob, tmp_path, rows(2))
    client = browser(alice)
    refused = client.post("/datasets/alice/rows", {"act": "delete", "confirm": "row"})
    assert b"Nothing was deleted" in refused.content
    assert client.post("/datasets/alice/rows", {"act": "delete", "confirm": "rows"})["Location"] == "/datasets"
    assert len(list(dataset_blobs().hashes())) == 1
    bob_client = browser(bob)
    bob_client.post("/datasets/bob/rows", {"act": "delete-version", "number": "1"})
    assert not list(dataset_blobs().hashes())
    assert b"All versions of this dataset were deleted" in bob_client.get("/datasets/bob/rows").content


def test_a_file_that_a_killed_hub_left_is_swept_away(alice, tmp_path):
    make_dataset(alice, tmp_path, rows(2))
    dataset_blobs().put(io.BytesIO(b"left behind"))
    assert sweep() == 1
    assert DatasetVersion.objects.get().blob_sha256 in set(dataset_blobs().hashes())


def test_collaborators_add_versions_and_only_the_owner_shares_and_deletes(alice, bob, charlie, tmp_path, browser):
    make_dataset(alice, tmp_path, rows(2))
    share(alice, "dataset", "alice", "rows", "bob")
    assert make_dataset(bob, tmp_path, rows(3), owner="alice").number == 2
    with pytest.raises(PermissionDenied):
        delete_version(bob, "alice", "rows", 1)
    with pytest.raises(NotFound):
        make_dataset(charlie, tmp_path, rows(3), owner="alice")
    answer = browser(bob).post("/datasets/alice/rows", {"act": "visibility", "visibility": "public"})
    assert answer.status_code == 403
    shared = browser(alice).post("/datasets/alice/rows", {"act": "share", "person": "charlie"})
    assert shared.status_code == 303
    assert browser(charlie).get("/datasets/alice/rows").status_code == 200


def test_a_program_uploads_looks_and_deletes(alice, program):
    client = program(alice, "read", "write")
    made = client.post("/api/v1/datasets/alice/track-a/versions", {"file": sent(rows(4)), "description": "by ci"})
    assert (made.status_code, made.json()["number"]) == (201, 1)
    again = client.post("/api/v1/datasets/alice/track-a/versions", {"file": sent(rows(4))})
    assert (again.status_code, again.json()["is_new"]) == (200, False)
    assert client.get("/api/v1/datasets").json()["rows"][0]["samples"] == 4
    changed = client.patch(
        "/api/v1/datasets/alice/track-a", {"visibility": "public"}, content_type="application/json"
    )
    assert changed.json()["visibility"] == "public"
    refused = client.post("/api/v1/datasets/alice/other/versions", {"file": sent(b"nothing")})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")
    assert client.delete("/api/v1/datasets/alice/track-a").status_code == 204
    assert (
        program(alice, "read").post("/api/v1/datasets/alice/b/versions", {"file": sent(rows(1))}).status_code == 403
    )


def test_a_description_with_what_no_database_keeps_is_refused(alice, tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(rows(1))
    with pytest.raises(InvalidInput, match="visible"):
        upload_dataset(alice, [("x.npz", path)], DatasetPush("alice", "x", "a\0b"))


@pytest.mark.parametrize(
    "paths",
    ["a.png\na.png", "a.png\n" + "b" * 70_000, "a.png\nb\x01.png", "a.png\n../../b.png"],
    ids=["twice", "long", "unprintable", "outside"],
)
def test_names_of_a_folder_that_cannot_be_are_refused(paths, alice, browser):
    form = {"act": "upload", "name": "drive", "folder": [sent(png(), "a.png"), sent(png(), "b.png")], "paths": paths}
    answer = browser(alice).post("/datasets/new", form)
    assert answer.status_code == 400
    assert not Dataset.objects.exists()
