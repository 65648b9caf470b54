"""The three readings of least connections, and what tells them apart."""

from collections import Counter

from rilaas.balance import Request, ServerView, make_balancer


def view(name, weight=1.0, **by_model):
    return ServerView(name, in_flight=sum(by_model.values()), in_flight_by_model=by_model, weight=weight)


def test_nginx_reading_uses_up_a_turn_only_where_servers_are_tied():
    balancer = make_balancer("least_connections")
    idle, busy = [view("edge"), view("cloud")], [view("edge", m=1), view("cloud")]
    assert [balancer.choose(Request("m"), views) for views in (idle, busy, idle, busy, idle)] == [
        "edge",
        "cloud",
        "cloud",
        "cloud",
        "edge",
    ]


def test_per_model_the_first_server_given_wins_every_tie():
    balancer = make_balancer("least_connections_per_model")
    assert {balancer.choose(Request("m"), [view("edge"), view("cloud")]) for _ in range(9)} == {"edge"}
    assert balancer.choose(Request("m"), [view("cloud", m=2), view("edge", m=2)]) == "cloud"


def test_per_model_other_models_in_flight_do_not_count():
    servers = [view("edge", grasping=7, recognition=0), view("cloud", grasping=0, recognition=1)]
    assert make_balancer("least_connections_per_model").choose(Request("recognition"), servers) == "edge"
    assert make_balancer("least_connections").choose(Request("recognition"), servers) == "cloud"


def test_per_model_counts_all_models_where_a_view_does_not_split_them():
    balancer = make_balancer("least_connections_per_model")
    assert balancer.choose(Request("m"), [ServerView("a", in_flight=3), ServerView("b", in_flight=2)]) == "b"
    assert balancer.weighing().figures["in_flight_of_model"] == [3.0, 2.0]


def test_weighted_fills_servers_in_proportion_to_their_weights():
    balancer, in_flight = make_balancer("weighted_least_connections"), Counter()
    for _ in range(60):
        servers = [view(name, weight, m=in_flight[name]) for name, weight in (("a", 3.0), ("b", 2.0), ("c", 1.0))]
        in_flight[balancer.choose(Request("m"), servers)] += 1
    assert in_flight == {"a": 30, "b": 20, "c": 10}


def test_weighted_lets_idle_servers_take_turns_as_smoothly_as_nginx_does():
    balancer = make_balancer("weighted_least_connections")
    servers = [view("a", 5.0), view("b"), view("c")]
    assert "".join(balancer.choose(Request("m"), servers) for _ in range(14)) == "aabacaa" * 2


def test_weighted_with_equal_weights_is_least_connections():
    weighted, plain = make_balancer("weighted_least_connections"), make_balancer("least_connections")
    for step in range(100):
        servers = [view("a", m=step % 3), view("b", m=step * 7 % 4), view("c", m=step % 2)]
        few = {s.name for s in servers if s.in_flight == min(t.in_flight for t in servers)}
        assert {weighted.choose(Request("m"), servers), plain.choose(Request("m"), servers)} <= few


def test_a_server_without_weight_is_drained_unless_it_is_the_last():
    balancer = make_balancer("weighted_least_connections")
    drained = view("a", 0.0)
    assert {balancer.choose(Request("m"), [drained, view("b", m=50)]) for _ in range(5)} == {"b"}
    assert balancer.choose(Request("m", excluded=frozenset({"b"})), [drained, view("b")]) == "a"
