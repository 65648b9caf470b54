"""Where models run: Table I of the RILaaS document, with time going faster, and the model folders that keep to it."""

import inspect
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rilaas.balance.simulation.document import GRASP_PLANNING, MODELS, OBJECT_RECOGNITION, TABLE_I_MS

from . import grasp_planning, object_recognition

UPLOAD_SHARE = 0.7  # of the time on the way: as in the simulator
SEGMENTER = Path(__file__).resolve().parents[2] / "models" / "lane-segmentation"
TOML = """name = "{name}"
task = "{name}"
description = "{description}"
backend = "onnxruntime"
weights = "weights.onnx"
hooks = "hooks.py"
{signature}"""


@dataclass(frozen=True)
class Place:
    """One server.

    Attributes:
        name: Such as ``edge``.
        kind: ``edge`` or ``cloud``.
        slots: Replicas of each model: how many of its requests are computed at once.
        speed: How many times faster than in the document time goes.
    """

    name: str
    kind: str
    slots: int
    speed: float

    def service_s(self, model):
        """Mean and standard deviation of the inference time [s]."""
        mean_ms, std_ms = TABLE_I_MS[self.kind][model][:2]
        return mean_ms / 1e3 / self.speed, std_ms / 1e3 / self.speed

    def network_s(self):
        """Mean and standard deviation of the time on the way, both directions together [s].

        One link carries both models, so it is the mean of theirs; the variances of round trip and inference differ by
        that of the way.
        """
        rows = [TABLE_I_MS[self.kind][model] for model in MODELS]
        mean_ms = sum(rtt_ms - inference_ms for inference_ms, _, rtt_ms, _ in rows) / len(rows)
        variance = sum(rtt_std**2 - inference_std**2 for _, inference_std, _, rtt_std in rows) / len(rows)
        return mean_ms / 1e3 / self.speed, math.sqrt(variance) / 1e3 / self.speed


def write_models(folder, place):
    """The two model folders of a place; returns their paths."""
    return [_write_recognition(folder / place.name, place), _write_planning(folder / place.name, place)]


def example_inputs(seed=0):
    """One request's inputs for each model: small, so that the windows of HTTP/2 limit nobody."""
    random = np.random.default_rng(seed)
    depth = random.uniform(0.6, 0.9, (1, 64, 64)).astype(np.float32)
    depth[:, 24:40, 20:44] -= 0.1  # something to grasp
    return {
        OBJECT_RECOGNITION: {"image": random.integers(0, 255, (1, 60, 80, 3), dtype=np.uint8)},
        GRASP_PLANNING: {"depth": depth},
    }


def _write_recognition(folder, place):
    path = folder / OBJECT_RECOGNITION
    path.mkdir(parents=True)
    shutil.copy(SEGMENTER / "weights.onnx", path)
    shutil.copy(SEGMENTER / "hooks.py", path / "segmentation.py")
    signature = (
        '[inputs.image]\ndatatype = "UINT8"\nshape = [-1, 60, 80, 3]\n'
        '[outputs.boxes]\ndatatype = "FP32"\nshape = [-1, 4, 4]\n'
    )
    _write_rest(path, place, object_recognition, signature)
    return path


def _write_planning(folder, place):
    path = folder / GRASP_PLANNING
    path.mkdir(parents=True)
    grasp_planning.write_network(path / "weights.onnx")
    signature = (
        '[inputs.depth]\ndatatype = "FP32"\nshape = [-1, 64, 64]\n'
        '[outputs.grasp]\ndatatype = "FP32"\nshape = [-1, 4]\n'
    )
    _write_rest(path, place, grasp_planning, signature)
    return path


def _write_rest(path, place, source, signature):
    """The manifest, the Python file and how long an inference is to take."""
    description = source.__doc__.splitlines()[0]
    text = TOML.format(name=path.name, description=description, signature=signature)
    (path / "model.toml").write_text(text)
    (path / "hooks.py").write_text(inspect.getsource(source))
    (path / "accelerator.py").write_text((Path(__file__).parent / "accelerator.py").read_text())
    mean_s, std_s = place.service_s(path.name)
    (path / "accelerator.json").write_text(json.dumps({"mean_s": mean_s, "std_s": std_s}))
