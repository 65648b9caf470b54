"""From an address to a connected socket: TCP with an eye on dead peers, and TLS that trusts one authority."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path

from rilaas.core import DeadlineExceeded, InvalidInput, RilaasError, Unavailable
from rilaas.wire.status import unreachable

CONNECT_TIMEOUT_S = 10.0
DEAD_AFTER_S = 15  # a peer that acknowledges nothing for so long is gone
# Where the operating system has them: probe an idle connection after 10 s, give up as above.
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 1000 * DEAD_AFTER_S}


def trust(ca: Path) -> ssl.SSLContext:
    """TLS that trusts this authority alone, checks the name dialled, and talks HTTP/2.

    Raises:
        InvalidInput: The file holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    try:
        context.load_verify_locations(cafile=str(ca))
    except ssl.SSLError:
        raise InvalidInput(f"{ca} is not a certificate in PEM form.") from None
    return context


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port``; brackets around an IPv6 address are taken off.

    Raises:
        InvalidInput: It has no port.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InvalidInput(f"{address!r} is not an address.", "Write host:port, such as 10.0.0.5:8443 or [::1]:8443.")
    return host, int(port)


def dial(address: str, context: ssl.SSLContext | None, deadline: float) -> socket.socket:
    """Connect within 10 s and before the deadline.

    Args:
        address: ``host:port``.
        context: TLS; None talks in clear text.
        deadline: On the monotonic clock [s].

    Returns:
        A socket that does not block.

    Raises:
        Unauthenticated: The server's certificate is not good.
        Unavailable: Nobody is there, or it is not a server that talks HTTP/2.
        DeadlineExceeded: The deadline passed meanwhile.
    """
    host, port = split_address(address)
    until = min(deadline, time.monotonic() + CONNECT_TIMEOUT_S)
    try:
        plain = _connect(host, port, until)
        return _secure(plain, host, context, until)
    except socket.gaierror as error:
        raise unreachable(f"{host}: {error.strerror}") from None
    except TimeoutError:
        if time.monotonic() >= deadline:
            raise DeadlineExceeded(f"The deadline passed while {address} was dialled.") from None
        raise unreachable(f"{address} did not take the connection within {CONNECT_TIMEOUT_S:g} s") from None
    except ssl.SSLError as error:
        raise unreachable(f"TLS handshake with {address}: {error}") from None
    except OSError as error:
        raise broken(error, address) from None


def broken(error: OSError, address: str) -> RilaasError:
    """What it means that a system call or a TLS operation failed."""
    return unreachable(f"{address}: {error.strerror or error}")


def _left(until: float) -> float:
    left_s = until - time.monotonic()
    if left_s <= 0.0:
        raise TimeoutError
    return left_s


def _connect(host: str, port: int, until: float) -> socket.socket:
    failure: OSError = OSError("it has no address")
    for family, kind, protocol, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(_left(until))
            plain.connect(place)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                if hasattr(socket, name):
                    plain.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            return plain
        except OSError as error:
            plain.close()
            failure = error
    raise failure


def _secure(plain: socket.socket, host: str, context: ssl.SSLContext | None, until: float) -> socket.socket:
    if context is None:
        plain.setblocking(False)
        return plain
    try:
        plain.settimeout(_left(until))
        secure = context.wrap_socket(plain, server_hostname=host)  # closes ``plain`` where it fails
    except BaseException:
        plain.close()
        raise
    if secure.selected_alpn_protocol() != "h2":
        secure.close()
        raise Unavailable("The server speaks TLS, but not HTTP/2.", "Is this the address of a rilaas server?")
    secure.setblocking(False)
    return secure
