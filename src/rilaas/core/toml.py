"""Reading TOML on every Python that a robot has."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from rilaas.core.errors import InvalidInput, NotFound, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib  # novermin
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is not UTF-8 or not TOML; the message names file, line and column.
    """
    try:
        return parse_toml(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text (byte {error.start}).") from None


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Parse TOML that was read already.

    Args:
        text: Of a file.
        where: What the message calls it.

    Raises:
        InvalidInput: It is not TOML; the message names line and column.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{where} is not valid TOML: {error}.") from None
    except ValueError:  # of int(), which takes some thousand digits
        raise InvalidInput(f"{where} is not valid TOML: a number in it is too large.") from None
    except RecursionError:
        raise InvalidInput(f"{where} is not valid TOML: it is nested too deeply.") from None


def checked_table(value: Any, where: str, known: Collection[str] | None = None) -> dict[str, Any]:
    """A value that has to be a table.

    Args:
        value: What was read.
        where: What the message calls it.
        known: Keys that it may have; any where None.

    Raises:
        InvalidInput: It is no table, or has another key.
    """
    if not isinstance(value, dict):
        raise InvalidInput(f"{where} is {value!r}; it is a table.")
    for key in value:
        if known is not None and key not in known:
            raise InvalidInput(f"{where}: unknown key {key!r}.", did_you_mean(key, known))
    return value
