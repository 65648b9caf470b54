"""Every constant of the traffic laws and of comfort, with the reason for its value.

The document (AI Driving Olympics, "Performance metrics") leaves most of them open.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Constants:
    """A suite may set each of them in its table ``[constants]``."""
