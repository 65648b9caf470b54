import time

import pytest

from rilaas.core import InvalidInput, NotFound
from rilaas.route import FileAccess, Grant, read_access
from rilaas.wire import fingerprint, generate_key


@pytest.fixture
def key(tmp_path):
    return generate_key(tmp_path / "id").public


def write(path, text):
    path.write_text(text)
    return path


def one_robot(key, models="[robots.lab-1.models.lane-following]\nrate_per_s = 50\nburst = 100\n"):
    return f'[robots.lab-1]\nkeys = ["{key.line}"]\n{models}'


def test_a_file_names_robots_keys_and_grants(tmp_path, key):
    found = read_access(write(tmp_path / "access.toml", one_robot(key)))[fingerprint(key)]
    robot = found.robot
    assert robot.name == "lab-1"
    assert robot.grant("lane-following") == Grant(50.0, 100)
    assert robot.grant("other") is None
    assert found.key == key


def test_a_star_grants_every_model_and_a_named_one_wins(tmp_path, key):
    models = '[robots.lab-1.models."*"]\n[robots.lab-1.models.grasp]\nrate_per_s = 1\n'
    robot = read_access(write(tmp_path / "a.toml", one_robot(key, models)))[fingerprint(key)].robot
    assert robot.grant("anything") == Grant()
    assert robot.grant("grasp") == Grant(1.0, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[robot.a]\n", "unknown key 'robot'.*Did you mean 'robots'"),
        ("[robots.a]\nkey = []\n", "robot 'a': unknown key 'key'.*Did you mean 'keys'"),
        ('[robots.a]\nkeys = "x"\n', "a list of OpenSSH public keys"),
        ('[robots.a]\nkeys = ["nonsense"]\n', "(?i)key"),
        ("[robots.a.models.m]\nrate_per_s = 0\n", "rate_per_s of m is 0"),
        ("[robots.a.models.m]\nrate_per_s = true\n", "rate_per_s of m is True"),
        ("[robots.a.models.m]\nburst = 0\n", "burst of m is 0"),
        ("[robots.a.models.m]\nbrust = 2\n", "Did you mean 'burst'"),
        ("[robots.a.models.M]\n", "not a model reference"),
        ("robots = 3\n", "it is a table"),
        ("[robots]\na = 3\n", "robot .a. is 3; it is a table"),
        ("[robots.a\n", "not valid TOML"),
    ],
)
def test_each_mistake_is_named(tmp_path, text, words):
    with pytest.raises(InvalidInput, match=words):
        read_access(write(tmp_path / "access.toml", text))


def test_a_key_belongs_to_one_robot(tmp_path, key):
    text = f'[robots.a]\nkeys = ["{key.line}"]\n[robots.b]\nkeys = ["{key.line}"]\n'
    with pytest.raises(InvalidInput, match="belongs to robot 'a' already"):
        read_access(write(tmp_path / "access.toml", text))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(NotFound, match=r"access\.toml"):
        FileAccess(tmp_path / "access.toml")


def eventually(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_change_of_the_file_is_in_force_soon_and_a_broken_file_changes_nothing(tmp_path, key, caplog):
    path = write(tmp_path / "access.toml", one_robot(key))
    access = FileAccess(path)
    kid = fingerprint(key)
    assert access.find(kid).robot.name == "lab-1"
    write(path, "[robots.lab-1")
    eventually(lambda: access.find(kid) and "the file is wrong" in caplog.text)
    assert access.find(kid)
    assert "not valid TOML" in access.status().problem
    write(path, "[robots]\n")
    eventually(lambda: access.find(kid) is None)
    assert (access.status().epoch, access.status().problem) == (1, "")
