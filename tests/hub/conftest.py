"""The cast: Alice owns, Bob is her collaborator, Charlie is a stranger; Local runs the hub."""

import pytest
from django.test import Client

from rilaas.hub.actions.person import first_person
from rilaas.hub.actions.token import make_token
from rilaas.hub.models import Person


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
