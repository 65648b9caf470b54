"""Small model folders, and what is pushed of them."""

import io
import tarfile

from rilaas.hub.actions.registry import Push, push
from rilaas.store import pack, read_model_folder
from tests.wheels_manifest import wheels_manifest

HOOKS = "class Model:\n    SPEED = {speed}\n"


def make_folder(path, name="driver", speed=1, datatype="FP32", card="# Driver\n\nIt *drives*."):
    """A valid model folder; another speed is other content."""
    path.mkdir(parents=True)
    (path / "model.toml").write_text(wheels_manifest(name, datatype=datatype))
    (path / "hooks.py").write_text(HOOKS.format(speed=speed))
    if card:
        (path / "README.md").write_text(card)
    return path


def push_folder(person, path, owner="", **said):
    """Push a folder as an upload does."""
    return push(person, read_model_folder(path), Push(owner or person.username, **said))


def push_speed(person, tmp_path, speed=1, **said):
    """Push a model that differs by its speed."""
    path = tmp_path / f"speed-{speed}"
    return push_folder(person, path if path.exists() else make_folder(path, speed=speed), **said)


def archive_of(path):
    """A folder as the bytes of an archive."""
    target = path.with_suffix(".tar.gz")
    return pack(path, target).read_bytes()


def tar_with(**files):
    """A tar archive with these files: ``{"name": bytes}``; names may be hostile."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()
