"""Peeking agrees with a full parse, whatever protobuf can produce; additions are what a full parse reads."""

import math

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import ERROR_TABLE, InvalidInput, RateLimited, RilaasError
from rilaas.wire import (
    encode_request,
    encode_response,
    peek,
    unwrap_stream_response,
    with_model,
    with_parameters,
    with_request_id,
    wrap_stream_response,
)
from rilaas.wire import inference_pb2 as pb
from tests.wire.messages import SHORT, broken, merged, requests

VALUES = st.one_of(SHORT, st.booleans(), st.floats(allow_nan=False), st.integers(-(2**63), 2**64 - 1))


def values(message):
    return {k: getattr(v, v.WhichOneof("parameter_choice")) for k, v in message.parameters.items()}


@given(merged)
def test_peek_agrees_with_a_full_parse(body):
    parsed, seen = pb.ModelInferRequest.FromString(body), peek(body)
    assert (seen.model, seen.version, seen.request_id) == (parsed.model_name, parsed.model_version, parsed.id)
    deadline = values(parsed).get("rilaas_deadline_s")
    if isinstance(deadline, (str, bool)) or deadline is None or math.isnan(deadline):
        assert seen.deadline_s is None
    else:
        assert seen.deadline_s == float(deadline)


@given(broken())
def test_where_peek_and_protobuf_both_read_a_broken_message_they_read_the_same(body):
    try:
        seen = peek(body)
        parsed = pb.ModelInferRequest.FromString(body)
    except (RilaasError, DecodeError):
        return
    assert (seen.model, seen.version, seen.request_id) == (parsed.model_name, parsed.model_version, parsed.id)


def test_a_second_model_name_behind_the_tensors_is_the_one_that_counts():
    body = encode_request("allowed", "", {}) + b"\x3a\x04\0\0\0\0" + b"\x0a\x09forbidden"
    assert peek(body).model == "forbidden"


def test_peek_skips_fields_that_it_does_not_know():
    known = encode_request("m", "1", {}, request_id="7")
    scalar, fixed64, fixed32, other = b"\x78\x96\x01", b"\x79" + bytes(8), b"\x7d" + bytes(4), b"\x7a\x02ab"
    assert peek(scalar + fixed64 + known + fixed32 + other) == peek(known)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\x0a\x05ab", "truncated"),
        (b"\x0a", "truncated"),
        (b"\x80", "truncated"),
        (b"\x79\0\0", "truncated"),
        (b"\x0b\x0c", "kind 3"),
        (b"\x0f", "kind 7"),
        (b"\x02\x00", "field number 0"),
        (b"\x0a\x01\xff", "model_name is not UTF-8"),
        (b"\x08" + b"\xff" * 11, "too long"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "truncated"),
        (b"\x22\x19\x0a\x11rilaas_deadline_s\x12\x04\x1a\x02\xff\xff", "parameters are not valid"),
    ],
)
def test_what_is_no_message_is_refused(body, words):
    with pytest.raises(InvalidInput, match=words):
        peek(body)


@given(requests(), st.dictionaries(SHORT, VALUES, max_size=4))
def test_added_parameters_are_read_by_a_full_parse_and_nothing_else_changes(message, added):
    body = message.SerializeToString()
    parsed = pb.ModelInferRequest.FromString(with_parameters(body, added))
    assert {**values(message), **added} == values(parsed) or any(v != v for v in values(message).values())
    parsed.ClearField("parameters")
    message.ClearField("parameters")
    assert parsed == message or b"\xc0\x7f" in body  # NaN in the contents equals nothing


@given(requests(), SHORT)
def test_another_request_id_replaces_the_first(message, request_id):
    parsed = pb.ModelInferRequest.FromString(with_request_id(message.SerializeToString(), request_id))
    assert parsed.id == request_id


@given(requests(), SHORT, SHORT)
def test_another_model_and_revision_replace_the_first_and_nothing_else_changes(message, model, revision):
    body = with_model(message.SerializeToString(), model, revision)
    assert (peek(body).model, peek(body).version) == (model, revision)
    message.model_name, message.model_version = model, revision
    assert pb.ModelInferRequest.FromString(body) == message


@given(st.binary(max_size=30), SHORT)
def test_an_answer_comes_out_of_its_stream_message_as_it_went_in(tail, request_id):
    response = encode_response("m", "1", {}, request_id=request_id) + b"\x32" + bytes((len(tail),)) + tail
    assert unwrap_stream_response(wrap_stream_response(response, None)) == (None, response, request_id)


@pytest.mark.parametrize("code", list(ERROR_TABLE))
def test_an_error_comes_out_of_its_stream_message_as_it_went_in(code):
    sent = ERROR_TABLE[code].error("What happened: é.", "What to do: ü.")
    error, _, request_id = unwrap_stream_response(wrap_stream_response(b"", sent, "7"))
    assert (type(error), error.message, error.hint, request_id) == (type(sent), sent.message, sent.hint, "7")


def test_an_error_without_words_is_still_an_error():
    error, _, _ = unwrap_stream_response(wrap_stream_response(b"", RateLimited("")))
    assert (type(error), error.message) == (RateLimited, "rate_limited")


@given(SHORT.filter(bool), requests())
def test_another_servers_stream_error_keeps_its_words(words, request):
    message = pb.ModelStreamInferResponse(error_message=words)
    message.infer_response.id = request.id
    error, _, request_id = unwrap_stream_response(message.SerializeToString())
    assert (type(error), error.message, request_id) == (RilaasError, words, request.id)


def test_a_stream_message_whose_answer_comes_in_two_parts_is_merged():
    parts = b"\x12\x03\x0a\x01m" + b"\x12\x03\x1a\x017"
    error, response, request_id = unwrap_stream_response(parts)
    assert error is None
    assert pb.ModelInferResponse.FromString(response).model_name == "m"
    assert request_id == "7"
