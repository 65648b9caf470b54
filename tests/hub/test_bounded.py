"""What comes in is bounded before it is read."""

import contextlib
import http.client

import pytest

from tests.hub_process import HubProcess


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with HubProcess(tmp_path_factory.mktemp("bounded")) as process:
        yield process


def declare(hub, path, length, **headers):
    """Declare a length, send nothing of it; the status of the answer and what it says."""
    link = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=30)
    link.putrequest("POST", path)
    for name, value in {"content-length": str(length), **headers}.items():
        link.putheader(name, value)
    link.endheaders()
    answer = link.getresponse()
    text = answer.read().decode()
    link.close()
    return answer.status, text


def test_a_stranger_may_not_send_what_is_large(hub):
    status, text = declare(hub, "/sign-in", 2 * 2**30)
    assert status == 413
    assert "does not know" in text
    assert declare(hub, "/models", 2 * 2**30, cookie="rilaas_session=made-up")[0] == 413
    assert declare(hub, "/api/v1/models", 2 * 2**30, authorization="Bearer rilaas_made-up")[0] == 413


def test_nobody_may_send_what_is_larger_than_any_model(hub):
    status, text = declare(hub, "/api/v1/models", 10**12, authorization=f"Bearer {hub.token}")
    assert status == 413
    assert "1000000000000" in text
    assert declare(hub, "/api/v1/models", -1, authorization=f"Bearer {hub.token}")[0] in (400, 413)


def test_a_body_without_a_length_is_bounded_too(hub):
    link = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=30)
    link.putrequest("POST", "/sign-in")
    link.putheader("transfer-encoding", "chunked")
    link.endheaders()
    chunk = b"10000\r\n" + b"x" * 2**16 + b"\r\n"
    with contextlib.closing(link), pytest.raises((ConnectionError, http.client.HTTPException)):
        send(link, chunk)


def send(link, chunk):
    """128 MiB, and wait for what is said to it."""
    for _ in range(2000):
        link.send(chunk)
    link.getresponse()


def test_an_address_holds_no_nul(hub):
    with hub.connect() as connection, pytest.raises(Exception, match="NUL"):
        connection.get("/api/v1/models/%00/x")
    with hub.connect() as connection, pytest.raises(Exception, match="NUL"):
        connection.get("/api/v1/models", search="\0")
