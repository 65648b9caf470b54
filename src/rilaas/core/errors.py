"""Every error that a person or a robot can see.

::

    RilaasError                 internal             a fault of ours
    ├── InvalidInput            invalid_input        an argument, a file or a message is wrong
    │   ├── SignatureMismatch   signature_mismatch   tensors do not fit the model's signature
    │   └── InvalidModelFolder  invalid_model        a model folder or archive is wrong
    ├── NotFound                not_found            no such model, file, server, scenario
    ├── Unauthenticated         unauthenticated      no valid robot token
    ├── PermissionDenied        permission_denied    known, but not allowed
    ├── RateLimited             rate_limited         allowed, but too often
    ├── Conflict            conflict             somebody else was faster
    ├── DeadlineExceeded        deadline_exceeded    the answer would have come too late
    ├── Unavailable             unavailable          nobody can answer now; trying again may help
    ├── ModelFailed             model_failed         the model's own code or weights failed
    └── MissingDependency       missing_dependency   an extra or a program is not installed

Each has a ``code``, a ``message`` (what happened and what would have been valid) and a ``hint`` (what to do next).
``ERROR_TABLE`` maps a code to its gRPC status, HTTP status and exit code: the only place where that is written.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


class RilaasError(Exception):
    """Base of every error that is shown to somebody.

    Args:
        message: What happened, and what would have been valid.
        hint: What to do next; empty where the message says it.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidInput(RilaasError):
    """An argument, a file or a message is wrong."""

    code = "invalid_input"


class SignatureMismatch(InvalidInput):
    """Tensors do not fit the model's signature."""

    code = "signature_mismatch"


class InvalidModelFolder(InvalidInput):
    """A model folder or archive is wrong."""

    code = "invalid_model"


class NotFound(RilaasError):
    """There is no such model, file, server or scenario."""

    code = "not_found"


class Unauthenticated(RilaasError):
    """There is no valid robot token."""

    code = "unauthenticated"


class PermissionDenied(RilaasError):
    """The robot is known but not allowed."""

    code = "permission_denied"


class RateLimited(RilaasError):
    """The robot is allowed but asks too often."""

    code = "rate_limited"


class Conflict(RilaasError):
    """Somebody else was faster: what was to be changed is not any more what the caller saw."""

    code = "conflict"


class DeadlineExceeded(RilaasError):
    """The answer would have come too late."""

    code = "deadline_exceeded"


class Unavailable(RilaasError):
    """Nobody can answer now; trying again may help.

    Attributes:
        died_with_request: Whether the model's process ended while it worked on this request. The request may be
            what ended it, so it is tried once more and not again.
    """

    code = "unavailable"
    died_with_request = False


class ModelFailed(RilaasError):
    """The model's own code or weights failed."""

    code = "model_failed"


class MissingDependency(RilaasError):
    """An optional package or a program is not installed."""

    code = "missing_dependency"


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """How one error code leaves the process."""

    error: type[RilaasError]
    grpc_status: str  # a name of grpc.StatusCode
    http_status: int
    exit_code: int


ERROR_TABLE: dict[str, ErrorRow] = {
    row.error.code: row
    for row in (
        ErrorRow(RilaasError, "INTERNAL", 500, 1),
        ErrorRow(InvalidInput, "INVALID_ARGUMENT", 400, 2),
        ErrorRow(SignatureMismatch, "INVALID_ARGUMENT", 422, 2),
        ErrorRow(InvalidModelFolder, "INVALID_ARGUMENT", 422, 2),
        ErrorRow(NotFound, "NOT_FOUND", 404, 3),
        ErrorRow(Unauthenticated, "UNAUTHENTICATED", 401, 4),
        ErrorRow(PermissionDenied, "PERMISSION_DENIED", 403, 5),
        ErrorRow(RateLimited, "RESOURCE_EXHAUSTED", 429, 6),
        ErrorRow(Conflict, "ABORTED", 409, 11),
        ErrorRow(DeadlineExceeded, "DEADLINE_EXCEEDED", 504, 7),
        ErrorRow(Unavailable, "UNAVAILABLE", 503, 8),
        ErrorRow(ModelFailed, "INTERNAL", 500, 9),
        ErrorRow(MissingDependency, "FAILED_PRECONDITION", 500, 10),
    )
}


def error_from_code(code: str, message: str, hint: str = "") -> RilaasError:
    """Rebuild an error that came over a wire; an unknown code becomes the base class."""
    row = ERROR_TABLE.get(code)
    return (row.error if row else RilaasError)(message, hint)


_MANY_NAMES = 30


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """Say what would have been valid: ``Did you mean 'x'? Available: x, y.``; of many names those like it."""
    names = sorted(valid)
    if not names:
        return "None is available."
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    if guess and len(names) > _MANY_NAMES:
        like = difflib.get_close_matches(word, names, n=5, cutoff=0.5)
        return f"{guess}Of {len(names)} that are available these are like it: {', '.join(like)}."
    return f"{guess}Available: {', '.join(names)}."
