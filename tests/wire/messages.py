"""Hypothesis strategies: messages that protobuf can produce, and broken ones."""

from hypothesis import strategies as st

from rilaas.wire import inference_pb2 as pb

SHORT = st.text(max_size=6)


@st.composite
def parameters(draw, target):
    for key in draw(st.lists(st.one_of(st.just("rilaas_deadline_s"), SHORT), max_size=3)):
        value = draw(st.one_of(SHORT, st.booleans(), st.floats(), st.integers(-(2**63), 2**63 - 1)))
        kind = {str: "string_param", bool: "bool_param", float: "double_param", int: "int64_param"}[type(value)]
        setattr(target[key], kind, value)


@st.composite
def requests(draw):
    """Any ModelInferRequest, sensible or not."""
    message = pb.ModelInferRequest(model_name=draw(SHORT), model_version=draw(SHORT), id=draw(SHORT))
    draw(parameters(message.parameters))
    for _ in range(draw(st.integers(0, 3))):
        tensor = message.inputs.add(name=draw(SHORT), datatype=draw(st.sampled_from(["FP32", "BYTES", "BOOL", "?"])))
        tensor.shape.extend(draw(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3), max_size=4)))
        draw(parameters(tensor.parameters))
        if draw(st.booleans()):
            tensor.contents.fp32_contents.extend(draw(st.lists(st.floats(width=32), max_size=3)))
            tensor.contents.bytes_contents.extend(draw(st.lists(st.binary(max_size=3), max_size=3)))
    for name in draw(st.lists(SHORT, max_size=2)):
        message.outputs.add(name=name)
    message.raw_input_contents.extend(draw(st.lists(st.binary(max_size=20), max_size=3)))
    return message


# Serialized messages one after the other are one message to protobuf: the last name wins, maps are merged.
merged = st.lists(requests(), min_size=1, max_size=3).map(lambda ms: b"".join(m.SerializeToString() for m in ms))


@st.composite
def broken(draw):
    """A serialized request with some of its bytes replaced, removed or added."""
    body = bytearray(draw(merged))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(body[: draw(st.integers(0, len(body)))]) if draw(st.booleans()) else bytes(body)
