"""How the weights came to be: train, export to weights.onnx, drive on held-out seeds and maps, fill in the card.

Run ``python models/pilotnet-bev/train.py`` from anywhere; it needs ``pip install "rilaas[learn,serve]"``. Ctrl-C ends
the training early and goes on with the weights so far.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from rilaas.infer.torch_export import onnx_of_module
from rilaas.learn import Dagger, PilotNetBev
from rilaas.learn.controls import THROTTLE_STEER_BRAKE
from rilaas.learn.driving_card import DrivingModel, run
from rilaas.learn.pilotnet_bev import INPUT_SHAPE


def export(network: nn.Module, path: Path) -> None:
    """Write ``input`` (batch, 3, 200, 66) to ``controls`` (batch, 3); the batch normalisation stays a node."""
    model = onnx_of_module(network, {"input": torch.zeros(2, *INPUT_SHAPE)}, ("controls",))
    path.write_bytes(model.SerializeToString(deterministic=True))


MODEL = DrivingModel(
    folder=Path(__file__).resolve().parent,
    # Of squared errors, as of throttle and steering in lane-following; a brake of 1 is 0.3 of a duty cycle.
    dagger=Dagger(maps=("oval", "s_bends", "zigzag"), steps=180, final_steps=1300, weights=(1.0, 4.0, 0.1)),
    network=PilotNetBev,
    controls=THROTTLE_STEER_BRAKE,
    export=export,
)

if __name__ == "__main__":
    sys.exit(run(MODEL, __doc__.splitlines()[0]))
