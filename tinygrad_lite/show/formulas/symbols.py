"""The symbols that stand for the values of a graph in formulas.

A tensor with a name is written by its name, the result of the k-th step is h_k, a parameter without
a name is w_k, and a constant is c_k, or its number if it is one.  A name that would not be readable
in a formula gets such a symbol too, so nothing that a user wrote can become a command of LaTeX.
"""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...engine.graph import Array, Leaf, Node, Output
from ...files import printable
from ..graph.history import History
from ..graph.naming import Names
from ..outline.wording import number_text
from .formulas import variable
from .math_text import text

LONGEST_SHOWN = 80  # characters of a name in a sentence or a table
LONGEST = 40  # characters of a name in a formula
RESULT = "result"  # of the explained tensor, if it has no name


class Symbols:
    """The symbols of one graph.

    steps    the operations, in the order in which they ran
    numbers  of the steps, from 1
    leaves   the tensors that require grad and were not computed
    legend   the names that are not readable in a formula, by the symbols that stand for them
    """

    def __init__(self, history: History, names: Names) -> None:
        self.history, self.names = history, names
        self.steps = [node for node in history.order if not isinstance(node, (Leaf, Output))]
        self.leaves = _by_first_use(history)
        self.numbers = {step: number for number, step in enumerate(self.steps, 1)}
        self.numbers |= {leaf: number for number, leaf in enumerate(self.leaves, 1)}
        self.legend: dict[str, str] = {}
        outputs = [node for node in history.order if isinstance(node, Output)]
        self._outputs = {(node.parents[0], node.index): node for node in outputs}
        self._of_op: dict[Node | None, list[Output]] = {}
        for node in outputs:
            self._of_op.setdefault(node.parents[0], []).append(node)
        taken = [name for name in map(str, names.tensors) if readable(name)]
        self._letters = {kind: _free(letters, taken) for kind, letters in _LETTERS.items()}
        self._constants: dict[Any, tuple[str, Any, str]] = {}

    def of(self, node: Node) -> str:
        """The symbol of what a node made, in LaTeX."""
        name = self.names.of_node(node)
        if name is not None:
            short = name.partition(" = ")[0]
            if readable(short):
                return variable(short)
        if isinstance(node, Leaf):
            symbol = f"{self._letters['leaf']}_{{{self.numbers[node]}}}"
        elif node is self.history.root and name is None:
            return variable(RESULT)
        elif isinstance(node, Output):
            op = node.parents[0]
            index = f", {node.index}" if len(self._of_op[op]) > 1 else ""
            symbol = f"{self._letters['step']}_{{{self.numbers[op]}{index}}}"  # type: ignore[index]
        else:
            symbol = f"{self._letters['step']}_{{{self.numbers[node]}}}"
        if name:
            self.legend[symbol] = printable(name, LONGEST_SHOWN)
        return symbol

    def constant(self, value: Any, key: Any) -> str:
        """The symbol of an input without a graph.

        value  None if it is unknown
        key    what identifies it, if it has no array: the node and the position of the input
        """
        name = ""
        if isinstance(value, (bool, int, float, np.generic)):
            return number_latex(value)
        if isinstance(value, np.ndarray):
            if value.ndim == 0:
                return number_latex(value.item())
            name = (self.names.of_array(value) or "").partition(" = ")[0]
            key = id(value)
        elif value is not None:
            return variable(type(value).__name__)
        if key not in self._constants:
            symbol = variable(name) if readable(name) else ""
            symbol = symbol or f"{self._letters['constant']}_{{{len(self._constants) + 1}}}"
            if name and not readable(name):
                self.legend[symbol] = printable(name, LONGEST_SHOWN)
            self._constants[key] = symbol, value, name
        return self._constants[key][0]

    def constants(self) -> list[tuple[str, Array, str]]:
        """The symbol, the value and the name of each array that entered as a constant so far."""
        found = self._constants.values()
        return [one for one in found if isinstance(one[1], np.ndarray)]

    def outputs(self, op: Node) -> list[Output]:
        """The nodes of the several results of an op; none if it has one result."""
        return self._of_op.get(op, [])

    def result(self, op: Node, index: int, name: str) -> str:
        """The symbol of one of several results of an op, which has this name in its formulas."""
        found = self._outputs.get((op, index))
        return rf"\mathrm{{{name}}}" if found is None else self.of(found)

    def name(self, node: Node) -> str:
        """What a node made, for a sentence or a cell of a table."""
        name = self.names.of_node(node)
        if name:
            return printable(name, LONGEST_SHOWN)
        if node is self.history.root:
            return RESULT
        return text(self.of(node))

    def bar(self, node: Node) -> str:
        """The symbol of the gradient with respect to what a node made."""
        return rf"\bar{{{self.of(node)}}}"


_LETTERS = {"step": "hvut", "leaf": "wqr", "constant": "cks"}


def _by_first_use(history: History) -> list[Node]:
    """The leaves, in the order in which steps use them."""
    used = dict.fromkeys(
        parent for node in history.order for parent in node.parents if isinstance(parent, Leaf)
    )
    return list(used) or [history.root] * isinstance(history.root, Leaf)


def _free(letters: str, taken: Iterable[str]) -> str:
    """The first letter that no name with a number begins with; the last of them, if all are."""
    starts = {name[0] for name in taken if re.fullmatch(r"[a-z]_?[0-9]+", name)}
    return next((letter for letter in letters if letter not in starts), letters[-1] * 2)


def readable(name: str) -> bool:
    """Whether a name can stand in a formula as it is."""
    return 0 < len(name) <= LONGEST and re.fullmatch(r"[^\W]([\w.]*\w)?", name) is not None


def number_latex(value: Any) -> str:
    """A number, with the power of ten that its text may have."""
    text = number_text(value)
    mantissa, e, exponent = text.partition("e")
    if text.lstrip("-") in ("inf", "nan"):
        return text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    if not e or not exponent.lstrip("+-").isdigit():  # of True too
        return text if re.fullmatch(r"[-\d.]+", text) else variable(text)
    factor = "" if mantissa == "1" else rf"{mantissa} \cdot "
    return rf"{factor}10^{{{int(exponent)}}}"
