"""The text in the boxes of a graph: what an op, a parameter and a constant are called."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.graph import Leaf, Node, Output
from ..graph.history import ASK, History
from ..graph.keeping import ModuleCall
from ..graph.naming import Names
from .boxes import Box, Text
from .summaries import summary
from .wording import array_text, line_text, number_text, options_of, shape_text

# The names of results that their ops do not name, and shorter ones for some that do.
_RESULTS = {
    "QR": ("q", "r"),
    "SVD": ("u", "s", "vh"),
    "Eigh": ("values", "vectors"),
    "Slogdet": ("sign", "logarithm"),
    "LSTMCell": ("h", "c", "gates"),
    "LSTM": ("h of all steps", "c of all steps", "gates"),
    "RNN": ("h of all steps",),
    "GRU": ("h of all steps", "gates"),
}
_MAIN = ("out", "loss", "product")  # results that others only accompany


class Words:
    """What the boxes of one graph say.

    history  what is known about the graph
    names    the names of its tensors
    values   whether to say what is known about the values
    grads    whether to say what is known about the gradients
    """

    def __init__(
        self, history: History | None, names: Names, values: bool = False, grads: bool = False
    ) -> None:
        self.history, self.names, self.values, self.grads = history, names, values, grads
        self._numbers: dict[Node, int] = {}  # of parameters without a name, by first use
        self._used: dict[Node, dict[Node, None]] = {}  # of ops with several results, those used
        self._places: dict[Any, tuple[Node, int]] = {}  # a use of each constant
        if history is not None:
            for node in history.order:
                for parent in node.parents:
                    if isinstance(parent, Leaf):
                        self._numbers.setdefault(parent, len(self._numbers) + 1)
                if isinstance(node, Output):
                    self._used.setdefault(node.parents[0], {}).setdefault(node)  # type: ignore[arg-type]
            if isinstance(history.root, Leaf):
                self._numbers[history.root] = 1

    # Ops

    def op(self, box: Box) -> Text:
        """Name and kind of an op; its options, layer, shape, source line, values."""
        op = box.key
        title, name = type(op).__name__, self.names.of_node(op)
        if name is not None:
            title = f"{name} = {title}"
        layer = self.layer(box)
        details = [*([layer] if layer else []), *options_of(op)]
        shown = self.results(op)
        details += [shape_text(node.out_shape) for node in shown if len(shown) == 1]
        if op.line:
            details.append(line_text(op.line))
        if box.is_output:
            details.append(self.output())
        for node in shown:
            details += self.numbers(node, self.result(node) if len(shown) > 1 else "")
        return title, details

    def layer(self, box: Box) -> str:
        """The words for the layer to which an op belongs; "" if there is none that is known."""
        path = self.layer_path(box)
        return f"layer {path}" if path.isdigit() else path

    def layer_path(self, box: Box) -> str:
        """The path of that layer.

        It is that of the Module that was seen to call it, or of the parameters that it uses.
        """
        parameters = [source for source, _ in box.inputs if source.kind == "parameter"]
        seen = self.history is not None and self.history.call(box.key) is not None
        if box.group and (seen or parameters):
            return path_of(box.group) or self.owner(parameters)
        penalty = len(parameters) == len(box.inputs)  # of parameters alone
        return "" if penalty else self.owner(parameters)

    def owner(self, parameters: Sequence[Box]) -> str:
        """The path of the one module that all of these parameters have in their names; else ""."""
        names = [name for box in parameters for name in self.names.all_of(box.key)]
        paths = {name.rpartition(".")[0] for name in names}
        return paths.pop() if len(paths) == 1 else ""

    def results(self, op: Node) -> list[Node]:
        """The results of an op that are used: the op itself if it has only one."""
        used = self._used.get(op)
        return [op] if used is None else sorted(used, key=lambda node: node.index)  # type: ignore[attr-defined]

    def result(self, output: Node) -> str:
        """Which of several results of an op this is, and its shape; "" for the only one used."""
        if not isinstance(output, Output) or self._is_main(output):
            return ""
        return f"{result_name(output)} {shape_text(output.out_shape)}"

    def _is_main(self, output: Output) -> bool:
        """Whether it is the only result that is used, and its op computes the others beside it."""
        op: Any = output.parents[0]
        names = getattr(type(op), "results", ())
        return len(self._used[op]) == 1 and bool(names) and names[output.index] in _MAIN

    def output(self) -> str:
        """The words for the tensor that is drawn, with its number if it is one."""
        assert self.history is not None
        root = self.history.root
        which = result_name(root) if isinstance(root, Output) and not self._is_main(root) else ""
        text = f"output: {which}" if which else "output"
        value = self.history.value(root)
        if value is None or isinstance(value, tuple) or value.ndim:
            return text
        return f"{text} = {number_text(value.item())}"

    def numbers(self, node: Node, prefix: str = "") -> list[str]:
        """The lines about the value and the gradient of a node, if they are wanted.

        prefix  what they are the value and the gradient of, if that is not all of a box
        """
        lines: list[str] = []
        if self.history is None:
            return lines
        before = f"{prefix}: " if prefix else ""
        if self.values:
            value = _as_array(self.history.value(node))
            told = node is self.history.root and self.history.root.out_shape == ()
            if isinstance(value, np.ndarray) and not told:
                lines += _after(before, summary(value))
        if self.grads:
            gradient = _as_array(self.history.gradient(node))
            if isinstance(gradient, np.ndarray):
                lines += _after(f"{before}gradient ", summary(gradient))
            else:
                lines.append(f"{before}gradient not computed")
                tensor = node.holder() if node.holder is not None else None
                if tensor is not None and tensor._grad is not None:
                    lines += _after(".grad ", summary(tensor._grad._data))
        return lines

    # Parameters and constants

    def parameter(self, box: Box) -> Text:
        """The name of a parameter, its shape and its values."""
        leaf = box.key
        title = self.names.of_node(leaf) or f"parameter {self._numbers.get(leaf, 1)}"
        assert self.history is not None
        value = self.history.value(leaf)
        details = [shape_text(leaf.out_shape)]
        if value is not None and not self.values:
            details = array_text(value)
        return title, details + self.numbers(leaf)

    def note_constant(self, key: Any, op: Node, index: int) -> None:
        """Note where a constant is used, to find its name when it is needed."""
        self._places[key] = op, index

    def constant(self, box: Box) -> Text:
        """The name of a constant, or its number."""
        value = box.value
        if not isinstance(value, np.ndarray):
            return ("constant" if value is None else number_text(value)), []
        name = self._constant_name(box.key, value)
        details = array_text(value)
        if self.values and value.size > 1:
            details = [shape_text(value.shape), *summary(value)]
        if name is None and value.ndim == 0:
            return number_text(value.item()), []
        return name or self._unnamed(box.key), details

    def _unnamed(self, key: Any) -> str:
        """What an array without a name is called: "input" if a computation starts with it."""
        parents = self._places[key][0].parents
        starts = all(parent is None or isinstance(parent, Leaf) for parent in parents)
        return "input" if starts else "array"

    def _constant_name(self, key: Any, value: Any) -> str | None:
        """The name of the tensor that a constant was: that of its array."""
        op, index = self._places[key]
        saved = getattr(op, "saved_inputs", None)
        given = saved[index] if saved else None
        return (None if given is None else self.names.of_array(given)) or self.names.of_array(value)

    def has_name(self, op: Node) -> bool:
        """Whether the result of an op has a name that the user gave."""
        return op in self.names.by_node

    def has_several(self, op: Node) -> bool:
        """Whether an op has several results."""
        return op in self._used

    def is_named(self, box: Box) -> bool:
        """Whether a constant has a name that the user gave."""
        return (
            bool(self.names.tensors)
            and isinstance(box.value, np.ndarray)
            and self._constant_name(box.key, box.value) is not None
        )

    def notes(self) -> list[str]:
        """What a reader should know about the values and gradients that are missing."""
        history, notes = self.history, list[str]()
        if history is None:
            return notes
        if history.state == "released":
            notes.append(f"Drawn after backward, which released the values; to keep them, {ASK}.")
        elif history.state == "live" and self.values:
            notes.append(f"Only the values that backward reads are known; for all of them, {ASK}.")
        leaves = [node for node in history.order if isinstance(node, Leaf)]
        if self.names.modules and leaves and not any(map(self.names.of_node, leaves)):
            notes.append("No parameter of this graph belongs to the Module given as names.")
        if self.grads and history.failure is not None:
            reason = str(history.failure).partition("\n")[0]
            notes.append(f"The backward pass failed: {reason}")
        start = history.gradient(history.root) if self.grads else None
        if isinstance(start, np.ndarray) and start.size > 1 and bool((start == 1).all()):
            notes.append("Gradients are those of the sum of the output.")
        return notes


def result_name(output: Output) -> str:
    """The name of one of several results: "h", "values", "part 1 of 3"."""
    op: Any = output.parents[0]
    names = _RESULTS.get(type(op).__name__, getattr(type(op), "results", ()))
    if output.index < len(names):
        return str(names[output.index])
    kind = "part" if type(op).__name__ in ("Split", "Unstack") else "result"
    return f"{kind} {output.index + 1} of {output.count}"


def _as_array(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, np.generic) else value


def _after(before: str, lines: list[str]) -> list[str]:
    return [before + lines[0], *lines[1:]]


def path_of(group: tuple[ModuleCall, ...]) -> str:
    """The path of the innermost call, without the class of the model: "layers.0"."""
    if not group:
        return ""
    model, path = group[0], group[-1].path
    if model.path != model.kind:
        return path
    return path.removeprefix(model.path).removeprefix(".")
