"""A small model that sees: it steers by which half of the picture is brighter. And what to ask it."""

import numpy as np
from PIL import Image

from tests.wheels_manifest import wheels_manifest

HOOKS = """
import numpy


class Model:
    SPEED = {speed}

    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        image = inputs["image"].astype(numpy.float32) / 255
        left, right = image[:, :, :80].mean((1, 2, 3)), image[:, :, 80:].mean((1, 2, 3))
        wheels = self.SPEED + numpy.stack([right - left, left - right], 1) / 2
        return {{"wheels": wheels.astype(numpy.float32)}}
"""


def write_seeing_model(folder, speed=0.5):
    """Write its folder; another speed is another version."""
    folder.mkdir(exist_ok=True)
    (folder / "model.toml").write_text(wheels_manifest("seeing", "Steers towards the brighter half of the picture."))
    (folder / "hooks.py").write_text(HOOKS.format(speed=speed))
    (folder / "README.md").write_text("# Seeing\n\nA model for tests: *no* road was harmed.")
    return folder


def pictures(count=4):
    """Frames [count, 120, 160, 3], the first dark on the left; and the wheels that are right for a speed of 0.5."""
    frames = np.full((count, 120, 160, 3), 40, np.uint8)
    frames[:, :, 80:] += (np.arange(count, dtype=np.uint8) * 40)[:, None, None, None]
    turn = (frames[:, 0, 80, 0] - frames[:, 0, 0, 0]).astype(np.float32) / 255 / 2
    return frames, np.stack([0.5 + turn, 0.5 - turn], 1)


def write_picture(path):
    """A picture that is brighter on the right."""
    Image.fromarray(pictures()[0][-1]).save(path)
    return path


def write_dataset(path, off=0.0):
    """Samples with what is expected; the first is off by so much."""
    frames, wheels = pictures()
    wheels[0] += off
    np.savez(path, **{"image": frames, "expected/wheels": wheels})
    return path
