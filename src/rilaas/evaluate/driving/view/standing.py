"""What stands on the ground, drawn into a frame: far things first, so that near ones hide them.

Things are drawn into a copy of their part of the frame with ``SAMPLES`` times as many pixels a side, which is then
averaged: borders are smooth, and pixels that nothing covers keep their bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.actor import Actor
from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.view.appearance import Appearance
from rilaas.evaluate.driving.view.camera import Camera
from rilaas.evaluate.driving.view.joined import Joined, join
from rilaas.evaluate.driving.view.light_post import light_look, light_posts
from rilaas.evaluate.driving.view.look import Look, look_of
from rilaas.evaluate.driving.view.order import Foot, far_to_near
from rilaas.evaluate.driving.view.polygon import FRACTION_BITS, NEAR_M, cut, divide, fixed, window
from rilaas.evaluate.driving.view.solid import SHADOW_CORNERS

Frame = NDArray[np.uint8]
Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

SAMPLES = 2
FAR_LOOK_PX = 18.0
"""A thing that is lower than this is drawn as from far away."""
_AMBIENT, _SUN, _FROM_ABOVE = 0.56, 0.36, 0.16
"""Light on a face: on every one; on one that looks at the sun; on one that looks up."""
_SUN_HEIGHT_RAD = math.radians(50.0)
_HAZE_M = 30.0
"""Over this distance haze takes 63 % of a thing's colour [m]."""
_SHADOW = 138
"""What is left of the light in a contact shadow, from 0 to 255."""
_SOFT_PX = 5
_SUN_STREAM = 0x5014


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Things in view, and where they are as seen from the camera's place over the ground.

    Attributes:
        things: The things, joined.
        places: (N, 2) float64 [m]: of their poses, ahead and to the left.
        turns: (N, 2) float64: cosine and sine of their headings.
        headings_rad: (N,) float64: likewise, in the map's frame.
        middles: (N, 2) float64 [m]: of their feet.
    """

    things: Joined
    places: Array
    turns: Array
    headings_rad: Array
    middles: Array


class Painter:
    """Draws things into the frames of a camera, in the light and tone of an appearance.

    Args:
        camera: As it is really mounted.
        appearance: Gives tone, haze, and from its seed the direction of the sun.
    """

    def __init__(self, camera: Camera, appearance: Appearance) -> None:
        self._camera = camera
        sin, cos = math.sin(camera.pitch_rad), math.cos(camera.pitch_rad)
        camera_from_eye = np.array(
            [
                [0.0, -1.0, 0.0, 0.0],
                [-sin, 0.0, -cos, camera.height_m * cos],
                [cos, 0.0, -sin, camera.height_m * sin],
            ]
        )
        self._image_from_eye = camera.intrinsics @ camera_from_eye
        self._pitch = sin, cos
        self._slopes = 0.5 * camera.width_px / camera.focal_px, 0.5 * camera.height_px / camera.focal_px
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

        Raises:
            InvalidInput: A thing's look, or a light's state, is unknown.
        """
        looks = [look_of(actor) for actor, _ in standing]
        places = [place for _, place in standing]
        for line, state in signals:
            looks += [light_look(state)] * 2
            places += light_posts(line)
        sight = self._see(looks, places, pose)
        if sight is None:
            return
        pixels, eyes = self._project(sight)
        is_cut = bool(pixels[:, 2].min() < NEAR_M)
        _shade(image, sight.things, pixels, is_cut)
        order = _seen_faces(sight, eyes)
        corners = pixels[sight.things.faces[order]]
        if is_cut:
            kept, corners = cut(corners)
            order = order[kept]
        if len(order):
            _fill(image, divide(corners), self._colours(sight, order))

    def _see(self, looks: Sequence[Look], places: Sequence[Pose], pose: Pose) -> Sight | None:
        """Which things are in sight, and how near by they are; None where nothing is."""
        # Plain numbers are faster than arrays here: there are few things, and most are out of sight.
        x, y, heading = pose
        sin, cos = math.sin(heading), math.cos(heading)
        pitch_sin, pitch_cos = self._pitch
        side, rise = self._slopes
        side_norm, rise_norm = math.hypot(1.0, side), math.hypot(1.0, rise)
        focal_px, eye_m, forward_m = self._camera.focal_px, self._camera.height_m, self._camera.forward_m
        solids, rows = [], []
        for look, (place_x, place_y, direction) in zip(looks, places, strict=True):
            dx, dy, turn = place_x - x, place_y - y, direction - heading
            ahead, left = cos * dx + sin * dy - forward_m, cos * dy - sin * dx
            turn_cos, turn_sin = math.cos(turn), math.sin(turn)
            offset_m, height_m, radius_m = look.extent
            middle_ahead, middle_left = ahead + offset_m * turn_cos, left + offset_m * turn_sin
            up = 0.5 * height_m - eye_m
            depth = pitch_cos * middle_ahead - pitch_sin * up
            # Within the pyramid of the image's borders, or nearer to all of them than the radius.
            if depth <= NEAR_M - radius_m or abs(middle_left) >= depth * side + radius_m * side_norm:
                continue
            if abs(pitch_sin * middle_ahead + pitch_cos * up) >= depth * rise + radius_m * rise_norm:
                continue
            solids.append(look.far if depth * FAR_LOOK_PX > focal_px * height_m else look.near)
            rows.append((ahead, left, turn_cos, turn_sin, direction, middle_ahead, middle_left))
        if not rows:
            return None
        table = np.array(rows)
        things = join(tuple(solids))
        return Sight(things, table[:, :2], table[:, 2:4], table[:, 4], table[:, 5:])

    def _project(self, sight: Sight) -> tuple[Array, Array]:
        """Corners, (V, 3), as pixels times depth, and depth; and the camera in each thing's frame, (N, 3)."""
        cos, sin, place = sight.turns[:, 0], sight.turns[:, 1], sight.places
        ahead, left, up, shift = self._image_from_eye.T
        image_from_things = np.empty((len(place), 4, 3))
        image_from_things[:, 0] = cos[:, None] * ahead + sin[:, None] * left
        image_from_things[:, 1] = cos[:, None] * left - sin[:, None] * ahead
        image_from_things[:, 2] = up
        image_from_things[:, 3] = shift + place @ self._image_from_eye.T[:2]
        pixels = np.empty((len(sight.things.vertices), 3))
        for k, (start, end) in enumerate(pairwise(sight.things.starts)):
            np.matmul(sight.things.vertices[start:end], image_from_things[k], out=pixels[start:end])
        eyes = np.empty((len(place), 3))
        eyes[:, 0] = -cos * place[:, 0] - sin * place[:, 1]
        eyes[:, 1] = sin * place[:, 0] - cos * place[:, 1]
        eyes[:, 2] = self._camera.height_m
        return pixels, eyes

    def _colours(self, sight: Sight, faces: Numbers) -> list[list[int]]:
        """Of some faces, in light, tone and haze."""
        things = sight.things
        owners = things.things[faces]
        azimuth, level, height = self._sun
        azimuths = azimuth - sight.headings_rad
        suns = np.stack([level * np.cos(azimuths), level * np.sin(azimuths), np.full_like(azimuths, height)], 1)
        normals = things.normals[faces]
        sunny = np.einsum("fi,fi->f", normals, suns[owners])
        light = _AMBIENT + _FROM_ABOVE * normals[:, 2] + _SUN * np.maximum(sunny, 0.0)
        light[things.glowing[faces]] = 1.0
        toned = self._toned(things.colours[faces] * light[:, None])
        share = -np.expm1(np.hypot(sight.middles[:, 0], sight.middles[:, 1]) / -_HAZE_M)
        toned += share[owners, None] * (self._haze - toned)
        colours: list[list[int]] = np.rint(toned).astype(int).tolist()
        return colours

    def _toned(self, colours: Array) -> Array:
        levels = np.rint(np.minimum(colours, 255.0)).astype(int)
        return self._tone[levels, (0, 1, 2)].astype(float)


def _seen_faces(sight: Sight, eyes: Array) -> Numbers:
    """Numbers of the faces that look at the camera, in the order in which they are drawn."""
    things = sight.things
    facing = np.einsum("fi,fi->f", things.normals, eyes[things.things])
    seen = np.flatnonzero(facing > things.offsets)
    # Things first, then a thing's parts, of which there are fewer than 100.
    ranks = 100.0 * _ranks(sight)
    keys = [rank + solid.part_ranks(eye) for rank, solid, eye in zip(ranks, things.solids, eyes, strict=True)]
    return np.asarray(seen[np.argsort(np.concatenate(keys)[things.parts[seen]], kind="stable")])


def _ranks(sight: Sight) -> Array:
    """(N,) float64: a thing with a higher one is drawn later."""
    solids = sight.things.solids
    if len(solids) == 1:
        return np.zeros(1)
    rows = zip(solids, sight.places.tolist(), sight.turns.tolist(), sight.middles.tolist(), strict=True)
    feet = [
        Foot((x, y), (cos, sin), solid.foot, math.hypot(ahead, left), math.atan2(left, ahead), solid.foot_radius_m)
        for solid, (x, y), (cos, sin), (ahead, left) in rows
    ]
    ranks = np.empty(len(feet))
    ranks[far_to_near(feet)] = np.arange(len(feet))
    return ranks


def _fill(image: Frame, corners: Array, colours: Sequence[Sequence[int]]) -> None:
    """Fill polygons, (F, K, 2) [px], one after the other."""
    part = window(corners, image.shape[1], image.shape[0])
    if part is None:
        return
    left, top, right, bottom = part
    pixels = image[top:bottom, left:right]
    canvas = _spread(pixels)
    # Pixel 0 spans from -0.5 to 0.5; the middles of its samples lie within.
    shapes = fixed((corners - (left - 0.5, top - 0.5)) * SAMPLES - 0.5)
    for shape, colour in zip(shapes, colours, strict=True):
        cv2.fillConvexPoly(canvas, shape, colour, cv2.LINE_8, FRACTION_BITS)
    smooth = cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    pixels[:] = cv2.cvtColor(smooth, cv2.COLOR_RGBA2RGB)


def _spread(pixels: Frame) -> Frame:
    """Each pixel ``SAMPLES`` times a side, (SAMPLES H, SAMPLES W, 4): four bytes are copied faster than three."""
    height, width = pixels.shape[:2]
    whole = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA).view(np.uint32)[..., 0]
    canvas = np.empty((height, SAMPLES, width, SAMPLES), np.uint32)
    for k in range(SAMPLES):
        canvas[:, 0, :, k] = whole
    canvas[:, 1:] = canvas[:, :1]
    return canvas.view(np.uint8).reshape(height * SAMPLES, width * SAMPLES, 4)


def _shade(image: Frame, things: Joined, pixels: Array, is_cut: bool) -> None:
    """Darken the ground around feet."""
    first = np.array(things.starts[:-1])
    corners = pixels[first[:, None] + np.arange(SHADOW_CORNERS)]
    if is_cut:
        corners = cut(corners)[1]
    part = window(points := divide(corners), image.shape[1], image.shape[0]) if len(corners) else None
    if part is None:
        return
    left, top, right, bottom = part
    ground = image[top:bottom, left:right]
    light = np.full(ground.shape[:2], 255, np.uint8)
    for shape in fixed(points - (left, top)):
        cv2.fillConvexPoly(light, shape, _SHADOW, cv2.LINE_8, FRACTION_BITS)
    light = cv2.blur(light, (_SOFT_PX, _SOFT_PX))
    cv2.multiply(ground, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), dst=ground, scale=1.0 / 255.0)
