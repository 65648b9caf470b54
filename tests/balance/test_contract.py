"""One suite for every balancing policy, and proof that the suite can fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.balance import BALANCERS, NEEDS_FILE, Outcome, Request, ServerView, check_balancer, make_balancer
from rilaas.core import InvalidInput, Unavailable

NAMES = st.sampled_from("abcdefgh")


@pytest.mark.parametrize("name", sorted(set(BALANCERS) - NEEDS_FILE))
def test_every_policy_keeps_the_contract(name):
    check_balancer(lambda: make_balancer(name, seed=7))


@pytest.mark.parametrize("name", sorted(set(BALANCERS) - NEEDS_FILE))
@given(
    steps=st.lists(
        st.tuples(st.dictionaries(NAMES, st.integers(0, 9)), st.frozensets(NAMES), st.sampled_from("mn")), max_size=30
    )
)
def test_the_choice_is_always_a_server_that_is_there_and_not_excluded(name, steps):
    balancer = make_balancer(name, seed=1)
    for counts, excluded, model in steps:
        servers = [ServerView(server, in_flight=count) for server, count in counts.items()]
        valid = set(counts) - excluded
        request = Request(model, excluded=excluded)
        if valid:
            assert balancer.choose(request, servers) in valid
        else:
            with pytest.raises(Unavailable):
                balancer.choose(request, servers)


def test_an_unknown_policy_is_answered_with_the_known_ones():
    with pytest.raises(InvalidInput) as caught:
        make_balancer("least_conections")
    assert "Did you mean 'least_connections'?" in caught.value.hint
    assert "round_robin" in caught.value.hint


def test_an_outcome_with_an_unknown_status_is_refused():
    with pytest.raises(InvalidInput, match="ok, error, timeout, cancelled"):
        Outcome(Request("m"), "a", "fine", 0.1)


def test_the_message_says_whether_servers_were_tried():
    balancer = make_balancer("round_robin")
    with pytest.raises(Unavailable, match="No server has model 'm' ready"):
        balancer.choose(Request("m"), [])
    with pytest.raises(Unavailable, match="tried and failed: edge-1"):
        balancer.choose(Request("m", excluded=frozenset({"edge-1"})), [ServerView("edge-1")])


class Stubborn:
    """Always takes the first server, whether it is excluded or not."""

    def choose(self, request, servers):
        if not servers:
            raise Unavailable("nobody")
        return servers[0].name

    def observe(self, outcome):
        pass

    def weighing(self):
        return None


class Forgetful(Stubborn):
    """Chooses a server that it saw once, though it is gone."""

    def __init__(self):
        self.first = None

    def choose(self, request, servers):
        left = [s.name for s in servers if s.name not in request.excluded]
        if not left:
            raise Unavailable("nobody")
        self.first = self.first or left[0]
        return self.first


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (object, "a balancer has choose, observe and weighing"),
        (Stubborn, "without a server left"),
        (Forgetful, "an only server is chosen"),
    ],
)
def test_the_checker_names_the_sentence_that_a_broken_policy_breaks(broken, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_balancer(broken)
