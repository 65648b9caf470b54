import pytest
from django.test import Client

from rilaas.core import RateLimited
from rilaas.hub.throttle import Throttle


def test_after_some_failures_one_has_to_wait_and_a_success_clears():
    now = [0.0]
    throttle = Throttle(3, 60.0, lambda: now[0])
    for _ in range(3):
        throttle.check("alice")
        throttle.failed("alice")
    with pytest.raises(RateLimited, match="60 s"):
        throttle.check("alice")
    throttle.check("bob")
    now[0] = 61.0
    throttle.check("alice")
    throttle.failed("alice")
    throttle.forget("alice")
    throttle.check("alice")


@pytest.mark.django_db
def test_guessing_a_password_is_refused_after_ten_failures(alice):
    form = {"act": "sign-in", "name": "guessed", "password": "wrong"}
    answers = [Client().post("/sign-in", form).status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]
