"""A fleet's authority, a robot with its key, fronts and clients."""

import pytest

from rilaas.client import RobotClient, StreamTransport
from rilaas.route.gate import TokenGate
from rilaas.serve.service import OpenGate
from rilaas.wire import ensure_authority, generate_key, server_credentials
from tests.client.front import Access, Doubler, Network, Server


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """A fleet's authority."""
    return ensure_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    """A robot's private key, with its path."""
    path = tmp_path_factory.mktemp("keys") / "robot"
    return path, generate_key(path).public


@pytest.fixture
def access(key):
    return Access(key[1])


@pytest.fixture
def service():
    return Doubler()


@pytest.fixture
def make_server():
    servers = []

    def make(*args):
        servers.append(Server(*args))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def server(make_server, service, access, tls):
    """A front with TLS that admits the robot."""
    mine = tls.issue("here", hosts=["127.0.0.1"])
    return make_server(service, TokenGate(access, ["127.0.0.1"]), server_credentials(mine.cert_path, mine.key_path))


@pytest.fixture
def plain_server(make_server, service):
    """A front without TLS that admits everybody."""
    return make_server(service, OpenGate(), None)


@pytest.fixture
def network():
    """Put a network in front of a server."""
    made = []

    def make(server):
        made.append(Network(server.port))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def robot(server, key, tls):
    """Make clients with the robot's key."""
    clients = []

    def make(model="double", address=None, **options):
        ca = options.pop("ca", tls.cert_path)
        path = options.pop("key", key[0])
        clients.append(RobotClient(address or server.address, model, "", path, ca, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def plain_robot(plain_server):
    """A client without TLS and without a token."""
    with RobotClient.over(StreamTransport(plain_server.address), "double") as client:
        yield client
