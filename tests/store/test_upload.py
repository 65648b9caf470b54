import gzip
import io
import os
import subprocess
import tarfile
import zipfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rilaas.core import InvalidInput, InvalidModelFolder
from rilaas.store import ArchiveLimits, folder_from_files, pack, read_model_folder, unpack_upload
from tests.model_folders import write_affine_model

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


@pytest.fixture
def folder(tmp_path):
    folder = write_affine_model(tmp_path / "affine")
    (folder / "data" / ("long-" * 18)).mkdir(parents=True)
    (folder / "data" / ("long-" * 18) / ("name-" * 18 + ".txt")).write_text("x" * 1000)
    return folder


@pytest.fixture
def digest(folder):
    return read_model_folder(folder).digest


def taken(path, filename=""):
    """Take an upload, and check that nothing but the model folder is left beside it."""
    before = set(path.parent.iterdir())
    model = unpack_upload(path, path.parent / "target", filename=filename or path.name)
    assert set(path.parent.iterdir()) - before == {path.parent / "target"}
    assert model.path == path.parent / "target"
    return model.digest


def refusal(path, filename="", **limits):
    before = sorted(path.parent.iterdir())
    with pytest.raises(InvalidModelFolder) as caught:
        unpack_upload(path, path.parent / "target", filename=filename or path.name, limits=ArchiveLimits(**limits))
    assert sorted(path.parent.iterdir()) == before
    return str(caught.value)


def test_what_rilaas_packed_is_taken(folder, digest, tmp_path):
    short = write_affine_model(tmp_path / "short")
    assert taken(pack(short, tmp_path)) == read_model_folder(short).digest


@pytest.mark.parametrize("top", ["", "affine/", "./"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("style", FORMATS)
def test_a_tar_in_any_style_and_order_with_or_without_a_folder_around_it_is_taken(
    folder, digest, tmp_path, style, packed, top
):
    path = tmp_path / ("upload.tar.gz" if packed else "upload.tar")
    with tarfile.open(path, "w:gz" if packed else "w", format=FORMATS[style]) as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            archive.add(file, top + file.relative_to(folder).as_posix(), recursive=False)
    assert taken(path) == digest


@pytest.mark.parametrize("options", [["-C", "affine", "."], ["affine"], ["--format=v7", "affine/model.toml"]])
def test_what_the_systems_tar_makes_is_read(folder, digest, tmp_path, options):
    subprocess.run(["tar", "-czf", "upload.tgz", *options], cwd=tmp_path, check=True)
    if "--format=v7" in options:
        assert "there is no file 'weights.onnx'" in refusal(tmp_path / "upload.tgz")
    else:
        assert taken(tmp_path / "upload.tgz") == digest


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("top", ["", "affine/"])
def test_a_zip_is_taken(folder, digest, tmp_path, top, method):
    path = tmp_path / "upload.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(top + "data/", b"")
        for file in folder.rglob("*"):
            if file.is_file():
                with archive.open(top + file.relative_to(folder).as_posix(), "w", force_zip64=True) as member:
                    member.write(file.read_bytes())
    assert taken(path) == digest


def test_what_a_mac_adds_is_left_out(folder, digest, tmp_path):
    path = tmp_path / "upload.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            if file.is_file():
                name = file.relative_to(folder).as_posix()
                archive.write(file, f"affine/{name}")
                archive.writestr(f"__MACOSX/affine/._{file.name}", b"attributes")
        archive.writestr("affine/.DS_Store", b"icons")
    assert taken(path) == digest


def test_loose_files_become_a_folder(folder, digest, tmp_path):
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert folder_from_files(files, tmp_path / "one").digest == digest
    assert folder_from_files({f"affine/{n}": p for n, p in files.items()}, tmp_path / "two").digest == digest
    with pytest.raises(InvalidInput, match="exists already"):
        folder_from_files(files, tmp_path / "two")
    for name in ("../x", "/x", "a\\b", "con.txt", "MODEL.toml"):
        with pytest.raises(InvalidModelFolder):
            folder_from_files({**files, name: folder / "model.toml"}, tmp_path / "three")
    with pytest.raises(InvalidModelFolder, match="holds no files"):
        folder_from_files({}, tmp_path / "three")
    with pytest.raises(InvalidModelFolder, match="has no file model.toml"):
        folder_from_files({"weights.onnx": folder / "weights.onnx"}, tmp_path / "three")
    assert {p.name for p in tmp_path.iterdir()} == {"affine", "one", "two"}


BAD_NAMES = {
    "../outside": "leaves the folder",
    "/etc/passwd": "absolute paths",
    "a/../../b": "leaves the folder",
    "C:\\windows": "absolute paths",
    "a\\b": "backslashes",
    "nul.txt": "reserved name",
    "a\tb": "control or invisible",
    "Model.toml": "one file on some systems",
    "model.toml": "one file on some systems",
    "model.toml/x": "one file on some systems",
}


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize(("name", "why"), BAD_NAMES.items(), ids=lambda text: ascii(text))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_not_allowed_is_refused_and_nothing_stays(folder, tmp_path, kind, name, why):
    path = tmp_path / f"upload.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(folder / "model.toml", "model.toml")
            archive.writestr(name, b"x")
    else:
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            archive.add(folder / "model.toml", "model.toml")
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))
    assert why in refusal(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, b"S"])
@pytest.mark.parametrize("style", FORMATS)
def test_a_tar_with_links_devices_or_sparse_files_is_refused(tmp_path, kind, style):
    path = tmp_path / "upload.tar"
    with tarfile.open(path, "w", format=FORMATS[style]) as archive:
        info = tarfile.TarInfo("evil")
        info.type, info.linkname = kind, "/etc/passwd" * 20 if style != "ustar" else "/etc/passwd"
        archive.addfile(info)
    assert "'evil' is a" in refusal(path) or "long link" in refusal(path)


def test_pax_headers_that_lie_are_refused(tmp_path):
    path = tmp_path / "upload.tar"
    for headers, why in (
        ({"size": "99999999999999999999999"}, "has no size but"),
        ({"size": str(2**40)}, "larger than"),
        ({"GNU.sparse.major": "1"}, "sparse file"),
        ({"x": "y" * 2**21}, "extension has more than"),
    ):
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            info = tarfile.TarInfo("a")
            info.pax_headers = headers
            archive.addfile(info)
        assert why in refusal(path)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers={"path": "x"}) as archive:
        archive.addfile(tarfile.TarInfo("a"))
    assert "one name or size" in refusal(path)


def zip_with(path, change=lambda info: None, content=b"content", name="a.txt", method=zipfile.ZIP_STORED):
    info = zipfile.ZipInfo(name)
    info.compress_type = method
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, content)
        change(archive.infolist()[0])
    return path


def test_zips_with_links_secrets_and_lies_are_refused(tmp_path):
    path = tmp_path / "upload.zip"

    def link(info):
        info.create_system, info.external_attr = 3, 0o120777 << 16

    def device(info):
        info.create_system, info.external_attr = 3, 0o020666 << 16

    assert "symbolic link" in refusal(zip_with(path, link))
    assert "neither a file nor a folder" in refusal(zip_with(path, device))
    assert "is encrypted" in refusal(zip_with(path, lambda info: setattr(info, "flag_bits", 1)))
    assert "another method" in refusal(zip_with(path, method=zipfile.ZIP_BZIP2))
    assert "cut off" in refusal(zip_with(path, lambda info: setattr(info, "file_size", 1000)))
    assert "damaged" in refusal(zip_with(path, lambda info: setattr(info, "file_size", 3)))
    assert "damaged" in refusal(zip_with(path, lambda info: setattr(info, "CRC", 1)))
    assert "larger than" in refusal(zip_with(path, lambda info: setattr(info, "file_size", 2**62)), ratio=1e30)
    assert "damaged" in refusal(zip_with(path, lambda info: setattr(info, "header_offset", 3)))


def test_bombs_are_refused_before_they_are_large(tmp_path):
    path = zip_with(tmp_path / "bomb.zip", content=bytes(40_000_000), method=zipfile.ZIP_DEFLATED)
    assert "bomb" in refusal(path)
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("zeros")
        info.size = 40_000_000
        archive.addfile(info, io.BytesIO(bytes(40_000_000)))
    assert "bomb" in refusal(tmp_path / "bomb.tar.gz")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number}", b"")
    assert "more than 1000 files" in refusal(tmp_path / "many.zip")
    assert "unpacks to more than 3 bytes" in refusal(zip_with(tmp_path / "small.zip"), total_bytes=3)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "holds no files"),
        (b"hello", "neither a .zip nor a .tar"),
        (b"x" * 600, "neither a .zip nor a .tar"),
        (gzip.compress(b"x" * 600), "neither a .zip nor a .tar"),
        (b"\x1f\x8b" + b"x" * 600, "no intact .tar.gz"),
        (b"PK\3\4" + b"x" * 600, "no intact .zip"),
        (b"PK\5\6" + b"\xff" * 18, "more than 1000 files"),
        (b"7z\xbc\xaf\x27\x1c", "packed by 7-Zip"),
        (zlib.compress(b"x"), "neither"),
    ],
    ids=range(9),
)
def test_what_is_no_archive_is_told_with_what_would_have_been_valid(tmp_path, content, why):
    path = tmp_path / "upload"
    path.write_bytes(content)
    assert why in refusal(path) or why == "neither"


def test_an_upload_is_called_what_the_person_called_it(tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(b"x" * 600)
    assert refusal(path, "C:\\files\\my model\n.zip").startswith("my model?.zip is neither")
    assert refusal(path, "/").startswith("The upload is neither")


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    top = tmp_path_factory.mktemp("archives")
    folder = write_affine_model(top / "affine")
    subprocess.run(["tar", "-cf", "a.tar", "affine"], cwd=top, check=True)
    with zipfile.ZipFile(top / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("model.toml", "weights.onnx"):
            with archive.open(name, "w", force_zip64=True) as member:
                member.write((folder / name).read_bytes())
    return [(top / "a.tar").read_bytes(), (top / "a.zip").read_bytes(), pack(folder, top).read_bytes()]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_is_a_valid_model_or_an_error_of_ours_and_nothing_stays(archives, tmp_path, data):
    content = bytearray(data.draw(st.sampled_from(archives)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(-min(400, len(content)), len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / f"{os.urandom(8).hex()}"
    path.write_bytes(content[: data.draw(st.sampled_from([None, None, len(content) // 2]))])
    target = path.with_suffix(".target")
    try:
        unpack_upload(path, target, filename="x")
        assert read_model_folder(target)
    except InvalidModelFolder:
        assert not target.exists()
    assert not list(tmp_path.glob(".upload-*"))
