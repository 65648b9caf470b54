"""The last policy on disk: an interceptor that starts while the hub is away goes on with it for a while."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_log = logging.getLogger("rilaas.route")

_CLOCK_SLACK_S = 5.0


def remember(path: Path, hub: str, document: Mapping[str, Any], age_s: float) -> None:
    """Write a policy down, with the time by the wall clock at which it was confirmed; mode 600.

    A disk that is full is no reason to stop: the log says so.

    Args:
        path: The file.
        hub: URL of the hub that it is from.
        document: The policy.
        age_s: Since it was confirmed [s].
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"hub": hub, "confirmed_at_s": time.time() - age_s, "policy": document}, file)
        Path(temporary).replace(path)
    except OSError as error:
        _log.error("the policy cannot be remembered in %s: %s", path, error)
        with contextlib.suppress(OSError):
            Path(temporary or path.with_name(".none")).unlink(missing_ok=True)


def recall(path: Path, hub: str) -> tuple[Mapping[str, Any], float] | None:
    """The policy that was written down and its age [s]; None where there is none of this hub.

    One from the future is not used: this machine's clock does not tell how old it is.
    """
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        age_s = time.time() - float(written["confirmed_at_s"])
        document = written["policy"]
        if written["hub"] != hub or not isinstance(document, dict):
            return None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("the policy remembered in %s cannot be read: %s", path, error)
        return None
    if age_s < -_CLOCK_SLACK_S:
        _log.warning("the policy remembered in %s is from the future; the clock is wrong, it is not used", path)
        return None
    return document, max(0.0, age_s)
