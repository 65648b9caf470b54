"""Pushed to a real hub, and pulled from it."""

import json
import os
import signal

import pytest

from rilaas.cli import hub_target
from rilaas.cli.config import read_settings
from rilaas.core import ModelRef
from rilaas.store import Shelf, read_model_folder
from rilaas.wire import HubConnection
from tests.hub_process import HubProcess


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with HubProcess(tmp_path_factory.mktemp("hub") / "home") as hub:
        yield hub


@pytest.fixture
def hub_call(call, hub, monkeypatch):
    """The command line of somebody who has set the hub and a token."""
    monkeypatch.setenv("RILAAS_HUB", hub.url)
    monkeypatch.setenv("RILAAS_TOKEN", hub.token)
    return call


def test_what_is_pushed_to_a_hub_is_pulled_from_it(hub_call, make_model, tmp_path):
    folder = make_model(tmp_path / "there", "there-and-back")
    pushed = hub_call("push", folder, "--note", "as trained")
    assert (pushed.code, pushed.out) == (0, "local/there-and-back:1\n")
    assert pushed.err.splitlines()[-1] == "next: rilaas pull local/there-and-back:1"
    assert "/models/local/there-and-back" in pushed.err
    assert "already there as local/there-and-back:1" in hub_call("push", folder).err

    pulled = hub_call("pull", "there-and-back", "--out", tmp_path / "back")
    assert (pulled.code, pulled.out) == (0, "there-and-back:1\n")
    assert pulled.err.splitlines()[-1] == "next: rilaas evaluate there-and-back:1 --suite lf"
    digest = read_model_folder(folder).digest
    assert read_model_folder(tmp_path / "back").digest == digest
    assert Shelf(tmp_path / "home").folder(ModelRef.parse("there-and-back:1")).digest == digest


def test_a_variant_is_pushed_beside_its_version_and_pulled_by_its_name(hub_call, make_model, tmp_path):
    hub_call("push", make_model(tmp_path / "m1", "varied"))
    hub_call("push", make_model(tmp_path / "m2", "varied", left=0.3))
    small = make_model(tmp_path / "small", "varied", left=0.19)
    done = hub_call("push", small, "--variant", "int8", "--as", "varied:1")
    assert done.out == "local/varied:1@int8\n"
    assert hub_call("pull", "local/varied:1@int8", "--out", tmp_path / "got").code == 0
    assert read_model_folder(tmp_path / "got").digest == read_model_folder(small).digest
    report = json.loads(hub_call("pull", "varied:2", "--json", "-").out)
    assert report["tables"][0]["rows"][0][0] == "local/varied:2"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("pull", "local/nothing"), 3, "no model local/nothing"),
        (("pull", "Not A Ref"), 2, "not a model reference"),
        (("push", "MODEL", "--as", "mallory/x"), 3, "no model mallory/x"),
        (("push", "MODEL", "--as", "x:3"), 2, "The hub gives the numbers"),
        (("push", "MODEL", "--as", "x@int8"), 2, "no model or version"),
        (("push", "MODEL", "--as", "x:9", "--variant", "int8"), 3, "could be a variant of"),
    ],
)
def test_what_cannot_be_is_told_without_a_traceback(hub_call, model, words, code, told):
    done = hub_call(*[model if word == "MODEL" else word for word in words])
    assert done.code == code
    assert told in done.error


def test_a_folder_that_is_there_is_not_written_to(hub_call, model, tmp_path):
    hub_call("push", model)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    done = hub_call("pull", "straight", "--out", tmp_path / "full")
    assert (done.code, "exists already" in done.error) == (2, True)


def test_without_a_hub_or_a_token_it_is_said_what_to_set(call, hub, model, monkeypatch):
    assert "Add --hub URL" in call("pull", "local/straight").error
    done = call("push", model, "--hub", hub.url)
    assert (done.code, "RILAAS_TOKEN" in done.error) == (4, True)
    assert call("push", model, "--note", "x").code == 2
    monkeypatch.setenv("RILAAS_TOKEN", "rilaas_wrong")
    assert call("push", model, "--hub", hub.url).code == 4
    assert call("push", model, "--hub", "http://127.0.0.1:9").code == 8


def test_on_the_hubs_own_machine_no_token_is_needed(call, hub, model):
    done = call("push", model, "--hub", hub.url, "--home", hub.home)
    assert (done.code, done.out) == (0, "local/straight:1\n")


def test_a_token_is_not_shown():
    settings = read_settings(environment={"RILAAS_TOKEN": "rilaas_secret"})
    assert settings.token.text == "rilaas_secret"
    assert "rilaas_secret" not in f"{settings} {settings.token}"


def test_a_push_that_was_interrupted_goes_on_where_it_was(hub_call, hub, make_model, tmp_path, monkeypatch):
    folder = make_model(tmp_path / "large", "large")
    (folder / "data.txt").write_bytes(os.urandom(3_000_000))
    put, offsets = HubConnection.put, []

    def put_twice(self, path, data, **query):
        if len(offsets) == 2:
            raise KeyboardInterrupt
        offsets.append(query["offset"])
        return put(self, path, data, **query)

    monkeypatch.setattr(HubConnection, "put", put_twice)
    stopped = hub_call("push", folder)
    assert stopped.code == 130
    assert "the same command goes on" in stopped.err
    monkeypatch.setattr(HubConnection, "put", put)
    done = hub_call("push", folder)
    assert (done.code, done.out) == (0, "local/large:1\n")
    assert "going on after 0.8 MB" in done.err


def test_a_real_ctrl_c_ends_a_push_with_130(hub, make_model, tmp_path, start):
    folder = make_model(tmp_path / "large", "larger")
    (folder / "data.txt").write_bytes(os.urandom(40_000_000))
    known = {"RILAAS_HUB": hub.url, "RILAAS_TOKEN": hub.token}
    process = start("push", folder, "--home", tmp_path / "home", env={**os.environ, **known})
    process.stderr.readline()  # the folder is valid
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert "Traceback" not in process.stderr.read()


def test_progress_says_how_fast_and_how_long():
    said = []

    class Heard:
        def progress(self, text):
            said.append(text)

    hub_target.Transfer(10_000_000, Heard(), 1_000_000).at(5_000_000)
    assert said[0].startswith("5.0 of 10.0 MB, ")
    assert said[0].endswith("s left")
