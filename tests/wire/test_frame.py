"""Frames: however the bytes are cut, the same frames come out; what is none is refused at once."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import ERROR_TABLE, InvalidInput, RilaasError
from rilaas.wire import Frame, FrameKind, FrameReader, pack_error, pack_frame, pack_header, unpack_error

FRAMES = st.builds(
    Frame,
    st.sampled_from(FrameKind),
    st.integers(0, 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, allow_nan=False),
    st.binary(max_size=100),
)


@given(st.lists(FRAMES, max_size=5), st.data())
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(frames, data):
    stream = b"".join(pack_frame(frame) for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader, out = FrameReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        out += reader.feed(stream[start:end])
    assert out == frames


def test_a_frame_that_comes_byte_by_byte_comes_out_once_it_is_whole():
    frame = Frame(FrameKind.OK, 7, 1.5, math.inf, b"body")
    reader, stream = FrameReader(), pack_frame(frame)
    for byte in stream[:-1]:
        assert reader.feed(bytes((byte,))) == []
    assert reader.feed(stream[-1:]) == [frame]


def test_a_buffer_that_is_used_again_does_not_change_a_frame():
    frame = Frame(FrameKind.OK, 1, 0.0, body=b"abcd")
    buffer = bytearray(pack_frame(frame)[:-2])
    reader = FrameReader()
    reader.feed(buffer)
    buffer[:] = bytes(len(buffer))
    assert reader.feed(b"cd") == [frame]


def test_the_header_has_the_layout_that_is_written_down():
    header = pack_header(FrameKind.INFER, 3, 1.0, 2.0, 10)
    assert header == struct.pack("<IBQdd", 35, 1, 3, 1.0, 2.0)


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<IBQdd", 25, 99, 0, 0.0, 0.0),
        struct.pack("<IBQdd", 24, 1, 0, 0.0, 0.0),
        struct.pack("<IBQdd", 0, 1, 0, 0.0, 0.0),
        struct.pack("<IBQdd", 25, 1, 0, math.nan, 0.0),
        struct.pack("<IBQdd", 25, 1, 0, 0.0, math.nan),
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    ],
)
def test_garbage_is_refused_at_once_and_for_good(header):
    reader = FrameReader()
    with pytest.raises(InvalidInput):
        reader.feed(header)
    with pytest.raises(InvalidInput):
        reader.feed(pack_frame(Frame(FrameKind.OK, 1, 0.0)))


def test_an_oversized_frame_is_refused_by_its_header_before_its_body_is_stored():
    with pytest.raises(InvalidInput, match="1000 bytes is too large; at most 999"):
        FrameReader(max_body_bytes=999).feed(pack_header(FrameKind.INFER, 1, 0.0, math.inf, 1000))
    with pytest.raises(InvalidInput, match="too large"):
        pack_header(FrameKind.INFER, 1, 0.0, math.inf, 2**32)


@pytest.mark.parametrize("code", list(ERROR_TABLE))
def test_an_error_frame_carries_code_message_and_hint(code):
    sent = ERROR_TABLE[code].error("what é", "hint ü")
    got = unpack_error(pack_error(sent))
    assert (type(got), got.message, got.hint) == (type(sent), sent.message, sent.hint)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b"[" * 10**6, b'{"code": 1}'])
def test_an_unreadable_error_frame_is_an_error_of_ours(body):
    assert type(unpack_error(body)) is RilaasError
