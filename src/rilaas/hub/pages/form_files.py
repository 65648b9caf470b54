"""The files of a form: names with their folders, and where the content lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile

from rilaas.core import InvalidInput


def form_files(files: Sequence[UploadedFile[bytes]], paths: str) -> list[tuple[str, Path]]:
    """A form's files.

    Args:
        files: What came.
        paths: Their names with folders, which a form leaves away, one a line; '' where there are none.

    Raises:
        InvalidInput: There are not as many paths as files.
    """
    names = [line for line in paths.replace("\r\n", "\n").split("\n") if line]
    if names and len(names) != len(files):
        raise InvalidInput(f"There are {len(files)} files, and {len(names)} paths for them.", "Send one path a file.")
    places = []
    for file in files:
        assert isinstance(file, TemporaryUploadedFile)  # settings.FILE_UPLOAD_HANDLERS
        places.append(Path(file.temporary_file_path()))
    return list(zip(names or [str(file.name) for file in files], places, strict=True))
