"""Every setting, where it came from, and what is broken."""

import json
import re
import socket
import ssl
import threading
from pathlib import Path

import pytest

from rilaas.cli.checkup import EXTRAS, check_all
from rilaas.cli.config import MEANINGS, read_settings
from rilaas.core.toml import read_toml
from rilaas.wire import ensure_authority, generate_key

ROOT = Path(__file__).resolve().parents[2]


def states(settings):
    return {check.name: check.state for check in check_all(settings)}


def test_every_setting_is_shown_with_its_source(call, tmp_path, monkeypatch):
    (tmp_path / "rilaas.toml").write_text("threads = 2\n")
    monkeypatch.setenv("RILAAS_DEADLINE_S", "0.25")
    done = call("doctor", "--json", "-")
    rows = {row[0]: row[1:3] for row in json.loads(done.out)["tables"][0]["rows"]}
    assert rows.keys() == MEANINGS.keys()
    assert rows["threads"] == ["2", "rilaas.toml"]
    assert rows["deadline_s"] == ["0.25", "RILAAS_DEADLINE_S"]
    assert rows["home"][1] == "RILAAS_HOME"
    assert rows["key"] == ["~/.ssh/id_ed25519", "default"]


def test_a_fresh_machine_lacks_things_but_nothing_is_broken(call):
    done = call("doctor")
    assert done.code == 0
    assert "Nothing needed is broken." in done.out
    assert done.err.splitlines()[-1] == "next: rilaas up --demo"


def test_what_was_named_and_is_not_there_is_broken(call):
    done = call("doctor", "--key", "no/such/key", "--ca", "no/such/ca.pem")
    assert done.code == 20
    assert "2 things broken: robot key, certificates." in done.out
    assert "ssh-keygen" in done.err


def test_good_keys_and_certificates_are_ok(tmp_path):
    generate_key(tmp_path / "key")
    authority = ensure_authority(tmp_path / "tls")
    found = states(read_settings({"key": tmp_path / "key", "ca": authority.cert_path}, environment={}))
    assert (found["robot key"], found["certificates"]) == ("ok", "ok")


def test_keys_that_others_can_read_and_files_that_are_no_keys_are_broken(tmp_path):
    generate_key(tmp_path / "key")
    ensure_authority(tmp_path / "tls")
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "tls" / "ca.key").chmod(0o640)
    settings = read_settings({"key": tmp_path / "key", "ca": tmp_path / "tls" / "ca.pem"}, environment={})
    found = {check.name: check for check in check_all(settings)}
    assert found["robot key"].hint == f"chmod 600 {tmp_path / 'key'}"
    assert found["certificates"].hint == f"chmod 600 {tmp_path / 'tls' / 'ca.key'}"
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "key").write_text("hello")
    (tmp_path / "tls" / "ca.pem").write_text("hello")
    again = states(settings)
    assert (again["robot key"], again["certificates"]) == ("broken", "broken")


def test_a_home_that_cannot_be_made_is_broken(tmp_path):
    (tmp_path / "file").write_text("")
    assert states(read_settings({"home": tmp_path / "file"}, environment={}))["home"] == "broken"


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_extras_are_those_of_the_package(extra):
    wanted = read_toml(ROOT / "pyproject.toml")["project"]["optional-dependencies"][extra]
    names = {re.split(r"[<>=\[; ]", requirement)[0] for requirement in wanted} - {"rilaas"}
    assert names == set(EXTRAS[extra])


def test_what_is_printed_can_be_shown_to_others(call, tmp_path):
    assert str(tmp_path / "user") not in call("doctor").out
    assert Path.home() == tmp_path / "user"


@pytest.fixture(params=["127.0.0.1", "::1"])
def tls_server(request, tmp_path):
    """A server that shakes hands once, at an address of either family."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    mine = ensure_authority(tmp_path / "tls").issue("edge", hosts=[request.param])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(mine.cert_path, mine.key_path)
    with socket.socket(family) as listening:
        listening.bind((request.param, 0))
        listening.listen()

        def shake_hands():
            connection, _ = listening.accept()
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1)

        thread = threading.Thread(target=shake_hands)
        thread.start()
        host = f"[{request.param}]" if ":" in request.param else request.param
        yield f"{host}:{listening.getsockname()[1]}"
        thread.join()


def test_a_target_of_either_family_is_reached(tls_server, tmp_path):
    settings = read_settings({"target": tls_server, "ca": tmp_path / "tls" / "ca.pem"}, environment={})
    (target,) = (check for check in check_all(settings) if check.name == "target")
    assert (target.state, target.found) == ("ok", f"{tls_server} answers, TLSv1.3")


@pytest.mark.parametrize("target", ["edge:port", "edge:70000", "[::1"])
def test_a_target_that_is_no_address_is_told(target):
    (found,) = (c for c in check_all(read_settings({"target": target}, environment={})) if c.name == "target")
    assert found.state == "broken"
    assert "address" in found.found
