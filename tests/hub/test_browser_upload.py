"""A person's browser uploads a folder: refused with all mistakes, fixed, stored; promoted and rolled back."""

import os
import shutil
import tempfile
import time

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.ui import WebDriverWait

from tests.hub.model_folder import make_folder
from tests.hub_process import HubProcess

WAIT_S = 60
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with HubProcess(tmp_path_factory.mktemp("browser") / "home") as hub:
        yield hub


@pytest.fixture(scope="module")
def browser(hub):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
            options.add_argument(word)
        with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
            browser.get(hub.ready["entry"])
            browser.find_element(By.CSS_SELECTOR, "main button").click()
            WebDriverWait(browser, WAIT_S).until(lambda b: b.current_url.rstrip("/") == hub.url)
            yield browser


def text_of(browser, css):
    """The text of the first such element, once it is there."""
    return WebDriverWait(browser, WAIT_S).until(
        lambda b: next((e.text for e in b.find_elements(By.CSS_SELECTOR, css) if e.text), None)
    )


def upload(browser, folder):
    chosen = browser.find_element(By.ID, "folder")
    browser.execute_script("arguments[0].value = ''", chosen)  # the driver adds to what was chosen before
    chosen.send_keys(str(folder))
    browser.find_element(By.ID, "send").click()


def test_a_folder_is_uploaded_refused_fixed_stored_promoted_and_rolled_back(hub, browser, tmp_path):
    folder = make_folder(tmp_path / "driver")
    (folder / "maps").mkdir()
    (folder / "maps" / "oval.txt").write_text("oval")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("hidden")
    good = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(good.replace("UINT8", "UNIT8").replace('"python"', '"pyton"'))

    browser.get(f"{hub.url}/models/new")
    browser.find_element(By.NAME, "note").send_keys("by web")
    upload(browser, folder)
    refused = text_of(browser, "#refused .notice")
    assert "2 mistakes" in refused
    assert "model.toml line 9: there is no datatype 'UNIT8'. Did you mean 'UINT8'?" in refused
    assert browser.find_element(By.NAME, "note").get_attribute("value") == "by web"

    (folder / "model.toml").write_text(good)
    os.utime(folder / "model.toml", (time.time() + 10,) * 2)  # a person needs longer than the browser's clock is fine
    browser.find_element(By.ID, "send").click()  # the browser does not read a file that has changed
    WebDriverWait(browser, WAIT_S).until(lambda b: "Choose the files again" in text_of(b, "#refused .notice"))
    upload(browser, folder)
    assert "local/driver:1 is stored." in text_of(browser, ".notice.good")
    page = browser.find_element(By.TAG_NAME, "main").text
    for words in ("UINT8 n × 120 × 160 × 3", "maps/oval.txt", "by web", "It drives."):
        assert words in page
    assert ".git" not in page

    (folder / "hooks.py").write_text("class Model:\n    SPEED = 2\n")
    browser.get(f"{hub.url}/models/local/driver/new")
    upload(browser, folder)
    assert "local/driver:2 is stored." in text_of(browser, ".notice.good")
    for revision, told in (("1", "prod points to 1."), ("2", "prod points to 2.")):
        Select(browser.find_element(By.CSS_SELECTOR, "#aliases [name=revision]")).select_by_visible_text(revision)
        browser.find_element(By.CSS_SELECTOR, "#aliases [value=promote] ~ button").click()
        WebDriverWait(browser, WAIT_S).until(lambda b, told=told: told in text_of(b, ".notice.good"))
    browser.find_element(By.CSS_SELECTOR, "#aliases [value=roll-back]").click()
    WebDriverWait(browser, WAIT_S).until(lambda b: "prod points to 1 again." in text_of(b, ".notice.good"))


def test_a_page_loads_nothing_from_elsewhere_and_its_console_is_silent(hub, browser):
    browser.get_log("browser")  # what was said until now is read, and gone
    for address in ("/models", "/models/new"):
        browser.get(hub.url + address)
        assert [row for row in browser.get_log("browser") if row["level"] == "SEVERE"] == []
