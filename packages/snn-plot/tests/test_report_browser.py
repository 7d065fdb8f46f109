"""The report in a real browser: what it draws, and that it asks for nothing."""

import base64
import json
import os
import shutil
import socket
from threading import Thread

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from snn_plot.report import write_report
from snn_plot.serve import RunsServer

CHARTS = (
    "accuracy operations pareto correlation histogram activation rate spikes raster input confusion"
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars "
    "--disable-default-apps --disable-extensions --no-default-browser-check"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find(names):
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium, driver = find(BROWSERS), find(("chromedriver",))
    if chromium is None or driver is None:
        said = "Chromium and chromedriver are needed (Debian: chromium, chromium-driver)."
        pytest.fail(said) if os.environ.get("CI") == "true" else pytest.skip(said)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(executable_path=driver)
    started = webdriver.Chrome(options=options, service=service)
    yield started
    started.quit()


@pytest.fixture(scope="module")
def report(run_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(run_dir, path)
    return path.as_uri()


def opened(browser, address, *, width=1200, height=900):
    """Open a page at a size and wait until all charts are drawn."""
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(address)
    WebDriverWait(browser, 60).until(
        lambda b: b.execute_script("return document.body.dataset.ready")
    )


def requests(browser):
    """Return the addresses that were asked for since the page was opened."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def test_no_errors_no_requests_and_all_charts(browser, report):
    opened(browser, report)
    assert browser.get_log("browser") == []
    assert [url for url in requests(browser) if not url.startswith("data:")] == [report]
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('.js-plotly-plot .main-svg:first-child')]"
        ".map(svg => svg.closest('.chart').id.replace('chart-', ''))"
    )
    assert sorted(drawn) == sorted(CHARTS.split())
    sections = browser.find_elements(By.TAG_NAME, "section")
    assert len(sections) == 9
    assert all(section.is_displayed() and section.size["height"] > 50 for section in sections)


def test_choosing_a_layer_changes_its_charts(browser, report, run_dir):
    opened(browser, report)
    select = Select(browser.find_element(By.ID, "layer"))
    names = [option.text for option in select.options]
    assert names == ["01Conv2D_4x4x3", "03Dense_40", "04Dense_4"]
    for name in reversed(names):
        select.select_by_visible_text(name)
        title = browser.execute_script(
            "return document.getElementById('chart-raster').layout.title.text"
        )
        assert title.startswith(f"{name}: ")
        chosen = browser.find_elements(By.CSS_SELECTOR, "tr.chosen")
        assert [row.get_attribute("data-layer") for row in chosen] == [name]
    assert browser.get_log("browser") == []


def test_hovering_tells_the_accuracy(browser, report):
    opened(browser, report)
    text = browser.execute_script(
        "const chart = document.getElementById('chart-accuracy');"
        "Plotly.Fx.hover(chart, [{curveNumber: 2, pointNumber: 5}]);"
        "return chart.querySelector('.hoverlayer').textContent"
    )
    assert "% at 6" in text


@pytest.mark.parametrize("width", [400, 1200])
def test_nothing_is_wider_than_the_window(browser, report, width):
    opened(browser, report, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    charts = browser.execute_script(
        "return [...document.querySelectorAll('.js-plotly-plot')].map(c => {"
        "const box = c.querySelector('.main-svg').getBoundingClientRect();"
        "return [c.id, box.left, box.right]})"
    )
    assert len(charts) == 11
    assert all(left >= 0 and right <= width for _, left, right in charts)


def widths(browser):
    """Return the widths of all charts, widest first."""
    found = browser.execute_script(
        "return [...document.querySelectorAll('.js-plotly-plot > div .main-svg:first-child')]"
        ".map(svg => svg.getBoundingClientRect().width)"
    )
    return sorted(found, reverse=True)


def test_charts_fit_a_page_of_paper(browser, report):
    opened(browser, report)
    on_screen = widths(browser)
    assert on_screen[0] > 1000
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    WebDriverWait(browser, 20).until(lambda b: widths(b)[0] <= 690)
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    WebDriverWait(browser, 20).until(lambda b: widths(b) == on_screen)
    assert base64.b64decode(browser.print_page()).startswith(b"%PDF")
    assert browser.get_log("browser") == []


def test_runs_are_listed_and_opened(browser, run_dir):
    server = RunsServer(run_dir.parent)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        browser.get(server.address)
        browser.find_element(By.LINK_TEXT, run_dir.name).click()
        WebDriverWait(browser, 60).until(
            lambda b: b.execute_script("return document.body.dataset.ready")
        )
        assert browser.find_element(By.TAG_NAME, "h1").text.startswith(run_dir.name)
    finally:
        server.shutdown()
        server.server_close()


def test_the_browser_could_have_asked(browser, report, tmp_path):
    """The check for requests notices one: a page with a picture from a server is caught."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        page = tmp_path / "page.html"
        page.write_text(
            f'<body data-ready="1"><img src="http://127.0.0.1:{port}/x.png"></body>', "utf-8"
        )
        browser.set_page_load_timeout(3)
        with pytest.raises(TimeoutException):  # the picture never comes
            opened(browser, page.as_uri())
        browser.set_page_load_timeout(60)
        assert f"http://127.0.0.1:{port}/x.png" in requests(browser)
