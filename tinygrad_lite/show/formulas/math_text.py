r"""LaTeX as one line of plain text, for a terminal: `\frac{\bar{y}}{2 y}` is `dL/dy / (2 y)`.

It is written for whoever reads Python: `*` is elementwise, `@` a matrix product, sums and means are
calls with `over`, and the gradient that arrives, `\bar{y}`, is `dL/dy`.  A command that is not
known stands there by its name, so that any formula is readable, and none is an error.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from ...files import printable

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)

# Commands whose argument is a word, and not mathematics.
WORDS = frozenset({r"\mathrm", r"\text", r"\textrm", r"\operatorname", r"\begin", r"\end"})
SYMBOLS = {
    r"\pi": "π", r"\infty": "∞", r"\partial": "∂", r"\top": "T", r"\ldots": "...", r"\cdots": "...",
    r"\dots": "...", r"\alpha": "α", r"\beta": "β", r"\gamma": "γ", r"\delta": "δ",
    r"\epsilon": "ε", r"\varepsilon": "ε", r"\zeta": "ζ", r"\eta": "η", r"\theta": "θ",
    r"\kappa": "κ", r"\lambda": "λ", r"\mu": "μ", r"\nu": "ν", r"\xi": "ξ", r"\rho": "ρ",
    r"\Pi": "Π", r"\sigma": "σ", r"\tau": "τ", r"\phi": "φ", r"\varphi": "φ", r"\chi": "χ",
    r"\psi": "ψ", r"\omega": "ω", r"\Gamma": "Γ", r"\Delta": "Δ", r"\Theta": "Θ", r"\Lambda": "Λ",
    r"\Sigma": "Σ", r"\Phi": "Φ", r"\Psi": "Ψ", r"\Omega": "Ω", r"\nabla": "∇",
    r"\prime": "′", r"\emptyset": "∅", r"\backslash": "\\",
}  # fmt: skip
_TIMES = {r"\odot": "*", r"\cdot": "·", r"\times": "×", r"\;": "@", "/": "/", r"\circ": "∘"}
_RELATIONS = {
    "=": "=", "<": "<", ">": ">", r"\lt": "<", r"\gt": ">", r"\le": "≤", r"\leq": "≤", r"\ge": "≥",
    r"\geq": "≥", r"\ne": "≠", r"\neq": "≠", r"\approx": "≈", r"\in": "∈", r"\notin": "∉",
    r"\to": "→", r"\mapsto": "→", r"\land": "and", r"\lor": "or", r"\sim": "~",
}  # fmt: skip
_FUNCTIONS = frozenset({
    r"\log", r"\ln", r"\exp", r"\sin", r"\cos", r"\tan", r"\sinh", r"\cosh", r"\tanh", r"\arcsin",
    r"\arccos", r"\arctan", r"\det", r"\max", r"\min", r"\sup", r"\inf", r"\arg",
})  # fmt: skip
# Commands that only change how their argument is set.
_PLAIN = frozenset({
    r"\mathbf", r"\boldsymbol", r"\bm", r"\mathit", r"\mathcal", r"\mathbb", r"\mathsf", r"\mathop",
    r"\mathbin", r"\mathrel", r"\displaystyle", r"\textstyle", r"\big", r"\Big", r"\bigl", r"\bigr",
})  # fmt: skip
_ACCENTS = {r"\hat": "hat", r"\tilde": "tilde", r"\dot": "dot", r"\vec": "vec", r"\check": "check"}
_PAIRS = {r"\lvert": ("|", "|"), r"\lfloor": ("floor(", ")"), r"\lceil": ("ceil(", ")"),
          r"\lVert": ("‖", "‖"), r"\langle": ("⟨", "⟩")}  # fmt: skip
_CLOSING = {r"\rvert": "|", r"\rfloor": "⌋", r"\rceil": "⌉", r"\rVert": "‖", r"\rangle": "⟩"}
_OVER = frozenset({"max", "min", "mean", "var", "repeated", "argmax", "argmin"})
_STOPS = frozenset({"}", "&", r"\\", r"\end"})
_SUPERSCRIPTS = str.maketrans("0123456789+-nikT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱᵏᵀ")
_SMALL = "₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
_SUBSCRIPTS = str.maketrans("0123456789+-aehijklmnoprstuvx", _SMALL)


def tokens(latex: str) -> list[str]:
    """The commands, numbers, runs of blanks and single characters of a formula."""
    return _TOKEN.findall(latex)


def text(latex: str) -> str:
    r"""The formula as one line of text.

        >>> text(r"\bar{y} \odot (1 - y^{2})")
        'dL/dy * (1 - y²)'

    Any string is accepted; of a command that is not known the name is shown.
    """
    try:
        line = _Reader(tokens(latex)).whole()
    except RecursionError:  # nested beyond reading
        line = " ".join(latex.replace("\\", " ").split())
    return printable(line, len(line))


class _Piece(NamedTuple):
    """A part of the line: an operand, an operator, a relation, a comma or words between them.

    The kinds of operands: an atom; a gradient, as dL/dy, which is one but has a slash; a quotient;
    and cases.
    """

    text: str
    kind: str = "atom"

    @property
    def is_operand(self) -> bool:
        return self.kind in ("atom", "gradient", "quotient", "cases")


class _Reader:
    """Reads a list of tokens from left to right, by recursive descent."""

    def __init__(self, found: list[str]) -> None:
        self.tokens = found
        self.position = 0

    def whole(self) -> str:
        """The text of all tokens, whatever stray braces stand among them."""
        pieces: list[_Piece] = []
        while self.position < len(self.tokens):
            pieces += self.sequence()
            stray = self.next()
            if stray == r"\\":
                pieces.append(_Piece(";", "comma"))
            elif stray == r"\end":
                self.word()
        return _joined(pieces)

    def peek(self) -> str:
        """The token that comes, or an empty string at the end."""
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def next(self) -> str:
        """The token that comes, and one step forward."""
        token = self.peek()
        self.position += 1
        return token

    def skip_blanks(self) -> str:
        """The token that comes after blanks."""
        while self.peek().isspace() or self.peek() in (r"\left", r"\right", r"\limits"):
            self.position += 1
        return self.peek()

    def sequence(self, *closing: str, term: bool = False) -> list[_Piece]:
        """Everything up to a closing token, which is left there; of a `term`, up to a + or -."""
        pieces: list[_Piece] = []
        while (token := self.skip_blanks()) and token not in _STOPS and token not in closing:
            if term and (token in _RELATIONS or token == "," or (token in "+-" and pieces)):
                break
            if term and token == r"\text":
                break
            pieces += self.item()
        return pieces

    def item(self) -> Iterator[_Piece]:
        """The next operator, or operand with its exponents and indices."""
        token = self.peek()
        found = None
        if token in ("+", "-"):
            found = _Piece(token, "sign")
        elif token in (r"\pm", r"\mp"):
            found = _Piece("±", "sign")
        elif token in _TIMES:
            found = _Piece(_TIMES[token], "times")
        elif token in _RELATIONS:
            found = _Piece(_RELATIONS[token], "relation")
        elif token in (",", ";", ":"):
            found = _Piece(token, "comma")
        elif token in (r"\,", r"\!", r"\:", r"\ ", r"\quad", r"\qquad", "~"):
            self.next()
            return
        if found:
            self.next()
            yield found
        elif token in (r"\text", r"\textrm"):
            self.next()
            words = self.word()
            yield self.call(words) if self.peek() == "(" else _Piece(words.strip(), "words")
        else:
            yield self.operand()

    def operand(self) -> _Piece:
        """One operand, with its exponents and indices."""
        token = self.next()
        if token in (r"\sum", r"\prod") or token in _FUNCTIONS or token == r"\operatorname":
            return self.function(token)
        if token == "e" and self.skip_blanks() == "^":
            self.next()
            return _Piece(f"exp({_joined(self.argument())})")
        return self.with_scripts(self.bare(token))

    def bare(self, token: str) -> _Piece:
        """The operand that a token begins, without exponents and indices."""
        if token == "{":
            inner = self.sequence()
            self.close("}")
            return inner[0] if len(inner) == 1 else _Piece(_joined(inner), _kind_of(inner))
        if token in ("(", "["):
            inner = self.sequence(")", "]")
            line = token + _joined(inner) + self.close(")", "]")
            return self.call(line) if self.peek() == "(" else _Piece(line)
        if token in _PAIRS:
            opening, closing = _PAIRS[token]
            inner = self.sequence(*_CLOSING)
            self.close(*_CLOSING)
            return _Piece(opening + _joined(inner) + closing)
        if token in (r"\frac", r"\dfrac", r"\tfrac"):
            return _quotient(self.argument(), self.argument())
        if token == r"\sqrt":
            return self.root()
        if token in ("|", r"\|"):
            inner = self.sequence(token)
            bar = token.replace(r"\|", "‖")
            return _Piece(bar + _joined(inner) + (bar if self.close(token) else ""))
        if token in (r"\partial", r"\nabla") or (token == "d" and self.peek().isalpha()):
            of = self.skip_blanks()
            follows = of[:1].isalpha() or of[1:].isalpha()
            return _Piece(SYMBOLS.get(token, "d") + (self.operand().text if follows else ""))
        if token in _PLAIN:
            inner = self.argument()
            return inner[0] if len(inner) == 1 else _Piece(_joined(inner), _kind_of(inner))
        if token in (r"\bar", r"\overline"):
            of = _joined(self.argument())
            return _Piece(f"dL/d{of}" if re.fullmatch(r"[\w.]+", of) else f"dL/d({of})", "gradient")
        if token in _ACCENTS:
            return _Piece(f"{_joined(self.argument())}_{_ACCENTS[token]}")
        if token == r"\mathrm":
            name = self.word()
            return self.call(name) if self.peek() == "(" else _Piece(name)
        if token == r"\begin":
            return self.rows(self.word())
        name = SYMBOLS.get(token) or _CLOSING.get(token) or token.lstrip("\\")
        return self.call(name) if name.isalpha() and self.peek() == "(" else _Piece(name)

    def with_scripts(self, base: _Piece) -> _Piece:
        """The operand with the indices and exponents that follow it."""
        while self.skip_blanks() in ("_", "^", "'"):
            mark = self.next()
            if mark == "'":
                base = _Piece(_atomic(base) + "′")
                continue
            script = _joined(self.argument())
            if mark == "_":
                base = _indexed(base, script)
            else:
                base = _Piece(_atomic(base) + _superscript(script))
        return base

    def function(self, token: str) -> _Piece:
        """A function with its argument; of a sum or a mean also what it runs over."""
        name = {r"\sum": "sum", r"\prod": "product"}.get(token) or token[1:]
        total = token in (r"\sum", r"\prod")
        if token == r"\operatorname":
            name = self.word()
        over = power = ""
        while self.skip_blanks() in ("_", "^"):
            mark, script = self.next(), _joined(self.argument())
            if mark == "^":
                power = script
            elif total or name in _OVER:
                over = f" over {script}"
            else:
                name += _subscript(script)
        if total and power:
            over, power = f"{over} to {power}", ""
        power = _superscript(power) if power else ""
        if total:
            inner = self.sequence(")", "]", *_CLOSING, term=True)
            body = _joined(inner)
            if len(inner) == 1 and body.startswith("(") and _is_wrapped(body):
                body = body[1:-1]
        elif self.skip_blanks() == "(":
            return self.with_scripts(self.call(name + power, over))
        elif self.peek() and self.peek() not in _STOPS and self.peek() not in _RELATIONS:
            if self.peek() in "+-,;:)]" or self.peek() in _TIMES or self.peek() in _CLOSING:
                return _Piece(name + power)
            body = self.operand().text
        else:
            return _Piece(name + power)
        return self.with_scripts(_Piece(f"{name}{power}({body}{over})"))

    def call(self, name: str, over: str = "") -> _Piece:
        """A function and its arguments in brackets."""
        self.next()
        body = _joined(self.sequence(")"))
        self.close(")")
        return _Piece(f"{name}({body}{over})")

    def root(self) -> _Piece:
        """A square root, or the root whose degree stands in brackets."""
        degree = ""
        if self.skip_blanks() == "[":
            self.next()
            degree = _joined(self.sequence("]"))
            self.close("]")
        inner = _joined(self.argument())
        return _Piece(f"({inner})^(1 / {degree})" if degree else f"sqrt({inner})")

    def rows(self, name: str) -> _Piece:
        """An environment: cases, or the rows of a matrix."""
        lines: list[list[list[_Piece]]] = [[]]
        while True:
            cell = self.sequence()
            lines[-1].append(cell)
            token = self.next()
            if token == r"\\":
                lines.append([])
            elif token != "&":
                break
        if token == r"\end":
            self.word()
        filled = [line for line in lines if any(line)]
        if name == "cases":
            return _Piece("; ".join(map(_case, filled)), "cases")
        cells = ("  ".join(map(_joined, line)) for line in filled)
        return _Piece(f"[{'; '.join(cells)}]")

    def argument(self) -> list[_Piece]:
        """What a command or a script applies to: a group, or a single operand."""
        token = self.skip_blanks()
        if token == "{":
            self.next()
            inner = self.sequence()
            self.close("}")
            return inner
        if not token or token in _STOPS:
            return []
        if token in ("+", "-", r"\odot"):
            return list(self.item())
        self.next()
        return [self.bare(token)]

    def word(self) -> str:
        """The words of a group, as they are."""
        if self.peek() == "*":  # as in operatorname*
            self.next()
        if self.skip_blanks() != "{":
            return self.next().lstrip("\\")
        self.next()
        parts, depth = [], 1
        while self.position < len(self.tokens):
            token = self.next()
            depth += (token == "{") - (token == "}")
            if not depth:
                break
            parts.append(SYMBOLS.get(token) or token.lstrip("\\"))
            if token[-1].isalpha() and token[0] == "\\" and self.peek().isspace():
                self.next()  # the blank that ends a command
        return "".join(parts)

    def close(self, *closing: str) -> str:
        """Step over a closing token, if it is there."""
        return self.next() if self.skip_blanks() in closing else ""


def _joined(pieces: Iterable[_Piece]) -> str:
    """The pieces on one line, blanks between them, and brackets where they would be misread."""
    row = [*pieces, _Piece("", "end")]
    line, before, unary = "", _Piece("", "start"), False
    for piece, after in pairwise(row):
        shown = piece.text
        beside = after.is_operand or after.kind == "times" or before.text in ("/", "@")
        alone = len(row) == 2 or (before.kind, after.kind) == ("start", "comma")
        if (piece.kind == "quotient" and beside) or (piece.kind == "cases" and not alone):
            shown = f"({shown})"
        if piece.text == "@" and not (before.is_operand and after.is_operand):
            continue  # only a blank
        if line and piece.kind != "comma" and not unary:
            line += " "
        unary = piece.kind == "sign" and not before.is_operand
        line += shown
        before = piece
    return line


def _kind_of(pieces: list[_Piece]) -> str:
    """The kind of a group of pieces, which LaTeX's braces do not show."""
    return "atom" if all(piece.is_operand for piece in pieces) else "quotient"


def _quotient(above: list[_Piece], below: list[_Piece]) -> _Piece:
    """A fraction, on one line."""
    top, bottom = _joined(above), _joined(below)
    plain = ("atom", "gradient", "times")
    if not all(piece.kind in plain and piece.text not in ("/", "@") for piece in above):
        top = f"({top})"
    if len(below) != 1 or below[0].kind != "atom":
        bottom = f"({bottom})"
    return _Piece(f"{top} / {bottom}", "quotient")


def _atomic(piece: _Piece) -> str:
    """The text of an operand that takes an exponent."""
    return piece.text if piece.kind == "atom" else f"({piece.text})"


def _indexed(base: _Piece, script: str) -> _Piece:
    """An operand with an index: small, unless it has one already."""
    name = base.text[1:-1] if _is_wrapped(base.text) else base.text
    small = (name[-1:].isalpha() or name[-1:] in "|‖)") and not set(name[-1:]) & set(_SMALL)
    return _Piece(name + (_subscript(script) if small else f"[{script}]"), base.kind)


def _is_wrapped(line: str) -> bool:
    """Whether brackets are around the whole line."""
    if not line.startswith(("(", "[")):
        return False
    depth = 0
    for position, char in enumerate(line):
        depth += (char in "([") - (char in ")]")
        if not depth:
            return position == len(line) - 1
    return False


def _superscript(script: str) -> str:
    small = script.translate(_SUPERSCRIPTS)
    if script == "′" or not set(small) & set(script):
        return small
    return f"^{script}" if script.isalnum() or _is_wrapped(script) else f"^({script})"


def _subscript(script: str) -> str:
    small = script.translate(_SUBSCRIPTS)
    return small if not set(small) & set(script) else f"[{script}]"


def _case(line: list[list[_Piece]]) -> str:
    """One row of cases: `value if condition`."""
    value, condition = (*map(_joined, line), "")[:2]
    if line[0] and line[0][0].kind == "cases" and len(line[0]) == 1:
        value = f"({value})"
    if condition and not condition.startswith(("if ", "otherwise", "else", "where ", "for ")):
        condition = f"if {condition}"
    return f"{value.rstrip(',')} {condition}".strip()
