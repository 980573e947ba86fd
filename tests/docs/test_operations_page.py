"""docs/operations.md is what docs/make_operations.py writes now."""

import re
import runpy
from pathlib import Path

import pytest

from tinygrad_lite import Function, Tensor

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "operations.md").read_text()


@pytest.fixture(scope="module")
def generator() -> dict:
    return runpy.run_path(str(DOCS / "make_operations.py"), run_name="make_operations")


def test_the_page_is_current(generator) -> None:
    before = dict(vars(Tensor))
    current = generator["page"]() == TEXT
    assert current, "docs/operations.md is not current: run make docs (docs/make_operations.py)"
    assert dict(vars(Tensor)) == before


def test_every_method_and_every_primitive_has_a_line(generator) -> None:
    calls = set(re.findall(r"^\| `(?:x|Tensor)\.(\w+)", TEXT, re.MULTILINE))
    public = {
        name
        for cls in Tensor.__mro__
        if cls.__module__.startswith("tinygrad_lite.methods.")
        for name in vars(cls)
        if not name.startswith("_")
    }
    assert calls == public
    assert set(generator["registry"]()) <= set(re.findall(r"^\| (\w+) \|", TEXT, re.MULTILINE))


def test_every_section_stands_in_the_index_at_the_top() -> None:
    index = TEXT[: TEXT.index("\n## ")]
    titles = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)
    assert len(titles) > 30
    assert re.findall(r"\[([^]]+)\]\(#", index) == titles


def test_every_line_has_the_columns_of_its_table() -> None:
    columns = 0
    for line in TEXT.splitlines():
        bars = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert bars in (0, columns) or columns == 0, line
        columns = bars


def test_primitive_or_composed_is_found_in_the_graph(generator) -> None:
    lines = {line.split("`")[1].split("(")[0]: line for line in TEXT.splitlines() if "| `" in line}
    assert "| primitive Relu |" in lines["x.relu"]
    assert "dy/dx = 1 for x > 0" in lines["x.relu"]
    assert "|  | composed: Centre, Mul, Sum, Div" in lines["x.var"]
    assert generator["since"](Function) == "0.1.0"


def test_a_long_text_ends_at_a_full_stop_with_a_link(generator) -> None:
    shortened, limit = generator["shortened"], generator["LIMIT"]
    path = "tinygrad_lite/ops/linalg.py"
    short = "As W. J. Cody says. It is | so."
    assert shortened(short, path) == "As W. J. Cody says. It is \\| so."
    more = "[more](../tinygrad_lite/ops/linalg.py)"
    assert shortened(f"{short} {'x' * limit}.", path) == f"As W. J. Cody says. It is \\| so. {more}"
    assert shortened("x" * limit + "y.", path) == "see [linalg.py](../tinygrad_lite/ops/linalg.py)"
    exact = "x" * (limit - len(more) - 2) + "."
    assert shortened(f"{exact} {'x' * limit}.", path) == f"{exact} {more}"
    assert len(f"{exact} {more}") == limit


def test_a_primitive_shows_its_formula_its_derivative_and_what_it_keeps(generator) -> None:
    both = generator["formula_and_derivative"]
    known = generator["registry"]()
    assert both(known["Sqrt"])[0] == "y = sqrt(x)."
    assert both(known["Sqrt"])[1].startswith("dy/dx = 1 / (2 y).")
    assert "[more](../tinygrad_lite/ops/linalg.py)" in both(known["Linear"])[1]
    assert f"| {generator['keeps'](known['Exp'])} |" in TEXT
