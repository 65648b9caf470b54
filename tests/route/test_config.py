import asyncio

import pytest

from rilaas.core import InvalidInput, NotFound, RilaasError
from rilaas.route import Protection, read_route_config, start_interceptor

GOOD = """
listen = "127.0.0.1:0"
balancer = "round_robin"
access = "access.toml"
[tls]
authority = "tls"
hosts = ["10.0.0.5"]
[[servers]]
name = "edge-1"
models = ["lane-following", "other:2=folder"]
[[servers]]
name = "cloud-1"
kind = "cloud"
address = "127.0.0.1:8001"
insecure = true
added_delay_s = 0.08
"""


def read(tmp_path, text):
    (tmp_path / "route.toml").write_text(text)
    return read_route_config(tmp_path / "route.toml")


def test_a_file_is_read_and_its_paths_start_at_its_folder(tmp_path):
    config = read(tmp_path, GOOD)
    edge, cloud = config.servers
    assert edge.models == (str(tmp_path / "lane-following"), f"other:2={tmp_path / 'folder'}")
    assert (cloud.kind, cloud.address, cloud.added_delay_s) == ("cloud", "127.0.0.1:8001", 0.08)
    assert config.access == tmp_path / "access.toml"
    assert config.tls.authority == tmp_path / "tls"
    assert "10.0.0.5" in config.tls.hosts
    assert "127.0.0.1" in config.tls.hosts


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("balancer", "balanser", "unknown key 'balanser'.*Did you mean 'balancer'"),
        ("round_robin", "round-robin", "no balancing policy 'round-robin'.*Did you mean 'round_robin'"),
        ('"cloud"', '"clowd"', "Server 'cloud-1' is of kind 'clowd'.*Did you mean 'cloud'"),
        ('name = "cloud-1"', 'name = "edge-1"', "same name"),
        ('name = "cloud-1"', "", "needs a name"),
        ('models = ["lane-following", "other:2=folder"]', 'models = "folder"', "a list of folders"),
        ("127.0.0.1:8001", "10.0.0.7:8001", "not loopback"),
        ('address = "127.0.0.1:8001"', "", "either an address"),
        ("0.08", "-1.0", "at least 0"),
        ("0.08", '"far"', "added_delay_s is 'far'; it is a number"),
        ("insecure = true", "insecure = 1", "true or false"),
        ('access = "access.toml"', "", "'access' is missing"),
        ('hosts = ["10.0.0.5"]', 'hosts = "x"', "hosts is a list"),
        ('listen = "127.0.0.1:0"', "listen = 80", "listen is 80; it is a string"),
    ],
)
def test_each_mistake_is_named(tmp_path, old, new, words):
    assert old in GOOD
    with pytest.raises(InvalidInput, match=words):
        read(tmp_path, GOOD.replace(old, new, 1))


def test_clear_text_off_loopback_is_refused(tmp_path):
    text = GOOD.replace('[tls]\nauthority = "tls"\nhosts = ["10.0.0.5"]\n', "").replace("127.0.0.1:0", "0.0.0.0:0")
    with pytest.raises(InvalidInput, match="without TLS would send robots' tokens in clear text"):
        read(tmp_path, text)


HUB = """
[hub]
url = "https://10.0.0.2:8000"
token_file = "hub.token"
ca = "tls/ca.pem"
max_stale_s = 60
"""


def test_a_hub_takes_the_place_of_the_access_file_and_brings_servers(tmp_path):
    hub = read(tmp_path, HUB).hub
    assert (hub.url, hub.max_stale_s) == ("https://10.0.0.2:8000", 60.0)
    assert (hub.token_path, hub.ca_path) == (tmp_path / "hub.token", tmp_path / "tls" / "ca.pem")
    assert hub.memory.parent == tmp_path
    with pytest.raises(NotFound, match="hub.token"):
        hub.token()
    hub.token_path.write_text(" rilaas_x\n")
    assert hub.token() == "rilaas_x"
    hub.token_path.write_text("\n")
    with pytest.raises(InvalidInput, match="is empty"):
        hub.token()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'access = "a.toml"\n{HUB}', "either an access file or a hub"),
        (HUB.replace("url", "uri"), "unknown key 'uri'.*Did you mean 'url'"),
        (HUB.replace('"hub.token"', "3"), "token_file is 3"),
        (HUB.replace("60", "0"), "above 0"),
        (HUB.replace("60", "true"), "max_stale_s is True"),
    ],
    ids=range(5),
)
def test_each_mistake_in_the_hubs_table_is_named(tmp_path, text, words):
    with pytest.raises(InvalidInput, match=words):
        read(tmp_path, text)


BALANCING = """
[balancing]
interceptors = 10
seed = 7
learn = true
warm_up = false
[models.lane-following]
hedge_after_s = "p95"
hedge_budget = 0.02
[models."alice/grasp"]
replicate = 2
shed = true
"""


def test_how_to_balance_and_what_protects_models_is_read(tmp_path):
    config = read(tmp_path, GOOD + "weight = 2.5\n" + BALANCING)
    balancing = config.balancing
    assert config.servers[1].weight == 2.5
    assert (balancing.spec, balancing.interceptors, balancing.seed) == ("round_robin", 10, 7)
    assert (balancing.learn, balancing.warm_up, balancing.state) == (True, False, tmp_path)
    assert balancing.models["lane-following"] == Protection(hedge_at_p95=True, hedge_budget=0.02)
    assert balancing.models["alice/grasp"] == Protection(replicate=2, shed=True)


def test_a_policys_file_starts_at_the_configurations_folder_and_its_state_is_beside_it(tmp_path):
    config = read(tmp_path, GOOD.replace('"round_robin"', '"q_learning=learned/q.npz"'))
    assert config.balancer == f"q_learning={tmp_path / 'learned' / 'q.npz'}"
    assert config.balancing.state == tmp_path / "learned"
    assert read(tmp_path, GOOD + "[balancing]\nstate = false\n").balancing.state is None
    assert read(tmp_path, GOOD + '[balancing]\nstate = "kept"\n').balancing.state == tmp_path / "kept"


def test_an_interceptor_does_not_start_with_a_policy_whose_file_cannot_be_read(tmp_path):
    for spec in "q_learning=nowhere.npz", "round_robin=x.npz", "q_learning=route.toml":
        config = read(tmp_path, GOOD.replace('"round_robin"', f'"{spec}"'))
        with pytest.raises(RilaasError, match=r"nowhere\.npz|takes no file|route\.toml"):
            asyncio.run(start_interceptor(config))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("interceptors = 10", "interceptors = 0", "at least 1"),
        ("seed = 7", "seed = 7.5", "seed is 7.5; it is a whole number"),
        ("learn = true", "learn = 1", "learn is 1; it is true or false"),
        ("warm_up", "warmup", "unknown key 'warmup'.*Did you mean 'warm_up'"),
        ("seed = 7", "state = 3", "state is 3; it is a folder, or false"),
        ('"p95"', '"p99"', "models.lane-following.*hedge_after_s is 'p99'; it is a number .s., or 'p95'"),
        ("0.02", "2", "models.lane-following.*hedge_budget is 2"),
        ("replicate = 2", "replicate = true", "replicate is True; it is a whole number"),
        ("shed = true", 'hedge_after_s = "p95"', "hedged or replicated, not both"),
    ],
)
def test_each_mistake_in_how_to_balance_is_named(tmp_path, old, new, words):
    with pytest.raises(InvalidInput, match=words):
        read(tmp_path, GOOD + BALANCING.replace(old, new, 1))
