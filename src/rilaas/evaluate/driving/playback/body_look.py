"""How bodies and lamps look in the files that recordings are exported to."""

from __future__ import annotations

RGB = tuple[int, int, int]
"""From 0 to 255 each."""

COLOURS: dict[str, RGB] = {"vehicle": (183, 156, 255), "duckie": (255, 216, 61), "obstacle": (255, 154, 61)}
"""By the kind of an actor; ``OTHER`` for any other kind."""

OTHER: RGB = (128, 128, 128)
LAMPS: tuple[RGB, ...] = ((47, 191, 113), (242, 182, 50), (255, 59, 59))
"""Green, yellow, red: in the order of a light's states."""

TALL_M = 0.1
"""Height of every body, for a recording has outlines only [m]."""
