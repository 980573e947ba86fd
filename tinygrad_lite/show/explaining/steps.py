"""The steps of a graph as formulas: what each computed, and what its rule gives each input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from ...engine.graph import Array, Node, Output
from ...engine.reads import input_names
from ..formulas.formulas import latex_of, left_out, substituted, text, variable
from ..formulas.symbols import Symbols, number_latex
from ..graph.history import History, fitted
from ..outline.wording import options_of, shape_text

WHERE = r", \text{ where }"  # in a formula, before its definitions
NOT_GIVEN = {"low": r"-\infty", "high": r"\infty"}  # the bounds of a clip
MOST_OPERANDS = 4  # of a step that takes any number of inputs


@dataclass(slots=True)
class Part:
    """What one step contributes to the gradient of one of its inputs.

    parent    the node of the input
    latex     the rule with the symbols of this graph; "" if the op states none
    value     the contribution, of the input's shape; None if it was not computed
    summed    the axes over which it was summed, since forward broadcast the input there
    """

    parent: Node
    latex: str
    value: Array | None
    summed: tuple[int, ...]


class Steps:
    """The formulas of one graph."""

    def __init__(self, history: History, symbols: Symbols) -> None:
        self.history, self.symbols = history, symbols

    def forward(self, node: Node) -> str:
        """The right side of "h = ...": the formula with the symbols of the inputs."""
        formulas = latex_of(node)
        by = self._symbols(node)
        results = getattr(node, "results", ())
        used = [
            results[one.index] for one in self.symbols.outputs(node) if one.index < len(results)
        ]
        keys = [key for key in ("y", *(used or results[:1])) if key in (formulas or ())]
        if formulas is not None and keys:
            return r"; \quad ".join(substituted(formulas[key], by) for key in keys)
        inputs = ", ".join(self.operands(node))
        return rf"{variable(type(node).__name__)}({inputs})"

    def operands(self, node: Node) -> list[str]:
        """The symbols of the inputs of a step, without those that are None."""
        return [symbol for symbol in self._operands(node) if symbol]

    def names(self, node: Node) -> list[str]:
        """The inputs of a step in words."""
        return [
            text(symbol) if parent is None else self.symbols.name(parent)
            for parent, symbol in zip(node.parents, self._operands(node), strict=True)
        ]

    def _operands(self, node: Node) -> list[str]:
        found = []
        given = self.history.inputs(node)
        for position, parent in enumerate(node.parents):
            if parent is not None:
                found.append(self.symbols.of(parent))
            elif given[position] is None and self._is_known(node, position):
                found.append("")
            else:
                found.append(self.symbols.constant(given[position], (node, position)))
        return found

    def _is_known(self, node: Node, position: int) -> bool:
        """Whether an input without a value is known to be None."""
        if self.history.state == "kept":
            return True
        return type(node).__name__ in ("Linear", "Clip") and position > 0

    def _symbols(self, node: Node) -> dict[str, str]:
        """What stands for each name in the formulas of an op."""
        operands = self._operands(node)
        fixed, rest = input_names(type(node))
        by = {
            name: symbol or NOT_GIVEN.get(name, r"\mathrm{none}")
            for name, symbol in zip(fixed, operands, strict=False)
        }
        if rest is not None:
            more = operands[len(fixed) :]
            shown = more[:MOST_OPERANDS] + [r"\ldots"] * (len(more) > MOST_OPERANDS)
            by[rest] = ", ".join(shown)
        for name in getattr(type(node), "_attributes", ()):
            option = _option(name, getattr(node, name, None), node)
            if option:
                by.setdefault(name, option)
        by["y"] = self.symbols.of(node)
        for index, name in enumerate(getattr(node, "results", ())):
            by[name] = self.symbols.result(node, index, name)
        return by

    def parts(self, node: Node, formulas: bool = True) -> list[Part]:
        """What the step contributes to the gradients of its inputs, one part for each parent.

        formulas  False to leave the formulas out, which takes less time
        """
        if isinstance(node, Output):
            return []
        rules = (latex_of(node) or {}) if formulas else {}
        by = self._symbols(node) if formulas else {}
        fixed, rest = input_names(type(node))
        pulled = self.history.pulled(node)
        found: dict[Node, Part] = {}
        for position, parent in enumerate(node.parents):
            if parent is None:
                continue
            name = fixed[position] if position < len(fixed) else rest
            rule = rules.get(name or "")
            latex = "" if rule is None else self._rule(node, name or "", rule, by)
            given = None if pulled is None or position >= len(pulled) else pulled[position]
            summed: tuple[int, ...] = ()
            if isinstance(given, np.ndarray):
                summed = broadcast_axes(given.shape, parent.out_shape)
                given = fitted(given, parent)
            before = found.get(parent)
            if before is not None:
                latex = f"{before.latex} + {latex}" if latex and before.latex else ""
                if before.value is not None:
                    given = before.value if given is None else before.value + given
                summed = summed or before.summed
            found[parent] = Part(parent, latex, given, summed)
        return list(found.values())

    def _rule(self, node: Node, name: str, rule: str, by: Mapping[str, str]) -> str:
        """The formula of a gradient, with the shares that it leaves out if this graph has them."""
        results = getattr(node, "results", ())
        used = {results[one.index] for one in self.symbols.outputs(node)} if results else set()
        further = [one for one in left_out(node, name) if one in used]
        shares = " + ".join(rf"\text{{what comes through }} {by[one]}" for one in further)
        if further and used == set(further):
            return shares
        main, where, definitions = rule.partition(WHERE)
        more = f" + {shares}" if shares else ""
        found = substituted(main, by) + more + substituted(where + definitions, by)
        return found + self._wherein(node, rule, by)

    def _wherein(self, node: Node, rule: str, by: Mapping[str, str]) -> str:
        """What a result that a rule reads is, if no later step uses it."""
        used = {output.index for output in self.symbols.outputs(node)}
        formulas = latex_of(node) or {}
        found = [
            f"{by[name]} = {substituted(formulas[name], by)}"
            for index, name in enumerate(getattr(node, "results", ()))
            if index not in used and name in formulas and _mentions(rule, name)
        ]
        if not found:
            return ""
        return (", " if r"\text{ where }" in rule else r" \text{ where } ") + ", ".join(found)

    def options(self, node: Node) -> str:
        """The keyword arguments of a step, as text."""
        return ", ".join(options_of(node))


def _mentions(latex: str, name: str) -> bool:
    """Whether a variable is in a formula."""
    return substituted(latex, {name: r"\mathrm{other}"}) != latex


def _option(name: str, value: Any, node: Node) -> str:
    """An option as it stands in a formula; "" if its name says more."""
    if name == "axes" and isinstance(value, tuple):
        listed = ", ".join(map(str, value))
        if not value:
            return r"\text{no axis}"
        return rf"\text{{axis }}{listed}" if len(value) == 1 else rf"\text{{axes }}{listed}"
    if isinstance(value, (np.ufunc, FunctionType)):
        return variable(value.__name__)
    if name == "dtype":
        return variable(np.dtype(value).name)
    if name == "shape" and isinstance(value, tuple):
        return rf"\text{{{shape_text(value)}}}"
    if name == "axis":
        return rf"\text{{axis }}{value}"
    if name == "index":
        return "".join(rf"\text{{{text.strip('[]')}}}" for text in options_of(node)[:1])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number_latex(value)
    return ""


def broadcast_axes(given: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """The axes of a gradient over which it is summed to have its input's shape."""
    more = len(given) - len(shape)
    stretched = [
        more + axis
        for axis, (there, size) in enumerate(zip(given[more:], shape, strict=True))
        if there != size
    ]
    return (*range(more), *stretched)


def leading_to(targets: Sequence[Node], history: History) -> set[Node]:
    """The targets and every node that was computed from one of them."""
    leading = set(targets)
    for node in history.order:
        if any(parent in leading for parent in node.parents):
            leading.add(node)
    return leading
