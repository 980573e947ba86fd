"""The page does in a browser what its controls say."""

import re
import time
from typing import ClassVar

import numpy as np
import pytest
from browser.pages import PHONE, Page, colours, resize
from selenium.webdriver.common.keys import Keys

import nn
import tinygrad_lite as tl
from tinygrad_lite import Tensor, keep_values
from tinygrad_lite.show.formulas.formulas import variable
from tinygrad_lite.show.page.rules import formula_shown


def small():
    """loss = sum(h^2 + 3 h) for h = x w + b = [[1], [1]]: dloss/dh = 2 h + 3 = [[5], [5]]."""
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    w = Tensor([[1.0], [-1.0]], requires_grad=True)
    b = Tensor([2.0], requires_grad=True)
    with keep_values():
        h = x @ w + b
        loss = (h * h + 3.0 * h).sum()
    return loss, {"x": x, "w": w, "b": b}


def layers(count: int = 3):
    Tensor.manual_seed(0)
    model = nn.Sequential(*[each for _ in range(count) for each in (nn.Linear(4, 4), nn.ReLU())])
    with keep_values():
        loss = model(Tensor.randn(2, 4)).sum()
    return loss, model


def test_a_click_tells_all_about_a_node(drawn):
    page = drawn(*small())
    page.click(page.box("Mul"))
    panel = page.panel()
    assert page.box("Mul").get_attribute("class").split()[-1] == "chosen"
    for words in ("Mul", "(2, 1)", "float", "Formula", "Derivative", "Gradient", "agrees"):
        assert words in panel, words
    assert "test_page_in_browser.py:" in panel
    assert "loss = (h * h + 3.0 * h).sum()" in panel
    assert "[[1], [1]]" in panel  # both the value 1^2 and the gradient of a sum
    assert len(page.all("#node math")) == 3
    assert page.run("return document.querySelector('#node math').namespaceURI").endswith("MathML")
    source = page.one("#node details")
    assert not source.get_attribute("open")
    page.one("#node summary").click()
    assert "def backward(self, g, y, a, b):" in page.panel()


def test_a_link_in_the_panel_leads_to_the_input(drawn):
    page = drawn(*small())
    page.click(page.box("Mul"))
    page.one("#node .neighbours .link").click()
    assert page.panel().startswith("Add")
    assert page.run("return document.activeElement.dataset.id") == page.box("Add").get_attribute(
        "data-id"
    )


def test_the_slider_walks_backward(drawn):
    page = drawn(*small())
    forward = page.one("#walk-on")
    assert page.one("#walk-at").text == "not begun"
    seen = []
    for _ in range(6):
        forward.click()
        seen.append(page.one(".box.current .title").text)
    assert seen == ["Sum", "Add", "Mul", "Mul", "Add", "Matmul"]
    assert page.one("#walk-at").text == "6 / 6"
    assert not forward.is_enabled()
    page.press("p", "p", "p")  # back to 3 h
    assert page.one("#walk-at").text == "3 / 6"
    panel = page.panel()
    assert "Paths add: this is number 1 of 2" in panel
    assert re.search(r"= so far\s+\(2, 1\)\s+\[\[3\], \[3\]\]", panel)
    page.press("n")
    panel = page.panel()
    assert "Paths add: this is number 2 of 2" in panel
    assert re.search(r"this one, a\s+\(2, 1\)\s+\[\[2\], \[2\]\]", panel)
    assert re.search(r"= the whole gradient\s+\(2, 1\)\s+\[\[5\], \[5\]\]", panel)
    assert "b is the same tensor" in panel
    page.press("n")
    panel = page.panel()
    assert "Add" in panel
    assert "A broadcast is undone" in panel
    assert "(2, 1) \N{RIGHTWARDS ARROW} (1,)" in panel
    assert "over axis 0" in panel
    assert re.search(r"\(1,\)\s+\[10\]", panel)  # db = 5 + 5
    lit = page.run(
        "return [...document.querySelectorAll('.arrow.lit')].map((a) => a.dataset.from).sort()"
    )
    ends = sorted(page.box(title).get_attribute("data-id") for title in ("Matmul", "b"))
    assert lit == ends
    page.press(Keys.ESCAPE)
    assert page.one("#walk-at").text == "not begun"
    assert page.all(".current") == []


def test_the_slider_itself_moves(drawn):
    page = drawn(*small())
    page.run(
        "const s = document.getElementById('walk-slider'); s.value = 3;"
        "s.dispatchEvent(new Event('input'))"
    )
    assert page.one("#walk-at").text == "3 / 6"
    assert page.one(".box.current .title").text == "Mul"


def test_groups_open_and_close_by_click(drawn):
    page = drawn(*layers())
    page.one("#fold-all").click()
    assert "+ Sequential" in page.titles()
    assert page.frames() == []
    page.click(page.box("Sequential"))
    assert [name[2:] for name in page.frames()] == ["Sequential"]
    assert page.all(".handle[aria-expanded=true]") != []
    page.click(page.one(".handle"))
    assert page.frames() == []
    page.one("#unfold-all").click()
    assert page.titles().count("Relu") == 3
    assert page.all(".box.group") == []


def test_keys_lead_along_the_arrows_and_open_groups(drawn):
    page = drawn(*layers())
    page.press("f")
    page.press(Keys.ARROW_UP)  # the first arrow key begins at the output
    assert page.run("return document.activeElement.getAttribute('aria-label')").startswith("Sum")
    page.press(Keys.ARROW_UP)
    label = page.run("return document.activeElement.getAttribute('aria-label')")
    assert label.startswith("Group, folded: Sequential")
    page.press(Keys.ENTER)
    assert page.run("return document.activeElement.getAttribute('aria-expanded')") == "true"
    page.press(Keys.BACKSPACE)
    assert page.frames() == []
    page.press("u")
    assert page.titles().count("Relu") == 3
    outline = page.run(
        "const f = document.activeElement.querySelector('.body, rect');"
        "return getComputedStyle(f).strokeWidth"
    )
    assert float(outline.removesuffix("px")) >= 2.5  # the focus is visible


def test_every_box_can_be_reached_with_tab_and_arrow_keys(drawn):
    page = drawn(*small())
    assert len(page.all('#world [tabindex="0"]')) == 1
    assert page.one('#world [tabindex="0"]').get_attribute("role") == "button"
    for box in page.all(".box"):
        assert box.get_attribute("aria-label")
    reached = set()
    for key in [Keys.ARROW_UP] * 5 + [Keys.ARROW_DOWN, Keys.ARROW_LEFT, Keys.ARROW_RIGHT] * 2:
        page.press(key)
        reached.add(page.run("return document.activeElement.dataset.id"))
    assert len(reached) >= 5


def test_search_finds_ops_names_and_lines(drawn):
    page = drawn(*layers())
    page.press("/")
    assert page.run("return document.activeElement.id") == "search"
    page.press("relu")
    found = page.all("#found [role=option]")
    assert len(found) >= 3
    page.press(Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER)
    assert page.one("#found").get_attribute("hidden")
    assert "Relu" in page.panel() or "ReLU" in page.panel()
    page.press("/")
    page.press("no such thing")
    assert page.one("#found").text == "Nothing found"
    page.press(Keys.ESCAPE)
    assert page.one("#search").get_attribute("value") == ""
    assert page.run("return document.activeElement.id") != "search"
    page.press("f")
    page.press("/")
    page.press("2.weight")
    page.press(Keys.ENTER)  # what is found in a folded group is unfolded
    assert page.panel().startswith("2.weight") or "weight" in page.panel()
    assert page.frames() != []


def test_zoom_pan_and_fit(drawn):
    page = drawn(*small())
    start = page.zoom()
    page.one("#zoom-in").click()
    assert page.zoom() == pytest.approx(1.25 * start)
    page.one("#zoom-out").click()
    assert page.zoom() == pytest.approx(start)
    page.press("+")
    assert page.zoom() == pytest.approx(1.25 * start)
    page.run(
        "document.getElementById('graph').dispatchEvent(new WheelEvent('wheel',"
        " {deltaY: -200, clientX: 300, clientY: 300, bubbles: true, cancelable: true}))"
    )
    assert page.zoom() > 1.5 * start
    before = page.shift()
    for kind, x in (("mousePressed", 200), ("mouseMoved", 240), ("mouseReleased", 240)):
        page.browser.execute_cdp_cmd(
            "Input.dispatchMouseEvent",
            {"type": kind, "x": x, "y": 500, "button": "left", "buttons": 1, "clickCount": 1},
        )
    assert page.shift()[0] == pytest.approx(before[0] + 40)
    page.press("0")
    assert page.zoom() == pytest.approx(start)


def test_the_keys_are_told(drawn):
    page = drawn(*small())
    page.press("?")
    assert page.one("#keys").get_attribute("open")
    assert "backward pass" in page.one("#keys").text
    page.press(Keys.ESCAPE)
    assert not page.one("#keys").get_attribute("open")
    page.one("#help").click()
    page.one("#keys button").click()
    assert not page.one("#keys").get_attribute("open")


def test_light_and_dark(drawn):
    page = drawn(*small())

    def paper():
        return page.run("return getComputedStyle(document.body).backgroundColor")

    light = paper()
    page.one("#theme").click()
    dark = paper()
    assert dark != light
    assert page.one("#theme").get_attribute("aria-pressed") == "true"
    page.press("t")
    assert paper() == light
    colours(page.browser, "dark")
    page.browser.refresh()
    assert paper() == dark
    page.one("#theme").click()
    assert paper() == light


def test_contrast_is_enough_in_both(drawn):
    page = drawn(*layers(2))
    for _ in range(2):
        for name in ("ink", "pale", "accent", "step", "bad", "good"):
            ratio = page.run(
                """
                const probe = document.body.appendChild(document.createElement('i'));
                const colour = (name) => {
                  probe.style.color = `var(${name})`;
                  return getComputedStyle(probe).color;
                };
                const canvas = document.createElement('canvas')
                  .getContext('2d', {willReadFrequently: true});
                const light = (name) => {
                  canvas.fillStyle = colour(name);
                  canvas.fillRect(0, 0, 1, 1);
                  const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) =>
                    c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
                  return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
                };
                const [a, b] = [light('--' + arguments[0]), light('--card')].sort();
                return b / a;
                """,
                name,
            )
            assert ratio >= 4.5, name
        page.press("t")


def test_a_phone_has_the_panel_below(drawn):
    page = drawn(*small())
    resize(page.browser, PHONE)
    page.browser.refresh()
    stage = page.run("return document.getElementById('stage').getBoundingClientRect().toJSON()")
    side = page.run("return document.getElementById('side').getBoundingClientRect().toJSON()")
    assert stage["width"] == PHONE[0]
    assert side["top"] >= stage["bottom"] - 1
    assert stage["height"] > 200
    assert page.run("return document.documentElement.scrollWidth") == PHONE[0]
    for button in page.all("#tools button, #walk button"):
        assert button.size["height"] >= 36
    start, middle = page.zoom(), stage["top"] + stage["height"] / 2

    def touch(kind, *points):
        given = [{"x": x, "y": middle, "id": number} for number, x in enumerate(points)]
        page.browser.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": given}
        )

    touch("touchStart", 180, 210)
    for spread in range(10, 70, 10):
        touch("touchMove", 180 - spread, 210 + spread)
    touch("touchEnd")
    assert page.zoom() > 1.5 * start
    before = page.shift()
    touch("touchStart", 200)
    for moved in (210, 220, 230):
        touch("touchMove", moved)
    touch("touchEnd")
    assert page.shift()[0] > before[0] + 20


def test_a_heat_map_tells_the_number_that_is_pointed_at(drawn):
    values = np.linspace(-1.0, 1.0, 24).reshape(4, 6)
    values[1, 2] = np.nan
    a = Tensor(values, requires_grad=True)
    with keep_values():
        y = (a * 2.0).sum()
    page = drawn(y, {"a": a})
    page.click(page.box("a"))
    assert "magenta: nan" in page.panel()
    corner = page.run(
        "const c = document.querySelector('#node canvas.map');"
        "const r = c.getBoundingClientRect();"
        "const place = {clientX: r.right - 2, clientY: r.top + 2};"
        "c.dispatchEvent(new PointerEvent('pointermove', place));"
        "const all = c.getContext('2d').getImageData(0, 0, 6, 4).data;"
        "const at = (x, y) => [...all.slice(4 * (6 * y + x), 4 * (6 * y + x) + 3)];"
        "const told = document.querySelector('#node .pointed').textContent;"
        "return [told, at(2, 1), at(0, 0), at(5, 3), c.width, c.height]"
    )
    assert corner[0] == f"[0, 5] = {values[0, 5]:.4g}"
    assert corner[1] == [214, 31, 214]
    assert corner[2][2] > corner[2][0]  # blue below 0
    assert corner[3][0] > corner[3][2]  # red above
    assert corner[4:] == [6, 4]


def test_images_are_shown_side_by_side(drawn):
    images = Tensor(np.random.default_rng(0).random((4, 1, 28, 28)), requires_grad=True)
    with keep_values():
        y = images.mean()
    page = drawn(y, {"images": images})
    page.click(page.box("images"))
    assert "4 images" in page.panel()
    width, height = page.run(
        "const c = document.querySelector('#node canvas.map'); return [c.width, c.height]"
    )
    assert (width, height) == (2 * 28 + 1, 2 * 28 + 1)


def test_a_released_graph_says_what_to_do(drawn):
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    loss.backward()
    page = drawn(loss, {"w": w})
    assert "keep_values():" in page.one("#notes").text
    page.click(page.box("Mul"))
    assert "not computed" in page.panel()
    assert "keep_values():" in page.panel()
    page.press("n")
    assert "Step 1 of 2" in page.panel()


HOSTILE = [
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "<!--<script>alert(1)",
    "<svg onload=alert(1)>",
    "javascript:alert(1)",
    "'\"`{{data}}{{scripts}}",
    "two\nlines\r\u2028\u2029\x00\x1b",
    "\ud800 alone",
    "__proto__",
    "constructor",
    "]]>&lt;b&gt;",
    "x" * 5000,
]


class Evil(tl.Function):
    """</script><img src=x onerror=alert(1)> is what this op says of itself."""

    latex: ClassVar = {
        "y": r"\text{<img src=x onerror=alert(1)>}",
        "x": r"</math><script>alert(1)</script>",
    }
    saves = "inputs"

    def forward(self, x):
        return x * 2.0  # </script><script>alert(1)</script>

    def backward(self, g, y, x):
        return (g * 2.0,)  # </script><script>alert(1)</script>


def test_every_formula_of_the_library_can_be_shown(page, tmp_path):
    path = tmp_path / "graph.html"
    tl.draw(small()[0], path)
    page.open(path)
    latex = {
        rf"\bar{{{variable(name)}}} = {formula}"
        for op in vars(tl.ops).values()
        for name, formula in (getattr(op, "latex", None) or {}).items()
    }
    assert len(latex) > 100
    shown = page.run(
        "return arguments[0].map((each) => formula(each).querySelector('math') !== null)",
        [formula_shown(each, "") for each in sorted(latex)],
    )
    assert all(shown)


def test_hostile_names_inject_nothing(drawn):
    tensors = {name: Tensor([1.0, 2.0], requires_grad=True) for name in HOSTILE}
    with keep_values():
        total = Evil.apply(next(iter(tensors.values())))
        for tensor in tensors.values():
            total = total + tensor  # <img src=x onerror=alert(1)>
        total = total.sum()
    page = drawn(total, tensors)
    before = page.run("return document.querySelectorAll('script').length")
    page.press("u")
    for box in page.all(".box"):
        page.click(box)
        assert page.panel()
    while page.one("#walk-on").is_enabled():
        page.press("n")
    page.press("/")
    page.press("<")
    page.press(Keys.ESCAPE)
    assert page.run("return document.querySelectorAll('script').length") == before
    for tag in ("img", "iframe", "b[onload]", "[onerror]", "[onload]", "a", "svg svg"):
        assert page.run("return document.querySelectorAll(arguments[0]).length", tag) == 0, tag
    assert page.run("return Object.keys(Object.prototype).length") == 0
    texts = page.run("return data.boxes.map((box) => box.title)")
    assert sum(any(name[:30] in text for text in texts) for name in HOSTILE[:5]) == 5
    page.click(page.box("Evil"))
    assert "<img src=x onerror=alert(1)> is what this op says" in page.panel()


def test_a_thousand_nodes_open_folded_and_quickly(drawn):
    loss, model = layers(250)
    page = drawn(loss, model)
    began = time.perf_counter()
    page.browser.refresh()
    seconds = time.perf_counter() - began
    assert len(page.all(".box")) < 60
    assert seconds < 5
    began = time.perf_counter()
    page.press("u")
    assert time.perf_counter() - began < 20
    assert len(page.all(".box")) > 900
    page.press("f")
    assert len(page.all(".box")) < 10


def test_a_long_chain_without_modules_is_folded_too(drawn):
    x = Tensor([1.0], requires_grad=True)
    y = x
    for _ in range(5000):
        y = y * 1.001 + 0.5
    page = drawn(y)
    assert len(page.all(".box")) < 60
    assert any("5,000" in title or "5000" in title for title in page.titles())
    page.press("/")
    page.press("output")
    page.press(Keys.ESCAPE)
    page.press("n")
    assert page.all(".current") != []


def test_a_call_that_failed_is_seen_at_once(page, tmp_path):
    path = tmp_path / "failed.html"
    x = Tensor.ones(2, 3, requires_grad=True)
    with pytest.raises(ValueError, match="matmul"), tl.draw_on_error(path):
        (x * 2.0) @ Tensor.ones(4, 5)
    page.open(path)
    failed = page.one(".box.failed")
    assert "matmul failed" in failed.text
    assert "(4, 5)" in failed.text
    page.click(failed)
    assert "test_page_in_browser.py:" in page.panel()
    assert not page.one("#walk-on").is_enabled()


class Wrong(tl.Function):
    """y = x^3, whose rule has 2 in place of 3."""

    saves = "inputs"

    def forward(self, x):
        return x * x * x

    def backward(self, g, y, x):
        return (2.0 * g * x * x,)


def test_a_wrong_rule_and_nan_are_marked_in_the_graph(drawn):
    x = Tensor([1.0, -1.0, 2.0], requires_grad=True)
    with keep_values():
        y = (Wrong.apply(x) + x.log()).sum()
    page = drawn(y, {"x": x})
    assert "The backward of Wrong disagrees with finite differences." in page.one("#notes").text
    assert "wrong" in page.box("Wrong").get_attribute("class").split()
    marked = page.run(
        "return [...document.querySelectorAll('.box:has(.nan) .title')].map((t) => t.textContent)"
    )
    assert sorted(marked) == ["Add", "Log", "Sum"]
    assert "holds nan" in page.box("Log").get_attribute("aria-label")
    assert "holds nan" in page.one("#legend").text
    page.click(page.box("Wrong"))
    assert "differs. The gradient of x[" in page.panel()


def test_costs_colour_the_boxes(drawn, page, tmp_path):
    loss, model = layers()
    path = tmp_path / "costs.html"
    tl.cost(loss).draw(path, names=model)
    page.open(path)
    page.press("u")
    shades = {float(heat.value_of_css_property("fill-opacity")) for heat in page.all(".box .heat")}
    assert len(shades) > 1
    assert "cost" in page.one("#legend").text
    page.click(page.box("Linear"))
    assert "Cost" in page.panel()


def test_page_needs_no_name(drawn):
    page: Page = drawn(small()[0])
    assert page.one("#title").text == "Graph of Sum"
    assert "parameter 1" in page.panel()
    page.one("#node .action").click()
    assert page.one("#walk-at").text == "1 / 6"
