"""The client's own gRPC stream, alone with bytes."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput, RilaasError
from rilaas.wire import MAX_MESSAGE_BYTES
from rilaas.wire.http2 import MAX_FRAME_BYTES, WINDOW_BYTES, GrpcStream
from rilaas.wire.http2_frame import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    PADDED,
    PING,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)

PATH = "/test.Echo/Stream"
HELLO = frame(SETTINGS, 0, 0)
HEAD = frame(HEADERS, END_HEADERS, 1, b"\x88")


def fresh(**options):
    """A stream whose opening has gone out and whose server has said hello."""
    stream = GrpcStream("robot:1", PATH, **options)
    stream.outgoing()
    assert stream.receive(HELLO + HEAD) == []
    assert joined(stream) == frame(SETTINGS, ACK, 0)
    return stream


def joined(stream):
    return b"".join(stream.outgoing())


def message(body):
    return struct.pack(">BI", 0, len(body)) + body


def data(payload, flags=0):
    return frame(DATA, flags, 1, payload)


def u32(value):
    return struct.pack(">I", value)


def setting(key, value):
    return frame(SETTINGS, 0, 0, struct.pack(">HI", key, value))


def frames(sent):
    """Cut what a client sent: (kind, flags, stream, payload) of each frame."""
    found = []
    while sent:
        word, flags, stream = struct.unpack_from(">IBI", sent)
        found.append((word & 0xFF, flags, stream, sent[9 : 9 + (word >> 8)]))
        sent = sent[9 + (word >> 8) :]
    return found


def unpack_text(block):
    size, shift, at = block[0] & 0x7F, 0, 1
    if size == 0x7F:
        while True:
            size += (block[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if block[at - 1] < 0x80:
                break
    return block[at : at + size].decode(), block[at + size :]


def test_the_stream_opens_with_preface_settings_a_large_window_and_headers():
    sent = b"".join(GrpcStream("robot:1", PATH, scheme="https", token="secret").outgoing())
    assert sent.startswith(PREFACE)
    settings, window, headers = frames(sent[len(PREFACE) :])
    assert settings[0] == SETTINGS
    pairs = dict(struct.iter_unpack(">HI", settings[3]))
    assert pairs == {1: 0, 2: 0, INITIAL_WINDOW_SIZE: WINDOW_BYTES, MAX_FRAME_SIZE: MAX_FRAME_BYTES}
    assert window == (WINDOW_UPDATE, 0, 0, u32(WINDOW_BYTES - 65_535))
    assert headers[:3] == (HEADERS, END_HEADERS, 1)
    fields, block = {}, headers[3]
    while block:
        kind = block[0]
        name, block = unpack_text(block[1:])
        value, block = unpack_text(block)
        fields[name] = (kind, value)
    assert fields[":path"] == (0x00, PATH)
    assert fields[":scheme"] == (0x00, "https")
    assert fields["authorization"] == (0x10, "Bearer secret")  # never to be indexed


@pytest.mark.parametrize("size", [1, 119, 120, 121, 247, 248, 16_000, 40_000])
def test_a_token_of_any_length_arrives_in_headers_and_continuations(size):
    sent = b"".join(GrpcStream("robot:1", PATH, token="x" * size).outgoing())
    pieces = frames(sent[len(PREFACE) :])[2:]
    assert [kind for kind, *_ in pieces] == [HEADERS] + [CONTINUATION] * (len(pieces) - 1)
    assert [flags for _, flags, *_ in pieces] == [0] * (len(pieces) - 1) + [END_HEADERS]
    block = b"".join(payload for *_, payload in pieces)
    value, rest = unpack_text(block[block.index(b"authorization") + len("authorization") :])
    assert (value, rest) == ("Bearer " + "x" * size, b"")


@pytest.mark.parametrize("token", ["a\r\nb", "naïve", "\0"])
def test_what_is_no_printable_ascii_is_not_sent_in_a_header(token):
    with pytest.raises(InvalidInput, match="printable ASCII"):
        GrpcStream("robot:1", PATH, token=token)


@given(st.data())
def test_any_split_of_the_incoming_bytes_gives_the_same_messages(choices):
    bodies = choices.draw(st.lists(st.binary(max_size=300), max_size=6))
    payload = b"".join(map(message, bodies))
    incoming = b""
    while payload:
        size = choices.draw(st.integers(1, len(payload)))
        padding = choices.draw(st.integers(-1, 20))
        chunk, payload = payload[:size], payload[size:]
        incoming += data(chunk) if padding < 0 else data(bytes((padding,)) + chunk + bytes(padding), PADDED)
        incoming += choices.draw(st.sampled_from([b"", frame(PING, 0, 0, b"12345678"), frame(0xBE, 7, 9, b"new")]))
    incoming += frame(HEADERS, END_STREAM, 1, b"\x88") + frame(CONTINUATION, END_HEADERS, 1, b"trailers")
    stream = fresh()
    got = []
    while incoming:
        size = choices.draw(st.integers(1, len(incoming)))
        got += stream.receive(memoryview(incoming)[:size])
        incoming = incoming[size:]
    assert got == bodies
    assert stream.heard_messages == len(bodies)
    assert stream.end == "the server ended the stream"


@given(
    st.lists(st.integers(0, 90_000), max_size=8),
    st.lists(st.sampled_from(["stream", "connection", "initial", "frame", "take"]), max_size=30),
    st.randoms(use_true_random=False),
)
def test_windows_and_frame_sizes_are_kept_and_what_arrives_is_what_was_sent(sizes, steps, random):
    stream = fresh()
    windows, initial, largest = {"stream": 65_535, "connection": 65_535}, 65_535, 16_384
    bodies = [random.randbytes(size) for size in sizes]
    for body in bodies:
        stream.send(body[:100], body[100:])
    arrived = b""

    def take(limit):
        out = b""
        for kind, _, number, payload in frames(b"".join(stream.outgoing(limit))):
            if kind == DATA:
                assert number == 1
                assert 0 < len(payload) <= largest
                windows["stream"] -= len(payload)
                windows["connection"] -= len(payload)
                assert min(windows.values()) >= 0
                out += payload
        return out

    for step in steps:
        if step in windows:
            more = random.randrange(1, 60_000)
            stream.receive(frame(WINDOW_UPDATE, 0, 1 if step == "stream" else 0, u32(more)))
            windows[step] += more
        elif step == "initial":
            value = random.choice([0, 1, 100, 65_535, 200_000])
            stream.receive(setting(INITIAL_WINDOW_SIZE, value))
            windows["stream"] += value - initial
            initial = value
        elif step == "frame":
            largest = random.choice([16_384, 20_000, 2**24 - 1])
            stream.receive(setting(MAX_FRAME_SIZE, largest))
        elif min(windows.values()) > 0:
            arrived += take(random.choice([1, 500, 2**20]))
    stream.receive(frame(WINDOW_UPDATE, 0, 1, u32(2**20)) + frame(WINDOW_UPDATE, 0, 0, u32(2**20)))
    windows = {key: value + 2**20 for key, value in windows.items()}
    while piece := take(2**30):
        arrived += piece
    assert arrived == b"".join(map(message, bodies))


def test_a_server_that_sends_much_hears_of_it_in_big_steps_and_before_its_window_closes():
    stream = fresh()
    told, sent = 0, 0
    body = bytes(MAX_FRAME_BYTES)
    for _ in range(2 * WINDOW_BYTES // MAX_FRAME_BYTES):
        stream.receive(data(message(body[:-5])))
        sent += len(body)
        updates = [each for each in frames(joined(stream)) if each[0] == WINDOW_UPDATE]
        assert [each[2] for each in updates] in ([], [0, 1])
        told += sum(int.from_bytes(each[3], "big") for each in updates if each[2] == 1)
        assert not updates or int.from_bytes(updates[0][3], "big") >= WINDOW_BYTES // 2
        assert sent - told < WINDOW_BYTES


def test_a_message_of_which_nothing_has_gone_out_can_be_withdrawn():
    stream = fresh()
    first, second, third = stream.send(bytes(70_000)), stream.send(b"stale"), stream.send(b"new")
    stream.outgoing()  # all that the window allows: a part of the first
    assert not stream.withdraw(first)
    assert stream.withdraw(second)
    assert not stream.withdraw(second)
    stream.receive(frame(WINDOW_UPDATE, 0, 1, u32(2**20)) + frame(WINDOW_UPDATE, 0, 0, u32(2**20)))
    assert joined(stream).endswith(data(message(b"new")))
    assert not stream.withdraw(third)


def test_a_ping_is_answered_and_settings_are_acknowledged():
    stream = fresh()
    stream.receive(frame(PING, 0, 0, b"12345678") + frame(PING, ACK, 0, b"87654321") + HELLO)
    assert joined(stream) == frame(PING, ACK, 0, b"12345678") + frame(SETTINGS, ACK, 0)
    stream.ping()
    assert frames(joined(stream))[0][:3] == (PING, 0, 0)


def test_a_server_that_goes_away_still_answers():
    stream = fresh()
    stream.receive(frame(GOAWAY, 0, 0, u32(2**31 - 1) + u32(0) + b"bye"))
    assert stream.going_away
    assert not stream.end
    assert stream.receive(data(message(b"late"))) == [b"late"]


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (frame(GOAWAY, 0, 0, u32(0) + u32(0)), "hung up"),
        (frame(GOAWAY, 0, 0, u32(1) + u32(11)), "ENHANCE_YOUR_CALM"),
        (frame(RST_STREAM, 0, 1, u32(7)), "REFUSED_STREAM"),
        (frame(RST_STREAM, 0, 1, u32(99)), "code 99"),
        (data(b"", END_STREAM), "ended the stream"),
        (frame(HEADERS, END_STREAM | END_HEADERS, 1), "ended the stream"),
    ],
)
def test_the_end_of_the_stream_says_how(last, words):
    stream = fresh()
    stream.send(bytes(100_000))
    stream.receive(last)
    assert words in stream.end
    assert stream.receive(data(message(b"after the end"))) == []
    assert joined(stream) == b""  # nothing more is sent


BROKEN = {
    "data on another stream": frame(DATA, 0, 3, message(b"")),
    "a push": frame(PUSH_PROMISE, END_HEADERS, 1, u32(2)),
    "settings on a stream": frame(SETTINGS, 0, 1),
    "settings of five bytes": frame(SETTINGS, 0, 0, b"12345"),
    "a ping of seven bytes": frame(PING, 0, 0, b"1234567"),
    "a window update of nothing": frame(WINDOW_UPDATE, 0, 0, u32(0)),
    "a window that is too large": frame(WINDOW_UPDATE, 0, 1, u32(2**31 - 1)),
    "an initial window that is too large": setting(INITIAL_WINDOW_SIZE, 2**31),
    "a frame size that is too small": setting(MAX_FRAME_SIZE, 100),
    "a frame that is too large": data(bytes(MAX_FRAME_BYTES + 1)),
    "headers that are not continued": frame(HEADERS, 0, 1) + data(message(b"")),
    "a continuation of nothing": frame(CONTINUATION, END_HEADERS, 1),
    "headers without an end": frame(HEADERS, 0, 1) + 5 * frame(CONTINUATION, 0, 1, bytes(60_000)),
    "padding of the whole frame": frame(DATA, PADDED, 1, b"\x04abc"),
    "padding in an empty frame": frame(DATA, PADDED, 1),
    "a compressed message": data(b"\x01" + u32(3) + b"abc"),
    "a page of HTML": data(b"<html><body>Not found</body></html>"),
    "a message that is too large": data(b"\x00" + u32(MAX_MESSAGE_BYTES + 1)),
    "a goaway that is too short": frame(GOAWAY, 0, 0, u32(1)),
    "a reset that is too long": frame(RST_STREAM, 0, 1, bytes(5)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_server_that_breaks_the_protocol_is_left_with_an_internal_error(what):
    stream = fresh()
    with pytest.raises(RilaasError, match="breaks the protocol") as caught:
        stream.receive(BROKEN[what])
    assert caught.value.code == "internal"
    assert stream.end
    assert frames(joined(stream))[-1][0] == GOAWAY


def test_more_data_than_the_window_allows_is_an_error():
    stream = fresh()
    stream._unacknowledged = WINDOW_BYTES // 2 - 10  # as if our own update had not been sent
    stream.receive(data(bytes(5)))
    stream._unacknowledged = WINDOW_BYTES
    with pytest.raises(RilaasError, match="window"):
        stream.receive(data(b"x"))


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x46ab", b"SSH-2.0-x\r\n"]
)
def test_a_server_of_another_protocol_is_told_from_its_first_bytes(words):
    with pytest.raises(RilaasError, match="does not speak HTTP/2"):
        GrpcStream("robot:1", PATH).receive(words)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_it_in_another_way(noise, settled):
    stream = GrpcStream("robot:1", PATH)
    with contextlib.suppress(RilaasError):
        stream.receive((HELLO + HEAD if settled else b"") + noise)


@given(st.integers(0, 12), st.integers(0, 255), st.integers(0, 2), st.binary(max_size=30))
def test_no_frame_breaks_it_in_another_way(kind, flags, number, payload):
    with contextlib.suppress(RilaasError):
        fresh().receive(frame(kind, flags, number, payload))


def test_a_message_of_more_than_64_mib_is_not_sent():
    with pytest.raises(InvalidInput, match="at most"):
        fresh().send(bytes(MAX_MESSAGE_BYTES), b"x")


def test_a_farewell_drops_what_is_queued():
    stream = fresh()
    stream.send(b"never mind")
    stream.close()
    assert [kind for kind, *_ in frames(joined(stream))] == [RST_STREAM, GOAWAY]
