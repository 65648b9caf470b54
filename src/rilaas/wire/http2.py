"""One gRPC stream over HTTP/2, from the client's side, without a socket: bytes in, messages out, and back.

Why not grpcio's own: see ``docs/decisions/0005-the-clients-own-http2.md``. A connection carries one stream, number 1,
that is opened with the connection and lives as long. Of RFC 9113 this needs the preface, SETTINGS and their
acknowledgement, HEADERS, DATA within the windows of stream and connection, WINDOW_UPDATE, PING, GOAWAY, RST_STREAM.
Header blocks of the server are skipped, not decoded: that a stream ended is seen in a frame's flags, and why it did
must be asked in another way. Push and compression are never offered, so they are errors. Sources: RFC 9113 (HTTP/2),
RFC 7541 (HPACK), gRPC's PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

import struct

from rilaas.core import InvalidInput, RilaasError
from rilaas.wire.field import Buffer
from rilaas.wire.http2_frame import (
    ACK,
    CANCEL,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    NO_ERROR,
    PADDED,
    PING,
    PREFACE,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STANDARD_FRAME,
    STANDARD_WINDOW,
    WINDOW_UPDATE,
    code_name,
    frame,
    frame_header,
    header_frames,
    literal,
)
from rilaas.wire.service import MAX_MESSAGE_BYTES

WINDOW_BYTES = 16 * 2**20  # what the server may send before it hears from us
MAX_FRAME_BYTES = 64 * 2**10  # of a frame to us: a few TCP segments, far more than its header costs
OUTGOING_BYTES = 256 * 2**10  # taken at once; what is not taken yet can be withdrawn

_MAX_WINDOW = 2**31 - 1
_MAX_HEADER_BYTES = 256 * 2**10  # of one header block
_STREAMS = {  # on which streams a frame may come; others are unknown and ignored
    DATA: (1,),
    HEADERS: (1,),
    RST_STREAM: (1,),
    SETTINGS: (0,),
    PUSH_PROMISE: (),
    PING: (0,),
    GOAWAY: (0,),
    WINDOW_UPDATE: (0, 1),
    CONTINUATION: (1,),
}


class GrpcStream:
    """The state of one connection with one bidirectional gRPC call; not thread-safe.

    Use: what ``outgoing`` returns goes to the socket, what comes from it to ``receive``; after every ``send``,
    ``receive`` and ``ping`` there may be more that is outgoing. The first call of ``outgoing`` opens the stream.

    Args:
        authority: ``host:port`` as dialled.
        path: The method, such as ``/inference.GRPCInferenceService/ModelStreamInfer``.
        scheme: ``https`` over TLS, else ``http``.
        token: Sent as a bearer token where it is not empty.

    Attributes:
        end: How the server ended the stream; '' while it has not.
        going_away: Whether the server wants no more messages on this connection; it still answers some.
        heard_messages: How many messages have come.
    """

    def __init__(self, authority: str, path: str, *, scheme: str = "http", token: str = "") -> None:
        self.end = ""
        self.going_away = False
        self.heard_messages = 0
        self._control = bytearray(_opening(authority, path, scheme, token))
        self._queue: dict[int, list[memoryview]] = {}  # messages by ticket, in order
        self._tickets, self._begun = 0, 0
        self._connection_window = self._stream_window = self._initial_window = STANDARD_WINDOW
        self._max_frame = STANDARD_FRAME
        self._pending, self._wanted = bytearray(), 9
        self._message = bytearray()
        self._unacknowledged = 0  # bytes received that the server's windows do not know of yet
        self._settled = False
        self._block_bytes = -1  # of a header block that goes on; -1 outside
        self._block_ends_stream = False

    def send(self, *parts: Buffer) -> int:
        """Queue one message, given in parts, which must not change until they are sent.

        Returns:
            A ticket for ``withdraw``.

        Raises:
            InvalidInput: It has more than 64 MiB.
        """
        size = sum(map(len, parts))
        if size > MAX_MESSAGE_BYTES:
            raise InvalidInput(f"The message has {size} bytes; at most {MAX_MESSAGE_BYTES} are valid.")
        self._tickets += 1
        views = [memoryview(part) for part in parts if len(part)]
        self._queue[self._tickets] = [memoryview(struct.pack(">BI", 0, size)), *views]
        return self._tickets

    def withdraw(self, ticket: int) -> bool:
        """Take back a message of which nothing has gone out yet; returns whether that was so."""
        return ticket != self._begun and self._queue.pop(ticket, None) is not None

    @property
    def has_outgoing(self) -> bool:
        """Whether there is something that may go out now."""
        return bool(
            self._control
            or (self._queue and self._stream_window > 0 and self._connection_window > 0 and not self.end)
        )

    def outgoing(self, limit_bytes: int = OUTGOING_BYTES) -> list[Buffer]:
        """What may go out now, in order: acknowledgements, and messages as far as the windows are open.

        Args:
            limit_bytes: At most so much of messages; ask again for more.
        """
        out: list[Buffer] = []
        if self._control:
            out.append(bytes(self._control))
            self._control.clear()
        budget = min(limit_bytes, self._connection_window, self._stream_window)
        while budget > 0 and self._queue and not self.end:
            ticket, parts = next(iter(self._queue.items()))
            self._begun = ticket
            taken = _take(parts, min(budget, self._max_frame))
            size = sum(map(len, taken))
            out.append(frame_header(size, DATA, 0, 1))
            out += taken
            budget -= size
            self._connection_window -= size
            self._stream_window -= size
            if not parts:
                del self._queue[ticket]
        return out

    def receive(self, data: Buffer) -> list[bytes]:
        """The messages that are complete with these bytes; ``end`` and ``going_away`` may change.

        Raises:
            RilaasError: The server breaks the protocol; nothing more can be received.
        """
        if self._pending or len(data) < self._wanted:
            self._pending += data
            if len(self._pending) < self._wanted:
                return []
            data = bytes(self._pending)
            self._pending.clear()
        view = memoryview(data)
        messages: list[bytes] = []
        position, self._wanted = 0, 9
        while len(view) - position >= 9:
            word, flags, stream = struct.unpack_from(">IBI", view, position)
            end = position + 9 + (word >> 8)
            if not self._settled:
                self._check_first(word & 0xFF, flags, stream & _MAX_WINDOW)
            if word >> 8 > MAX_FRAME_BYTES:
                raise self._broken(f"a frame of {word >> 8} bytes", FRAME_SIZE_ERROR)
            if end > len(view):
                self._wanted = end - position
                break
            self._take_frame(word & 0xFF, flags, stream & _MAX_WINDOW, view[position + 9 : end], messages)
            position = end
        self._pending += view[position:]
        return messages

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._control += frame(PING, 0, 0, b"rilaas\0\0")

    def close(self) -> None:
        """Say farewell; what is queued is dropped."""
        self._queue.clear()
        if not self.end:
            self.end = "this side has hung up"
            self._control += frame(RST_STREAM, 0, 1, struct.pack(">I", CANCEL))
        self._control += frame(GOAWAY, 0, 0, struct.pack(">II", 0, NO_ERROR))

    def _check_first(self, kind: int, flags: int, stream: int) -> None:
        if kind != SETTINGS or flags & ACK or stream:
            raise RilaasError(
                "The server does not speak HTTP/2 here.",
                "Is this the address of a rilaas server, with TLS or without?",
            )
        self._settled = True

    def _take_frame(self, kind: int, flags: int, stream: int, payload: memoryview, messages: list[bytes]) -> None:
        if (self._block_bytes >= 0) != (kind == CONTINUATION):
            raise self._broken("a header block that is not continued, or a continuation of none")
        if stream not in _STREAMS.get(kind, (stream,)):
            raise self._broken(f"a frame of kind {kind} on stream {stream}")
        if kind == DATA:
            self._take_data(flags, payload, messages)
        elif kind in (HEADERS, CONTINUATION):
            self._take_headers(kind, flags, len(payload))
        elif kind == SETTINGS and not flags & ACK:
            self._take_settings(payload)
        elif kind == PING and not flags & ACK:
            self._check_size(payload, 8, "PING")
            self._control += frame(PING, ACK, 0, bytes(payload))
        elif kind == WINDOW_UPDATE:
            self._take_window_update(stream, payload)
        elif kind == RST_STREAM:
            self._check_size(payload, 4, "RST_STREAM")
            self._ended(f"the server reset the stream ({_code(payload)})")
        elif kind == GOAWAY:
            self._take_goaway(payload)

    def _take_data(self, flags: int, payload: memoryview, messages: list[bytes]) -> None:
        self._unacknowledged += len(payload)
        if self._unacknowledged > WINDOW_BYTES:
            raise self._broken("more data than our window allows", FLOW_CONTROL_ERROR)
        if self._unacknowledged > WINDOW_BYTES // 2:
            more = struct.pack(">I", self._unacknowledged)
            self._control += frame(WINDOW_UPDATE, 0, 0, more) + frame(WINDOW_UPDATE, 0, 1, more)
            self._unacknowledged = 0
        if flags & PADDED:
            if not payload or payload[0] >= len(payload):
                raise self._broken("padding that is longer than its frame")
            payload = payload[1 : len(payload) - payload[0]]
        if self.end:
            return
        self._message += payload
        while (message := self._next_message()) is not None:
            messages.append(message)
            self.heard_messages += 1
        if flags & END_STREAM:
            self._ended("the server ended the stream")

    def _next_message(self) -> bytes | None:
        buffer = self._message
        if len(buffer) < 5:
            return None
        compressed, size = struct.unpack_from(">BI", buffer)
        if compressed:
            raise self._broken("a compressed message, or none of gRPC's")
        if size > MAX_MESSAGE_BYTES:
            raise self._broken(f"a message of {size} bytes, where at most {MAX_MESSAGE_BYTES} are taken")
        if len(buffer) < 5 + size:
            return None
        with memoryview(buffer) as view, view[5 : 5 + size] as body:
            message = bytes(body)
        del buffer[: 5 + size]
        return message

    def _take_headers(self, kind: int, flags: int, size: int) -> None:
        if kind == HEADERS:
            self._block_bytes = 0
            self._block_ends_stream = bool(flags & END_STREAM)
        self._block_bytes += size
        if self._block_bytes > _MAX_HEADER_BYTES:
            raise self._broken("a header block without an end")
        if flags & END_HEADERS:
            self._block_bytes = -1
            if self._block_ends_stream:
                self._ended("the server ended the stream")

    def _take_settings(self, payload: memoryview) -> None:
        if len(payload) % 6:
            raise self._broken(f"SETTINGS of {len(payload)} bytes", FRAME_SIZE_ERROR)
        for key, value in struct.iter_unpack(">HI", payload):
            if key == INITIAL_WINDOW_SIZE:
                self._stream_window += value - self._initial_window
                self._initial_window = value
                if max(value, self._stream_window) > _MAX_WINDOW:
                    raise self._broken(f"a window of {value} bytes", FLOW_CONTROL_ERROR)
            elif key == MAX_FRAME_SIZE:
                if not STANDARD_FRAME <= value < 2**24:
                    raise self._broken(f"a maximum frame size of {value} bytes")
                self._max_frame = value
        self._control += frame(SETTINGS, ACK, 0)

    def _take_window_update(self, stream: int, payload: memoryview) -> None:
        self._check_size(payload, 4, "WINDOW_UPDATE")
        more = int.from_bytes(payload, "big") & _MAX_WINDOW
        if stream:
            self._stream_window += more
        else:
            self._connection_window += more
        if not more or max(self._stream_window, self._connection_window) > _MAX_WINDOW:
            raise self._broken(f"a window that grows by {more}", FLOW_CONTROL_ERROR)

    def _take_goaway(self, payload: memoryview) -> None:
        if len(payload) < 8:
            raise self._broken("a GOAWAY that is too short", FRAME_SIZE_ERROR)
        self.going_away = True
        last = int.from_bytes(payload[:4], "big") & _MAX_WINDOW
        if last < 1 or int.from_bytes(payload[4:8], "big") != NO_ERROR:
            self._ended(f"the server hung up ({_code(payload[4:])})")

    def _ended(self, how: str) -> None:
        self.end = self.end or how
        self._queue.clear()

    def _check_size(self, payload: memoryview, size: int, what: str) -> None:
        if len(payload) != size:
            raise self._broken(f"a {what} of {len(payload)} bytes", FRAME_SIZE_ERROR)

    def _broken(self, what: str, code: int = PROTOCOL_ERROR) -> RilaasError:
        self._ended(f"the server sent {what}")
        self._control += frame(GOAWAY, 0, 0, struct.pack(">II", 0, code))
        return RilaasError(f"The server breaks the protocol: it sent {what}.")


def _opening(authority: str, path: str, scheme: str, token: str) -> bytes:
    """Preface, SETTINGS, the connection's window and the stream's HEADERS."""
    fields = {":method": "POST", ":scheme": scheme, ":path": path, ":authority": authority, "te": "trailers"}
    fields |= {"content-type": "application/grpc", "user-agent": "rilaas"}
    block = b"".join(literal(name, value) for name, value in fields.items())
    if token:
        block += literal("authorization", f"Bearer {token}", secret=True)
    pairs = {HEADER_TABLE_SIZE: 0, ENABLE_PUSH: 0, INITIAL_WINDOW_SIZE: WINDOW_BYTES, MAX_FRAME_SIZE: MAX_FRAME_BYTES}
    settings = b"".join(struct.pack(">HI", key, value) for key, value in pairs.items())
    window = struct.pack(">I", WINDOW_BYTES - STANDARD_WINDOW)
    return PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, window) + header_frames(block, 1)


def _take(parts: list[memoryview], size: int) -> list[memoryview]:
    """Cut the first ``size`` bytes, or all, off the front of ``parts``."""
    taken: list[memoryview] = []
    while parts and size:
        if len(parts[0]) > size:
            taken.append(parts[0][:size])
            parts[0] = parts[0][size:]
            break
        size -= len(parts[0])
        taken.append(parts.pop(0))
    return taken


def _code(payload: memoryview) -> str:
    return code_name(int.from_bytes(payload[:4], "big"))
