"""The three views of an explanation, and names that try to be markup."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from tinygrad_lite import Tensor, explain, keep_values
from tinygrad_lite.show.explaining.document import Document, Math
from tinygrad_lite.show.explaining.shortening import shortened
from tinygrad_lite.show.formulas.formulas import mathml

HOSTILE = [
    "<script>alert(1)</script>",
    "$x$ \\input{/etc/passwd}",
    "a|b\n# title",
    "`code` [link](http://x)",
    "x_1}^{2",
    "\x1b[31mred",
    "*bold* ~~gone~~ <b>",
    "W\\end{document}",
    "%comment #hash &amp",
    "名前",
    "",
    "a" * 500,
]


def formulas_in(markdown: str) -> list[str]:
    return re.findall(r"(?<!\\)\$\$?(.+?)(?<!\\)\$\$?", markdown)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_names(name: str) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    data = Tensor([3.0, 4.0])
    with keep_values():
        y = (x * data).exp().sum()
    made = explain(y, names={name: x, name + " ": data, "y": y})
    text, markdown, latex = made.text(), made.markdown(), made.latex()
    assert "\x1b" not in text + markdown + latex
    assert re.search(r"(?<!\\)<(?!-)", markdown) is None  # no tag
    prose = re.sub(r"(?<!\\)\$\$?.+?(?<!\\)\$\$?", "", markdown)
    assert re.search(r"(?<!\\)[`$*\[]", prose) is None
    for line in markdown.splitlines():
        if line.startswith("#"):
            assert re.match(r"##(# (The|How|Checked|Why|What)|[ ]y: how)", line), line
    assert markdown.count("\n| --- |") == 6  # the tables, and no other
    for formula in formulas_in(markdown):
        ElementTree.fromstring(mathml(formula))
        assert "input" not in formula
        assert "script" not in formula
    assert r"\input" not in latex
    assert latex.count(r"\end{document}") == 0
    assert latex.count(r"\begin{") == latex.count(r"\end{")


def test_what_a_notebook_shows() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    made = explain(x.exp().sum(), names={"x": x})
    bundle = made._repr_mimebundle_()
    assert bundle["text/plain"] == repr(made) == made.text()
    assert bundle["text/markdown"] == made.markdown()
    assert bundle["text/latex"] == made.latex()
    assert "$h_{1} = e^{x}$" in made.markdown()
    assert r"$\bar{x} = \bar{h_{1}} \odot h_{1}$" in made.markdown()
    assert r"$h_{1} = e^{x}$" in made.latex()
    assert "h₁ = exp(x)" in made.text()


def test_a_document_in_three_views() -> None:
    document = Document("A title: 100 %")
    document.say("The number ", Math(r"\frac{\partial L}{\partial x}"), " is 5_6.")
    document.say("first", bullet=True)
    document.say("second", bullet=True)
    document.heading("Part")
    document.formula("x^{2}", "a square")
    document.table(("a", "empty", "b"), [(Math("x"), "", "1"), ("long" * 20, "", "2 | 3" * 10)])
    document.table(("none",), [])
    assert document.text() == (
        "A title: 100 %\n==============\nThe number dL/dx is 5_6.\n- first\n- second\n\n"
        "Part\n----\n\n    x²    a square\n\n"
        f"  a{' ' * 79}  b\n  x{' ' * 79}  1\n  {'long' * 20}  {'2 | 3' * 10}\n"
    )
    assert document.markdown().splitlines()[:6] == [
        "## A title: 100 %",
        "",
        r"The number $\frac{\partial L}{\partial x}$ is 5\_6.",
        "",
        "- first",
        "- second",
    ]
    assert r"2 \| 32 \| 3" in document.markdown()
    assert r"\section*{A title: 100 \%}" in document.latex()
    assert r"\begin{itemize}" in document.latex()
    assert r"\end{itemize}" in document.latex()


def test_wide_tables_go_on_below() -> None:
    document = Document("t")
    document.table(("k", "f", "v", "w"), [("1", "f" * 60, "v" * 40, "w" * 20)])
    lines = document.text().splitlines()[3:]
    assert lines == ["  k  f", "       v  w", f"  1  {'f' * 60}", f"       {'v' * 40}  {'w' * 20}"]


def test_shortened() -> None:
    assert shortened("abc", str, 5) == ["a", "b", "c"]
    assert shortened("x" + "ab" * 50 + "y", str, 20) == [
        "x", "a", "b", "... these 2 steps, 49 more times", "y",
    ]  # fmt: skip
    many = shortened(range(1000), int, 30)
    assert len(many) == 31
    assert many[20] == "... 970 steps that are not shown"
    assert shortened("a" * 100, str, 20) == ["a", "... this step, 99 more times"]
