"""A person's browser uploads a folder: refused with all mistakes, fixed, stored; promoted and rolled back."""

import os
import time

import pytest

from tests.browser import chromium, needs_chromium
from tests.hub.model_folder import make_folder
from tests.hub_process import HubProcess

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with HubProcess(tmp_path_factory.mktemp("browser") / "home") as hub:
        yield hub


@pytest.fixture(scope="module")
def browser(hub):
    with chromium(hub.url) as browser:
        browser.enter(hub.ready["entry"])
        assert browser.path == "/"
        yield browser


def upload(browser, folder):
    browser.choose_files("#folder", folder)
    browser.find("#send").click()


def test_a_folder_is_uploaded_refused_fixed_stored_promoted_and_rolled_back(browser, tmp_path):
    folder = make_folder(tmp_path / "driver")
    (folder / "maps").mkdir()
    (folder / "maps" / "oval.txt").write_text("oval")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("hidden")
    good = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(good.replace("UINT8", "UNIT8").replace('"python"', '"pyton"'))

    browser.go("/models/new")
    browser.type("[name=note]", "by web")
    upload(browser, folder)
    refused = browser.text("#refused .notice")
    assert "2 mistakes" in refused
    assert "model.toml line 9: there is no datatype 'UNIT8'. Did you mean 'UINT8'?" in refused
    assert browser.find("[name=note]").get_attribute("value") == "by web"

    (folder / "model.toml").write_text(good)
    os.utime(folder / "model.toml", (time.time() + 10,) * 2)  # a person needs longer than the browser's clock is fine
    browser.find("#send").click()  # the browser does not read a file that has changed
    browser.wait(lambda _: "Choose the files again" in browser.text("#refused .notice"))
    upload(browser, folder)
    assert "local/driver:1 is stored." in browser.text(".notice.good")
    page = browser.text()
    for words in ("UINT8 n × 120 × 160 × 3", "maps/oval.txt", "by web", "It drives."):
        assert words in page
    assert ".git" not in page

    (folder / "hooks.py").write_text("class Model:\n    SPEED = 2\n")
    browser.go("/models/local/driver/new")
    upload(browser, folder)
    assert "local/driver:2 is stored." in browser.text(".notice.good")
    for revision, told in (("1", "prod points to 1."), ("2", "prod points to 2.")):
        browser.choose("#aliases [name=revision]", revision)
        browser.press("#aliases [value=promote] ~ button")
        assert browser.said() == told
    browser.press("#aliases [value=roll-back]")
    assert browser.said() == "prod points to 1 again."


def test_a_page_loads_nothing_from_elsewhere_and_its_console_is_silent(browser):
    browser.complaints(), browser.strange_addresses()  # what was said and loaded until now is read, and gone
    for address in ("/models", "/models/new"):
        browser.go(address)
        assert browser.complaints() == []
        assert browser.strange_addresses() == []
