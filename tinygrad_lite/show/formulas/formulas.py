r"""The formulas of operations, from one source: the LaTeX in `latex` of each op's class.

    class Exp(Primitive):
        latex = {"y": r"e^{x}", "x": r"\bar{y} \odot y"}

The keys are the names in backward: that of the result, "y" or each of `results`, has what forward
computes; that of an input has its gradient.  `\bar{y}` is the gradient of the loss with respect to
y, which arrives; `\odot` is the elementwise product, `\;` between two factors a matrix product, and
`\text{ where }` begins definitions.  An option stands there by its name, as `\mathrm{axes}`.

What holds for every op is said here once, and in no formula.  Where an input was broadcast, the
engine then sums its gradient over the copies.  A reduced axis is kept, of size 1, so that results
and elements broadcast.  An input that is None counts as 1 if it is a factor, as 0 if it is added,
as infinite if it is a bound.  An element outside of an image counts as 0, and in a maximum not at
all; with several groups of channels, those of one group belong together.  Where a result is nan,
so may be its gradients.  Results that only derivatives of higher order use (p of CrossEntropy, the
gates of an LSTM) add a share of their own if a gradient arrives there; it is left out, and
`left_out` names them.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from html import unescape
from typing import Any

from ...engine.reads import input_names
from ...files import printable
from ..graph.keeping import kept_of
from .math_text import WORDS, text, tokens

__all__ = ["latex_of", "mathml", "substituted", "text", "variable"]

_SPECIAL = {char: "\\" + char for char in "_{}$%&#"} | {"\\": r"\backslash "}
# The attributes of MathML that a formula needs; others (href, style) come from a hostile one.
_ATTRIBUTES = frozenset({
    "display", "mathvariant", "stretchy", "fence", "form", "lspace", "rspace", "accent", "width",
    "accentunder", "height", "depth", "columnalign", "rowspacing", "columnspacing", "displaystyle",
    "scriptlevel", "linethickness",
})  # fmt: skip
_WORD = 0xE000  # from here on, characters of private use stand for words


def latex_of(op: Any) -> Mapping[str, str] | None:
    r"""The formulas of a node or of an op's class; None for a user's op that states none.

    Of a node, `cases` that depend only on an option are resolved: the Linear with transposed
    weights has `x \; w^{\top} + b`.  Inputs that are None, as far as the node has kept its inputs,
    are left out.  A class that replaces `forward` or `backward` of the class that states the
    formulas has none either.
    """
    kind = op if isinstance(op, type) else type(op)
    for cls in kind.__mro__:
        found = vars(cls).get("latex")
        if isinstance(found, Mapping) and all(
            isinstance(part, str) for pair in found.items() for part in pair
        ):
            return dict(found) if isinstance(op, type) else _of_node(found, op)
        if found is not None or {"forward", "backward"} & vars(cls).keys():
            return None
    return None


def _of_node(formulas: Mapping[str, str], node: Any) -> dict[str, str]:
    """The formulas with this node's options, without the inputs that it did not get."""
    kept = kept_of(node)
    names, _ = input_names(type(node))
    inputs = dict(zip(names, kept.inputs, strict=False)) if kept else {}
    absent = [name for name, value in inputs.items() if value is None]
    chosen = {
        name: _decided(formulas[name], lambda condition: _option_holds(condition, node))
        for name in formulas
        if name not in absent
    }
    for name in absent:
        term = re.compile(rf" (\+|-|\\odot|\\;) {name}(_\{{\w\}}|\^\{{\\top\}})?(?![A-Za-z_^])")
        alone = re.compile(rf"\((\w) [+-] {name}\)")
        chosen = {key: term.sub("", alone.sub(r"\1", formula)) for key, formula in chosen.items()}
    return chosen


def _decided(formula: str, holds: Callable[[str], bool | None]) -> str:
    """The formula with one row of each two-row `cases` of which `holds` knows the condition."""
    position = 0
    while 0 <= (start := formula.find(_BEGIN, position)) < MOST_DECIDED:
        position = start + len(_BEGIN)
        rows, end = _rows_from(formula, position)
        if [len(row) for row in rows] != [2, 2] or rows[1][1] != r"\text{otherwise}":
            continue
        known = holds(rows[0][1].removeprefix(r"\text{if } "))
        if known is not None:
            formula = formula[:start] + rows[0 if known else 1][0] + formula[end:]
            position = start
    return formula


def _rows_from(formula: str, start: int) -> tuple[list[list[str]], int]:
    """The rows of `cases` that begin there, and the position after their end."""
    rows: list[list[str]] = [[]]
    depth, last = 0, start
    for mark in _MARKS.finditer(formula, start):
        if mark[0] == _BEGIN:
            depth += 1
        elif mark[0] == _END and depth:
            depth -= 1
        elif not depth:
            rows[-1].append(formula[last : mark.start()])
            last = mark.end()
            if mark[0] == _END:
                return rows, last
            if mark[0] == _ROW:
                rows.append([])
    return [], len(formula)


MOST_DECIDED = 2000  # characters of a formula, in which the conditions of `cases` are decided
_BEGIN, _END, _ROW = r"\begin{cases} ", r" \end{cases}", r" \\ "
_MARKS = re.compile("|".join(map(re.escape, (_BEGIN, _END, _ROW, " & "))))


def _option_holds(condition: str, op: Any) -> bool | None:
    """Whether a condition holds that is an option; None for any other condition."""
    found = re.fullmatch(r"\\mathrm\{([\w\\]+)\}( \\text\{ is given\})?", condition)
    if not found:
        return None
    value = getattr(op, found[1].replace("\\", ""), None)
    holds = value is not None if found[2] else value
    return holds if isinstance(holds, bool) else None


def _numbers_hold(condition: str) -> bool | None:
    """Whether a condition holds that compares two numbers; None for any other condition."""
    found = re.fullmatch(rf"({_NUMBER}) = ({_NUMBER})", condition)
    return float(found[1]) == float(found[2]) if found else None


_NUMBER = r"-?\d+(?:\.\d+)?"


def _computed(formula: str) -> str:
    """The formula with what can be computed once numbers stand there, as `x^{3 - 1}`."""

    def result(found: re.Match[str]) -> str:
        value = f"{float(found[2]) + (1.0 if found[3] == '+' else -1.0):.12g}"
        if found[1] == "^{":
            return "" if value == "1" else f"^{{{value}}}"
        return f"({value})"

    exponent = rf"(\^\{{|\()({_NUMBER}) ([+-]) 1[}})]"
    return _decided(re.sub(exponent, result, formula), _numbers_hold)


_GATES: dict[str, tuple[str, ...]] = dict.fromkeys("xhcwvbdzp", ("gates",))
_STATISTICS: dict[str, tuple[str, ...]] = {"x": ("mean", "var")}
_LEFT_OUT: dict[str, dict[str, tuple[str, ...]]] = {
    "CrossEntropy": {"x": ("p",)},
    "Gelu": {"x": ("s",)},
    "LayerNorm": {"x": ("r",)},
    "LayerNormAffine": {"x": ("n", "r")},
    "RMSNorm": {"x": ("r",)},
    "BatchNorm": _STATISTICS,
    "GroupNorm": _STATISTICS,
    "LSTMCell": _GATES,
    "LSTM": _GATES,
    "GRU": _GATES,
}


def left_out(op: Any, name: str) -> tuple[str, ...]:
    """The results whose share in the gradient of an input its formula leaves out."""
    return _LEFT_OUT.get(type(op).__name__, {}).get(name, ())


def variable(name: str) -> str:
    r"""A name in LaTeX: `x` as it is, `h1` as `h_{1}`, any other upright, and escaped.

    >>> variable("layers.0.weight")
    '\\mathrm{layers.0.weight}'
    """
    if re.fullmatch("[A-Za-z]", name) and name != "e":
        return name
    if numbered := re.fullmatch("([A-Za-z])_?([0-9]+)", name):
        return f"{numbered[1]}_{{{numbered[2]}}}"
    shown = printable(name, len(name))
    return rf"\mathrm{{{''.join(_SPECIAL.get(char, char) for char in shown)}}}"


def substituted(latex: str, names: Mapping[str, str]) -> str:
    r"""The formula with other variables: `names` has the LaTeX for some of them.

        >>> substituted(r"\bar{y} \odot e^{x}", {"x": "h_1", "y": r"\mathrm{loss}"})
        '\\bar{\\mathrm{loss}} \\odot e^{h_1}'

    Commands, indices and words stay as they are; `\mathrm{low}` is the variable "low".  Where a
    number is put in, an exponent such as 3 - 1 is computed, and a condition such as 3 = 0 decided.
    """
    found = "".join(_replaced(tokens(latex), names))
    return _computed(found) if found != latex else latex


def _replaced(found: list[str], names: Mapping[str, str]) -> Iterator[str]:
    """The tokens, with other variables."""
    position, index_until = 0, 0  # the tokens up to there are an index
    while position < len(found):
        token, start = found[position], position
        position += 1
        new = None
        if token in WORDS:
            position = _end_of_argument(found, position)
            word = "".join(found[start + 1 : position]).strip()
            if token == r"\mathrm" and word.startswith("{"):
                new = names.get(word[1:-1].replace("\\", ""))
        elif token == "_":
            index_until = max(index_until, _end_of_argument(found, position))
        elif start >= index_until and len(token) == 1 and token.isalpha():
            new = names.get(token)
        if new is None:
            yield from found[start:position]
        elif re.match(r"\s*[_^']", "".join(found[position : position + 2])):
            follows = "".join(found[position : position + 2]).lstrip()[0]
            yield f"({new})" if "_" in new and follows == "_" else f"{{{new}}}"
        else:
            yield new if not _runs_on(new, found, position) else new + " "


def _runs_on(new: str, found: list[str], position: int) -> bool:
    r"""Whether a letter follows a name that ends in a command, as `\beta`."""
    after = found[position] if position < len(found) else ""
    return after[:1].isalpha() and re.search(r"\\[A-Za-z]+$", new) is not None


def _end_of_argument(found: list[str], position: int) -> int:
    """The position after the group, or the single token, that begins here."""
    while position < len(found) and found[position].isspace():
        position += 1
    depth = 0
    while position < len(found):
        depth += (found[position] == "{") - (found[position] == "}")
        position += 1
        if depth <= 0:
            break
    return position


@lru_cache(1024)
def mathml(latex: str) -> str:
    """The formula as a <math> element, set as a block; the same bytes for the same formula.

    Words are escaped, and attributes that could run or style something are left out.  A formula
    that cannot be read stands there as it is written.

    Errors: ImportError without latex2mathml, in one line with the `pip install`.
    """
    try:
        from latex2mathml.converter import convert_to_element
    except ImportError:
        raise ImportError(
            "mathml: the package latex2mathml is missing; pip install latex2mathml"
        ) from None
    words: list[str] = []
    try:
        source = "".join(_without_words(_with_fences(latex), words))
        root = convert_to_element(source, display="block")
    except Exception:  # it has no error of its own for all that it cannot read
        root = ET.Element("math", display="block")
        ET.SubElement(root, "mtext").text = latex
        words = []
    for element in root.iter():
        for name in [*element.attrib]:
            if name not in _ATTRIBUTES:
                del element.attrib[name]
        shown = unescape(element.text or "")
        element.text = "".join(_word(char, words) for char in shown) or None
        _set_as_browsers_do(element)
    root.set("xmlns", "http://www.w3.org/1998/Math/MathML")
    return ET.tostring(root, encoding="unicode")


def _set_as_browsers_do(element: Any) -> None:
    """Change what MathML Core, the part of MathML that browsers have, would set badly.

    The name of a function would stand apart as an operator does, a bar would not cover a word, and
    a column would be centred.
    """
    word = element.text or ""
    if element.tag == "mo" and word[:1].isalpha():
        element.tag = "mi"
        element.attrib.clear()
    elif element.tag == "mtd" and element.get("columnalign") == "left":
        element.set("style", "text-align: left")
    elif element.tag == "mover" and element[1].text == "&#x000AF;" and _is_word(element[0]):
        element.remove(element[1])
        element.tag = "mrow"
        element.set("style", "border-top: 0.06em solid; padding-top: 0.12em")


def _is_word(element: Any) -> bool:
    """Whether there is nothing but a word in it."""
    inside = list(element.iter())
    return inside[-1].tag == "mtext" and len(inside) == 2


def _with_fences(latex: str) -> str:
    r"""The formula with `\left|` for `\lvert`, if all are closed: these bars are no operators."""
    if latex.count(r"\lvert") != latex.count(r"\rvert"):
        return latex
    return latex.replace(r"\lvert", r"\left|").replace(r"\rvert", r"\right|")


def _without_words(latex: str, words: list[str]) -> Iterator[str]:
    r"""The formula, each word as one character of private use: `\text` would not escape it."""
    found = tokens(latex)
    position = 0
    while position < len(found):
        token, start = found[position], position
        position += 1
        if token in WORDS and token not in (r"\begin", r"\end"):
            position = _end_of_argument(found, position)
            word = "".join(found[start + 1 : position]).strip()
            plain = word[1:-1] if word.startswith("{") else word
            words.append(re.sub(r"\\(.)", r"\1", plain.replace(r"\backslash ", r"\\")))
            kind = r"\mathrm" if token == r"\operatorname" else r"\text"
            yield f"{kind}{{{chr(_WORD + len(words) - 1)}}}"
        else:
            yield token


def _word(char: str, words: list[str]) -> str:
    """What a character stands for."""
    index = ord(char) - _WORD
    if 0 <= index < len(words):
        return printable(words[index], len(words[index])).replace(" ", "\N{NO-BREAK SPACE}")
    return char if char.isprintable() or char in "\t\n" else "\N{REPLACEMENT CHARACTER}"
