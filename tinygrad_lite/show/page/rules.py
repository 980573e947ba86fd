"""What the page tells of an op's class, formulas and source, and of a line of the user's code."""

import inspect
import os
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...files import printable
from ..formulas.formulas import mathml, text, variable
from ..outline.wording import code_at, line_text

MOST_TEXT = 2000  # characters of a title, a docstring, a line of code
MOST_SOURCE = 20_000  # characters of the source of a backward method
PACKAGE = Path(__file__).parent.parent.parent

Found = dict[str, Any]


def rule_of(op: Any, latex: Mapping[str, str] | None) -> Found:
    """The docstring, the formulas and the source of an op's class."""
    kind = type(op)
    documented = inspect.getdoc(kind) if kind.__doc__ else None
    source, where = _source(kind)
    found: Found = {
        "doc": _readable((documented or "").partition("\n\n")[0], MOST_TEXT),
        "formulas": [],
        "rules": [],
        "source": source,
        "where": where,
    }
    fixed, rest = kind._plans.names
    inputs = {*fixed, rest}
    for name, right in (latex or {}).items():
        left = variable(name)
        if name in inputs:
            found["rules"].append(formula_shown(rf"\bar{{{left}}} = {right}", name))
        else:
            found["formulas"].append(formula_shown(f"{left} = {right}", name))
    return found


def formula_shown(latex: str, name: str) -> list[str]:
    """A formula as MathML and as text; with classes for styles, which the page does not allow."""
    return [_STYLE.sub(_class_for, mathml(latex)), text(latex), name]


_STYLE = re.compile(' style="([^"]*)"')


def _class_for(style: re.Match[str]) -> str:
    if style[1].startswith("text-align: left"):
        return ' class="left"'
    return ' class="word-bar"' if style[1].startswith("border-top") else ""


def _source(kind: type) -> tuple[str, str]:
    """The source of the backward method of an op's class, and its file; empty if unreadable."""
    try:
        method: Any = inspect.unwrap(kind.backward)  # type: ignore[attr-defined]
        lines, number = inspect.getsourcelines(method)
        file = inspect.getsourcefile(method) or ""
    except (OSError, TypeError, ValueError, AttributeError, SyntaxError):
        return "", ""
    source = textwrap.dedent("".join(lines)).rstrip()
    return _readable(source, MOST_SOURCE), cut(f"{_place(file)}:{number}")


def line_shown(line: str) -> tuple[str, str]:
    """Where a line of code stands, and the line itself if it can be read."""
    file, _, number = line.rpartition(":")
    return cut(f"{_place(file)}:{number}"), cut(code_at(line))


def _place(file: str) -> str:
    """The name of a file: of this library as seen from its folder, of others without the folder.

    So a page is the same wherever it was made, and does not tell whose computer that was.
    """
    if file.startswith(str(PACKAGE) + os.sep):
        return file[len(str(PACKAGE.parent)) + 1 :].replace(os.sep, "/")
    return line_text(file)


def cut(text: str) -> str:
    """A name or a line, fit to be shown: one line, with escapes for what cannot be printed."""
    return printable(text, MOST_TEXT)


def _readable(text: str, most: int) -> str:
    """A longer text, whose lines stay, without what UTF-8 cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:most]
