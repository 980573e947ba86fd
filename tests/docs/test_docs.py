"""The code blocks of README.md and docs/ run, in order, and print what stands below them."""

import contextlib
import io
import re
from pathlib import Path

import pytest

import nn
from tinygrad_lite import draw

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WITH_CODE = [page for page in PAGES if page.name != "operations.md"]  # that one is all tables
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\s*^```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


def run_blocks(page: Path) -> dict:
    """The names that the page's blocks leave, after comparing what they print."""
    names: dict = {"__name__": "page"}
    blocks = BLOCK.findall(page.read_text())
    assert blocks, page
    for code, expected in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(page), "exec"), names)
        assert printed.getvalue() == expected
    return names


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_code_blocks(page, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_blocks(page)


def test_the_picture_in_the_readme_is_of_its_model() -> None:
    """The committed SVG shows the boxes that `draw` shows now."""
    names = run_blocks(ROOT / "README.md")
    x, model = names["x"], names["model"]
    loss = (model(x) - names["np"].sin(x.data)).square().mean()
    found = draw(loss, names=nn.state.get_state_dict(model)).svg()
    texts = [
        # without the values in brackets, which depend on rounding
        sorted(re.findall(r"<text[^>]*>([^<[]+)</text>", svg))
        for svg in (found, (ROOT / "docs" / "model.svg").read_text())
    ]
    assert texts[0] == texts[1]
    assert "hidden.weight" in texts[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
