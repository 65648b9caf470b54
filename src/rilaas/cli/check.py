"""A finding of ``rilaas doctor``."""

from __future__ import annotations

from dataclasses import dataclass

STATES = ("ok", "absent", "broken")


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: What was looked at.
        state: ``ok``; ``absent`` where something optional is missing; ``broken`` where something needed is.
        found: What was found.
        hint: What to do, or ''.
    """

    name: str
    state: str
    found: str
    hint: str = ""
