"""Which file names a model folder may contain, so that it means the same on every machine."""

from __future__ import annotations

import unicodedata

MAX_PATH_BYTES = 240  # within what an ustar header holds and every file system allows
MAX_DEPTH = 8
_RESERVED = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(10)), *(f"lpt{i}" for i in range(10))}


def why_invalid(path: str) -> str:
    """Say why a relative path is not allowed in a model folder; '' where it is.

    Args:
        path: With ``/`` between its parts, as an archive or a manifest writes it; may be hostile.
    """
    if not path:
        return "the name is empty"
    if path.startswith("/") or "\\" in path or ":" in path:
        return "absolute paths, drive letters and backslashes are not allowed"
    parts = path.split("/")
    if ".." in parts or "." in parts or "" in parts:
        return "the path leaves the folder or goes through '.', '..' or an empty name"
    if len(parts) > MAX_DEPTH:
        return f"more than {MAX_DEPTH} folders deep"
    try:
        encoded = path.encode("utf-8")
    except UnicodeEncodeError:
        return "the name is not valid Unicode"
    if len(encoded) > MAX_PATH_BYTES:
        return f"the path is longer than {MAX_PATH_BYTES} bytes"
    if any(unicodedata.category(sign)[0] == "C" for sign in path):
        return "the name has control or invisible characters"
    if unicodedata.normalize("NFC", path) != path:
        return "the name is not in Unicode normal form C"
    for part in parts:
        if part != part.strip() or part.endswith("."):
            return "a name begins or ends with a blank, or ends with a dot"
        if part.split(".")[0].lower() in _RESERVED:
            return f"{part!r} is a reserved name on some systems"
    return ""


class Names:
    """Paths of one folder, of which no two may be one file where case or Unicode forms do not count."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}  # folded path to the path as written
        self._folders: dict[str, str] = {}

    def add(self, path: str) -> str:
        """Add a file whose path is valid by ``why_invalid``.

        Returns:
            The path it collides with, or '' where there is none.
        """
        names = path.split("/")
        folded = [_fold(name) for name in names]
        for depth in range(1, len(names)):
            key, written = "/".join(folded[:depth]), "/".join(names[:depth])
            if key in self._files:
                return self._files[key]
            if self._folders.setdefault(key, written) != written:
                return self._folders[key]
        key = "/".join(folded)
        other = self._files.get(key) or self._folders.get(key)
        self._files.setdefault(key, path)
        return other or ""


def is_ignored(path: str) -> bool:
    """Whether a file is no part of the model: caches of Python and hidden files."""
    return any(part == "__pycache__" or part.startswith(".") for part in path.split("/")) or path.endswith(".pyc")


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
