"""Whatever bytes come in, the only thing that comes out besides an answer is an error of ours."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from rilaas.core import RilaasError
from rilaas.wire import (
    FrameReader,
    decode_metadata,
    decode_request,
    decode_response,
    load_public_key,
    peek,
    unpack_error,
    unwrap_stream_response,
)
from rilaas.wire import inference_pb2 as pb
from tests.wire.messages import broken, merged

READERS = (decode_request, decode_response, decode_metadata, peek, unwrap_stream_response)


def read(reader, body):
    try:
        return reader(body)
    except RilaasError as error:
        return None if error.message else pytest.fail("an error without words")


@given(st.binary(max_size=200))
def test_noise_is_refused_or_read(body):
    for reader in READERS:
        read(reader, body)
    read(FrameReader().feed, body)
    assert unpack_error(body).message


@given(merged | broken())
@example(b"\x8a\x00\x01m")
def test_messages_whole_or_broken_are_refused_or_read(body):
    for reader in READERS:
        read(reader, body)


@given(merged | broken())
def test_what_decode_accepts_protobuf_accepts_and_reads_the_same(body):
    request = read(decode_request, body)
    if request is None:
        return
    try:
        parsed = pb.ModelInferRequest.FromString(body)
    except DecodeError as error:
        raise AssertionError("decode_request read what is no message") from error
    assert (request.model, request.version, request.request_id) == (
        parsed.model_name,
        parsed.model_version,
        parsed.id,
    )
    assert list(request.tensors) == [tensor.name for tensor in parsed.inputs]
    assert [array.shape for array in request.tensors.values()] == [tuple(tensor.shape) for tensor in parsed.inputs]
    assert request.outputs == tuple(output.name for output in parsed.outputs)


@given(st.text(max_size=60) | st.from_regex(r"ssh-(ed25519|rsa) [A-Za-z0-9+/]{0,80}={0,2}( \w+)?", fullmatch=True))
def test_lines_are_refused_as_keys_or_read(line):
    read(load_public_key, line)
