"""One open page, and what a person does with it."""

from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

SIZE = (1280, 860)  # of the window
PHONE = (390, 844)


class Page:
    """One open page, and what a person does with it."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser

    def open(self, path: Path) -> "Page":
        self.browser.get(path.as_uri())
        WebDriverWait(self.browser, 20).until(
            lambda browser: self.run("return document.body.dataset.ready === 'true'")
        )
        return self

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def box(self, title: str, number: int = 0) -> WebElement:
        """A box by its title, the oldest first."""
        found = self.run(
            "const boxes = [...document.querySelectorAll('.box')].filter((box) =>"
            " box.querySelector('.title').textContent.replace(/^\\+ /, '') === arguments[0]);"
            "const number = (box) => Number(box.dataset.id.slice(1));"
            "return boxes.sort((a, b) => number(a) - number(b))[arguments[1]]",
            title,
            number,
        )
        assert found is not None, (title, self.titles())
        return found

    def titles(self) -> list[str]:
        """The titles of all boxes that are visible."""
        return self.run(
            "return [...document.querySelectorAll('.box .title')].map((title) => title.textContent)"
        )

    def frames(self) -> list[str]:
        """The names of the groups that are open."""
        return [handle.text for handle in self.all(".handle")]

    def click(self, element: WebElement) -> None:
        """A click in the middle of what is drawn there."""
        self.run(
            "const r = arguments[0].getBoundingClientRect();"
            "const at = {clientX: r.x + r.width / 2, clientY: r.y + r.height / 2, bubbles: true,"
            " pointerId: 1, pointerType: 'mouse', isPrimary: true};"
            "for (const kind of ['pointerdown', 'pointerup'])"
            " arguments[0].dispatchEvent(new PointerEvent(kind, at));"
            "arguments[0].dispatchEvent(new MouseEvent('click', at));",
            element,
        )

    def press(self, *keys: str) -> None:
        """Keys, on whatever has the focus."""
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def panel(self) -> str:
        """The text of the open panel."""
        return self.one("[role=tabpanel]:not([hidden])").text

    def zoom(self) -> float:
        text = self.one("#world").get_attribute("transform") or ""
        return float(text.rpartition("scale(")[2].rstrip(")"))

    def shift(self) -> tuple[float, float]:
        text = self.one("#world").get_attribute("transform") or ""
        x, y = text.partition("translate(")[2].partition(")")[0].split()
        return float(x), float(y)


def resize(browser: Chrome, size: tuple[int, int]) -> None:
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": size == PHONE})


def colours(browser: Chrome, scheme: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
