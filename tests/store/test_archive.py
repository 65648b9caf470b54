import gzip
import io
import os
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rilaas.core import InvalidInput, InvalidModelFolder, NotFound, RilaasError
from rilaas.store import ArchiveLimits, pack, read_model_folder, unpack
from rilaas.store.member import Names, why_invalid
from tests.model_folders import write_affine_model

MODEL = ("model.toml", "weights.onnx")


@pytest.fixture
def folder(tmp_path):
    return write_affine_model(tmp_path / "affine")


def hostile(tmp_path, *members, base=None, end=b""):
    """An archive of a valid model and more members: (TarInfo, content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        if base is not None:
            for name in MODEL:
                archive.add(base / name, name)
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    path = tmp_path / "hostile.tar.gz"
    path.write_bytes(gzip.compress(buffer.getvalue()) + end)
    return path


def member(name, content=b"x", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def refusal(archive, **options):
    """Unpack, check that nothing is left behind, and give the message."""
    target = archive.parent / "unpacked"
    before = sorted(archive.parent.iterdir())
    with pytest.raises(InvalidModelFolder) as caught:
        unpack(archive, target, **options)
    assert sorted(archive.parent.iterdir()) == before
    return str(caught.value)


def test_what_is_packed_comes_back_with_the_same_digest(folder, tmp_path):
    (folder / "data").mkdir()
    (folder / "data" / "größe.bin").write_bytes(os.urandom(100_000))
    original = read_model_folder(folder)
    archive = pack(folder, tmp_path)
    assert archive.name == f"affine-{original.version}.tar.gz"
    back = unpack(archive, tmp_path / "back", digest=original.digest)
    assert (back.digest, back.manifest, back.files) == (original.digest, original.manifest, original.files)
    assert back.path == (tmp_path / "back").resolve()
    assert read_model_folder(tmp_path / "back").digest == original.digest


def test_the_same_content_gives_the_same_bytes(folder, tmp_path):
    one = pack(folder, tmp_path / "one.tar.gz").read_bytes()
    os.utime(folder / "weights.onnx", (0, 0))
    (folder / "weights.onnx").chmod(0o600)
    (folder / ".hidden").write_text("not part of the model")
    other = write_affine_model(tmp_path / "other")
    assert pack(folder, tmp_path / "two.tar.gz").read_bytes() == one
    assert pack(other, tmp_path / "three.tar.gz").read_bytes() == one


def test_plain_tar_can_read_the_archive(folder, tmp_path):
    with tarfile.open(pack(folder, tmp_path)) as archive:
        assert archive.getnames() == list(MODEL)


def test_a_folder_that_changes_while_it_is_packed_leaves_no_archive(folder, tmp_path):
    model = read_model_folder(folder)
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace("2.0", "3.0"))
    with pytest.raises(InvalidModelFolder, match=r"model\.toml changed while it was packed"):
        pack(model, tmp_path / "out.tar.gz")
    (folder / "model.toml").unlink()
    with pytest.raises(InvalidModelFolder, match="changed while"):
        pack(model, tmp_path / "out.tar.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["affine"]


def test_a_name_too_long_for_an_archive_is_told(folder, tmp_path):
    (folder / ("n" * 150)).touch()
    with pytest.raises(InvalidModelFolder, match="too long for an archive"):
        pack(folder, tmp_path)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil", "leaves the folder"),
        ("a/../../evil", "leaves the folder"),
        ("/etc/evil", "absolute paths"),
        ("./model2.toml", "leaves the folder"),
        ("a//b", "empty name"),
        ("..\\evil", "backslashes"),
        ("C:evil", "drive letters"),
        ("a\nb", "control or invisible"),
        ("a\u202eb", "control or invisible"),
        ("aux.txt", "reserved name"),
        ("evil.", "ends with a dot"),
        ("/".join("abcdefghi"), "folders deep"),
        ("e\u0301", "normal form C"),
        (".ssh/authorized_keys", "hidden file"),
        ("__pycache__/hooks.pyc", "hidden file"),
    ],
)
def test_a_name_that_leaves_the_folder_or_differs_between_systems_is_refused(folder, tmp_path, name, why):
    assert why in refusal(hostile(tmp_path, member(name), base=folder))
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a character device"),
        (tarfile.BLKTYPE, "a block device"),
        (tarfile.FIFOTYPE, "a named pipe"),
        (tarfile.CONTTYPE, "unknown kind"),
        (b"Z", "unknown kind"),
    ],
)
def test_links_and_devices_are_refused(folder, tmp_path, kind, said):
    assert said in refusal(hostile(tmp_path, member("thing", b"", type=kind, linkname="/etc/passwd"), base=folder))


def test_a_link_and_then_a_file_through_it_writes_nothing_outside(folder, tmp_path):
    link = member("out", b"", type=tarfile.SYMTYPE, linkname=str(tmp_path))
    assert "a symbolic link" in refusal(hostile(tmp_path, link, member("out/evil"), base=folder))
    assert not (tmp_path / "evil").exists()


def test_pax_and_gnu_headers_are_refused_before_their_content_is_read(folder, tmp_path):
    for kind, said in ((b"x", "pax header"), (b"g", "global pax"), (b"L", "GNU long name"), (b"S", "sparse")):
        huge = tarfile.TarInfo("huge")
        huge.type, huge.size = kind, 8**11 - 1
        block = huge.tobuf(tarfile.USTAR_FORMAT)
        path = tmp_path / "huge.tar.gz"
        path.write_bytes(gzip.compress(block))
        assert said in refusal(path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.txt", "a.txt"),
        ("a.txt", "A.TXT"),
        ("stra\u00dfe", "STRASSE"),
        ("\ufb01le", "file"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("d/a", "D/b"),
        ("model.toml2/x", "Model.toml2/X"),
    ],
)
def test_two_names_for_one_file_are_refused(folder, tmp_path, one, other):
    said = refusal(hostile(tmp_path, member(one), member(other), base=folder))
    assert "one file on some systems" in said


def test_a_second_model_toml_does_not_replace_the_first(folder, tmp_path):
    assert "one file" in refusal(hostile(tmp_path, member("model.toml", b'name = "other"'), base=folder))


def test_a_bomb_is_stopped_by_its_ratio(folder, tmp_path):
    bomb = hostile(tmp_path, member("zeros.bin", bytes(64 * 2**20)), base=folder)
    assert bomb.stat().st_size < 200_000
    assert "more than 100 times its size: this looks like a bomb" in refusal(bomb)


def test_total_size_each_size_and_count_have_limits(folder, tmp_path):
    archive = hostile(tmp_path, *(member(f"f{i}", os.urandom(1000)) for i in range(20)), base=folder)
    assert "more than 10 files" in refusal(archive, limits=ArchiveLimits(files=10))
    assert "unpacks to more than 5000 bytes" in refusal(archive, limits=ArchiveLimits(total_bytes=5000))
    assert "f0 is larger than 999 bytes" in refusal(archive, limits=ArchiveLimits(file_bytes=999))
    assert unpack(archive, tmp_path / "out").size_bytes > 20_000


def test_a_flood_of_folders_counts_as_files(folder, tmp_path):
    folders = [member(f"d{i}", b"", type=tarfile.DIRTYPE) for i in range(30)]
    assert "more than 20 files" in refusal(hostile(tmp_path, *folders, base=folder), limits=ArchiveLimits(files=20))


def test_a_folder_with_content_is_refused(folder, tmp_path):
    info = tarfile.TarInfo("d")
    info.type, info.size = tarfile.DIRTYPE, 512
    path = tmp_path / "d.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)))
    assert "has content" in refusal(path)


def test_a_size_that_lies_is_a_cut_off_archive(folder, tmp_path):
    info = tarfile.TarInfo("short")
    info.size = 10_000
    path = tmp_path / "short.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(512)))
    assert "cut off inside short" in refusal(path)


@pytest.mark.parametrize(
    "size", [b"-0000000001\0", b"\x80" + b"\xff" * 11, b"99999999999\0", b"\0" * 12, b"0x000000010\0"]
)
def test_a_malformed_size_is_refused(tmp_path, size):
    block = bytearray(tarfile.TarInfo("f").tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path = tmp_path / "f.tar.gz"
    path.write_bytes(gzip.compress(bytes(block) + bytes(1024)))
    assert "a header has no number" in refusal(path)


def test_a_wrong_checksum_and_another_format_are_refused(folder, tmp_path):
    block = bytearray(tarfile.TarInfo("f").tobuf(tarfile.USTAR_FORMAT))
    block[0] ^= 1
    path = tmp_path / "f.tar.gz"
    path.write_bytes(gzip.compress(bytes(block)))
    assert "checksum" in refusal(path)
    path.write_bytes(gzip.compress(b"A" * 512))
    assert "no ustar archive" in refusal(path)


def test_every_truncation_is_refused_and_leaves_nothing(folder, tmp_path):
    whole = pack(folder, tmp_path / "whole.tar.gz").read_bytes()
    cut = tmp_path / "cut.tar.gz"
    for size in range(0, len(whole), 7):
        cut.write_bytes(whole[:size])
        assert "cut" in refusal(cut)


def test_a_flipped_bit_is_refused(folder, tmp_path):
    archive = pack(folder, tmp_path / "whole.tar.gz")
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 4
    archive.write_bytes(bytes(content))
    refusal(archive)


@pytest.mark.parametrize("end", [b"garbage", gzip.compress(b"more", mtime=0), b"\0"])
def test_data_after_the_archive_is_refused(folder, tmp_path, end):
    assert "data after its last file" in refusal(hostile(tmp_path, base=folder, end=end))


def test_data_after_the_end_marker_is_refused(folder, tmp_path):
    path = pack(folder, tmp_path / "x.tar.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"hidden"))
    assert "data after its last file" in refusal(path)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-6] + bytes(10**6)))
    assert "data after its last file" in refusal(path)


def test_an_archive_of_an_invalid_model_leaves_nothing(tmp_path):
    said = refusal(hostile(tmp_path, member("model.toml", b'nam = "x"')))
    assert said.startswith("hostile.tar.gz has")
    assert ".unpack" not in said
    assert "has no file model.toml" in refusal(hostile(tmp_path))


def test_an_archive_of_another_digest_is_refused(folder, tmp_path):
    archive = pack(folder, tmp_path)
    assert "not sha256:00" in refusal(archive, digest="sha256:00")


def test_nothing_is_overwritten(folder, tmp_path):
    archive = pack(folder, tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "precious").write_text("mine")
    with pytest.raises(InvalidInput, match="exists already"):
        unpack(archive, tmp_path / "taken")
    assert (tmp_path / "taken" / "precious").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert unpack(archive, tmp_path / "empty").manifest.name == "affine"


def test_a_missing_archive_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        unpack(tmp_path / "none.tar.gz", tmp_path / "out")


def test_setuid_and_world_writable_modes_are_not_taken_over(folder, tmp_path):
    out = unpack(hostile(tmp_path, member("tool", b"x", mode=0o6777), base=folder), tmp_path / "out").path
    assert (out / "tool").stat().st_mode & 0o7133 == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_is_refused_or_the_same_model(folder, tmp_path, data):
    archive = tmp_path / "damaged.tar.gz"
    packed = pack(folder, archive).read_bytes()
    raw = bytearray(gzip.decompress(packed))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 1535))] = data.draw(st.integers(0, 255))
    archive.write_bytes(gzip.compress(bytes(raw)))
    target = tmp_path / "target"
    try:
        unpack(archive, target, digest=read_model_folder(folder).digest)
    except RilaasError:
        assert not target.exists()
    else:
        import shutil

        shutil.rmtree(target)
    assert not list(tmp_path.glob(".unpack-*"))


@given(st.text(max_size=40))
def test_a_valid_name_stays_inside_any_folder(name):
    if not why_invalid(name):
        assert os.path.normpath(f"/folder/{name}") == f"/folder/{name}"


@given(st.lists(st.text("aAb/\u00df", min_size=1, max_size=5)))
def test_names_without_a_collision_are_different_files_and_never_folders_too(names):
    known = Names()
    kept = [name for name in names if not why_invalid(name) and not known.add(name)]
    folded = [name.casefold() for name in kept]
    assert len(set(folded)) == len(folded)
    assert not any(one.startswith(f"{other}/") for one in folded for other in folded)
