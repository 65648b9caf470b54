"""How a model is named: ``[owner/]name[:version|alias][@variant]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rilaas.core.errors import InvalidInput

_PART = r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"
_REF = re.compile(rf"(?:(?P<owner>{_PART})/)?(?P<name>{_PART})(?::(?P<version>{_PART}))?(?:@(?P<variant>{_PART}))?")
_NAME = re.compile(_PART)


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A parsed reference.

    Attributes:
        name: The model's name.
        owner: Its owner, or '' for the local one.
        version: A number such as ``3``, an alias such as ``prod``, or '' for the newest.
        variant: An optimized form such as ``int8``, or '' for the original.

    Example:
        >>> ModelRef.parse("alice/lane-following:3@int8").variant
        'int8'
    """

    name: str
    owner: str = ""
    version: str = ""
    variant: str = ""

    def __post_init__(self) -> None:
        for part, required in (
            (self.name, True),
            (self.owner, False),
            (self.version, False),
            (self.variant, False),
        ):
            if (part or required) and not _NAME.fullmatch(part):
                raise _invalid(part)

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Read a reference.

        Raises:
            InvalidInput: It is not of the form ``[owner/]name[:version|alias][@variant]``.
        """
        match = _REF.fullmatch(text)
        if match is None:
            raise _invalid(text)
        return cls(**{key: value or "" for key, value in match.groupdict().items()})

    @property
    def model(self) -> str:
        """``[owner/]name``: the model without version and variant, as sent in ``model_name``."""
        return f"{self.owner}/{self.name}" if self.owner else self.name

    @property
    def revision(self) -> str:
        """``[version][@variant]``, as sent in ``model_version``."""
        return f"{self.version}@{self.variant}" if self.variant else self.version

    def __str__(self) -> str:
        version = f":{self.version}" if self.version else ""
        variant = f"@{self.variant}" if self.variant else ""
        return f"{self.model}{version}{variant}"


def _invalid(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text!r} is not a model reference.",
        "Write [owner/]name[:version|alias][@variant] in lower case, for example lane-following:3@int8.",
    )
