"""The whole story in browsers: people, a model, a dataset, a robot, its queries, a revoked key; real processes."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rilaas.cli.fleet import Fleet, FleetServer
from rilaas.client import RobotClient
from rilaas.core import PermissionDenied, RateLimited, Unauthenticated
from rilaas.wire import generate_key
from tests.browser import WAIT_S, chromium, needs_chromium
from tests.hub.seeing_model import pictures, write_dataset, write_picture, write_seeing_model
from tests.hub_process import OPEN

MODEL, DATASET, ROBOT = "alice/seeing", "alice/frames", "alice/lab-1"
PASSWORD = "many words are a password"
QUERIES = 50


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    """The hub, an edge, a cloud and an interceptor, as ``rilaas up`` starts them."""
    for name, value in OPEN.items():
        monkeypatch.setenv(name, value)
    with Fleet(tmp_path / "home", (FleetServer("edge-1", "edge"), FleetServer("cloud-1", "cloud"))) as fleet:
        fleet.start_machines()
        yield fleet


@needs_chromium
def test_people_upload_share_deploy_and_revoke_and_a_robot_notices(fleet, tmp_path):
    robot_home = tmp_path / "robot"
    with chromium(fleet.url) as alice, chromium(fleet.url) as other:
        links = invite_the_cast(other, fleet.entry)
        choose_a_password(alice, links["alice"])
        upload_with_a_mistake(alice, tmp_path / "seeing")
        try_a_picture(alice, tmp_path)
        run_over_a_dataset(alice, tmp_path)
        share_with_bob(alice)
        a_stranger_finds_nothing(other, links["charlie"])
        a_collaborator_finds_the_model(other, links["bob"])
        deploy(alice)
        add_the_robot(alice, robot_home, fleet.ca_path)
        paste_the_program(alice, robot_home)
        with RobotClient(
            fleet.address, MODEL, "", robot_home / ".ssh/id_ed25519", fleet.ca_path, deadline_s=WAIT_S
        ) as robot:
            for _ in range(QUERIES):
                assert speed_of(robot) == 0.5
            limit_the_rate(alice, robot)
            see_the_queries(alice)
            promote_and_roll_back(alice, robot, tmp_path / "seeing")
            two_promote_at_once(alice, other)
            revoke_the_key(alice, robot)
        for browser in (alice, other):
            assert browser.complaints() == []
            assert browser.strange_addresses() == []


def invite_the_cast(local, entry):
    local.enter(entry)
    assert "First steps" in local.text()
    links = {}
    for name in ("alice", "bob", "charlie"):
        local.go("/people")
        local.type("[name=name]", name)
        local.press("[value=invite]")
        links[name] = local.text("#fresh")
    assert local.fetch("/models.json")[0] == 200
    return links


def choose_a_password(alice, link):
    alice.enter(link)
    assert alice.path == "/account"
    alice.type("[name=password]", PASSWORD)
    alice.press("[value=password] ~ div button")
    assert alice.said() == "The password is changed."
    alice.press("[value=sign-out]")
    alice.sign_in("alice", PASSWORD)


def upload_with_a_mistake(alice, folder):
    write_seeing_model(folder)
    good = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(good.replace('"UINT8"', '"UNIT8"'))
    alice.go("/models/new")
    alice.choose_files("#folder", folder)
    alice.find("#send").click()
    assert "model.toml line 9: there is no datatype 'UNIT8'. Did you mean 'UINT8'?" in alice.text("#refused .notice")
    (folder / "model.toml").write_text(good)
    upload(alice, "/models/new", folder)
    assert alice.said() == f"{MODEL}:1 is stored."
    assert "UINT8 n × 120 × 160 × 3" in alice.text()


def upload(alice, page, folder):
    alice.go(page)
    alice.choose_files("#folder", folder)
    alice.press("#send")


def try_a_picture(alice, tmp_path):
    alice.choose_files("#try [name=file]", write_picture(tmp_path / "road.png"))
    alice.find("#try form button").click()
    alice.wait(lambda _: "What it says" in alice.text("#tried"))
    assert "wheels" in alice.text("#tried")
    assert "0.7353, 0.2647" in alice.text("#tried .mono")
    see_pictures(alice, "#tried img", count=1)


def see_pictures(browser, css, count):
    """That the browser drew them, and that what is drawn on the input is the model's output."""
    script = (
        f"return [...document.querySelectorAll('{css}')].filter(e => e.complete && e.naturalWidth).map(e => e.src)"
    )
    browser.driver.execute_script(f"document.querySelectorAll('{css}').forEach(e => e.loading = 'eager')")
    browser.wait(lambda driver: len(driver.execute_script(script)) >= count)
    for address in browser.driver.execute_script(script):
        status, picture = browser.fetch(address)
        assert status == 200
        assert "<image" in picture
        assert "wheels" in picture


def run_over_a_dataset(alice, tmp_path):
    alice.go("/datasets/new")
    alice.type("[name=name]", "frames")
    alice.choose_files("[name=file]", write_dataset(tmp_path / "frames.npz", off=0.25))
    alice.press("form[data-dataset] .row button")
    assert alice.path == f"/datasets/{DATASET}?version=1"
    alice.press("#run form button")
    alice.wait(lambda _: "Error against what was expected" in alice.text())
    row = next(text for text in alice.texts(".card tr") if text.startswith("wheels"))
    assert row.split() == ["wheels", "0.0625", "0.125", "0.25", "8"]
    see_pictures(alice, ".gallery img", count=4)
    assert alice.texts(".gallery figcaption")[0].startswith("sample 0")  # the worst first


def share_with_bob(alice):
    alice.go(f"/models/{MODEL}")
    alice.type("[name=person]", "bob")
    alice.press("[value=share] ~ button")
    assert alice.said() == "bob is a collaborator now."
    alice.find("[name=visibility][value=shared]").click()
    alice.press("[value=visibility] ~ div button")
    assert alice.said() == "The model is shared."


def a_stranger_finds_nothing(charlie, link):
    charlie.enter(link)
    charlie.go("/models")
    assert MODEL not in charlie.text()
    page, twin, rest = f"/models/{MODEL}", f"/models/{MODEL}.json", f"/api/v1/models/{MODEL}"
    for address in (page, twin, rest, f"{rest}/versions/1/archive", f"/datasets/{DATASET}", "/runs/1", "/runs/2"):
        assert charlie.fetch(address)[0] == 404, address
    charlie.go(page)
    assert "That did not work" in charlie.text()


def a_collaborator_finds_the_model(bob, link):
    bob.enter(link)
    bob.go("/models")
    bob.press(f"main a[href='/models/{MODEL}']")
    assert "you are its collaborator" in bob.text()
    for address in (f"/models/{MODEL}.json", f"/api/v1/models/{MODEL}"):
        assert bob.fetch(address)[0] == 200, address
    for address in (f"/datasets/{DATASET}", "/runs/1", "/runs/2"):
        assert bob.fetch(address)[0] == 404, (
            address
        )  # a run shows the dataset, which was not shared; a trial is Alice's


def deploy(alice):
    alice.go(f"/models/{MODEL}")
    alice.press("[value=deploy-now]")
    assert alice.path == f"/deployments/{MODEL}"
    serving(alice, "1")


def serving(alice, revision):
    """Wait for the page, which follows by itself, to say so of both servers."""
    alice.wait(lambda _: serves(alice, revision) and ready_on(alice, revision) == ["cloud-1", "edge-1"])


def serves(alice, revision):
    facts = alice.find("#live dl").text.split("\n")
    return facts[facts.index("state") + 1] == "ready" and facts[facts.index("serves") + 1] == revision


def ready_on(alice, revision):
    rows = [text.split() for text in alice.texts("#live table tbody tr")]
    return sorted(row[0] for row in rows if len(row) > 3 and row[1] == revision and "ready" in row)


def add_the_robot(alice, home, ca_path):
    (home / ".ssh").mkdir(parents=True)
    (home / ".rilaas").mkdir()
    (home / ".rilaas/ca.pem").write_bytes(ca_path.read_bytes())
    alice.go("/robots")
    alice.type("[name=name]", "lab-1")
    alice.type("[name=keys]", generate_key(home / ".ssh/id_ed25519", comment="lab-1").public.line)
    alice.press("[value=add] ~ div button")
    assert "awaiting set-up" in alice.text("#state")
    alice.type("[list=offered]", MODEL)
    alice.press("form:has([list=offered]) button")
    assert alice.said() == f"It may use {MODEL}."


def paste_the_program(alice, home):
    done = subprocess.run(
        [sys.executable, "-"],
        input=alice.text("#python"),
        text=True,
        capture_output=True,
        env={**os.environ, "HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr
    assert "'wheels': (1, 2)" in done.stdout
    alice.wait(lambda _: "online" in alice.text("#state"))  # the page follows by itself


def speed_of(robot):
    """The model's constant, from an answer about a grey picture."""
    return float(robot.predict({"image": pictures(1)[0]})["wheels"].mean())


def until_refused(robot, kind):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            speed_of(robot)
        except kind as error:
            return error
    raise AssertionError("never refused")


def limit_the_rate(alice, robot):
    for rate, burst in ((0.1, 1), ("", 1)):
        alice.go(f"/robots/{ROBOT}")
        alice.type("table [name=rate_per_s]", rate)
        alice.type("table [name=burst]", burst)
        alice.press("table form.row button")
        if rate:
            until_refused(robot, RateLimited)
    end = time.monotonic() + WAIT_S
    while not answered(robot):
        assert time.monotonic() < end


def answered(robot):
    try:
        return speed_of(robot) is not None
    except RateLimited:
        return False


def see_the_queries(alice):
    alice.go("/metrics?range=5m&group=model")
    alice.wait(lambda _: tile(alice, "answered") > QUERIES and tile(alice, "refused by a rate limit") > 0)
    model, *numbers = alice.text("#m-queries tbody tr").split()[:3]
    assert model == MODEL
    assert all(int(number.replace("\u2009", "")) > QUERIES for number in numbers)
    assert MODEL in alice.text("#m-round-trip tbody")
    assert "compute" in alice.text("#m-stages tbody")
    alice.go("/robots")
    assert "online" in alice.text("main table")


def tile(browser, what):
    """A number of the page Metrics."""
    rows = [text.split("\n") for text in browser.texts("#m-tiles .tile")]
    return next((int(row[0].replace("\u2009", "")) for row in rows if row[-1] == what), 0)


def promote_and_roll_back(alice, robot, folder):
    write_seeing_model(folder, speed=0.25)
    upload(alice, f"/models/{MODEL}/new", folder)
    assert alice.said() == f"{MODEL}:2 is stored."
    alice.go(f"/deployments/{MODEL}")
    assert speed_of(robot) == 0.5
    alice.choose("[name=revision]", "2")
    alice.press("[value=promote]")
    serving(alice, "2")
    until_speed(robot, 0.25)
    alice.press("[value=roll-back]")
    assert alice.said() == "prod points to 1 again."
    until_speed(robot, 0.5)


def until_speed(robot, speed):
    """Ask until the answer is that of the version, then once more."""
    end = time.monotonic() + WAIT_S
    while speed_of(robot) != speed:
        assert time.monotonic() < end
    assert speed_of(robot) == speed


def two_promote_at_once(alice, bob):
    both = threading.Barrier(2)

    def promote(browser):
        browser.choose("#aliases [name=revision]", "2")
        both.wait(WAIT_S)
        browser.press("#aliases [value=promote] ~ button")
        return browser.said()

    for browser in (alice, bob):
        browser.go(f"/models/{MODEL}")
    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(promote, (alice, bob)), key=len)
    assert told[0] == "prod points to 2."
    assert "moved prod to 2" in told[1]
    assert "after you looked" in told[1]


def revoke_the_key(alice, robot):
    alice.go(f"/robots/{ROBOT}")
    alice.press("[value=revoke-key]")
    assert "The key is revoked" in alice.said()
    until_refused(robot, (Unauthenticated, PermissionDenied))
    with pytest.raises((Unauthenticated, PermissionDenied)):
        speed_of(robot)
