"""Several things as one: their corners and faces side by side, so that they are computed with at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.view.solid import Solid

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Things side by side, each in its own frame.

    Attributes:
        solids: The things.
        starts: Number of the first vertex of each thing, and how many vertices there are.
        vertices: (V, 4) float64: x, y, z [m], 1. Of each thing its shadow comes first.
        faces: (F, K) int: vertices of each face.
        things: (F,) int: to which thing each face belongs.
        normals: (F, 3) float64.
        offsets: (F,) float64 [m].
        colours: (F, 3) float64.
        glowing: (F,) bool.
        parts: (F,) int: to which part each face belongs.
    """

    solids: tuple[Solid, ...]
    starts: tuple[int, ...]
    vertices: Array
    faces: Numbers
    things: Numbers
    normals: Array
    offsets: Array
    colours: Array
    glowing: NDArray[np.bool_]
    parts: Numbers


@lru_cache(maxsize=512)
def join(solids: tuple[Solid, ...]) -> Joined:
    """Put things side by side; at least one."""
    points = [np.concatenate([solid.shadow, solid.vertices]) for solid in solids]
    starts = np.cumsum([0, *map(len, points)])
    corners = max(solid.faces.shape[1] for solid in solids)
    first_parts = np.cumsum([0, *(int(solid.parts.max()) + 1 for solid in solids)])
    faces = [
        np.pad(solid.faces + start + len(solid.shadow), ((0, 0), (0, corners - solid.faces.shape[1])), "edge")
        for solid, start in zip(solids, starts, strict=False)
    ]
    return Joined(
        solids=solids,
        starts=tuple(starts.tolist()),
        vertices=np.concatenate(points),
        faces=np.concatenate(faces),
        things=np.repeat(np.arange(len(solids)), [len(solid.faces) for solid in solids]),
        normals=np.concatenate([solid.normals for solid in solids]),
        offsets=np.concatenate([solid.offsets for solid in solids]),
        colours=np.concatenate([solid.colours for solid in solids]),
        glowing=np.concatenate([solid.glowing for solid in solids]),
        parts=np.concatenate([solid.parts + first for solid, first in zip(solids, first_parts, strict=False)]),
    )
