"""Errors over real gRPC calls, ours and other people's, in clear text and over TLS."""

from concurrent import futures

import grpc
import pytest

from rilaas.core import (
    ERROR_TABLE,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    RilaasError,
    Unauthenticated,
    Unavailable,
)
from rilaas.wire import (
    client_credentials,
    ensure_authority,
    error_from_rpc,
    grpc_status,
    server_credentials,
    status_details,
    trailing_metadata,
)

METHOD = "/test.Test/Call"


@pytest.fixture
def serve():
    """Start a server whose one method does as it is told; returns its port."""
    servers = []

    def start(function, credentials=None, options=()):
        handler = grpc.method_handlers_generic_handler(
            "test.Test", {"Call": grpc.unary_unary_rpc_method_handler(function)}
        )
        server = grpc.server(futures.ThreadPoolExecutor(1), handlers=(handler,), options=options)
        servers.append(server)
        add = server.add_insecure_port if credentials is None else server.add_secure_port
        port = add("127.0.0.1:0", *(() if credentials is None else (credentials,)))
        server.start()
        return port

    yield start
    for server in servers:
        server.stop(None).wait()


def call(port, credentials=None, timeout_s=20.0, method=METHOD, body=b""):
    address = f"127.0.0.1:{port}"
    open_channel = (
        grpc.insecure_channel(address) if credentials is None else grpc.secure_channel(address, credentials)
    )
    with open_channel as channel:
        try:
            return channel.unary_unary(method)(body, timeout=timeout_s)
        except grpc.RpcError as failure:
            return error_from_rpc(failure)


def aborting(error, request_id=""):
    def function(body, context):
        context.set_trailing_metadata(trailing_metadata(error, request_id))
        context.abort(grpc_status(error), status_details(error))

    return function


@pytest.mark.parametrize("code", list(ERROR_TABLE))
def test_our_errors_arrive_as_they_left(code, serve):
    error = ERROR_TABLE[code].error("Tensor 'x' is 3 %41 – é.\nSecond line", "Try y=1; or 100 %.")
    got = call(serve(aborting(error, "7")))
    assert (type(got), got.message, got.hint) == (type(error), error.message, error.hint)


def test_each_error_has_the_status_of_the_table():
    for row in ERROR_TABLE.values():
        assert grpc_status(row.error("")).name == row.grpc_status


def test_a_very_long_error_fits_into_the_metadata(serve):
    got = call(serve(aborting(NotFound("é" * 100_000, "ü" * 100_000), "7" * 100_000)))
    assert type(got) is NotFound
    assert got.message.startswith("éééé")


def test_trailing_metadata_are_printable_ascii_and_leave_out_what_is_empty():
    pairs = dict(trailing_metadata(NotFound("é\r\nx: y\0", ""), "a b"))
    assert set(pairs) == {"rilaas-code", "rilaas-message", "rilaas-request-id"}
    assert all(32 <= ord(character) < 127 for value in pairs.values() for character in value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, NotFound),
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidInput),
        (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated),
        (grpc.StatusCode.INTERNAL, RilaasError),
        (grpc.StatusCode.UNKNOWN, RilaasError),
        (grpc.StatusCode.CANCELLED, Unavailable),
    ],
)
def test_another_servers_status_becomes_the_nearest_error_with_its_words(status, kind, serve):
    got = call(serve(lambda body, context: context.abort(status, "its own words")))
    assert (type(got), got.message) == (kind, "its own words")


def test_a_server_that_is_not_there_is_unavailable():
    assert type(call(1)) is Unavailable


def test_a_deadline_that_passes_is_one(serve):
    stop = futures.Future()
    got = call(serve(lambda body, context: stop.result(timeout=20)), timeout_s=0.2)
    stop.set_result(b"")
    assert type(got) is DeadlineExceeded


def test_a_method_that_is_not_there_asks_for_the_protocol(serve):
    got = call(serve(lambda body, context: b""), method="/test.Test/Other")
    assert "does not know this method" in str(got)


def test_a_message_that_is_too_large_is_called_so(serve):
    port = serve(lambda body, context: b"", options=[("grpc.max_receive_message_length", 100)])
    got = call(port, body=bytes(1000))
    assert type(got) is InvalidInput
    assert "too large" in got.message


def test_what_is_no_rpc_status_is_still_an_error():
    assert type(error_from_rpc(grpc.RpcError("odd"))) is RilaasError


@pytest.fixture
def authority(tmp_path):
    return ensure_authority(tmp_path / "ours")


def secure(serve, authority, hosts=("127.0.0.1",), client_ca=None):
    issued = authority.issue("server", list(hosts))
    return serve(lambda body, context: b"hello", server_credentials(issued.cert_path, issued.key_path, client_ca))


def test_tls_works_with_our_certificates(serve, authority):
    assert call(secure(serve, authority), client_credentials(authority.cert_path)) == b"hello"


def test_a_server_of_another_authority_is_refused_in_words(serve, authority, tmp_path):
    other = ensure_authority(tmp_path / "other")
    got = call(secure(serve, authority), client_credentials(other.cert_path))
    assert type(got) is Unauthenticated
    assert "not signed by the authority that you trust" in got.message


def test_a_server_under_another_name_is_refused_in_words(serve, authority):
    got = call(secure(serve, authority, ["edge-1.local"]), client_credentials(authority.cert_path))
    assert type(got) is Unauthenticated
    assert "another name or address" in got.message


def test_a_server_without_tls_is_called_so(serve, authority):
    got = call(serve(lambda body, context: b""), client_credentials(authority.cert_path))
    assert type(got) is Unavailable
    assert "TLS" in got.message


def test_a_client_with_a_certificate_is_let_in_and_one_without_is_told(serve, authority, tmp_path):
    port = secure(serve, authority, client_ca=authority.cert_path)
    mine = authority.issue("router", client=True)
    credentials = client_credentials(authority.cert_path, mine.cert_path, mine.key_path)
    assert call(port, credentials) == b"hello"
    assert isinstance(call(port, client_credentials(authority.cert_path)), (Unauthenticated, Unavailable))
    stranger = ensure_authority(tmp_path / "other").issue("router", client=True)
    credentials = client_credentials(authority.cert_path, stranger.cert_path, stranger.key_path)
    assert isinstance(call(port, credentials), (Unauthenticated, Unavailable))
    server = authority.issue("server", ["127.0.0.1"])
    credentials = client_credentials(authority.cert_path, server.cert_path, server.key_path)
    assert isinstance(call(port, credentials), (Unauthenticated, Unavailable)), (
        "a server's certificate is no client's"
    )
