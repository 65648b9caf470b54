"""Stands for the accelerator that this machine has not: an inference is over when its time has passed.

A file of both model folders. The network is really computed, on a processor; what is left of a time that is drawn
from the document's mean and standard deviation is waited for, as a host waits for its GPU.
"""

import json
import time
from pathlib import Path

import numpy as np


class Accelerator:
    """Draws how long an inference takes.

    Args:
        folder: The model folder, with ``accelerator.json``: mean_s, std_s [s].
    """

    def __init__(self, folder):
        self._time_s = json.loads((Path(folder) / "accelerator.json").read_text())
        self._random = np.random.default_rng()

    def begin(self):
        """When the inference that begins now is to be over, on the monotonic clock [s]."""
        drawn_s = self._random.normal(self._time_s["mean_s"], self._time_s["std_s"])
        return time.monotonic() + max(drawn_s, 0.25 * self._time_s["mean_s"])

    def wait(self, until):
        """Wait until then; at once where the processor took longer."""
        time.sleep(max(0.0, until - time.monotonic()))
