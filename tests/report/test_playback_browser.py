"""The page that plays a recording, in Debian's Chromium, from a file on the disk."""

import pytest

from rilaas.report.playback import to_page
from tests.browser import WAIT_S, chromium, needs_chromium
from tests.recordings import recording

pytestmark = needs_chromium
TIME = "return document.querySelector('.player-time').textContent"
CAMERA = "return document.querySelector('.player-camera').getAttribute('aria-label')"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "drive.html"
    path.write_text(to_page(recording()))
    return path.as_uri()


@pytest.fixture(scope="module")
def window(page):
    with chromium(page) as browser:
        yield browser


def opened(window, page, fragment=""):
    """The page, opened anew."""
    from selenium.webdriver.support.ui import WebDriverWait

    window.driver.get("about:blank")
    window.driver.get(page + fragment)
    ready = "return document.getElementById('player').dataset.ready === 'yes'"
    WebDriverWait(window.driver, WAIT_S).until(lambda driver: driver.execute_script(ready))
    return window.driver


def press(driver, key, times=1):
    from selenium.webdriver.common.action_chains import ActionChains

    for _ in range(times):
        ActionChains(driver).send_keys(key).perform()


def test_an_instant_can_be_linked_to(window, page):
    """At 0.55 s the newest picture is that of 0.5 s (one every 0.1 s)."""
    driver = opened(window, page, "#t=0.55")
    assert driver.execute_script(TIME) == "0.55 / 2.00 s"
    assert driver.execute_script(CAMERA) == "What the policy saw at 0.50 s"


def test_scrubbing_moves_everything_and_the_address(window, page):
    from selenium.webdriver.support.ui import WebDriverWait

    driver = opened(window, page)
    slider = driver.find_element("css selector", ".player-slider input")
    driver.execute_script("arguments[0].value = 1.25; arguments[0].dispatchEvent(new Event('input'))", slider)
    assert driver.execute_script(TIME) == "1.25 / 2.00 s"
    assert driver.execute_script(CAMERA) == "What the policy saw at 1.20 s"
    WebDriverWait(driver, WAIT_S).until(lambda d: d.execute_script("return location.hash") == "#t=1.25")
    values = driver.execute_script("return [...document.querySelectorAll('.player-number')].map(e => e.textContent)")
    assert values == ["0.500 m/s", "–", "50.0 ms"]  # out of lane from 1.0 s on


def test_a_click_on_a_plot_goes_to_its_instant(window, page):
    """A plot's time axis begins 46 px from its left edge and ends 10 px from its right edge."""
    from selenium.webdriver.common.action_chains import ActionChains

    driver = opened(window, page)
    plot = driver.find_element("css selector", ".player-plot")
    ActionChains(driver).scroll_to_element(plot).perform()
    width = plot.size["width"]
    middle = 46 + (width - 56) / 2
    ActionChains(driver).move_to_element_with_offset(plot, round(middle - width / 2), 0).click().perform()
    assert float(driver.execute_script(TIME).split(" ")[0]) == pytest.approx(1.0, abs=0.01)


def test_the_keyboard_steps_and_jumps_to_infractions(window, page):
    from selenium.webdriver.common.keys import Keys

    driver = opened(window, page)
    press(driver, "n")
    assert driver.execute_script(TIME) == "1.00 / 2.00 s"
    press(driver, "n")
    assert driver.execute_script(TIME) == "2.00 / 2.00 s"
    press(driver, "p")
    press(driver, Keys.ARROW_RIGHT, 2)
    assert driver.execute_script(TIME) == "1.10 / 2.00 s"
    press(driver, Keys.HOME)
    assert driver.execute_script(TIME) == "0.00 / 2.00 s"


def test_a_link_of_the_list_of_infractions_goes_there(window, page):
    driver = opened(window, page)
    link = driver.find_element("css selector", ".player-list a")
    assert link.text == "1.00 s"
    link.click()
    assert driver.execute_script(TIME) == "1.00 / 2.00 s"


def test_it_plays_to_the_end_and_stops_there(window, page):
    from selenium.webdriver.support.ui import WebDriverWait

    driver = opened(window, page, "#t=1.5")
    play = driver.find_element("css selector", ".player-play")
    assert play.get_attribute("aria-label") == "Play"
    play.click()
    WebDriverWait(driver, WAIT_S).until(lambda d: d.execute_script(TIME) == "2.00 / 2.00 s")
    WebDriverWait(driver, WAIT_S).until(lambda d: play.get_attribute("aria-label") == "Play")


def test_the_camera_is_drawn(window, page):
    """The pictures are of one grey, 90 of 255."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver = opened(window, page, "#t=0.3")
    pixel = (
        "const c = document.querySelector('.player-camera');"
        "return [...c.getContext('2d').getImageData(80, 60, 1, 1).data]"
    )
    WebDriverWait(driver, WAIT_S).until(lambda d: d.execute_script(pixel) == [90, 90, 90, 255])


def test_everything_that_can_be_used_has_a_name(window, page):
    driver = opened(window, page)
    nameless = """
      return [...document.querySelectorAll('#player button, #player input, #player select, #player canvas')]
        .filter(e => !(e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)"""
    assert driver.execute_script(nameless) == []


def test_the_numbers_stand_in_a_table_too(window, page):
    driver = opened(window, page)
    driver.execute_script("document.querySelector('#player details summary').click()")
    rows = driver.find_elements("css selector", "#player details:first-of-type tbody tr")
    assert [row.text for row in rows] == [
        "0.00 s 0.500 m/s 0.000 m –",
        "1.00 s 0.500 m/s – 50.0 ms",
        "2.00 s 0.500 m/s – 50.0 ms",
    ]


def test_nothing_was_fetched_and_the_console_is_empty(window, page):
    driver = opened(window, page)
    fetched = driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_it_fits_on_a_phone(window, page):
    driver = opened(window, page)
    size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(window, page)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
