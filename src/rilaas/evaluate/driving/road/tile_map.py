"""A Duckietown-style map: square tiles on a grid, each a piece of road or plain ground."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rilaas.core import InvalidInput, did_you_mean

if TYPE_CHECKING:
    from rilaas.evaluate.driving.road.survey import Survey

ROAD_KINDS = ("straight", "curve_left", "curve_right", "3way_left", "3way_right", "4way")
"""Kinds that have lanes."""

GROUND_KINDS = ("asphalt", "empty", "floor", "grass")
"""Kinds without lanes; ``empty`` is a hole in the map."""

SURVEYED = "surveyed"
"""The kind of a cell whose lanes follow no pattern; only in a map with a ``survey``."""

ORIENTATIONS = {"E": 0.0, "N": math.pi / 2, "W": math.pi, "S": -math.pi / 2}
"""Orientation letter to the tile's rotation [rad], counter-clockwise."""

DEFAULT_TILE_SIZE_M = 0.585
"""Side of a tile in every AI-DO map; source: duckietown-world 6.4.3, data/gd1/maps."""

# The road's exits at orientation E, as rotations in quarter turns: 0 east, 1 north, 2 west, 3 south.
_EXITS_AT_EAST = {
    "straight": (0, 2),
    "curve_left": (1, 2),
    "curve_right": (2, 3),
    "3way_left": (0, 1, 2),
    "3way_right": (0, 2, 3),
    "4way": (0, 1, 2, 3),
}
_NEIGHBOURS = ((1, 0), (0, 1), (-1, 0), (0, -1))


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile.

    Attributes:
        kind: One of ``ROAD_KINDS`` or ``GROUND_KINDS``, or ``SURVEYED``.
        orientation: ``E``, ``N``, ``W`` or ``S``: the direction in which a robot enters the tile's pattern.
    """

    kind: str
    orientation: str = "E"

    def __post_init__(self) -> None:
        if self.kind not in (*ROAD_KINDS, *GROUND_KINDS, SURVEYED):
            raise InvalidInput(
                f"There is no tile kind {self.kind!r}.", did_you_mean(self.kind, ROAD_KINDS + GROUND_KINDS)
            )
        if self.orientation not in ORIENTATIONS:
            raise InvalidInput(f"{self.orientation!r} is not an orientation. Available: E, N, W, S.")

    @property
    def is_road(self) -> bool:
        """Whether the tile has lanes."""
        return self.kind in ROAD_KINDS or self.kind == SURVEYED

    @property
    def rotation_rad(self) -> float:
        """Rotation of the tile's pattern, counter-clockwise [rad]."""
        return ORIENTATIONS[self.orientation]

    @property
    def exits(self) -> tuple[tuple[int, int], ...]:
        """Steps (di, dj) to the neighbours that the road leads to; none on plain ground."""
        quarters = round(self.rotation_rad / (math.pi / 2))
        return tuple(_NEIGHBOURS[(exit_ + quarters) % 4] for exit_ in _EXITS_AT_EAST.get(self.kind, ()))


@dataclass(frozen=True, slots=True)
class TileMap:
    """A grid of tiles.

    The map's frame: x to the right, y up, metres, origin at the lower left corner. Tile (i, j) is in column i,
    counted from the left, and row j, counted from the BOTTOM; it covers [i, i + 1] x [j, j + 1] times
    ``tile_size_m``.

    Attributes:
        name: The map's name.
        tile_size_m: Side of a tile [m].
        tiles: Rows of tiles, the bottom row first, all of one length: ``tiles[j][i]``.
        ignored_objects: Kinds of the objects (duckies, signs, ...) in the map's file. The tile world shows none.
        description: A sentence on the map, or ''.
        survey: Where the lanes come from, if they are no pattern of tiles; see ``road.survey``.
    """

    name: str
    tile_size_m: float
    tiles: tuple[tuple[Tile, ...], ...]
    ignored_objects: tuple[str, ...] = ()
    description: str = ""
    survey: Survey | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tile_size_m) and self.tile_size_m > 0.0):
            raise InvalidInput(f"Map {self.name!r} has a tile size of {self.tile_size_m}; it is a length > 0 [m].")
        if not self.tiles or not self.tiles[0]:
            raise InvalidInput(f"Map {self.name!r} has no tiles.")
        lengths = sorted({len(row) for row in self.tiles})
        if len(lengths) > 1:
            raise InvalidInput(f"Map {self.name!r} has rows of {lengths} tiles; all rows have the same length.")

    def __hash__(self) -> int:
        # Cheap, for maps are keys of caches; equality still compares every tile.
        return hash((self.name, self.tile_size_m, len(self.tiles), len(self.tiles[0])))

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.tiles[0])

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.tiles)

    @property
    def width_m(self) -> float:
        """Extent along x [m]."""
        return self.width * self.tile_size_m

    @property
    def height_m(self) -> float:
        """Extent along y [m]."""
        return self.height * self.tile_size_m

    def tile(self, i: int, j: int) -> Tile:
        """Tile in column i and row j (from the bottom).

        Raises:
            IndexError: Outside the grid; negative numbers do not count from the end.
        """
        if not (0 <= i < self.width and 0 <= j < self.height):
            raise IndexError(f"tile ({i}, {j}) is outside the {self.width} x {self.height} map {self.name!r}")
        return self.tiles[j][i]

    def cell_at(self, x_m: float, y_m: float) -> tuple[int, int] | None:
        """Column and row of the tile under a point in the map's frame, None off the map.

        A point on the border of two tiles belongs to the right and upper one; the map's own border counts as inside.
        """
        if not (0.0 <= x_m <= self.width_m and 0.0 <= y_m <= self.height_m):
            return None
        return (
            min(int(x_m / self.tile_size_m), self.width - 1),
            min(int(y_m / self.tile_size_m), self.height - 1),
        )

    def tile_at(self, x_m: float, y_m: float) -> Tile | None:
        """Tile under a point in the map's frame, None off the map; see ``cell_at``."""
        cell = self.cell_at(x_m, y_m)
        return None if cell is None else self.tiles[cell[1]][cell[0]]

    def cells(self) -> Iterator[tuple[int, int, Tile]]:
        """All tiles as (i, j, tile), row by row from the bottom."""
        for j, row in enumerate(self.tiles):
            for i, tile in enumerate(row):
                yield i, j, tile

    def open_ends(self) -> list[tuple[int, int, tuple[int, int]]]:
        """Where the road stops at ground, at the map's border or at a tile that does not lead back.

        Returns:
            (i, j, exit) for each; an empty list means that a robot can drive for ever.
        """
        ends = []
        for i, j, tile in self.cells():
            for di, dj in tile.exits:
                inside = 0 <= i + di < self.width and 0 <= j + dj < self.height
                if not inside or (-di, -dj) not in self.tiles[j + dj][i + di].exits:
                    ends.append((i, j, (di, dj)))
        return ends
