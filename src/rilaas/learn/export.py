"""A trained network as one ONNX file."""

from __future__ import annotations

from pathlib import Path

import torch

from rilaas.infer.torch_export import onnx_of_module
from rilaas.learn.pilotnet import INPUT_SHAPE, PilotNet


def export_onnx(network: PilotNet, path: Path) -> None:
    """Write a PilotNet with input ``input`` (batch, 3, 66, 200) and output ``command`` (batch, 2), both float32.

    One file without external data and without traces of where it was made.

    Args:
        network: The network.
        path: Where to write it.
    """
    model = onnx_of_module(network, {"input": torch.zeros(2, *INPUT_SHAPE)}, ("command",))
    path.write_bytes(model.SerializeToString(deterministic=True))
