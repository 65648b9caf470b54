"""Who is let in, whom the robot trusts, and what it is told where not."""

import contextlib
import socket
import threading

import pytest

from rilaas.client import RobotClient, StreamTransport
from rilaas.client.robot_client import address_of
from rilaas.core import InvalidInput, NotFound, RilaasError, Unauthenticated, Unavailable
from rilaas.wire import ensure_authority, generate_key, server_credentials
from tests.client.front import x


def refused(client, kind, words):
    """Both ways of asking are refused alike."""
    for ask in (lambda: client.predict(x(1), deadline_s=3), lambda: client.submit(x(1)).result(20)):
        with pytest.raises(kind, match=words) as caught:
            ask()
        assert caught.value.hint
    return caught.value


def test_a_server_of_another_authority_is_not_trusted(robot, service, tmp_path):
    other = ensure_authority(tmp_path / "other")
    refused(robot(ca=other.cert_path), Unauthenticated, "not signed by the authority")
    assert not service.asked


def test_a_server_whose_certificate_is_for_another_name_is_not_trusted(robot, server, service):
    refused(robot(address=f"localhost:{server.port}"), Unauthenticated, "for another name")
    assert not service.asked


def test_a_certificate_for_a_name_and_for_addresses_is_good_for_each(make_server, service, tls, key):
    from rilaas.serve.service import OpenGate

    mine = tls.issue("names", hosts=["localhost", "127.0.0.1"])
    server = make_server(service, OpenGate(), server_credentials(mine.cert_path, mine.key_path))
    for host in ("localhost", "127.0.0.1"):
        with RobotClient(f"{host}:{server.port}", "double", "", key[0], tls.cert_path) as client:
            assert client.predict(x(2))["y"].tolist() == [4]


def test_a_server_without_tls_is_told_from_one_that_is_away(robot, plain_server):
    error = refused(robot(address=plain_server.address), Unavailable, "TLS")
    assert "Is it running" not in error.hint


def test_a_client_without_tls_at_a_server_with_tls_is_told_so(server):
    with RobotClient.over(StreamTransport(server.address), "double") as client, pytest.raises(RilaasError):
        client.predict(x(1), deadline_s=2)


def test_a_server_that_wants_a_client_certificate_hangs_up_and_the_hint_says_why(make_server, service, tls, robot):
    from rilaas.serve.service import OpenGate

    mine = tls.issue("mutual", hosts=["127.0.0.1"])
    credentials = server_credentials(mine.cert_path, mine.key_path, tls.cert_path)
    server = make_server(service, OpenGate(), credentials)
    refused(robot(address=server.address), Unavailable, "client certificate")


def test_an_unknown_key_is_refused_in_the_servers_words(robot, service, tmp_path):
    generate_key(tmp_path / "stranger")
    refused(robot(key=tmp_path / "stranger"), Unauthenticated, "No robot has the key")
    assert not service.asked


def test_a_key_that_is_registered_later_is_let_in_then(robot, access, tmp_path):
    stranger = generate_key(tmp_path / "stranger").public
    client = robot(key=tmp_path / "stranger")
    with pytest.raises(Unauthenticated):
        client.predict(x(1))
    access.register(stranger)
    assert client.predict(x(1))["y"].tolist() == [2]


def test_an_encrypted_key_opens_with_its_passphrase(robot, access, tmp_path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    from rilaas.wire import load_private_key

    path = tmp_path / "encrypted"
    path.write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    path.chmod(0o600)
    access.register(load_private_key(path, "open sesame").public)
    assert robot(key=path, passphrase="open sesame").predict(x(1))["y"].tolist() == [2]
    with pytest.raises(RilaasError, match="passphrase"):
        robot(key=path, passphrase="wrong")


def test_files_that_are_not_there_or_something_else_are_named(robot, tmp_path):
    (tmp_path / "noise").write_text("noise")
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (tmp_path / "broken").write_text(broken)
    with pytest.raises(NotFound, match="nowhere"):
        robot(ca=tmp_path / "nowhere")
    with pytest.raises(NotFound, match="nowhere"):
        robot(key=tmp_path / "nowhere")
    for name in ("noise", "broken"):
        with pytest.raises(InvalidInput, match=name):
            robot(ca=tmp_path / name)


def test_an_unknown_model_is_named_when_its_signature_is_asked_for(robot):
    with pytest.raises(NotFound, match="unknown"):
        _ = robot("unknown").signature


@pytest.mark.parametrize(
    ("words", "kind"),
    [(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", RilaasError), (b"", Unavailable)],
)
def test_a_server_of_another_kind_is_an_error_and_no_riddle(words, kind):
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.sendall(words)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(2**16)
                connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with RobotClient.over(StreamTransport(address), "double") as client, pytest.raises(kind):
            client.predict(x(1), deadline_s=1)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_a_host_that_nobody_knows_is_named():
    client = RobotClient.over(StreamTransport("no-such-host.invalid:1"), "double")
    with client, pytest.raises(Unavailable, match=r"no-such-host\.invalid"):
        client.predict(x(1), deadline_s=0.5)


@pytest.mark.parametrize(
    ("target", "host", "address"),
    [
        ("10.0.0.5", "10.0.0.5", "10.0.0.5:8443"),
        ("10.0.0.5:9000", "10.0.0.5", "10.0.0.5:9000"),
        ("edge.lab", "edge.lab", "edge.lab:8443"),
        ("edge.lab:9000", "edge.lab", "edge.lab:9000"),
        ("::1", "::1", "[::1]:8443"),
        ("fe80::1:2", "fe80::1:2", "[fe80::1:2]:8443"),
        ("[::1]", "::1", "[::1]:8443"),
        ("[::1]:9000", "::1", "[::1]:9000"),
    ],
)
def test_a_target_is_written_as_a_person_writes_it(target, host, address):
    assert address_of(target) == (host, address)


@pytest.mark.parametrize(
    "target", ["", ":8443", "edge:", "edge:port", "edge:0", "edge:70000", "[::1", "[::1]9000", "a b"]
)
def test_a_target_that_is_no_address_is_refused(target):
    with pytest.raises(InvalidInput, match=r"host:port|address"):
        StreamTransport(address_of(target)[1])
