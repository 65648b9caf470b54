"""The messages: current, isolated, and those of the protocol."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tritonclient.grpc import service_pb2 as theirs

from rilaas.wire import METHODS, SERVICE
from rilaas.wire import inference_pb2 as ours

ROOT = Path(__file__).resolve().parents[2]


def shape(message):
    """Name, number, type and so on of every field of a message and of the messages within."""
    rows = [
        (
            field.name,
            field.number,
            field.type,
            field.is_repeated,
            field.message_type.full_name if field.message_type else "",
            field.containing_oneof.name if field.containing_oneof else "",
        )
        for field in message.fields
    ]
    return sorted(rows), {nested.name: shape(nested) for nested in message.nested_types}


def test_the_generated_classes_are_current():
    script = ROOT / "scripts" / "generate_proto.py"
    subprocess.run([sys.executable, script, "--check"], check=True, timeout=60)


@pytest.mark.parametrize("name", list(ours.DESCRIPTOR.message_types_by_name))
def test_each_message_has_the_fields_that_an_independent_client_knows(name):
    mine = ours.DESCRIPTOR.message_types_by_name[name]
    other = theirs.DESCRIPTOR.message_types_by_name[name]
    fields, nested = shape(mine)
    if name == "ModelMetadataResponse":  # properties are in the protocol, but not in this client's superset of it
        fields = [row for row in fields if row[0] != "properties"]
        del nested["PropertiesEntry"]
    assert (fields, nested) == shape(other)


def test_the_service_and_its_methods_are_those_of_the_protocol():
    service = theirs.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert service.full_name == SERVICE
    for method in METHODS.values():
        other = service.methods_by_name[method.name]
        assert other.input_type.full_name == method.request.DESCRIPTOR.full_name
        assert other.output_type.full_name == method.response.DESCRIPTOR.full_name
        assert method.path == f"/inference.GRPCInferenceService/{method.name}"
        assert method.streaming == (method.name == "ModelStreamInfer")
    assert {m.name for m in ours.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods} == set(METHODS)


def test_our_classes_live_beside_those_of_another_client():
    assert ours.ModelInferRequest is not theirs.ModelInferRequest
    assert ours.DESCRIPTOR.pool is not theirs.DESCRIPTOR.pool


def test_the_messages_work_where_protobuf_has_no_c_part():
    code = (
        "import numpy as np; from rilaas.wire import encode_request, decode_request; "
        "import rilaas.wire.inference_pb2 as pb; from google.protobuf.internal import api_implementation as a; "
        "assert a.Type() == 'python'; "
        "body = encode_request('m', '1', {'x': np.ones((2, 3), np.float32)}, parameters={'p': 1}); "
        "assert decode_request(body).tensors['x'].sum() == 6; "
        "pb.RepositoryIndexResponse.ModelIndex(name='a')"
    )
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)
