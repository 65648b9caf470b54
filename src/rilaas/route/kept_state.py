"""What policies have learned on line, in files: an interceptor that starts again goes on where it was."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from rilaas.route.guarded import Guarded

_log = logging.getLogger("rilaas.route")

MOST_BYTES = 64 * 2**20
_HEAD = b"rilaas balancer state 1 "


class KeptStates:
    """One file for each policy that has a state: ``INTERCEPTOR.POLICY.state``.

    The first line says whose it is; the rest is the policy's own. What cannot be read or written is logged: routing
    goes on without it.

    Args:
        folder: Where they are; made when something is written.
        interceptor: Its name.
    """

    def __init__(self, folder: Path, interceptor: str) -> None:
        self._folder, self._interceptor = folder, interceptor
        self._written: dict[Path, bytes] = {}

    def path(self, policy: str) -> Path:
        """The file of a policy."""
        return self._folder / f"{quote(self._interceptor, safe='')}.{quote(policy, safe='')}.state"

    def restore(self, policy: Guarded) -> bool:
        """Let a policy go on from its file; whether it does."""
        path = self.path(policy.name)
        head = _head(policy.name)
        try:
            if path.stat().st_size > MOST_BYTES:
                raise OSError("it is too large")
            data = path.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as error:
            _log.warning("the state of %s in %s cannot be read: %s", policy.name, path, error)
            return False
        if not data.startswith(head) or not policy.restore(data[len(head) :]):
            _log.warning("the state in %s is none that %s goes on from; it begins anew", path, policy.name)
            return False
        _log.info("%s goes on from its state in %s", policy.name, path)
        return True

    def write(self, policy: str, state: bytes) -> None:
        """Write a state, whole or not at all; one that is written already is not written again."""
        path, data = self.path(policy), _head(policy) + state
        if self._written.get(path) == data:
            return
        temporary = ""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=f".{path.name}.")
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(temporary).replace(path)
            self._written[path] = data
        except OSError as error:
            _log.error("the state of %s cannot be written to %s: %s", policy, path, error)
            with contextlib.suppress(OSError):
                Path(temporary or path.with_name(".none")).unlink(missing_ok=True)


def _head(policy: str) -> bytes:
    return _HEAD + policy.encode() + b"\n"
