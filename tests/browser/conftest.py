"""A real browser for the pages: Debian's Chromium and its driver, headless, through selenium.

`make browser` runs these tests; a plain `pytest` walks past.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.pages import SIZE, Page, colours, resize
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

import tinygrad_lite as tl


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.exit("make browser needs Chromium: apt-get install chromium chromium-driver", 1)
    options = ChromeOptions()
    options.binary_location = program
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.set_capability("unhandledPromptBehavior", "ignore")
    chrome = Chrome(options=options, service=Service(driver))
    yield chrome
    chrome.quit()


@pytest.fixture
def page(browser: Chrome) -> Iterator[Page]:
    """A page in a window of usual size, in light colours; at the end its console must be empty."""
    resize(browser, SIZE)
    colours(browser, "light")
    browser.get_log("browser")
    yield Page(browser)
    assert browser.get_log("browser") == []
    assert Page(browser).run("return performance.getEntriesByType('resource').length") == 0


@pytest.fixture
def drawn(page: Page, tmp_path: Path) -> Callable[..., Page]:
    """drawn(tensor, names): the page about a tensor, opened."""

    def opened(tensor: Any, names: Any = None) -> Page:
        path = tmp_path / "graph.html"
        tl.draw(tensor, path, names=names)
        return page.open(path)

    return opened
