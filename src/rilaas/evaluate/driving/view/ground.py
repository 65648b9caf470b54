"""The ground as seen from straight above: one picture of a map in one appearance, and its smaller copies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.marking import paint
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.view.appearance import Appearance

Plane = NDArray[np.float32]
Picture = NDArray[np.uint8]

TILE_PX = 192
"""Resolution: 3 mm a pixel on tiles of 0.585 m; the camera's lowest row sees 1.7 mm a pixel."""
MARGIN_TILES = 1
"""Ground around the map, before a plain colour begins."""
LEVELS = 5
MAX_SIDE_PX = 16_384
PATCH_PX = 512
"""The ground's texture repeats after this many pixels."""
_OCTAVES = ((PATCH_PX, np.float32(0.5)), (128, np.float32(0.6)), (32, np.float32(0.6)))


@dataclass(frozen=True, slots=True)
class Ground:
    """Pictures of the ground.

    Attributes:
        levels: (H, W, 3) uint8 RGB, row 0 at the top (large y); each level has half the size of the one before.
        px_per_m: Pixels a metre in level 0.
        origin_px: Pixel coordinates (u, v) of the map's origin in level 0, pixel centres at whole numbers.
        outside: Colour of the ground beyond the picture.
    """

    levels: tuple[Picture, ...]
    px_per_m: float
    origin_px: tuple[float, float]
    outside: tuple[int, int, int]

    def picture_from_map(self, level: int) -> NDArray[np.float64]:
        """Affine map, (3, 3): (x, y, 1) [m] in the map's frame to pixels (u, v, 1) of a level."""
        scale = 0.5**level
        shift = 0.5 * scale - 0.5  # the centre of a pixel is the middle of the finer pixels that it covers
        (u, v), px = self.origin_px, self.px_per_m
        return np.array(
            [[scale * px, 0.0, scale * u + shift], [0.0, -scale * px, scale * v + shift], [0.0, 0.0, 1.0]]
        )


def draw_ground(tile_map: TileMap, appearance: Appearance) -> Ground:
    """Draw a map.

    Args:
        tile_map: What to draw.
        appearance: Its look; the same one gives the same bytes.
    """
    tile_px = min(TILE_PX, MAX_SIDE_PX // (max(tile_map.width, tile_map.height) + 2 * MARGIN_TILES))
    rng = np.random.default_rng(appearance.seed)
    picture = _base(tile_map, appearance, tile_px)
    shape = picture.shape[:2]
    grain = _tiled(_grain_patch(rng), shape)
    picture *= (1.0 + appearance.grain * grain)[..., None]
    worn = _wear(appearance.wear, rng, shape)
    for cover, colour in zip(_paint_of(tile_map, tile_px), _colours(appearance), strict=True):
        alpha = (cover * worn)[..., None]
        picture += alpha * (np.asarray(colour, np.float32) - picture)
    if appearance.unevenness or appearance.shadows:
        picture *= _light(tile_map, appearance, rng, shape)[..., None]
    level = cv2.LUT(cv2.convertScaleAbs(picture), appearance.tone()[None])
    outside = appearance.tone()[np.round(appearance.ground["outside"]).astype(int), range(3)]
    px_per_m = tile_px / tile_map.tile_size_m
    return Ground(
        levels=_pyramid(level),
        px_per_m=px_per_m,
        origin_px=(MARGIN_TILES * tile_px - 0.5, (tile_map.height + MARGIN_TILES) * tile_px - 0.5),
        outside=(int(outside[0]), int(outside[1]), int(outside[2])),
    )


def _pyramid(picture: Picture) -> tuple[Picture, ...]:
    levels = [picture]
    while len(levels) < LEVELS and min(levels[-1].shape[:2]) >= 2:
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return tuple(levels)


def _colours(appearance: Appearance) -> tuple[tuple[float, float, float], ...]:
    return appearance.white, appearance.yellow, appearance.red


def _base(tile_map: TileMap, appearance: Appearance, tile_px: int) -> Plane:
    """Plain colours of the tiles, (H, W, 3) float32."""
    small = np.empty((tile_map.height + 2 * MARGIN_TILES, tile_map.width + 2 * MARGIN_TILES, 3), np.float32)
    small[:] = appearance.ground["grass"]
    for i, j, tile in tile_map.cells():
        kind = "road" if tile.is_road else tile.kind
        small[tile_map.height + MARGIN_TILES - 1 - j, i + MARGIN_TILES] = appearance.ground[kind]
    return np.repeat(np.repeat(small, tile_px, axis=0), tile_px, axis=1)


@lru_cache(maxsize=8)
def _paint_of(tile_map: TileMap, tile_px: int) -> tuple[Plane, ...]:
    """Cover of white, yellow and red paint, three (H, W) float32 from 0 to 1."""
    shape = (
        (tile_map.height + 2 * MARGIN_TILES) * tile_px,
        (tile_map.width + 2 * MARGIN_TILES) * tile_px,
    )
    covers = tuple(np.zeros(shape, np.float32) for _ in range(3))
    for i, j, tile in tile_map.cells():
        if not tile.is_road:
            continue
        quarters = round(tile.rotation_rad / (0.5 * np.pi))
        top, left = (tile_map.height + MARGIN_TILES - 1 - j) * tile_px, (i + MARGIN_TILES) * tile_px
        for cover, patch in zip(covers, paint(tile.kind, tile_px), strict=True):
            turned = np.rot90(patch, quarters)  # rows go down, so this is counter-clockwise for the eye
            cover[top : top + tile_px, left : left + tile_px] = turned * np.float32(1.0 / 255.0)
    return covers


def _noise(rng: np.random.Generator, size: int) -> Plane:
    """Smooth noise of ``size`` x ``size`` drawn values over a patch whose opposite borders fit, float32."""
    values = rng.standard_normal((size, size), np.float32)
    if size == PATCH_PX:
        return values
    step = PATCH_PX // size
    padded = np.pad(values, 1, mode="wrap")
    smooth = cv2.resize(padded, ((size + 2) * step,) * 2, interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth[step:-step, step:-step], np.float32)


def _grain_patch(rng: np.random.Generator) -> Plane:
    """Noise in three octaves with standard deviation 1, (PATCH_PX, PATCH_PX) float32."""
    patch = sum((share * _noise(rng, size) for size, share in _OCTAVES), np.zeros((PATCH_PX, PATCH_PX), np.float32))
    return np.asarray(patch / patch.std(), np.float32)


def _tiled(patch: Plane, shape: tuple[int, ...]) -> Plane:
    repeats = (-(-shape[0] // patch.shape[0]), -(-shape[1] // patch.shape[1]))
    return np.tile(patch, repeats)[: shape[0], : shape[1]]


def _wear(wear: float, rng: np.random.Generator, shape: tuple[int, ...]) -> Plane:
    """What is left of the paint, from 0 to 1: blotches go first."""
    if not wear:
        return np.ones(shape, np.float32)
    noise = _noise(rng, 64) + np.float32(0.4) * _noise(rng, PATCH_PX)
    threshold = np.quantile(noise[::8, ::8], 1.0 - wear)
    left = 1.0 - np.clip(2.0 * (noise - threshold), 0.0, 1.0)
    return _tiled(np.asarray(left, np.float32), shape)


def _light(tile_map: TileMap, appearance: Appearance, rng: np.random.Generator, shape: tuple[int, ...]) -> Plane:
    """Light that falls on each pixel, around 1: slow changes, and soft shadows with straight borders."""
    rows, columns = tile_map.height + 2 * MARGIN_TILES, tile_map.width + 2 * MARGIN_TILES
    slow = 1.0 + appearance.unevenness * rng.uniform(-1.0, 1.0, (rows + 1, columns + 1)).astype(np.float32)
    light = cv2.resize(slow, (columns * 16, rows * 16), interpolation=cv2.INTER_CUBIC)
    for _ in range(rng.poisson(appearance.shadows * rows * columns)):
        middle = rng.uniform((0.0, 0.0), (columns, rows))
        corners = middle + rng.normal(0.0, 0.6, (4, 2))
        shade = np.ones_like(light)
        cv2.fillConvexPoly(shade, cv2.convexHull(np.round(16.0 * corners).astype(np.int32)), rng.uniform(0.5, 0.9))
        light *= shade
    light = cv2.GaussianBlur(light, (0, 0), 0.8)
    return np.asarray(cv2.resize(light, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
