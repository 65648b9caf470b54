"""What stands on the ground, drawn into a frame: far things first, so that near ones hide them.

Each thing is drawn into a copy of its part of the frame with ``SAMPLES`` times as many pixels a side, which is then
averaged: borders are smooth, and pixels that it does not cover keep their bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.view.appearance import Appearance
from rilaas.evaluate.driving.view.camera import Camera
from rilaas.evaluate.driving.view.light_post import light_look, light_posts
from rilaas.evaluate.driving.view.look import Look, look_of
from rilaas.evaluate.driving.view.order import Foot, far_to_near
from rilaas.evaluate.driving.view.solid import SHADOW_M, Solid

Frame = NDArray[np.uint8]
Array = NDArray[np.float64]

SAMPLES = 2
NEAR_M = 0.02
"""What is nearer to the camera than this, along its axis, is cut off [m]."""
FAR_LOOK_PX = 13.0
"""A thing that is lower than this is drawn as from far away."""
_AMBIENT, _SUN, _FROM_ABOVE = 0.56, 0.36, 0.16
_SUN_HEIGHT_RAD = math.radians(50.0)
_HAZE_M = 30.0
"""Over this distance haze takes 63 % of a thing's colour [m]."""
_SHADOW = (224, 178, 132)
"""What is left of the light in the rings of a contact shadow, from 0 to 255, the outer one first."""
_FRACTION_BITS = 4
_SCALE = float(1 << _FRACTION_BITS)
_FARTHEST_PX = 1.0e5
_SUN_STREAM = 0x5014


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A thing in view.

    Attributes:
        solid: What it is.
        pixels: (V, 3) float64: its vertices as u depth [px m], v depth [px m], depth [m].
        shadow: (rings, 8, 3) float64: its contact shadow likewise.
        eye: (3,) float64 [m]: the camera in its frame.
        heading_rad: Of the thing, in the map's frame.
        foot: Where it stands, as seen from the camera.
    """

    solid: Solid
    pixels: Array
    shadow: Array
    eye: Array
    heading_rad: float
    foot: Foot


class Painter:
    """Draws things into the frames of a camera, in the light and tone of an appearance.

    Args:
        camera: As it is really mounted.
        appearance: Gives tone, haze, and from its seed the direction of the sun.
    """

    def __init__(self, camera: Camera, appearance: Appearance) -> None:
        self._camera = camera
        sin, cos = math.sin(camera.pitch_rad), math.cos(camera.pitch_rad)
        camera_from_robot = np.array(
            [
                [0.0, -1.0, 0.0, 0.0],
                [-sin, 0.0, -cos, camera.height_m * cos + camera.forward_m * sin],
                [cos, 0.0, -sin, camera.height_m * sin - camera.forward_m * cos],
            ]
        )
        self._image_from_robot = camera.intrinsics @ camera_from_robot
        self._sin, self._cos = sin, cos
        half_u, half_v = (0.5 * side / camera.focal_px for side in (camera.width_px, camera.height_px))
        self._slopes = half_u, math.hypot(1.0, half_u), half_v, math.hypot(1.0, half_v)
        azimuth = 2.0 * math.pi * float(np.random.default_rng([appearance.seed, _SUN_STREAM]).random())
        self._sun = azimuth, math.cos(_SUN_HEIGHT_RAD), math.sin(_SUN_HEIGHT_RAD)
        self._tone = appearance.tone()
        self._haze = self._toned(np.asarray(appearance.haze)[None])

    def draw(
        self,
        image: Frame,
        pose: Pose,
        standing: Sequence[tuple[Actor, Pose]],
        signals: Sequence[tuple[StopLine, int]],
    ) -> None:
        """Draw into a frame.

        Args:
            image: (H, W, 3) uint8 RGB, changed in place.
            pose: Of the robot, in the map's frame.
            standing: Who else is there, and where, in the map's frame.
            signals: Stop lines with a light, and what that shows.
        """
        looks = [(look_of(actor), place) for actor, place in standing]
        looks += [(light_look(state), place) for line, state in signals for place in light_posts(line)]
        placed = [each for look, place in looks if (each := self._place(look, place, pose)) is not None]
        if not placed:
            return
        _shade(image, [each.shadow for each in placed])
        for each in far_to_near(placed):
            self._paint(image, each)

    def _place(self, look: Look, place: Pose, pose: Pose) -> Placed | None:
        """A thing in front of the camera; None where it is out of sight."""
        camera, solid = self._camera, look.near
        sin, cos = math.sin(pose[2]), math.cos(pose[2])
        dx, dy, turn = place[0] - pose[0], place[1] - pose[1], place[2] - pose[2]
        x, y = cos * dx + sin * dy, cos * dy - sin * dx
        sin, cos = math.sin(turn), math.cos(turn)
        # The middle of the thing, from the camera: ahead, to the left, up; then along the optical axis, and down.
        ahead, left = x + cos * solid.ahead_m - camera.forward_m, y + sin * solid.ahead_m
        length_m, width_m, height_m = solid.size_m
        up = 0.5 * height_m - camera.height_m
        depth, down = self._cos * ahead - self._sin * up, -self._sin * ahead - self._cos * up
        radius = 0.5 * math.sqrt(length_m**2 + width_m**2 + height_m**2) + SHADOW_M[0]
        side, side_norm, rise, rise_norm = self._slopes
        if (
            depth + radius <= NEAR_M
            or abs(left) > depth * side + radius * side_norm
            or abs(down) > depth * rise + radius * rise_norm
        ):
            return None
        if depth * FAR_LOOK_PX > camera.focal_px * height_m:
            solid = look.far
        robot_from_body = np.array(
            [[cos, -sin, 0.0, x], [sin, cos, 0.0, y], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
        )
        image_from_body = (self._image_from_robot @ robot_from_body).T
        eye = np.array(
            [cos * (camera.forward_m - x) - sin * y, -sin * (camera.forward_m - x) - cos * y, camera.height_m]
        )
        corners = tuple((x + cos * a - sin * b - camera.forward_m, y + sin * a + cos * b) for a, b in solid.foot)
        return Placed(
            solid=solid,
            pixels=solid.vertices @ image_from_body,
            shadow=solid.shadow @ image_from_body,
            eye=eye,
            heading_rad=place[2],
            foot=Foot(corners, math.hypot(ahead, left), 0.5 * math.hypot(length_m, width_m), math.atan2(left, ahead)),
        )

    def _paint(self, image: Frame, thing: Placed) -> None:
        """Draw one thing, its far parts first."""
        order = _seen_faces(thing)
        faces = thing.pixels[thing.solid.faces[order]]  # (F, K, 3)
        if thing.pixels[:, 2].min() < NEAR_M:
            kept, faces = _cut(faces)
            order = order[kept]
        if not len(order):
            return
        points = _divide(faces)
        part = _window(points, image)
        if part is None:
            return
        left, top, right, bottom = part
        window = image[top:bottom, left:right]
        size = right - left, bottom - top
        canvas = cv2.resize(window, (size[0] * SAMPLES, size[1] * SAMPLES), interpolation=cv2.INTER_NEAREST)
        # Pixel 0 spans from -0.5 to 0.5, its samples' middles are within.
        fixed = _fixed((points - (left - 0.5, top - 0.5)) * SAMPLES - 0.5)
        for corners, colour in zip(fixed, self._colours(thing, order), strict=True):
            cv2.fillConvexPoly(canvas, corners, colour, cv2.LINE_AA, _FRACTION_BITS)
        window[:] = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)

    def _colours(self, thing: Placed, faces: NDArray[np.intp]) -> list[list[int]]:
        """Of a thing's faces, in light, tone and haze."""
        solid = thing.solid
        azimuth, level, height = self._sun
        azimuth -= thing.heading_rad
        normals = solid.normals[faces]
        sunny = normals @ (level * math.cos(azimuth), level * math.sin(azimuth), height)
        light = _AMBIENT + _FROM_ABOVE * normals[:, 2] + _SUN * np.maximum(sunny, 0.0)
        light[solid.glowing[faces]] = 1.0
        toned = self._toned(solid.colours[faces] * light[:, None])
        share = -math.expm1(-thing.foot.distance_m / _HAZE_M)
        colours: list[list[int]] = np.rint(toned + share * (self._haze - toned)).astype(int).tolist()
        return colours

    def _toned(self, colours: Array) -> Array:
        return self._tone[np.rint(np.clip(colours, 0.0, 255.0)).astype(int), (0, 1, 2)].astype(float)


def _seen_faces(thing: Placed) -> NDArray[np.intp]:
    """Numbers of the faces that look at the camera, in the order in which they are drawn."""
    solid = thing.solid
    seen = np.flatnonzero(solid.normals @ thing.eye > solid.offsets)
    away = solid.middles - thing.eye
    far_m2 = np.einsum("pi,pi->p", away, away)
    keys = _ranks(solid, float(thing.eye[2])) - far_m2 / (1.0 + far_m2)  # levels first, then distance
    return np.asarray(seen[np.argsort(keys[solid.parts[seen]], kind="stable")])


@lru_cache(maxsize=512)
def _ranks(solid: Solid, eye_m: float) -> Array:
    return solid.level_ranks(eye_m)


def _shade(image: Frame, shadows: Sequence[Array]) -> None:
    """Darken the ground around feet."""
    points = [_divide(_cut(rings)[1] if rings[..., 2].min() < NEAR_M else rings) for rings in shadows]
    seen = [rings for rings in points if len(rings)]
    part = _window(np.concatenate([rings.reshape(-1, 2) for rings in seen]), image) if seen else None
    if part is None:
        return
    left, top, right, bottom = part
    window = image[top:bottom, left:right]
    light = np.full_like(window, 255)
    for ring, left_of_light in enumerate(_SHADOW):
        for rings in seen:
            if ring < len(rings):
                corners = _fixed(rings[ring] - (left, top))
                cv2.fillConvexPoly(light, corners, (left_of_light,) * 3, cv2.LINE_AA, _FRACTION_BITS)
    cv2.multiply(window, light, dst=window, scale=1.0 / 255.0)


def _divide(pixels: Array) -> Array:
    """From pixels times depth, (..., 3), to pixels, (..., 2)."""
    return np.clip(pixels[..., :2] / pixels[..., 2:], -_FARTHEST_PX, _FARTHEST_PX)


def _fixed(points: Array) -> NDArray[np.int32]:
    """As the drawing takes points: in whole parts of a pixel."""
    return np.rint(points * _SCALE).astype(np.int32)


def _window(points: Array, image: Frame) -> tuple[int, int, int, int] | None:
    """The part of the image that holds all points: left, top, right, bottom; None where it is empty."""
    flat = points.reshape(-1, 2)
    (low_u, low_v), (high_u, high_v) = flat.min(0).tolist(), flat.max(0).tolist()
    left, top = max(0, math.floor(low_u)), max(0, math.floor(low_v))
    right, bottom = min(image.shape[1], math.ceil(high_u) + 2), min(image.shape[0], math.ceil(high_v) + 2)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _cut(faces: Array) -> tuple[NDArray[np.intp], Array]:
    """Cut off what is nearer than ``NEAR_M`` (Sutherland and Hodgman, 1974, for one plane).

    Args:
        faces: (F, K, 3) float64: corners as pixels times depth, and depth.

    Returns:
        The numbers of the faces of which something is left, and these, (G, K + 1, 3).
    """
    numbers, left = [], []
    for number, face in enumerate(faces):
        corners = list(_cut_one(face))
        if corners:
            numbers.append(number)
            left.append(corners + [corners[-1]] * (faces.shape[1] + 1 - len(corners)))
    return np.array(numbers, int), np.array(left).reshape(len(left), faces.shape[1] + 1, 3)


def _cut_one(face: Array) -> Iterator[Array]:
    for corner, after in zip(face, np.roll(face, -1, axis=0), strict=True):
        if corner[2] >= NEAR_M:
            yield corner
        if (corner[2] >= NEAR_M) != (after[2] >= NEAR_M):
            share = (NEAR_M - corner[2]) / (after[2] - corner[2])
            yield corner + share * (after - corner)
