"""Models are uploaded by form and by hash; what is wrong is told, and nothing of it stays."""

import hashlib
import io
import json
import os
import zipfile

import pytest

from rilaas.hub.blob_store import clean, model_blobs, uploads_of
from rilaas.hub.models import Model, Variant
from tests.hub.model_folder import HOOKS, archive_of, make_folder, push_speed, tar_with
from tests.wheels_manifest import wheels_manifest

pytestmark = pytest.mark.django_db
TOML = wheels_manifest("driver")


def sent(content, name="model.tar.gz"):
    file = io.BytesIO(content)
    file.name = name
    return file


def zipped(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def nothing_is_stored(settings):
    scratch = settings.HOME / "scratch"
    whole = [path for path in settings.HOME.rglob("*") if path.is_file() and path.name not in (".lock", "secret")]
    return not Model.objects.exists() and whole == [] and (not scratch.exists() or not list(scratch.iterdir()))


@pytest.fixture
def page(alice, browser):
    return browser(alice)


@pytest.fixture
def rest(alice, program):
    return program(alice, "read", "write")


@pytest.mark.parametrize("kind", ["tar", "zip", "zip with a folder around"])
def test_an_archive_becomes_a_model(page, tmp_path, kind):
    folder = make_folder(tmp_path / "driver")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    content = {
        "tar": lambda: archive_of(folder),
        "zip": lambda: zipped(**files),
        "zip with a folder around": lambda: zipped(**{f"driver/{name}": data for name, data in files.items()}),
    }[kind]()
    done = page.post("/models/new", {"act": "push", "file": sent(content), "note": "by web"})
    assert (done.status_code, done["Location"]) == (303, "/models/alice/driver?revision=1")
    shown = page.get("/models/alice/driver.json").json()
    assert (shown["visibility"], shown["shown"]["note"], shown["task"]) == ("private", "by web", "lane-following")
    assert b"alice/driver:1 is stored" in page.get("/models/alice/driver").content


def test_loose_files_of_a_folder_become_a_model_with_its_folders(page):
    files = {"driver/model.toml": TOML, "driver/hooks.py": HOOKS.format(speed=1), "driver/maps/oval.txt": "oval"}
    form = {
        "act": "push",
        "folder": [sent(text.encode(), name.rpartition("/")[2]) for name, text in files.items()],
        "paths": "\r\n".join(files),
    }
    assert page.post("/models/new", form).status_code == 303
    assert [file["path"] for file in Variant.objects.get().files] == ["hooks.py", "maps/oval.txt", "model.toml"]


def test_all_mistakes_are_told_at_once_and_the_form_is_kept(page, rest, settings):
    wrong = TOML.replace('"python"', '"pyton"').replace("UINT8", "UNIT8")
    content = tar_with(**{"model.toml": wrong.encode(), "hooks.py": b"def ("})
    answer = page.post("/models/new", {"act": "push", "file": sent(content), "name": "mine", "note": "my <note>"})
    text = answer.content.decode()
    assert answer.status_code == 422
    for words in ("3 mistakes", "model.toml line 5", "model.toml line 9", "Did you mean", "hooks.py line 1"):
        assert words in text
    assert 'value="mine"' in text
    assert "my &lt;note&gt;" in text
    over_rest = rest.post("/api/v1/models", {"file": sent(content)})
    assert over_rest.status_code == 422
    assert over_rest.json()["code"] == "invalid_model"
    assert "3 mistakes" in over_rest.json()["message"]
    assert nothing_is_stored(settings)


HOSTILE = {
    "no archive": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "empty": b"",
    "leaves the folder": tar_with(**{"../../etc/passwd": b"x", "model.toml": TOML.encode()}),
    "absolute": tar_with(**{"/etc/passwd": b"x"}),
    "a bomb": zipped(**{"model.toml": TOML.encode(), "zeros.bin": bytes(40_000_000)}),
    "cut off": tar_with(**{"model.toml": TOML.encode() * 50})[:-40],
    "a pickle": tar_with(
        **{"model.toml": b'weights = "w.pkl"\n' + TOML.encode(), "hooks.py": b"", "w.pkl": b"\x80\x04."}
    ),
    "no model.toml": tar_with(**{"weights.onnx": b"x"}),
    "one file on some systems": tar_with(**{"A.txt": b"1", "a.txt": b"2", "model.toml": TOML.encode()}),
    "a device's name": tar_with(**{"con.txt": b"1", "model.toml": TOML.encode()}),
    "an invisible sign": tar_with(**{"a\u202eb.txt": b"1", "model.toml": TOML.encode()}),
}


@pytest.mark.parametrize("what", list(HOSTILE))
def test_a_hostile_archive_is_told_and_leaves_nothing(page, rest, settings, what):
    content = HOSTILE[what]
    answers = [
        page.post("/models/new", {"act": "push", "file": sent(content)}),
        rest.post("/api/v1/models", {"file": sent(content)}),
    ]
    digest = hashlib.sha256(content).hexdigest()
    put = rest.put(
        f"/api/v1/uploads/{digest}?size_bytes={len(content)}", content, content_type="application/octet-stream"
    )
    assert put.status_code == 200
    body = {"sha256": digest, "size_bytes": len(content), "filename": "../x.zip"}
    answers.append(rest.post("/api/v1/models/alice/driver/versions", body, content_type="application/json"))
    for answer in answers:
        assert answer.status_code == 422, answer.content
    assert answers[1].json()["message"]
    for path in (settings.HOME / "uploads").rglob("*"):
        assert not path.is_file() or path.stat().st_size == 0
    clean()
    for path in (settings.HOME / "uploads").rglob("parts/*"):
        path.unlink()
    assert nothing_is_stored(settings)


@pytest.mark.parametrize("name", ["..", "../up", "a/b", "Ärger", "模型", "x" * 65, "driver.json", "a b", "\0"])
def test_a_name_with_separators_or_other_scripts_is_refused(page, rest, settings, tmp_path, name):
    content = archive_of(make_folder(tmp_path / "driver"))
    by_page = page.post("/models/new", {"act": "push", "file": sent(content), "name": name})
    by_rest = rest.post("/api/v1/models", {"file": sent(content), "name": name})
    assert (by_page.status_code, by_rest.status_code) == (400, 400)
    assert "name" in by_rest.json()["message"]
    assert nothing_is_stored(settings)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({}, "No file was chosen"),
        ({"file": sent(b"x"), "paths": "a\nb"}, "1 files, and 2 paths"),
        ({"file": [sent(b"x", "a.txt"), sent(b"y", "a.txt")]}, "two files"),
        ({"file": sent(b"x"), "note": "n" * 5000}, "at most 4000 characters"),
    ],
)
def test_a_form_that_cannot_be_is_told(page, settings, form, told):
    answer = page.post("/models/new", {"act": "push", **form})
    assert answer.status_code in (400, 422)
    assert told in answer.content.decode()
    assert nothing_is_stored(settings)


def test_a_new_version_and_a_variant_by_web(page, alice, tmp_path):
    push_speed(alice, tmp_path)
    address = "/models/alice/driver/new"
    assert b"alice/driver" in page.get(address).content
    second = {"act": "push", "file": sent(archive_of(make_folder(tmp_path / "two", speed=2))), "parent": "1"}
    assert page.post(address, second)["Location"].endswith("?revision=2")
    small = {
        "act": "push",
        "file": sent(archive_of(make_folder(tmp_path / "q", speed=9))),
        "variant": "int8",
        "of": "1",
    }
    assert page.post(address, small)["Location"].endswith("?revision=1@int8")
    for field in ("of", "parent"):
        wrong = page.post(address, {"act": "push", "file": sent(b"x"), "variant": "int8", field: "-1"})
        assert wrong.status_code == 400


def put(client, content, offset, size, digest=None, **options):
    digest = digest or hashlib.sha256(content).hexdigest()
    kind = options.pop("content_type", "application/octet-stream")
    return client.put(f"/api/v1/uploads/{digest}?size_bytes={size}&offset={offset}", content, content_type=kind)


def test_an_upload_by_hash_goes_on_where_it_was(rest, tmp_path):
    content = archive_of(make_folder(tmp_path / "driver"))
    digest, size = hashlib.sha256(content).hexdigest(), len(content)
    address = f"/api/v1/uploads/{digest}?size_bytes={size}"
    assert rest.get(address).json()["received_bytes"] == 0
    assert put(rest, content[:100], 0, size, digest).json()["received_bytes"] == 100
    assert rest.head(address).headers["Upload-Offset"] == "100"
    late = put(rest, content[:100], 0, size, digest)
    assert (late.status_code, "offset 100" in late.json()["message"]) == (409, True)
    assert put(rest, content[100:], 100, size, digest).json()["is_complete"]
    body = {"sha256": digest, "size_bytes": size, "filename": "driver.tar.gz", "note": "by hash"}
    made = rest.post("/api/v1/models/alice/driver/versions", json.dumps(body), content_type="application/json")
    assert (made.status_code, made.json()["ref"]) == (201, "alice/driver:1")
    assert rest.get(address).json()["received_bytes"] == 0  # it is forgotten


def test_what_somebody_else_uploaded_is_nothing_to_a_stranger(rest, charlie, program, tmp_path):
    content = archive_of(make_folder(tmp_path / "driver"))
    put(rest, content, 0, len(content))
    digest = hashlib.sha256(content).hexdigest()
    other = program(charlie, "read", "write")
    assert other.get(f"/api/v1/uploads/{digest}?size_bytes={len(content)}").json()["received_bytes"] == 0
    body = {"sha256": digest, "size_bytes": len(content)}
    stolen = other.post("/api/v1/models/charlie/driver/versions", body, content_type="application/json")
    assert stolen.status_code == 409
    assert not Model.objects.exists()


@pytest.mark.parametrize(
    ("address", "content", "kind", "status"),
    [
        (f"{'0' * 64}?size_bytes=5", b"123456", "application/octet-stream", 400),
        (f"{'0' * 64}?size_bytes=5&offset=-1", b"1", "application/octet-stream", 400),
        (f"{'0' * 64}?size_bytes=-5", b"1", "application/octet-stream", 400),
        (f"{'0' * 64}?size_bytes={2**63}", b"1", "application/octet-stream", 400),
        (f"{'0' * 64}?size_bytes=x", b"1", "application/octet-stream", 400),
        (f"{'0' * 64}?size_bytes=5", b"1", "application/json", 400),
        (f"{'0' * 64}?size_bytes=5", b"1", "multipart/form-data; boundary=x", 400),
        (f"{'A' * 64}?size_bytes=5", b"1", "application/octet-stream", 400),
        ("..%2F..%2Fetc?size_bytes=5", b"1", "application/octet-stream", 404),
        (f"{'0' * 64}?size_bytes=2147483648", b"12345", "application/octet-stream", 200),  # declared, not sent
    ],
)
def test_a_part_that_cannot_be_is_refused_and_a_large_one_may_be_begun(
    rest, settings, address, content, kind, status
):
    answer = rest.put(f"/api/v1/uploads/{address}", content, content_type=kind)
    assert answer.status_code == status, answer.content
    if status == 200:
        body = {"sha256": "0" * 64, "size_bytes": 2**31}
        early = rest.post("/api/v1/models/alice/driver/versions", body, content_type="application/json")
        assert (early.status_code, "5 of 2147483648" in early.json()["message"]) == (409, True)
        assert not Model.objects.exists()


def test_a_token_that_may_only_read_uploads_nothing(alice, program, tmp_path):
    reader = program(alice, "read")
    assert put(reader, b"1", 0, 1).status_code == 403
    assert reader.post("/api/v1/models", {"file": sent(b"x")}).status_code == 403
    body = {"sha256": "0" * 64, "size_bytes": 1}
    assert reader.post("/api/v1/models/alice/x/versions", body, content_type="application/json").status_code == 403


def test_uploads_that_nobody_went_on_with_are_cleaned_away(alice, rest, tmp_path):
    content = archive_of(make_folder(tmp_path / "driver"))
    put(rest, content[:50], 0, len(content), hashlib.sha256(content).hexdigest())
    (part,) = (uploads_of(alice)._parts).iterdir()
    clean()
    assert part.exists()
    os.utime(part, (1, 1))
    clean()
    assert not part.exists()
    assert list(model_blobs().hashes()) == []
