"""Clusters, loads and suites are read from files that a person can write; mistakes are told with their place."""

import math

import pytest

from rilaas.balance import make_balancer
from rilaas.balance.simulation import (
    PROFILES,
    Disturbance,
    Duration,
    cluster_file,
    load_file,
    read_cluster,
    read_load,
    read_suite,
    simulate,
    suite,
)
from rilaas.core import InvalidInput, NotFound

CLUSTER = """
models = ["m", "n"]

[[servers]]
name = "edge"
slots = 4
service = { m = { mean_s = 0.1, std_s = 0.01 }, n = 1.5 }
network = 0.02
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def shown(module):
    """The TOML that a module's docstring shows."""
    text = module.__doc__.split("::\n", 1)[1]
    return "\n".join(line[4:] for line in text.splitlines() if line.startswith("    ") or not line)


def test_the_cluster_that_the_docstring_shows_is_read(written):
    cluster = read_cluster(written(shown(cluster_file)))
    assert cluster.name == "two sites"
    assert [server.name for server in cluster.servers] == ["edge-1", "edge-2"]
    edge = cluster.servers[0]
    assert edge.slots == 4
    assert edge.service == {"detector": Duration(0.036, 0.003 / 0.036), "segmenter": Duration(1.4)}
    assert edge.network == dict.fromkeys(("detector", "segmenter"), Duration(0.1, 0.3, "gamma"))
    assert cluster.disturbances == (Disturbance(40.0, 80.0, "edge-1", "slow", 3.0),)


@pytest.mark.parametrize("kind", ["uniform", "poisson", "step", "spike", "sinusoidal", "trace", "robots"])
def test_every_kind_of_load_that_the_docstring_shows_is_read_and_simulated(written, kind):
    lines = dict(line.split(" = ", 1) for line in shown(load_file).splitlines() if " = " in line)
    keys = [*load_file._ALL, *load_file._KINDS[kind]]
    chosen = {key: value for key, value in lines.items() if key.strip() in keys and key.strip() != "kind"}
    chosen.pop("file", None)
    load = read_load(written(f'kind = "{kind}"\n' + "\n".join(f"{key} = {value}" for key, value in chosen.items())))
    assert (load.name, load.models) == ("afternoon", ("detector", "segmenter"))
    cluster = read_cluster(written(shown(cluster_file), "cluster.toml"))
    assert len(simulate(cluster, load, lambda k: make_balancer("round_robin"), 0)) > 0


def test_the_suite_that_the_docstring_shows_is_read(written):
    written(
        shown(load_file).replace("detector", "object-recognition").replace("segmenter", "grasp-planning"), "x.toml"
    )
    written('name = "afternoon"\nkind = "uniform"\nrate_per_s = 3', "afternoon.toml")
    mine = read_suite(written(shown(suite)))
    assert (mine.name, mine.cluster.name) == ("mine", "rilaas-4-8")
    assert [load.name for load in mine.train] == ["uniform-8", "spike"]
    assert [load.name for load in mine.test] == ["uniform-8", "spike", "sinusoidal-0.05", "afternoon"]


def test_the_documents_suite_trains_on_its_first_four_types_and_tests_all():
    ours = read_suite("rilaas-4-8")
    assert [load.name for load in ours.train] == list(PROFILES)[:10]
    assert [load.name for load in ours.test] == list(PROFILES)


def test_the_documents_cluster_is_table_i():
    cluster = read_cluster("rilaas-4-8")
    assert [(server.name, server.kind, server.slots) for server in cluster.servers] == [
        ("edge", "edge", 4),
        ("cloud", "cloud", 8),
    ]
    for server in cluster.servers:
        for model, (inference, inference_std, trip, trip_std) in {
            "edge": {
                "object-recognition": (36.03, 3.18, 172.77, 43.55),
                "grasp-planning": (1386.95, 22.92, 1515.59, 26.16),
            },
            "cloud": {
                "object-recognition": (42.79, 0.41, 483.82, 70.87),
                "grasp-planning": (1501.61, 12.76, 2051.48, 22.684),
            },
        }[server.name].items():
            service, network = server.service[model], server.network[model]
            assert (service.mean_s, service.std_s) == pytest.approx((inference / 1e3, inference_std / 1e3))
            assert service.mean_s + network.mean_s == pytest.approx(trip / 1e3)
            assert math.hypot(service.std_s, network.std_s) == pytest.approx(trip_std / 1e3)


def test_a_cluster_of_the_document_may_have_several_servers_of_each_place():
    cluster = read_cluster("rilaas-4x3-8x2")
    assert [server.name for server in cluster.servers] == ["edge-1", "edge-2", "edge-3", "cloud-1", "cloud-2"]
    assert [server.slots for server in cluster.servers] == [4, 4, 4, 8, 8]


def test_a_cluster_may_be_like_another_with_disturbances_of_its_own(written):
    base = written(CLUSTER + '[[disturbances]]\nat_s = 1\nserver = "edge"\nkind = "leave"', "base.toml")
    more = '[[disturbances]]\nat_s = 5\nuntil_s = 6\nserver = "edge"\nkind = "silent"'
    cluster = read_cluster(written(f'like = "{base.name}"\n{more}'))
    assert cluster.servers == read_cluster(base).servers
    assert [each.kind for each in cluster.disturbances] == ["leave", "silent"]
    assert cluster.disturbances[0].until_s == math.inf
    with pytest.raises(InvalidInput, match="like another one"):
        read_cluster(written('like = "mine.toml"', "third.toml"))


def test_slots_by_model_are_read(written):
    cluster = read_cluster(written(CLUSTER.replace("slots = 4", "slots = { m = 2, n = 1 }")))
    assert cluster.servers[0].slots == {"m": 2, "n": 1}


def test_a_trace_is_read_from_a_table_of_requests(written):
    written("at_s,model\n0.5,n\n0.75,m\n", "requests.csv")
    load = read_load(written('kind = "trace"\nmodels = ["m", "n"]\nfile = "requests.csv"'))
    at_s, model = load.arrivals(0)
    assert (at_s.tolist(), model.tolist(), load.duration_s) == ([0.5, 0.75], [1, 0], 0.75)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("slots = 4", "slots = 0", "[[servers]] 1: Server 'edge' has 0 slots"),
        ("slots = 4", "slots = true", "True slots"),
        ("slots = 4", "", "has no slots"),
        ("slots = 4", "slots = { m = 1 }", "says no slots of model 'n'"),
        ("slots = 4", "slots = { m = 1, o = 1 }", "unknown model 'o'"),
        ("slots = 4", "slot = 4", "Did you mean 'slots'"),
        ("n = 1.5", "n = -1.5", "service.n: A duration has a mean of 0 s or more"),
        ("n = 1.5", "n = 1e308", "service.n: A duration has a mean of 0 s or more, to 1e+09 s"),
        ("n = 1.5", "n = nan", "service.n: A duration has a mean of 0 s or more"),
        ("n = 1.5", "n = 0", "in 0 s"),
        ("n = 1.5", "o = 1.5", "unknown model 'o'"),
        (", n = 1.5", "", "says no service of model 'n'"),
        ("std_s = 0.01", "std = 0.01", "Did you mean 'std_s'"),
        ("std_s = 0.01", "std_s = 0.09", "lognormal"),
        ("std_s = 0.01", "std_s = 0.01, cv = 1", "say the same"),
        ("std_s = 0.01", 'shape = "gama", cv = 1', "Did you mean 'gamma'"),
        ("std_s = 0.01", "samples_s = [1, 2]", "stand alone"),
        ("mean_s = 0.1, std_s = 0.01", "samples_s = 3", "a list of numbers"),
        ("network = 0.02", 'network = "fast"', "a table"),
        ("network = 0.02", "network = 0.02\nupload_share = 1.5", "0 to 1"),
        ("network = 0.02", "network = 0.02\nweight = 0", "above 0"),
        ("network = 0.02", "network = 0.02\ncount = 0", "1 or more"),
        ("network = 0.02", 'network = 0.02\nkind = "fog"', "'edge' or 'cloud'"),
        ('["m", "n"]', "[]", "one or more"),
        ('["m", "n"]', '["m", "n", "m"]', "each once"),
        ('["m", "n"]', '"m"', "a list of texts"),
        ("[[servers]]", "[servers]", "written [[servers]]"),
        ("[[servers]]", "[[server]]", "Did you mean 'servers'"),
        (
            "network = 0.02",
            'network = 0.02\n[[disturbances]]\nat_s = 1\nserver = "edgy"\nkind = "leave"',
            "Did you mean 'edge'",
        ),
        (
            "network = 0.02",
            'network = 0.02\n[[disturbances]]\nat_s = 1\nserver = "edge"\nkind = "slow"',
            "needs a value",
        ),
        ("network = 0.02", 'network = 0.02\n[[disturbances]]\nat_s = 1\nserver = "edge"', "has no kind"),
        ('name = "edge"', "", "has no name"),
        ('name = "edge"', 'name = ""', "it is a text"),
    ],
)
def test_a_mistake_in_a_cluster_is_told_with_file_and_place(written, old, new, said):
    assert old in CLUSTER
    path = written(CLUSTER.replace(old, new))
    with pytest.raises(InvalidInput) as raised:
        read_cluster(path)
    assert said in str(raised.value)
    assert str(raised.value).count(str(path)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "uniform"', "has no rate_per_s"),
        ('kind = "uniform"\nrate_per_s = -1', "A rate of -1.0 requests a second"),
        ('kind = "poisson"\nrate_per_s = nan', "0 or more"),
        ('kind = "poisson"\nrate_per_s = "8"', "it is a number"),
        ('kind = "poison"\nrate_per_s = 8', "Did you mean 'poisson'"),
        ('kind = "uniform"\nrate = 8', "Available: duration_s, kind, models, name, rate_per_s, shares."),
        ('kind = "uniform"\nrate_per_s = 8\ncount = 3', "unknown key 'count' in a load of kind 'uniform'"),
        ('kind = "uniform"\nrate_per_s = 8\nduration_s = -1', "above 0"),
        ('kind = "uniform"\nrate_per_s = 8\nmodels = ["a", "b"]\nshares = { a = 0.5, b = 0.6 }', "sum to 1.1"),
        ('kind = "uniform"\nrate_per_s = 8\nmodels = ["a", "b"]\nshares = { a = 1.0 }', "has no b"),
        ('kind = "uniform"\nrate_per_s = 8\nmodels = ["a", "b"]\nshares = { a = 0.5, c = 0.5 }', "unknown key 'c'"),
        ('kind = "step"\nfrom_s = [0, 9]\nrates_per_s = [1]', "as many"),
        ('kind = "step"\nfrom_s = [0, true]\nrates_per_s = [1, 2]', "a list of numbers"),
        ('kind = "sinusoidal"\nmean_per_s = 1\namplitude_per_s = 2\nfrequency_hz = 1', "at most the mean"),
        ('kind = "trace"', "no requests, or has them twice"),
        ('kind = "trace"\nat_s = [1, 2]\nof = ["object-recognition"]', "2 times and 1 models"),
        ('kind = "trace"\nmodels = ["a"]\nat_s = [1, 2]\nof = ["a", "grasping"]', "unknown model 'grasping'"),
        ('kind = "trace"\nat_s = [2, 1]', "ascend"),
        ('kind = "robots"', "no count"),
        ('kind = "robots"\ncount = 2.5', "1 or more"),
        ('kind = "robots"\nmodels = ["a", "b"]\ncount = 2\nchain = ["grasping"]', "Available: a, b"),
        ('kind = "robots"\ncount = 2\nthink = { mean = 3 }', "Did you mean 'mean_s'"),
        ("kind = 3", "it is a text"),
        ('kind = "spike"\nrate_per_s = 1\nextra_per_s = 1\nlength_s = 1\nat_s = []', "Say in at_s when they begin"),
        ('kind = "trace"\nmodels = []\nat_s = [1, 2]', "one or more"),
        ('kind = "uniform"\nrate_per_s = 1e308', "to 1e+09"),
        (f'kind = "uniform"\nrate_per_s = {10**30}', "it is a number"),
        ('kind = "uniform"\nrate_per_s = 1e6', "At most 10,000,000 are simulated"),
        ('kind = "robots"\ncount = 99999999999', "to 1,000,000"),
        ("rate_per_s = 3", "has no kind"),
    ],
)
def test_a_mistake_in_a_load_is_told_with_its_file(written, text, said):
    path = written(text)
    with pytest.raises(InvalidInput) as raised:
        read_load(path)
    assert said in str(raised.value)
    assert str(raised.value).count(str(path)) == 1


@pytest.mark.parametrize(
    "more",
    [
        'kind = "robots"\ncount = 2\nchain = ["b", "a", "b"]',
        'kind = "uniform"\nrate_per_s = 2\nshares = { b = 0.5, a = 0.5 }',
        'kind = "trace"\nat_s = [1, 2]\nof = ["b", "a"]',
        'kind = "trace"\nfile = "requests.csv"',
    ],
)
def test_a_load_that_lists_no_models_has_those_that_it_names(written, more):
    written("at_s,model\n1,b\n2,a\n", "requests.csv")
    assert read_load(written(more)).models == ("b", "a")


@pytest.mark.parametrize(
    ("text", "line"),
    [("at_s,model\n1,m\nsoon,m\n", 3), ("time,model\n1,m\n", 2), ("at_s,model\n1\n", 2), ("at_s,model\n\n1\n", 3)],
)
def test_a_table_that_is_no_trace_says_where_and_what_one_is(written, text, line):
    written(text, "requests.csv")
    path = written('kind = "trace"\nfile = "requests.csv"')
    with pytest.raises(InvalidInput, match=f"line {line}, is not of a trace.*first line is 'at_s,model'"):
        read_load(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('cluster = "rilaas-4-8"', "has no test"),
        ('cluster = "rilaas-4-8"\ntest = []', "tests nothing"),
        ('cluster = "rilaas-4-8"\ntests = ["uniform-1"]', "Did you mean 'test'"),
        ('test = ["uniform-1"]', "has no cluster"),
        (CLUSTER, "is servers, not a suite"),
        ('kind = "robots"\ncount = 3', "is a load, not a suite"),
        ('cluster = "mine-cluster.toml"\ntest = ["uniform-1"]', "which cluster 'mine-cluster' has not"),
    ],
)
def test_a_mistake_in_a_suite_is_told_with_its_file(written, text, said):
    written(CLUSTER, "mine-cluster.toml")
    with pytest.raises(InvalidInput) as raised:
        read_suite(written(text))
    assert said in str(raised.value)


@pytest.mark.parametrize("read", [read_cluster, read_load, read_suite])
@pytest.mark.parametrize("name", ["nothing", "rilaas-0-4", "uniform-0", "robots-1.5", "nothing.toml", ""])
def test_what_is_not_there_is_told_with_what_is(read, name):
    with pytest.raises(NotFound) as raised:
        read(name)
    assert name in str(raised.value)


def test_a_loads_name_that_is_almost_right_is_told():
    with pytest.raises(NotFound, match="Did you mean 'sinusoidal-0.05'"):
        read_load("sinusodal-0.05")
