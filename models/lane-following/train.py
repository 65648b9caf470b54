"""How the weights came to be: train, export to weights.onnx, drive on held-out seeds and maps, fill in the card.

Run ``python models/lane-following/train.py`` from anywhere; it needs ``pip install "rilaas[learn,serve]"``. Ctrl-C
ends the training early and goes on with the weights so far.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rilaas.learn import Dagger, PilotNet, export_onnx
from rilaas.learn.controls import THROTTLE_STEERING
from rilaas.learn.driving_card import DrivingModel, run

MODEL = DrivingModel(
    folder=Path(__file__).resolve().parent,
    dagger=Dagger(maps=("oval", "s_bends", "zigzag"), weights=(1.0, 4.0)),
    network=PilotNet,
    controls=THROTTLE_STEERING,
    export=export_onnx,
)

if __name__ == "__main__":
    sys.exit(run(MODEL, __doc__.splitlines()[0]))
