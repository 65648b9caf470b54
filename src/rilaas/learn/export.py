"""A trained network as one ONNX file."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch

from rilaas.learn.pilotnet import INPUT_SHAPE, PilotNet

OPSET = 18


def export_onnx(network: PilotNet, path: Path) -> None:
    """Write a PilotNet with input ``input`` (batch, 3, 66, 200) and output ``command`` (batch, 2), both float32.

    One file without external data and without traces of where it was made.

    Args:
        network: The network.
        path: Where to write it.
    """
    network = network.eval()
    example = torch.zeros(2, *INPUT_SHAPE)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which is not needed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            network,
            (example,),
            input_names=["input"],
            output_names=["command"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise AssertionError("the exporter gave no program")
    model = program.model_proto
    _forget_origin(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _forget_origin(model: onnx.ModelProto) -> None:
    """Remove stack traces and paths, which the exporter writes into every node."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    model.graph.doc_string = model.doc_string = ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
        value.doc_string = ""
