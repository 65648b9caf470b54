"""Reading TOML on every Python that a robot has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rilaas.core.errors import InvalidInput, NotFound

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
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}.") from None
