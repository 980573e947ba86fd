"""A short text with formulas and tables, shown as plain text, as Markdown, or as LaTeX.

Whoever writes a document puts in sentences and formulas; what they look like is decided here, and
so is the escaping: a name that a user gave never becomes markup.
"""

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ...files import printable
from ..formulas.math_text import text

WIDTH = 100  # columns of the plain text
INDENT = "  "


@dataclass(frozen=True, slots=True)
class Math:
    """A formula in LaTeX, within a sentence or a cell."""

    latex: str


Inline: TypeAlias = "str | Math | Sequence[str | Math]"


@dataclass(slots=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(slots=True)
class Paragraph:
    """Sentences, as an item of a list if `bullet`."""

    parts: Inline
    bullet: bool = False


@dataclass(slots=True)
class Formula:
    """A formula on a line of its own, and a remark beside it."""

    latex: str
    remark: str = ""


@dataclass(slots=True)
class Table:
    """Rows of cells; columns that are empty everywhere are not shown."""

    header: Sequence[str]
    rows: list[Sequence[Inline]]

    def filled(self) -> tuple[list[str], list[list[Inline]]]:
        """The header and the rows, without empty columns."""
        used = [
            column
            for column in range(len(self.header))
            if any(_parts(row[column]) for row in self.rows)
        ]
        return [self.header[c] for c in used], [[row[c] for c in used] for row in self.rows]


Block: TypeAlias = Heading | Paragraph | Formula | Table


@dataclass(slots=True)
class Document:
    """A title and what stands under it."""

    title: str
    blocks: list[Block] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.blocks.append(Heading(text))

    def say(self, *parts: str | Math, bullet: bool = False) -> None:
        """Add sentences."""
        self.blocks.append(Paragraph(parts, bullet))

    def formula(self, latex: str, remark: str = "") -> None:
        """Add a formula on a line of its own."""
        self.blocks.append(Formula(latex, remark))

    def table(self, header: Sequence[str], rows: Iterable[Sequence[Inline]]) -> None:
        """Add a table, unless it has no rows."""
        listed = list(rows)
        if listed:
            self.blocks.append(Table(header, listed))

    def text(self) -> str:
        """For a terminal."""
        title = printable(self.title)
        lines = [title, "=" * _width(title)]
        for before, block in zip([None, *self.blocks], self.blocks, strict=False):
            apart = _is_bullet(before) and not _is_bullet(block)
            lines += [*([""] if apart else []), *_TEXT[type(block)](block)]
        shown = "\n".join(line.rstrip() for line in lines)
        return re.sub(r"\n{3,}", "\n\n", shown).rstrip() + "\n"

    def markdown(self) -> str:
        """For a notebook or a page: Markdown with formulas between dollar signs."""
        lines = [f"## {_markdown(self.title)}"]
        for before, block in zip([None, *self.blocks], self.blocks, strict=False):
            joined = _is_bullet(before) and _is_bullet(block)
            lines += [*([] if joined else [""]), *_MARKDOWN[type(block)](block)]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """For a LaTeX document; it needs the packages amsmath and longtable."""
        lines = [rf"\section*{{{_latex(self.title)}}}"]
        for before, block in zip([None, *self.blocks], self.blocks, strict=False):
            if _is_bullet(before) and not _is_bullet(block):
                lines.append(r"\end{itemize}")
            if _is_bullet(block) and not _is_bullet(before):
                lines.append(r"\begin{itemize}")
            lines += _LATEX[type(block)](block)
        if self.blocks and _is_bullet(self.blocks[-1]):
            lines.append(r"\end{itemize}")
        return "\n".join(lines) + "\n"


def _is_bullet(block: Block | None) -> bool:
    return isinstance(block, Paragraph) and block.bullet


def _parts(inline: Inline) -> Sequence[str | Math]:
    """The parts of a sentence or a cell; none if it is empty."""
    if isinstance(inline, str):
        return (inline,) if inline else ()
    return (inline,) if isinstance(inline, Math) else inline


# Plain text

# \frac{\partial L}{\partial x}, which is short for \bar{x}.
_PART = r"((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)"
_DERIVATIVE = re.compile(rf"\\frac\{{\\partial {_PART}\}}\{{\\partial {_PART}\}}")


def text_of(latex: str) -> str:
    """A formula as plain text."""
    return text(_DERIVATIVE.sub(r"\\bar{\2}", latex))


def _plain(inline: Inline) -> str:
    return "".join(
        printable(part, 10_000) if isinstance(part, str) else text_of(part.latex)
        for part in _parts(inline)
    )


def _width(text: str) -> int:
    """The columns that a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF"
        else 1
        for letter in text
    )  # fmt: skip


def _text_heading(block: Heading) -> list[str]:
    text = printable(block.text)
    return ["", text, "-" * _width(text)]


def _text_paragraph(block: Paragraph) -> list[str]:
    first, rest = ("- ", INDENT) if block.bullet else ("", "")
    return textwrap.wrap(
        _plain(block.parts), WIDTH, initial_indent=first, subsequent_indent=rest,
        break_long_words=False, break_on_hyphens=False,
    ) or [""]  # fmt: skip


def _text_formula(block: Formula) -> list[str]:
    remark = f"    {printable(block.remark)}" if block.remark else ""
    return ["", f"{INDENT * 2}{text_of(block.latex)}{remark}", ""]


def _text_table(block: Table) -> list[str]:
    header, rows = block.filled()
    cells = [header, *([_plain(cell) for cell in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    fitting = len(widths)  # columns; those that do not fit go to a line below
    while fitting > 1 and sum(widths[:fitting]) + len(INDENT) * fitting > WIDTH:
        fitting -= 1
    fitting = max(fitting, 2)  # at least a number and what it numbers
    below = INDENT * 2 + " " * widths[0] + INDENT
    lines = []
    for row in cells:
        padded = (
            cell + " " * (width - _width(cell))
            for cell, width in zip(row[:fitting], widths, strict=False)
        )
        lines.append(INDENT + INDENT.join(padded))
        lines += _packed([cell for cell in row[fitting:] if cell], below)
    return ["", *lines, ""]


def _packed(cells: Sequence[str], start: str) -> list[str]:
    """The cells on as few lines as they fit on, each line after some blanks."""
    lines: list[str] = []
    for cell in cells:
        if lines and _width(lines[-1]) + len(INDENT) + _width(cell) <= WIDTH:
            lines[-1] += INDENT + cell
        else:
            lines.append(start + cell)
    return lines


# Markdown


def _markdown(text: str) -> str:
    r"""Plain text in which nothing is Markdown or HTML.

    Letters and digits stand for themselves; of the others, those with a meaning get a backslash,
    and < and & become entities.
    """
    shown = printable(text, 10_000)
    shown = re.sub(r"([\\`*_{}\[\]()#+!|$~>^=-])", r"\\\1", shown)
    return shown.replace("&", "&amp;").replace("<", "&lt;")


def _in_markdown(inline: Inline) -> str:
    return "".join(
        _markdown(part) if isinstance(part, str) else f"${_one_line(part.latex)}$"
        for part in _parts(inline)
    )


def _one_line(latex: str) -> str:
    """A formula that may stand in a cell of a table."""
    return re.sub(r"(?<!\\)\|", r"\\vert ", " ".join(latex.split()))


def _markdown_heading(block: Heading) -> list[str]:
    return [f"### {_markdown(block.text)}"]


def _markdown_paragraph(block: Paragraph) -> list[str]:
    return [("- " if block.bullet else "") + _in_markdown(block.parts)]


def _markdown_formula(block: Formula) -> list[str]:
    remark = rf"\qquad\text{{{_latex(block.remark)}}}" if block.remark else ""
    return [f"$${_one_line(block.latex)}{remark}$$"]


def _markdown_table(block: Table) -> list[str]:
    header, rows = block.filled()
    return [
        _row(map(_markdown, header)),
        "|" + " --- |" * len(header),
        *(_row(map(_in_markdown, row)) for row in rows),
    ]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


# LaTeX

_LETTERS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}",
    "\N{RIGHTWARDS ARROW}": r"$\to$",
}  # fmt: skip


def _latex(text: str) -> str:
    """Plain text in which nothing is a command."""
    return "".join(map(_latex_letter, printable(text, 10_000)))


def _latex_letter(letter: str) -> str:
    """A letter, which pdflatex would not know if it is small and raised or lowered."""
    kind, _, code = unicodedata.decomposition(letter).partition(" ")
    if kind in ("<super>", "<sub>"):
        return rf"\text{kind[1:-1]}script{{{chr(int(code, 16))}}}"
    return _LETTERS.get(letter, letter)


def _in_latex(inline: Inline) -> str:
    return "".join(
        _latex(part) if isinstance(part, str) else f"${part.latex}$" for part in _parts(inline)
    )


def _latex_heading(block: Heading) -> list[str]:
    return ["", rf"\subsection*{{{_latex(block.text)}}}"]


def _latex_paragraph(block: Paragraph) -> list[str]:
    return [(r"\item " if block.bullet else "") + _in_latex(block.parts), ""]


def _latex_formula(block: Formula) -> list[str]:
    remark = rf" \qquad\text{{{_latex(block.remark)}}}" if block.remark else ""
    return [rf"\[ {block.latex}{remark} \]"]


def _latex_table(block: Table) -> list[str]:
    header, rows = block.filled()
    return [
        rf"\begin{{longtable}}{{{'l' * len(header)}}}",
        rf"{' & '.join(map(_latex, header))} \\ \hline",
        *(rf"{' & '.join(map(_in_latex, row))} \\" for row in rows),
        r"\end{longtable}",
    ]


_TEXT: Mapping[type, Callable[[Any], list[str]]] = {
    Heading: _text_heading, Paragraph: _text_paragraph, Formula: _text_formula, Table: _text_table,
}  # fmt: skip
_MARKDOWN: Mapping[type, Callable[[Any], list[str]]] = {
    Heading: _markdown_heading, Paragraph: _markdown_paragraph, Formula: _markdown_formula,
    Table: _markdown_table,
}  # fmt: skip
_LATEX: Mapping[type, Callable[[Any], list[str]]] = {
    Heading: _latex_heading, Paragraph: _latex_paragraph, Formula: _latex_formula,
    Table: _latex_table,
}  # fmt: skip
