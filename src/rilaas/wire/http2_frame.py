"""HTTP/2 frames and HPACK's literals, as far as a client of one gRPC stream writes and names them.

Sources: RFC 9113 (HTTP/2), RFC 7541 (HPACK).
"""

from __future__ import annotations

import struct

from rilaas.core import InvalidInput

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = 0, 1, 3, 4, 5, 6, 7
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
HEADER_TABLE_SIZE, ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 2, 4, 5  # of SETTINGS
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, CANCEL = 0, 1, 3, 6, 8

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STANDARD_WINDOW, STANDARD_FRAME = 65_535, 16_384  # in force until SETTINGS say otherwise

_CODES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


def frame_header(size_bytes: int, kind: int, flags: int, stream: int) -> bytes:
    """The nine bytes before a payload."""
    return struct.pack(">IBI", size_bytes << 8 | kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return frame_header(len(payload), kind, flags, stream) + payload


def code_name(code: int) -> str:
    """What RFC 9113 calls an error code."""
    return _CODES[code] if code < len(_CODES) else f"code {code}"


def literal(name: str, value: str, *, secret: bool = False) -> bytes:
    """A header field that enters no table; intermediaries are told to keep it out of theirs where it is secret.

    Raises:
        InvalidInput: It is not printable ASCII.
    """
    return (b"\x10" if secret else b"\x00") + _text(name) + _text(value)


def _text(value: str) -> bytes:
    """The length as an integer with a prefix of 7 bits (RFC 7541, 5.1), then the bytes, not in Huffman's code."""
    if not (value.isascii() and value.isprintable()):
        raise InvalidInput(f"{value!r} cannot be sent in a header: it is not printable ASCII.")
    size = len(value)
    if size < 0x7F:
        return bytes((size,)) + value.encode()
    out, size = bytearray(b"\x7f"), size - 0x7F
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out) + value.encode()


def header_frames(block: bytes, stream: int) -> bytes:
    """A header block as HEADERS and as many CONTINUATIONs as it needs; the stream stays open."""
    pieces = [block[start : start + STANDARD_FRAME] for start in range(0, len(block), STANDARD_FRAME)]
    kinds = [HEADERS] + [CONTINUATION] * (len(pieces) - 1)
    flags = [0] * (len(pieces) - 1) + [END_HEADERS]
    return b"".join(map(frame, kinds, flags, [stream] * len(pieces), pieces))
