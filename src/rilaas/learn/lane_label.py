"""What each pixel of a camera frame shows, from the world's own drawing: road, white paint, yellow paint, other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.map_file import load_map
from rilaas.evaluate.driving.road.tile_map import TileMap
from rilaas.evaluate.driving.scenario.start import draw_start
from rilaas.evaluate.driving.view.appearance import GROUND, Appearance, vary
from rilaas.evaluate.driving.view.ground import Ground, draw_ground
from rilaas.evaluate.driving.view.view import View
from rilaas.learn.demonstration import WIDE

CLASSES = ("other", "road", "white", "yellow")
"""What a pixel shows, by its label. Red lines and all that is no road are ``other``."""
CELL = 2
"""A network's answer is for cells of so many pixels a side."""

_BLACK = (0.0, 0.0, 0.0)
# Each class has a colour channel of its own, so that a mixed pixel tells the share of each.
_FLAT = Appearance(
    ground={**dict.fromkeys(GROUND, _BLACK), "road": (255.0, 0.0, 0.0)},
    white=(0.0, 255.0, 0.0),
    yellow=(0.0, 0.0, 255.0),
    red=_BLACK,
    grain=0.0,
    wear=0.0,
    sky=_BLACK,
    haze=_BLACK,
)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrames:
    """Camera frames with labels.

    Attributes:
        image: (N, 120, 160, 3) uint8: camera frames, RGB.
        labels: (N, 120, 160) uint8: index into ``CLASSES``, of the largest share of each pixel. Paint that is worn
            off counts as paint.
        recording: (N,) int64: which look a frame comes from.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    recording: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image)

    def shares(self, rows: slice | NDArray[np.int64] = slice(None)) -> NDArray[np.float32]:
        """Share of each class in each cell of ``CELL`` x ``CELL`` pixels, (N, 4, 60, 80) float32."""
        labels = self.labels[rows]
        count, height, width = labels.shape
        one_hot = (labels[:, None] == np.arange(len(CLASSES), dtype=np.uint8)[:, None, None]).astype(np.float32)
        cells = one_hot.reshape(count, len(CLASSES), height // CELL, CELL, width // CELL, CELL)
        return np.asarray(cells.mean(axis=(3, 5)), np.float32)

    def write(self, path: Path | str) -> None:
        """Write an .npz file for ``rilaas optimize --dataset``: the target is ``share``, what the network answers.

        The same frames give the same bytes; a frame takes 154 kB.
        """
        arrays = {
            "inputs/image": self.image,
            "inputs/recording": self.recording,
            "expected/labels": self.labels,
            "expected/share": self.shares(),
        }
        with Path(path).open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]


def draw_labelled(
    maps: Sequence[str],
    looks: int,
    frames: int,
    seeds: tuple[int, int],
    seed: int,
    on_look: Callable[[int, int], None] | None = None,
) -> LabelledFrames:
    """Draw frames with labels: another look of the world and another camera mount each, from poses on and near lanes.

    Args:
        maps: Where, in turn.
        looks: How many looks.
        frames: How many frames of each.
        seeds: From where to where the looks' own seeds are, the end not included.
        seed: Everything random is drawn from it.
        on_look: Called after each look with the number of looks done and wanted.
    """
    rng = np.random.default_rng([seed, 0x5E6])
    images, labels = [], []
    for look in range(looks):
        tile_map = load_map(maps[look % len(maps)])
        own_seed = int(rng.integers(*seeds))
        appearance = vary(np.random.default_rng([own_seed, 0xA99E]))
        seen = View(draw_ground(tile_map, appearance), appearance, seed=own_seed)
        meant = label_view(tile_map, appearance)
        poses = np.random.default_rng([own_seed, 0x905E])
        for number in range(frames):
            x, y, heading = draw_start(tile_map, WIDE, poses).tolist()
            images.append(seen.frame((x, y, heading), number))
            labels.append(labels_of(meant.frame((x, y, heading))))
        if on_look is not None:
            on_look(look + 1, looks)
    return LabelledFrames(np.stack(images), np.stack(labels), np.repeat(np.arange(looks), frames))


def label_view(tile_map: TileMap, appearance: Appearance) -> View:
    """A camera that is mounted as in an appearance, and sees classes instead of colours; see ``labels_of``."""
    mount = {name: getattr(appearance, name) for name in ("pitch_error_rad", "height_error_m")}
    return View(_flat_ground(tile_map), replace(_FLAT, **mount), noise=0.0)


def labels_of(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels, (H, W) uint8, of a frame of ``label_view``, (H, W, 3) uint8: the class with the largest share."""
    shares = frame.astype(np.int16)
    other = 255 - shares.sum(axis=2, keepdims=True)
    return np.asarray(np.argmax(np.concatenate([other, shares], axis=2), axis=2), np.uint8)


@lru_cache(maxsize=8)
def _flat_ground(tile_map: TileMap) -> Ground:
    return draw_ground(tile_map, _FLAT)
