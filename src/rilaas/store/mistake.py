"""Mistakes of a model folder, collected so that a person sees all of them at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rilaas.core import InvalidModelFolder

_TABLE = re.compile(r"\s*\[+\s*([^\[\]#]+?)\s*\]+\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


class Mistakes:
    """A growing list of mistakes in one folder.

    Args:
        label: What the folder is called in the message.
        text: The text of ``model.toml``, in which lines are looked up.
    """

    def __init__(self, label: str, text: str = "") -> None:
        self._label, self._text = label, text
        self._found: list[str] = []

    def at_key(self, keys: Sequence[str], message: str) -> None:
        """Note a mistake in ``model.toml`` at a key, given with its tables: ``("inputs", "image", "shape")``."""
        line = line_of(self._text, keys)
        self._found.append(f"model.toml{f' line {line}' if line else ''}: {message}")

    def in_file(self, name: str, message: str) -> None:
        """Note a mistake of another file of the folder."""
        self._found.append(f"{name}: {message}")

    def raise_if_any(self) -> None:
        """Raise all mistakes as one.

        Raises:
            InvalidModelFolder: There are some.
        """
        if len(self._found) == 1:
            raise InvalidModelFolder(f"{self._label}: {self._found[0]}")
        if self._found:
            lines = "".join(f"\n  {mistake}" for mistake in self._found)
            raise InvalidModelFolder(f"{self._label} has {len(self._found)} mistakes:{lines}")


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """Line, from 1, where a key of a TOML text is set; that of the nearest table around it where it is not set.

    Args:
        text: A valid TOML text.
        keys: The key with the tables around it, outermost first.

    Returns:
        None where neither the key nor a table around it is written anywhere.
    """
    wanted = tuple(keys)
    table: tuple[str, ...] = ()
    best: tuple[int, int] | None = None  # (how many leading keys match, line)
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.fullmatch(line):
            table = here = _parts(match[1])
        elif match := _KEY.match(line):
            here = table + _parts(match[1])
        else:
            continue
        if here == wanted[: len(here)] and (best is None or len(here) > best[0]):
            best = (len(here), number)
    return best[1] if best else None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
