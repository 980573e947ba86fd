r"""The formulas of operations, from one source: the LaTeX in `latex` of each op's class.

    class Exp(Primitive):
        latex = {"y": r"e^{x}", "x": r"\bar{y} \odot y"}

The keys are the names in backward: that of the result, "y" or each of `results`, has what forward
computes; that of an input has its gradient.  `\bar{y}` is the gradient of the loss with respect to
y, which arrives; `\odot` is the elementwise product, `\;` between two factors a matrix product, and
`\text{ where }` begins definitions.  An option stands there by its name, as `\mathrm{axes}`.

What holds for every op is said here once, and in no formula.  Where an input was broadcast, the
engine then sums its gradient over the copies.  A reduced axis is kept, of size 1, so that results
and elements broadcast.  An input that may be None counts as 1 if it is a factor, as 0 if it is
added.  Results that only derivatives of higher order use (p of CrossEntropy, the gates of an LSTM)
add a share of their own, if a gradient arrives there, which is left out.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html import unescape
from typing import Any

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
    weights has `x \; w^{\top} + b`.  A class that replaces `forward` or `backward` of the class
    that states the formulas has none either.
    """
    kind = op if isinstance(op, type) else type(op)
    for cls in kind.__mro__:
        found = vars(cls).get("latex")
        if isinstance(found, Mapping) and all(
            isinstance(part, str) for pair in found.items() for part in pair
        ):
            return {name: _chosen(formula, op) for name, formula in found.items()}
        if found is not None or {"forward", "backward"} & vars(cls).keys():
            return None
    return None


def _chosen(formula: str, op: Any) -> str:
    """The formula with the row of each `cases` that this node's options choose."""
    if isinstance(op, type) or r"\begin{cases}" not in formula:
        return formula
    return _CASES.sub(lambda found: _row(found, op), formula)


_CASES = re.compile(
    r"\\begin\{cases\} (.*?) & \\text\{if \} \\mathrm\{([\w\\]+)\} "
    r"\\\\ (.*?) & \\text\{otherwise\} \\end\{cases\}"
)


def _row(found: re.Match[str], op: Any) -> str:
    """One of two rows, if the condition is an option; else both."""
    value = getattr(op, found[2].replace("\\", ""), None)
    return (found[1] if value else found[3]) if isinstance(value, bool) else found[0]


def variable(name: str) -> str:
    r"""A name in LaTeX: `x` as it is, `h1` as `h_{1}`, any other upright, and escaped.

    >>> variable("layers.0.weight")
    '\\mathrm{layers.0.weight}'
    """
    if re.fullmatch("[A-Za-z]", name) and name != "e":
        return name
    if numbered := re.fullmatch("([A-Za-z])_?([0-9]+)", name):
        return f"{numbered[1]}_{{{numbered[2]}}}"
    printable = "".join(char if char.isprintable() else " " for char in name)
    return rf"\mathrm{{{''.join(_SPECIAL.get(char, char) for char in printable)}}}"


def substituted(latex: str, names: Mapping[str, str]) -> str:
    r"""The formula with other variables: `names` has the LaTeX for some of them.

        >>> substituted(r"\bar{y} \odot e^{x}", {"x": "h_1", "y": r"\mathrm{loss}"})
        '\\bar{\\mathrm{loss}} \\odot e^{h_1}'

    Commands, indices and words stay as they are; `\mathrm{low}` is the variable "low".
    """
    return "".join(_replaced(tokens(latex), names))


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
            yield f"{{{new}}}"  # a name with an index of its own
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
        root = convert_to_element("".join(_without_words(latex, words)), display="block")
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
    root.set("xmlns", "http://www.w3.org/1998/Math/MathML")
    return ET.tostring(root, encoding="unicode")


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
            kind = token if token == r"\operatorname" else r"\text"
            yield f"{kind}{{{chr(_WORD + len(words) - 1)}}}"
        else:
            yield token


def _word(char: str, words: list[str]) -> str:
    """What a character stands for."""
    index = ord(char) - _WORD
    if 0 <= index < len(words):
        return words[index].replace(" ", "\N{NO-BREAK SPACE}")
    return char if char.isprintable() or char.isspace() else "\N{REPLACEMENT CHARACTER}"
