import contextlib
import threading

import pytest
from django.test import Client

from rilaas.core import RateLimited
from rilaas.hub.throttle import Throttle


def test_after_some_failures_one_has_to_wait_and_a_success_clears():
    now = [0.0]
    throttle = Throttle(3, 60.0, lambda: now[0])
    for _ in range(3):
        throttle.attempt("alice")
    with pytest.raises(RateLimited, match="60 s"):
        throttle.attempt("alice")
    throttle.attempt("bob")
    now[0] = 61.0
    for _ in range(5):
        throttle.attempt("alice")
        throttle.take_back("alice")
    for _ in range(3):
        throttle.attempt("alice")
    throttle.forget("alice")
    throttle.attempt("alice")


def test_guesses_made_at_once_count_before_any_is_looked_at():
    throttle, let_in = Throttle(10, 60.0), []
    start = threading.Barrier(40)

    def guess():
        start.wait()
        with contextlib.suppress(RateLimited):
            throttle.attempt("alice")
            let_in.append(1)

    threads = [threading.Thread(target=guess) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_in) == 10


@pytest.mark.django_db
def test_guessing_a_password_is_refused_after_ten_failures(alice):
    form = {"act": "sign-in", "name": "guessed", "password": "wrong"}
    answers = [Client().post("/sign-in", form).status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]
