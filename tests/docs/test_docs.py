"""Every page: its code blocks run and print what stands below them, links lead somewhere."""

import contextlib
import contextvars
import importlib
import io
import linecache
import re
from pathlib import Path

import pytest

from nn._processes import Processes, current, enter
from tinygrad_lite import draw

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.md"))
ENGINE = ROOT / "tinygrad_lite" / "engine" / "README.md"
WITHOUT_CODE = [ROOT / "docs" / name for name in ("index.md", "operations.md", "examples.md")]
WITH_CODE = [ROOT / "README.md", ENGINE, *(page for page in DOCS if page not in WITHOUT_CODE)]
PAGES = [*WITH_CODE, *WITHOUT_CODE, *BENCHMARKS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
LIMIT = 200  # characters of a cell
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\s*^```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run_blocks(page: Path) -> dict:
    """The names that the page's blocks leave, after comparing what they print.

    What they set for their process, such as chunks, and the observers ends with them.
    """
    before = current()
    enter(Processes())
    try:
        return contextvars.copy_context().run(_run_blocks, page)
    finally:
        enter(before)


def _run_blocks(page: Path) -> dict:
    names: dict = {"__name__": "page"}
    blocks = BLOCK.findall(page.read_text())
    assert blocks, page
    # One program, as a reader would paste it into a file: lines count on from block to block.
    file, before = f"{page.stem}.py", ""
    for code, expected in blocks:
        printed = io.StringIO()
        padded = "\n" * before.count("\n") + code
        before += code
        linecache.cache[file] = (len(before), None, before.splitlines(keepends=True), file)
        with contextlib.redirect_stdout(printed):
            exec(compile(padded, file, "exec"), names)
        # In a reader's file these are variables of the program, not of a module.
        assert printed.getvalue().replace("` of page\n", "` of the program\n") == expected
    return names


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_code_blocks(page, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_blocks(page)


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_in_a_file_no_block_ends_the_program_before_the_last(page) -> None:
    blocks = [code for code, _ in BLOCK.findall(page.read_text())]
    assert not any("SystemExit" in code or "__main__" in code for code in blocks[:-1])


def test_the_picture_in_the_readme_is_of_its_model(tmp_path, monkeypatch) -> None:
    """The committed SVG shows the boxes that `draw` shows now."""
    monkeypatch.chdir(tmp_path)
    names = run_blocks(ROOT / "README.md")
    x, model = names["x"], names["model"]
    loss = (model(x) - names["np"].sin(x.data)).square().mean()
    found = draw(loss, names=model).svg()
    texts = [
        # without the values, in brackets or after "=", which depend on rounding
        sorted(re.findall(r"<text[^>]*>([^<[=]+)", svg))
        for svg in (found, (ROOT / "docs" / "model.svg").read_text())
    ]
    assert texts[0] == texts[1]
    assert "hidden.weight" in texts[0]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, heading = target.partition("#")
        if "://" in target:
            continue
        found = page.parent / path if path else page
        assert found.exists(), target
        if heading:
            assert heading in anchors(found), target


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    outside = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    }


def test_every_page_stands_in_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    lines = [line for line in index.read_text().splitlines() if line.startswith("- [")]
    linked = {(index.parent / re.findall(r"\]\((.+?)\)", line)[0]).resolve() for line in lines}
    assert linked == set(PAGES) - {index}
    assert all(re.fullmatch(r"- \[.+?\]\(.+?\): \S.+\.", line) for line in lines)
    assert "(docs/index.md)" in (ROOT / "README.md").read_text()


def cells(text: str) -> list[str]:
    """All cells of the tables of a page."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


@pytest.mark.parametrize("page", [page for page in PAGES if page not in BENCHMARKS], ids=name)
def test_no_cell_is_too_long_to_read(page) -> None:
    assert [cell for cell in cells(page.read_text()) if len(cell) > LIMIT] == []


def test_cells_are_found() -> None:
    assert cells("| a | b \\| c |\n| --- | --- |\nno | cell |") == ["a", "b \\| c", "---", "---"]


ENGINE_TABLE = re.findall(r"^\| \[(\w+)\.py\]\(\1\.py\) \| (.+) \|$", ENGINE.read_text(), re.M)


@pytest.mark.parametrize(("module", "names"), ENGINE_TABLE, ids=dict(ENGINE_TABLE))
def test_the_page_of_the_engine_names_what_is_there(module, names) -> None:
    found = importlib.import_module(f"tinygrad_lite.engine.{module}")
    for name in re.findall(r"`(\w+)`", names):
        assert hasattr(found, name), f"{ENGINE.relative_to(ROOT)}: {module}.py has no {name}"


def test_the_page_of_the_engine_has_every_file() -> None:
    files = {path.stem for path in ENGINE.parent.glob("*.py")} - {"__init__"}
    assert {module for module, _ in ENGINE_TABLE} == files
