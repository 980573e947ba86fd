"""The sections of an explanation: the function, the way back, and what comes of it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.graph import Node, Output
from ...engine.hooks import hooks_of
from ...files import printable
from ..formulas.formulas import variable
from ..formulas.symbols import Symbols
from ..graph.history import ASK, History
from ..graph.recomputing import Recomputation
from ..outline.summaries import one_line
from ..outline.wording import code_at, count, line_text, shape_text
from .differencing import compared
from .document import Document, Inline, Math
from .reasons import Reasons, listed
from .shortening import shortened
from .simplifying import closing_lines
from .steps import Part, Steps, leading_to

MOST_STEPS = 40  # in a section; of more, repeats are told once and the middle is left out
MOST_LISTED = 12  # items of a list
MOST_IN_TITLE = 4  # names
MANY = 1_000_001  # paths, which are not counted further


class Sections:
    """The sections of the explanation of one graph."""

    def __init__(
        self, history: History, symbols: Symbols, targets: list[Node], asked: bool, full: bool
    ) -> None:
        self.history, self.symbols, self.targets = history, symbols, targets
        self.asked, self.full = asked, full
        self.steps = Steps(history, symbols)
        self.recomputed = Recomputation(history)
        self.leading = leading_to(targets, history)
        self.result = symbols.of(history.root)

    def written(self) -> tuple[Document, list[str]]:
        """All sections, those that answer a question first."""
        name = self.symbols.name(self.history.root)
        of = listed([self.symbols.name(node) for node in self.targets], MOST_IN_TITLE)
        self.document = Document(
            f"{name}: how it was computed, and its derivative with respect to {of}"
        )
        self._summary()
        reasons = Reasons(self.history, self.symbols, self.recomputed).of(self.targets, self.asked)
        if reasons:
            self.document.heading("Why the gradient is what it is")
            for reason in reasons:
                self.document.say(reason, bullet=True)
        self._function()
        self._backward()
        self._results()
        self._flow()
        self._check()
        self._closing()
        return self.document, reasons

    def _summary(self) -> None:
        history, steps = self.history, self.symbols.steps
        shape = history.root.out_shape
        self.document.say(
            Math(self.result),
            f" has shape {shape_text(shape)}" if shape else f" is {_values(history.tensor._data)}",
            f"; it was computed in {count(len(steps), 'step')} from "
            f"{count(len(self.symbols.leaves), 'parameter')}.",
        )
        if not self._starts_with_one():
            self.document.say(
                "The backward pass began with a gradient that it was given, so a derivative is "
                "that of the sum of the elements, each times its element of that gradient."
            )
        elif int(np.prod(shape)) != 1:
            self.document.say(
                "It is not a single number, so a derivative is that of the sum of its elements."
            )
        if history.state == "released":
            self.document.say(
                "A backward pass has freed the values of the steps, so only formulas are shown; "
                f"for the numbers, {ASK}."
            )
        elif history.state == "live":
            self.document.say(f"Values that no rule needs were not saved; for all of them, {ASK}.")
        if history.failure is not None:
            self.document.say(f"The backward pass failed: {history.failure}")

    def _starts_with_one(self) -> bool:
        """Whether the backward pass began with 1, as it does unless it is given something else."""
        start = self.history.gradient(self.history.root)
        return not isinstance(start, np.ndarray) or bool((start == 1).all())

    # The function

    def _function(self) -> None:
        self.document.heading("The function, as it was computed")
        rows: list[Sequence[Inline]] = []
        for step in shortened(self.symbols.steps, self._kind, self._most):
            if isinstance(step, str):
                rows.append(("", step, "", "", ""))
            else:
                rows.append(self._step_row(step))
        starts = [self._leaf_row(leaf) for leaf in self._some(self.symbols.leaves)]
        constants = [
            (
                Math(symbol),
                "constant",
                shape_text(array.shape),
                _values(array),
                self.symbols.legend.get(symbol, ""),
            )
            for symbol, array, _ in self.symbols.constants()
        ]
        self.document.table(
            ("input", "", "shape", "value", "name"),
            [
                *starts,
                *self._more(self.symbols.leaves, "parameter", 5),
                *self._some(constants),
                *self._more(constants, "constant", 5),
            ],
        )
        self.document.table(("step", "formula", "shape", "where", "value"), rows)
        lines = self._lines()
        if lines:
            self.document.say("The lines of the program:")
            self.document.table(("line", "code"), lines)

    def _leaf_row(self, leaf: Node) -> Sequence[Inline]:
        symbol = self.symbols.of(leaf)
        return (
            Math(symbol),
            "parameter",
            shape_text(leaf.out_shape),
            _values(self.history.value(leaf)),
            self.symbols.legend.get(symbol, ""),
        )

    def _step_row(self, step: Node) -> Sequence[Inline]:
        outputs: Sequence[Node] = self.symbols.outputs(step) or [step]
        return (
            str(self.symbols.numbers[step]),
            Math(f"{', '.join(map(self.symbols.of, outputs))} = {self.steps.forward(step)}"),
            ", ".join(shape_text(node.out_shape) for node in outputs),
            _where(self.history, step),
            "; ".join(filter(None, (_values(self.history.value(node)) for node in outputs))),
        )

    def _lines(self) -> list[Sequence[Inline]]:
        """Each line of the program that is in the table, once, with its text."""
        found: dict[str, str] = {}
        for step in shortened(self.symbols.steps, self._kind, self._most):
            line = None if isinstance(step, str) else self.history.line(step)
            if line is not None and line not in found:
                found[line] = code_at(line)
        return [(line_text(line), code) for line, code in found.items() if code]

    # The backward pass

    def _backward(self) -> None:
        document, history = self.document, self.history
        document.heading("The chain rule, from the result back")
        start = (
            "For L itself this is 1."
            if self._starts_with_one()
            else "Here all of them are multiplied by the gradient that backward was given."
        )
        document.say(
            "Let L be ", Math(self.result), ", and write ", Math(r"\bar{x}"), " for the derivative "
            "of L with respect to x: how much L changes, per unit, when x changes a little.  "
            f"{start}  Each step multiplies what arrives at it by its own derivative, the newest "
            "step first.  Where a value was used several times, what comes back from its uses is "
            "added up.",
        )  # fmt: skip
        steps = [step for step in reversed(self.symbols.steps) if self._is_passed(step)]
        self._arrivals = Counter[Node]()
        self._places: dict[tuple[Node, Node], int] = {}  # of each contribution among the paths
        for step in steps:
            for parent in dict.fromkeys(step.parents):
                if parent is not None and parent in self.leading:
                    self._arrivals[parent] += 1
                    self._places[step, parent] = self._arrivals[parent]
        first = "1" if self._starts_with_one() else r"\text{what backward was given}"
        rows: list[Sequence[Inline]] = [
            ("", Math(f"{self._bar(history.root)} = {first}"), shape_text(history.root.out_shape),
             _values(history.gradient(history.root)), "")
        ]  # fmt: skip
        for shown in shortened(steps, self._kind, self._most):
            if isinstance(shown, str):
                rows.append(("", shown, "", "", ""))
                continue
            for part in self.steps.parts(shown):
                if part.parent in self.leading:
                    rows.append(self._part_row(shown, part))
        document.table(("step", "rule", "shape", "value", "note"), rows)

    def _is_passed(self, step: Node) -> bool:
        """Whether the backward pass towards the targets goes through a step."""
        return step in self.leading and any(parent in self.leading for parent in step.parents)

    def _bar(self, node: Node) -> str:
        return rf"\bar{{{self.symbols.of(node)}}}"

    def _part_row(self, step: Node, part: Part) -> Sequence[Inline]:
        bar = self._bar(part.parent)
        number, of = self._places[step, part.parent], self._arrivals[part.parent]
        notes = []
        if part.summed:
            axes = ", ".join(map(str, part.summed))
            several = "axes" if len(part.summed) > 1 else "axis"
            notes.append(f"summed over {several} {axes}, along which it was repeated")
        if of > 1:
            notes.append(f"path {number} of {of}; they add up")
        rule = part.latex or r"\text{the rule of }" + variable(type(step).__name__)
        start = f"{bar} + " if number > 1 else ""
        return (
            str(self.symbols.numbers[step]),
            Math(f"{bar} = {start}{rule}"),
            shape_text(part.parent.out_shape),
            _values(part.value),
            "; ".join(notes),
        )

    # What comes of it

    def _results(self) -> None:
        self.document.heading("The derivatives")
        rows: list[Sequence[Inline]] = []
        for node in self._some(self.targets):
            gradient = self.history.gradient(node)
            symbol = self.symbols.of(node)
            rows.append(
                (
                    Math(rf"\frac{{\partial {self.result}}}{{\partial {symbol}}}"),
                    shape_text(node.out_shape),
                    "not computed" if gradient is None else _values(gradient),
                )
            )
        rows += self._more(self.targets, "derivative", 3)
        self.document.table(("derivative", "shape", "value"), rows)

    def _flow(self) -> None:
        document, history, symbols = self.document, self.history, self.symbols
        document.heading("How the parameters reach the result")
        counts = _path_counts(history)
        for node in self.targets[: None if self.full else MOST_LISTED]:
            path = _path(history, node)
            paths = counts.get(node, 0)
            ends: list[Node | str] = list(path)
            if len(path) > MOST_LISTED and not self.full:
                half = MOST_LISTED // 2
                ends = [*path[:half], f"... {len(path) - 2 * half:,} more ...", *path[-half:]]
            shown = [one if isinstance(one, str) else Math(symbols.of(one)) for one in ends]
            parts = [part for one in shown for part in (" \u2192 ", one)][1:]
            several = [] if paths == 1 else [f"  (one of {_paths_text(paths)})"]
            document.say(*parts, *several, bullet=True)
        if len(self.targets) > MOST_LISTED and not self.full:
            document.say(f"{len(self.targets) - MOST_LISTED} more parameters.", bullet=True)
        without = self._without_influence()
        if without:
            document.say("Without influence on the result, or without a derivative:")
            for sentence in without[: None if self.full else MOST_STEPS]:
                document.say(sentence, bullet=True)
            if len(without) > MOST_STEPS and not self.full:
                document.say(f"{len(without) - MOST_STEPS} more.", bullet=True)

    def _without_influence(self) -> list[str]:
        """A sentence for each named tensor and parameter that no derivative reaches."""
        found, order = [], set(self.history.order)
        constants = {name for _, _, name in self.symbols.constants()}
        for name, tensor in self.symbols.names.tensors.items():
            shown = printable(name, 80)
            if tensor._node is None:
                known = "enters as a constant: it" if name in constants else "has no derivative: it"
                found.append(f"{shown} {known} does not require grad.")
            elif tensor._node not in order:
                found.append(
                    f"{shown} is not in this graph: no step used it, or only after detach()."
                )
        for leaf in self.symbols.leaves:
            gradient = self.history.gradient(leaf)
            if isinstance(gradient, np.ndarray) and gradient.size and not gradient.any():
                found.append(f"{self.symbols.name(leaf)}: its derivative is exactly 0 everywhere.")
        return found

    def _check(self) -> None:
        self.document.heading("Checked by finite differences")
        outcome = compared(self.history, self.recomputed, self.targets)
        if outcome.not_checked:
            self.document.say(f"Not checked: {outcome.not_checked}.")
            return
        self.document.say(
            "The function was computed again in float64, with one element moved a little up and "
            "down: the change of the result, per unit, against the derivative from above."
        )
        self.document.table(
            ("with respect to", "finite difference", "backward", ""),
            [
                (
                    self.symbols.name(row.node) + row.element,
                    f"{row.difference:.6g}",
                    f"{row.gradient:.6g}",
                    row.verdict,
                )
                for row in outcome.rows
            ],
        )
        hooked = [node for node in self.history.order if hooks_of(node)]
        if not outcome.agrees and hooked:
            self.document.say(
                f"A hook on {self.symbols.name(hooked[0])} may have changed what arrived there, so "
                "these gradients need not be those of the function."
            )
        elif not outcome.agrees:
            self.document.say(
                "A difference means that the function has a kink or a jump near by, or that the "
                "rule of a step is not the derivative of what it computes, as in a "
                "straight-through estimator; gradcheck tells which."
            )
        if outcome.left:
            self.document.say(f"{outcome.left} more were not checked, since it would take long.")

    def _closing(self) -> None:
        if not self._starts_with_one():
            return  # the factors would not be those of the result
        closings = closing_lines(self.history, self.symbols, self.recomputed, self.leading)
        if not closings:
            return
        self.document.heading("What it comes to")
        for closing in closings:
            self.document.say(f"{closing.about}:")
            self.document.formula(closing.latex)
            for sentence in closing.sentences:
                self.document.say(*sentence, bullet=True)

    # Helpers

    @property
    def _most(self) -> int:
        return len(self.history.order) if self.full else MOST_STEPS

    def _some(self, items: Sequence[Any]) -> Sequence[Any]:
        return items if self.full else items[:MOST_STEPS]

    def _more(self, items: Sequence[Any], noun: str, columns: int) -> list[Sequence[Inline]]:
        """A row that says how many items are not shown; none if all are."""
        left = len(items) - len(self._some(items))
        return [(f"... {count(left, noun)} more", *[""] * (columns - 1))] if left else []

    def _kind(self, step: Node) -> Any:
        """Equal for steps that count as repeats of each other."""
        return type(step), step.out_shape


def _values(value: Any) -> str:
    """The values of what one step made, in a few words; "" if they are not known."""
    return one_line(value) if isinstance(value, np.ndarray) else ""


def _where(history: History, step: Node) -> str:
    """The line and the module that a step belongs to."""
    line, call = history.line(step), history.call(step)
    parts = [line_text(line)] if line else []
    if call is not None:
        parts.append(str(call.path))
    return ", ".join(parts)


def _path(history: History, start: Node) -> list[Node]:
    """One way from a node to the result, through the first use of each."""
    path, node = [start], start
    while node is not history.root:
        children = history.children(node)
        if not children:
            break
        node = children[0][0]
        path.append(node)
    return [one for one in path if not _is_passing(one, history)]


def _is_passing(node: Node, history: History) -> bool:
    """Whether this is the op of several results, beside the result that is used."""
    return any(isinstance(child, Output) for child, _ in history.children(node))


def _path_counts(history: History) -> dict[Node, int]:
    """In how many ways each node reaches the result, up to MANY."""
    counts: dict[Node, int] = {history.root: 1}
    for node in reversed(history.order):
        here = counts.get(node, 0)
        for parent in node.parents:
            if parent is not None:
                counts[parent] = min(counts.get(parent, 0) + here, MANY)
    return counts


def _paths_text(count: int) -> str:
    return f"more than {MANY - 1:,} paths" if count >= MANY else f"{count:,} paths"
