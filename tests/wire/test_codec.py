"""Requests and responses: every datatype there and back, and every way in which they can be wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tritonclient import grpc as triton
from tritonclient.grpc import service_pb2 as theirs

from rilaas.core import DATATYPES, InvalidInput, SignatureMismatch
from rilaas.wire import decode_request, decode_response, encode_request, encode_response
from rilaas.wire import inference_pb2 as pb

NUMERIC = [name for name in DATATYPES if name != "BYTES"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=8, min_side=0, max_side=3)


@st.composite
def arrays(draw):
    shape = draw(SHAPES)
    if draw(st.integers(0, 9)) == 0:
        values = hnp.arrays(object, shape, elements=st.binary(max_size=9), fill=st.nothing())
        return draw(values)
    return draw(hnp.arrays(DATATYPES[draw(st.sampled_from(NUMERIC))], shape))


PARAMETERS = st.dictionaries(
    st.text(max_size=8),
    st.one_of(st.text(max_size=8), st.booleans(), st.floats(allow_nan=False), st.integers(-(2**63), 2**64 - 1)),
    max_size=4,
)


def same(one, other):
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes() if one.dtype != object else one.tolist() == other.tolist()


@given(st.dictionaries(st.text(max_size=8), arrays(), max_size=3), st.text(), st.text(), st.text(), PARAMETERS)
def test_what_is_encoded_comes_back(tensors, model, version, request_id, parameters):
    for encode, decode in ((encode_request, decode_request), (encode_response, decode_response)):
        read = decode(encode(model, version, tensors, request_id=request_id, parameters=parameters))
        assert (read.model, read.version, read.request_id) == (model, version, request_id)
        assert dict(read.parameters) == parameters
        assert {k: type(v) for k, v in read.parameters.items()} == {k: type(v) for k, v in parameters.items()}
        assert list(read.tensors) == list(tensors)
        for name, array in tensors.items():
            same(read.tensors[name], array)


@given(st.dictionaries(st.text(max_size=8), arrays(), max_size=3), st.text(), PARAMETERS)
def test_what_is_encoded_by_hand_is_what_protobuf_reads(tensors, text, parameters):
    request = theirs.ModelInferRequest.FromString(
        encode_request(text, text, tensors, request_id=text, parameters=parameters)
    )
    assert (request.model_name, request.model_version, request.id) == (text, text, text)
    assert {k: getattr(v, v.WhichOneof("parameter_choice")) for k, v in request.parameters.items()} == parameters
    assert [tuple(i.shape) for i in request.inputs] == [a.shape for a in tensors.values()]
    assert len(request.raw_input_contents) == len(tensors)
    for array, raw in zip(tensors.values(), request.raw_input_contents, strict=True):
        assert array.dtype == object or raw == array.tobytes()


@pytest.mark.parametrize("datatype", NUMERIC)
def test_big_endian_strided_and_transposed_arrays_arrive_with_the_same_values(datatype):
    array = np.arange(24).reshape(2, 3, 4).astype(DATATYPES[datatype])
    for variant in (array.astype(array.dtype.newbyteorder(">")), array.T, array[:, ::-2], np.asfortranarray(array)):
        read = decode_request(encode_request("m", "", {"x": variant})).tensors["x"]
        assert read.dtype == DATATYPES[datatype]
        assert np.array_equal(read, variant)


def test_text_arrays_become_bytes():
    for array in (np.array(["é", "ab"]), np.array([b"\xc3\xa9", b"ab"]), np.array(["é", b"ab"], object)):
        assert decode_request(encode_request("m", "", {"x": array})).tensors["x"].tolist() == ["é".encode(), b"ab"]


def test_a_requests_tensors_are_read_only_and_a_responses_are_not():
    image = np.ones((4, 4), np.uint8)
    assert not decode_request(encode_request("m", "", {"x": image})).tensors["x"].flags.writeable
    decode_response(encode_response("m", "", {"x": image})).tensors["x"][0] = 7


def test_bytes_tensors_are_not_copied():
    body = encode_request("m", "", {"x": np.zeros(1000, np.uint8)})
    assert np.shares_memory(decode_request(body).tensors["x"], np.frombuffer(body, np.uint8))


@pytest.mark.parametrize("name", ["FP32", "INT64", "UINT8", "BOOL", "FP16", "BYTES"])
def test_an_independent_clients_request_is_read(name):
    array = np.array([[b"a", b"bc"]], object) if name == "BYTES" else np.array([[1, 0]], DATATYPES[name])
    tensor = triton.InferInput("x", list(array.shape), name)
    tensor.set_data_from_numpy(array)
    message = theirs.ModelInferRequest(model_name="m", id="7")
    message.inputs.append(tensor._get_tensor())
    message.raw_input_contents.append(tensor._get_content())
    message.outputs.append(triton.InferRequestedOutput("y")._get_tensor())
    read = decode_request(message.SerializeToString())
    assert (read.model, read.request_id, read.outputs) == ("m", "7", ("y",))
    assert read.tensors["x"].tolist() == array.tolist()


@given(arrays())
def test_an_independent_client_reads_our_response(array):
    body = encode_response("m", "1", {"y": array}, request_id="7")
    read = triton.InferResult(theirs.ModelInferResponse.FromString(body)).as_numpy("y")
    if array.size:
        assert read.shape == array.shape
        assert read.tolist() == array.tolist() or array.dtype.kind == "f"


def typed(datatype, shape, **contents):
    message = pb.ModelInferRequest(model_name="m")
    message.inputs.add(name="x", datatype=datatype, shape=shape, contents=pb.InferTensorContents(**contents))
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True, False]),
        ("UINT8", "uint_contents", [0, 255]),
        ("UINT16", "uint_contents", [0, 2**16 - 1]),
        ("UINT32", "uint_contents", [0, 2**32 - 1]),
        ("UINT64", "uint64_contents", [0, 2**64 - 1]),
        ("INT8", "int_contents", [-128, 127]),
        ("INT16", "int_contents", [-(2**15), 2**15 - 1]),
        ("INT32", "int_contents", [-(2**31), 2**31 - 1]),
        ("INT64", "int64_contents", [-(2**63), 2**63 - 1]),
        ("FP32", "fp32_contents", [0.5, -1e38]),
        ("FP64", "fp64_contents", [0.1, -1e300]),
        ("BYTES", "bytes_contents", [b"", b"ab"]),
    ],
)
def test_typed_contents_of_every_datatype_are_read(datatype, field, values):
    array = decode_request(typed(datatype, [2, 1], **{field: values})).tensors["x"]
    assert array.dtype == DATATYPES[datatype]
    assert array.tolist() == np.array(values, DATATYPES[datatype]).reshape(2, 1).tolist()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (typed("FP32", [3], fp32_contents=[1, 2]), "3 elements; the message holds 2"),
        (typed("FP32", [1], fp32_contents=[1, 2]), "1 elements; the message holds 2"),
        (typed("FP32", [2**62, 4], fp32_contents=[1]), "elements"),
        (typed("FP32", [2], int_contents=[1, 2]), "FP32 goes into fp32_contents"),
        (typed("FP32", [1], fp32_contents=[1], fp64_contents=[1]), "FP32 goes into fp32_contents"),
        (typed("FP16", [1], fp32_contents=[1]), "FP16 can only be sent raw"),
        (typed("UINT8", [1], uint_contents=[256]), "does not fit"),
        (typed("INT8", [1], int_contents=[-129]), "does not fit"),
        (typed("FP32", [-1], fp32_contents=[1]), r"shape \[-1\]"),
        (typed("FP32", [1]), "1 elements; the message holds 0"),
    ],
)
def test_wrong_typed_contents_are_refused(body, words):
    with pytest.raises(SignatureMismatch, match=words):
        decode_request(body)


def raw(datatype, shape, *contents):
    message = pb.ModelInferRequest(model_name="m", raw_input_contents=contents)
    message.inputs.add(name="x", datatype=datatype, shape=shape)
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (raw("FP32", [2, 3], b"\0" * 23), "takes 24 bytes; the message holds 23"),
        (raw("FP32", [2, 3], b"\0" * 25), "takes 24 bytes; the message holds 25"),
        (raw("FP32", [2**32, 2**32], b""), "at most 1099511627776 elements"),
        (raw("FP32", [0, 2**62], b""), "at most 1099511627776 elements"),
        (raw("FP32", [2**61, 8], b"\0" * 4), "at most 1099511627776 elements"),
        (raw("UINT8", [-1, -1], b"\0"), r"shape \[-1, -1\]; valid sizes are >= 0"),
        (raw("UINT8", [1] * 9, b"\0"), "9 axes; at most 8"),
        (raw("UINT8", [1] * 100_000, b"\0"), "100000 axes; at most 8"),
        (raw("FLOAT", [1], b"\0" * 4), "datatype 'FLOAT'"),
        (raw("BF16", [1], b"\0" * 2), "datatype 'BF16'"),
        (raw("BOOL", [2], b"\x01\x02"), "other than 0 and 1"),
        (raw("FP32", [1], b"\0" * 4, b""), "describes 1 tensors and holds raw contents of 2"),
        (raw("BYTES", [1], b"\x02\0\0\0a"), "hold 0 whole ones and 5 bytes more"),
        (raw("BYTES", [1], b"\x01\0\0\0ab"), "hold 1 whole ones and 1 bytes more"),
        (raw("BYTES", [2**30], b"\xff" * 8), "BYTES with 1073741824 elements"),
        (raw("BYTES", [1], b"\xff\xff\xff\xffa"), "hold 0 whole ones"),
        (raw("BYTES", [1], b""), "hold 0 whole ones"),
        (raw("BYTES", [0], b"\0\0\0\0"), "0 elements; its 4 bytes"),
    ],
)
def test_wrong_raw_contents_are_refused_with_both_sizes(body, words):
    with pytest.raises(SignatureMismatch, match=words):
        decode_request(body)


def test_too_few_raw_contents_are_refused():
    message = pb.ModelInferRequest(model_name="m", raw_input_contents=[b"\0"])
    for name in "xy":
        message.inputs.add(name=name, datatype="UINT8", shape=[1])
    with pytest.raises(SignatureMismatch, match="describes 2 tensors and holds raw contents of 1"):
        decode_request(message.SerializeToString())


def test_raw_and_typed_contents_together_are_refused():
    with pytest.raises(InvalidInput, match="send one kind"):
        decode_request(typed("UINT8", [1], uint_contents=[1]) + b"\x3a\x01\x00")


def test_two_tensors_of_one_name_are_refused():
    with pytest.raises(InvalidInput, match="two tensors 'x'"):
        decode_request(raw("UINT8", [1], b"\0") + raw("UINT8", [1], b"\0"))


def test_a_message_with_too_many_fields_is_refused_before_they_are_read():
    with pytest.raises(InvalidInput, match="more than 4096 fields"):
        decode_request(b"\x3a\x00" * 100_000)


def test_shared_memory_and_classification_are_refused():
    message = pb.ModelInferRequest(model_name="m")
    message.inputs.add(name="x", datatype="UINT8", shape=[1]).parameters["shared_memory_region"].string_param = "a"
    with pytest.raises(InvalidInput, match="shared memory"):
        decode_request(message.SerializeToString())
    for name in ("shared_memory_region", "classification"):
        message = pb.ModelInferRequest(model_name="m")
        message.outputs.add(name="y").parameters[name].int64_param = 1
        with pytest.raises(InvalidInput, match=name):
            decode_request(message.SerializeToString())


def test_a_parameter_without_a_value_is_refused():
    message = pb.ModelInferRequest(model_name="m")
    message.parameters["p"].SetInParent()
    with pytest.raises(InvalidInput, match="'p' has no value"):
        decode_request(message.SerializeToString())


@pytest.mark.parametrize(
    "tensors",
    [{"x": [1.0]}, {"x": np.zeros(1, complex)}, {"x": np.zeros((1,) * 9)}, {"x": np.array([1, None], object)}],
)
def test_what_cannot_be_sent_is_refused_with_the_tensors_name_or_dtype(tensors):
    with pytest.raises(SignatureMismatch, match="'x'|complex128"):
        encode_request("m", "", tensors)


@pytest.mark.parametrize("value", [None, [1], 2**64, -(2**63) - 1, b"bytes"])
def test_a_parameter_that_cannot_be_sent_is_refused_by_name(value):
    with pytest.raises(InvalidInput, match="'p'"):
        encode_request("m", "", {}, parameters={"p": value})


def test_text_that_is_not_unicode_is_refused():
    for arguments in (("\ud800", "", {}), ("m", "", {"\ud800": np.zeros(1)})):
        with pytest.raises(InvalidInput, match="UTF-8"):
            encode_request(*arguments)
    with pytest.raises(InvalidInput, match="model_name is not UTF-8"):
        decode_request(b"\x0a\x01\xff")
    with pytest.raises(InvalidInput, match="not valid protobuf"):
        decode_request(b"\x2a\x03\x0a\x01\xff")
