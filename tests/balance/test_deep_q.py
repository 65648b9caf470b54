"""Deep Q-learning: the network in numpy, its file, and what it does where it knows nothing."""

import itertools

import numpy as np
import pytest

from rilaas.balance import Request, ServerView, check_balancer, make_balancer
from rilaas.balance.counted_state import FEATURES
from rilaas.balance.deep_q import DeepQ, QNetwork, inputs_of
from rilaas.balance.learned_file import read_learned, write_learned
from rilaas.core import InvalidInput


def layers(servers=2, hidden=5, seed=0):
    rng = np.random.default_rng(seed)
    sizes = (2 * servers, hidden, hidden, servers)
    return [(rng.normal(size=(n, m)), rng.normal(size=n)) for m, n in itertools.pairwise(sizes)]


def write(path, *, servers=("edge", "cloud"), models=("m",), **change):
    arrays = {}
    for i in range(len(models)):
        for k, (weight, bias) in enumerate(layers(len(servers), seed=i)):
            arrays |= {f"{i}.weight{k}": weight.astype(np.float32), f"{i}.bias{k}": bias.astype(np.float32)}
    card = {"servers": list(servers), "models": list(models), "features": list(FEATURES), **change}
    write_learned(path, "deep_q", arrays, card)
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "deep.npz")


def test_it_keeps_the_contract_with_servers_that_it_knows_and_others(file, tmp_path):
    check_balancer(lambda: make_balancer(f"deep_q={file}"))
    known = write(tmp_path / "abc.npz", servers=("a", "b", "cloud"), models=("m", "n"))
    check_balancer(lambda: make_balancer(f"deep_q={known}"))


def test_without_a_file_it_says_how_to_make_one():
    with pytest.raises(InvalidInput, match="needs the file") as caught:
        make_balancer("deep_q")
    assert "rilaas learn balancer --policy deep_q" in caught.value.hint


def test_the_network_computes_two_layers_of_rectified_units_and_a_linear_one():
    made = layers()
    state = (1, 2, 3, 40)
    x = np.array([1, 2, 3, 32]) / 8.0
    for weight, bias in made[:-1]:
        x = np.maximum(weight @ x + bias, 0.0)
    assert QNetwork(made).values(state) == pytest.approx(made[-1][0] @ x + made[-1][1], rel=1e-5)


def test_the_network_is_what_torch_computes():
    torch = pytest.importorskip("torch")
    made = layers(servers=4, hidden=64)
    stack = []
    for weight, bias in made:
        linear = torch.nn.Linear(*reversed(weight.shape))
        linear.weight.data, linear.bias.data = torch.tensor(weight).float(), torch.tensor(bias).float()
        stack += [linear, torch.nn.ReLU()]
    state = tuple(range(8))
    told = torch.nn.Sequential(*stack[:-1])(torch.from_numpy(inputs_of(state))).detach().numpy()
    assert QNetwork(made).values(state) == pytest.approx(told, rel=1e-4, abs=1e-4)


def test_it_takes_the_largest_q_of_those_that_are_left(file):
    policy = DeepQ.read(file)
    for p in range(6):
        servers = [ServerView("cloud"), ServerView("edge", in_flight=p, in_flight_by_model={"m": p})]
        chosen = policy.choose(Request("m"), servers)
        weighing = policy.weighing()
        assert weighing.servers == ["cloud", "edge"]
        assert chosen == weighing.servers[int(np.argmax(weighing.figures["q"]))]
        other = ({"edge", "cloud"} - {chosen}).pop()
        assert policy.choose(Request("m", excluded=frozenset({chosen})), servers) == other


def test_a_new_server_or_model_makes_it_least_connections_which_is_counted_and_told(file):
    policy = DeepQ.read(file)
    busy = ServerView("edge", in_flight=4)
    assert policy.choose(Request("m"), [busy, ServerView("new")]) == "new"
    assert policy.choose(Request("other"), [busy, ServerView("cloud")]) == "cloud"
    assert "this model has no network" in policy.weighing().rule
    assert dict(policy.fallbacks) == {
        "a server is there that it was not trained with": 1,
        "this model has no network": 1,
    }


def test_a_deployment_with_other_servers_is_refused_with_what_it_was_trained_for(file):
    policy = DeepQ.read(file)
    policy.check_servers(["cloud", "edge"])
    with pytest.raises(InvalidInput, match=r"trained for 2 servers \(edge, cloud\), not for these 2 \(a, edge\)"):
        policy.check_servers(["edge", "a"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": ["latency_s"]}, "trained for other features: latency_s"),
        ({"models": ["m", "n"]}, "does not hold what its card says"),
        ({"servers": ["edge", "cloud"], "models": []}, "does not say for which models"),
    ],
)
def test_a_file_that_was_trained_for_something_else_is_refused(file, change, message):
    arrays, card = read_learned(file, "deep_q")
    write_learned(file, "deep_q", arrays, {**card, **change})
    with pytest.raises(InvalidInput, match=message) as caught:
        DeepQ.read(file)
    assert "rilaas learn balancer --policy deep_q" in caught.value.hint


def test_a_network_for_another_number_of_servers_is_refused_with_its_size(tmp_path):
    path = write(tmp_path / "deep.npz")
    arrays, card = read_learned(path, "deep_q")
    write_learned(path, "deep_q", arrays, {**card, "servers": ["a", "b", "c"]})
    with pytest.raises(InvalidInput, match="has 4 inputs and 2 outputs; 3 servers need 6 and 3"):
        DeepQ.read(path)


@pytest.mark.parametrize("broken", [(np.zeros((5, 4)), np.zeros(4)), (np.zeros(5), np.zeros(5))])
def test_layers_that_do_not_follow_from_each_other_are_refused(broken):
    made = layers()
    made[0] = broken
    with pytest.raises(InvalidInput, match="Layer 1 of the network has shapes"):
        QNetwork(made)
