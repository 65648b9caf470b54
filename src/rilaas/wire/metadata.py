"""A model's signature as ModelMetadataResponse, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.message import DecodeError

from rilaas.core import InvalidInput, Signature, TensorSpec
from rilaas.wire import inference_pb2 as pb
from rilaas.wire.field import Buffer

PLATFORM = "rilaas"


def encode_metadata(
    name: str, versions: Sequence[str], signature: Signature, properties: Mapping[str, str] | None = None
) -> bytes:
    """A serialized ModelMetadataResponse.

    Units and meanings, for which the protocol has no fields, travel as properties named
    ``rilaas.inputs.<name>.unit``, ``rilaas.outputs.<name>.meaning`` and so on.

    Args:
        name: The model's name.
        versions: Its versions that are served.
        signature: What it takes and gives.
        properties: Anything else that a client may want to know.
    """
    message = pb.ModelMetadataResponse(name=name, versions=versions, platform=PLATFORM, properties=properties or {})
    sides = (("inputs", signature.inputs, message.inputs), ("outputs", signature.outputs, message.outputs))
    for side, specs, tensors in sides:
        for spec in specs.values():
            tensors.add(name=spec.name, datatype=spec.datatype, shape=spec.shape)
            for key, value in (("unit", spec.unit), ("meaning", spec.meaning)):
                if value:
                    message.properties[f"rilaas.{side}.{spec.name}.{key}"] = value
    return message.SerializeToString(deterministic=True)


def decode_metadata(body: Buffer) -> tuple[str, tuple[str, ...], Signature, dict[str, str]]:
    """The inverse of ``encode_metadata``; works for other servers' messages as well.

    Returns:
        Name, versions, signature, remaining properties.

    Raises:
        InvalidInput: It is not valid protobuf.
        SignatureMismatch: A tensor's datatype or shape is not one that we can send.
    """
    try:
        message = pb.ModelMetadataResponse.FromString(bytes(body))
    except DecodeError as error:
        raise InvalidInput(f"The model's metadata are not valid protobuf: {error}.") from None
    properties = dict(message.properties)
    signature = Signature.of(
        tuple(_specs("inputs", message.inputs, properties)), tuple(_specs("outputs", message.outputs, properties))
    )
    return message.name, tuple(message.versions), signature, properties


def _specs(
    side: str, tensors: Iterable[pb.ModelMetadataResponse.TensorMetadata], properties: dict[str, str]
) -> Iterable[TensorSpec]:
    for tensor in tensors:
        unit = properties.pop(f"rilaas.{side}.{tensor.name}.unit", "")
        meaning = properties.pop(f"rilaas.{side}.{tensor.name}.meaning", "")
        yield TensorSpec(tensor.name, tensor.datatype, tuple(tensor.shape), unit, meaning)
