"""Which Python files of a model folder its hooks use: those that they import, and what these import."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Collection, Iterator
from pathlib import Path

_DYNAMIC = ("importlib", "__import__", "runpy", "exec(")


def used_code(folder: Path, hooks: str, files: Collection[str]) -> set[str]:
    """Follow relative imports; nothing is run.

    Args:
        folder: The model folder.
        hooks: Its Python file, or '' where it has none.
        files: All files of the folder, with ``/`` between parts.

    Returns:
        Python files; all of them where an import cannot be followed without running it.
    """
    python = {name for name in files if name.endswith(".py")}
    if not hooks:
        return set()
    found: set[str] = set()
    waiting = [hooks]
    while waiting:
        name = waiting.pop()
        if name in found or name not in python:
            continue
        found.add(name)
        text = (folder / name).read_text(encoding="utf-8", errors="replace")
        if any(word in text for word in _DYNAMIC):
            return python
        waiting += _imported(text, name)
    return found


def _imported(text: str, name: str) -> Iterator[str]:
    """Files that relative imports may mean, whether they exist or not."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = posixpath.dirname(name)
        for _ in range(node.level - 1):
            base = posixpath.dirname(base)
        parts = [*([base] if base else []), *(node.module.split(".") if node.module else [])]
        whole = "/".join(parts)
        if whole:
            yield f"{whole}.py"
        for depth in range(1, len(parts) + 1):
            yield "/".join([*parts[:depth], "__init__.py"])
        for alias in node.names:
            below = "/".join([*parts, *alias.name.split(".")])
            yield f"{below}.py"
            yield f"{below}/__init__.py"
