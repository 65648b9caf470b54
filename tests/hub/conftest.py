"""The cast: Alice owns, Bob is her collaborator, Charlie is a stranger; Local runs the hub."""

import pytest
from django.test import Client

from rilaas.hub.actions.person import first_person
from rilaas.hub.actions.token import make_token
from rilaas.hub.models import Person
from tests.hub.drive_parts import push_seeing
from tests.hub.run_parts import worker_here


@pytest.fixture(autouse=True)
def _hub_home(tmp_path, settings):
    """A home of its own for each test; passwords are hashed fast."""
    settings.HOME = tmp_path / "home" / "hub"
    settings.HOME.mkdir(parents=True)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.REDIS_URL = settings.PROMETHEUS_URL = ""


@pytest.fixture
def local(db):
    return first_person()


@pytest.fixture
def alice(db):
    return Person.objects.create_user("alice")


@pytest.fixture
def bob(db):
    return Person.objects.create_user("bob")


@pytest.fixture
def charlie(db):
    return Person.objects.create_user("charlie")


@pytest.fixture
def worker(monkeypatch):
    """The hub's worker, in this process."""
    with worker_here(monkeypatch) as worker:
        yield worker


@pytest.fixture
def seeing(alice, bob, tmp_path):
    """Alice's model that drives somehow; Bob works on it too."""
    return push_seeing(alice, tmp_path / "seeing")


@pytest.fixture
def browser():
    """``browser(person)``: a client that has signed in."""

    def sign_in(person):
        client = Client()
        client.force_login(person)
        return client

    return sign_in


@pytest.fixture
def program():
    """``program(person, *scopes)``: a client that sends a token."""

    def with_token(person, *scopes, subject=""):
        token = make_token(person, "test", scopes, subject=subject)
        return Client(headers={"authorization": f"Bearer {token}"})

    return with_token
