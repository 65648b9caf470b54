from rilaas.route.breaker import FAILURES, FIRST_REST_S, LAST_REST_S, Breaker


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def broken(clock):
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        assert breaker.allows()
        breaker.begin()
        breaker.ended(False)
    return breaker


def test_a_breaker_opens_after_failures_in_a_row():
    breaker = broken(Clock())
    assert breaker.state == "open"
    assert not breaker.allows()


def test_an_answer_in_between_keeps_it_closed():
    breaker = Breaker(Clock())
    for verdict in (False, False, True, False, False):
        breaker.begin()
        breaker.ended(verdict)
    assert breaker.state == "closed"


def test_after_its_rest_one_trial_goes_and_its_success_closes_the_breaker():
    clock = Clock()
    breaker = broken(clock)
    clock.now = FIRST_REST_S
    assert breaker.allows()
    breaker.begin()
    assert not breaker.allows()
    breaker.ended(True)
    assert breaker.state == "closed"


def test_a_failed_trial_doubles_the_rest_up_to_a_limit():
    clock = Clock()
    breaker = broken(clock)
    rests = []
    for _ in range(8):
        start = clock.now
        while not breaker.allows():
            clock.now += 0.25
        rests.append(clock.now - start)
        breaker.ended(False, is_trial=breaker.begin())
    assert rests[:3] == [1.0, 2.0, 4.0]
    assert max(rests) == LAST_REST_S


def test_a_trial_that_nobody_waited_for_lets_the_next_one_go():
    clock = Clock()
    breaker = broken(clock)
    clock.now = FIRST_REST_S
    breaker.ended(None, is_trial=breaker.begin())
    assert breaker.allows()


def test_many_requests_that_fail_together_rest_a_server_no_longer_than_three():
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(20):
        breaker.begin()
    for _ in range(20):
        breaker.ended(False)
    assert not breaker.allows()
    clock.now = FIRST_REST_S
    assert breaker.allows()


def test_a_straggler_does_not_let_a_second_trial_go():
    clock = Clock()
    breaker = Breaker(clock)
    assert not breaker.begin()  # still on its way when the breaker opens
    for _ in range(FAILURES):
        breaker.ended(False, is_trial=breaker.begin())
    clock.now = FIRST_REST_S
    assert breaker.begin()
    breaker.ended(None)
    assert not breaker.allows()
