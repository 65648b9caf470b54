"""Debian's Chromium, used as a person uses it: pages, fields, buttons; what it loaded and what its console says."""

import contextlib
import json
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.ui import WebDriverWait

WAIT_S = 60
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs a browser: scripts/install_packages.sh chromium chromium-driver",
)
_PASSING = (StaleElementReferenceException, NoSuchElementException)  # htmx puts a newer element in its place
_REFUSED = tuple(f"with a status of {status}" for status in (400, 404, 409, 422))


@contextlib.contextmanager
def chromium(url):
    """A browser without a window, with a profile of its own, for the hub at ``url``."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        words = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"]
        for word in (*words, f"--user-data-dir={profile}"):
            options.add_argument(word)
        with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as driver:
            driver.get("about:blank")
            driver.get_log("performance")  # what the browser's own first page loads is no page of ours
            yield Browser(driver, url)


class Browser:
    """One window.

    Args:
        driver: Selenium's.
        url: The hub's address; paths are below it.
    """

    def __init__(self, driver, url):
        self.driver, self.url = driver, url

    @property
    def path(self):
        """Where it is."""
        return self.driver.current_url.removeprefix(self.url)

    def enter(self, link):
        """Sign in by a link, in place of whoever was signed in."""
        self.driver.delete_all_cookies()
        self.driver.get(link)
        self.press("main button")

    def sign_in(self, name, password):
        """Sign in by a password, in place of whoever was signed in."""
        self.driver.delete_all_cookies()
        self.go("/sign-in")
        self.type("[name=name]", name)
        self.type("[name=password]", password)
        self.press("main button")
        assert self.path == "/", self.said()

    def go(self, path):
        """Open a page."""
        self.driver.get(self.url + path)

    def find(self, css):
        """The first such element."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def type(self, css, text):
        """Fill in a field, in place of what it holds."""
        field = self.find(css)
        field.clear()
        field.send_keys(str(text))

    def choose(self, css, text):
        """Choose an option."""
        Select(self.find(css)).select_by_visible_text(text)

    def choose_files(self, css, path):
        """Choose a file or a folder, in place of what was chosen."""
        field = self.find(css)
        self.driver.execute_script("arguments[0].value = ''", field)  # the driver adds to what was chosen before
        field.send_keys(str(path))

    def press(self, css):
        """Press a button, and wait for the page that it leads to."""
        self.driver.execute_script("window.left = true")  # an element of a page that goes has no sure answer
        self.find(css).click()
        self.wait(lambda driver: driver.execute_script("return !window.left && document.readyState === 'complete'"))

    def wait(self, condition):
        """What a condition on the driver gives once it holds."""
        return WebDriverWait(self.driver, WAIT_S, 0.1, _PASSING).until(condition)

    def text(self, css="main"):
        """The text of the first such element that has some, once there is one."""
        return self.wait(
            lambda driver: next((e.text for e in driver.find_elements(By.CSS_SELECTOR, css) if e.text), None)
        )

    def texts(self, css):
        """The texts of all such elements as they are now."""
        return [element.text for element in self.driver.find_elements(By.CSS_SELECTOR, css)]

    def said(self):
        """What the page answers to an act: a sentence, or a refusal."""
        return self.text("main .notice.good, main .notice.bad")

    def fetch(self, path):
        """An address with this person's cookies, besides the page: its status and its body."""
        cookies = "; ".join(f"{each['name']}={each['value']}" for each in self.driver.get_cookies())
        request = urllib.request.Request(urllib.parse.urljoin(self.url, path), headers={"Cookie": cookies})
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def complaints(self):
        """What the console said since it was asked last, without what it repeats of the hub's refusals."""
        rows = [row["message"] for row in self.driver.get_log("browser")]
        return [each for each in rows if "/static/" in each or not any(words in each for words in _REFUSED)]

    def strange_addresses(self):
        """What was asked for since last time, and is not below the hub's address."""
        messages = [json.loads(row["message"])["message"] for row in self.driver.get_log("performance")]
        sent = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        asked = {each["request"]["url"] for each in sent}
        assert asked, "nothing was asked for at all: is the log of requests on?"
        return sorted(one for one in asked if not one.startswith((self.url + "/", "data:", "blob:")))
