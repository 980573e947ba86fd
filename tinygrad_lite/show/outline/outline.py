"""The model that every view of a graph reads: its boxes, and the arrows between them.

There is a box for each operation, each parameter, and each constant that is known.  Nothing is
folded here: folding.py makes a smaller outline from a large one.  Everything is a loop over the
topological order, so that no graph is too deep, and no box depends on an identity or a hash.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard

import numpy as np

from ...engine.function import Primitive
from ...engine.graph import Array, Leaf, Node, Output, TensorBase
from ..graph.grouping import groups_of
from ..graph.history import History
from ..graph.keeping import ModuleCall, kept_of
from ..graph.naming import Names
from .boxes import Box as Box
from .boxes import Key
from .labels import Words
from .wording import number_text, shape_text


@dataclass(slots=True)
class Outline:
    """The boxes, each after its inputs, and notes: sentences about what they do not show.

    history  what is known about the graph; None for a tensor without one
    names    the names of its tensors and modules
    words    what finds the text of a box
    """

    boxes: list[Box]
    notes: list[str]
    history: History | None
    names: Names
    words: Words

    def calls_are_known(self) -> bool:
        """Whether calls of Modules were seen, not only guessed from the names of parameters."""
        history = self.history
        return history is not None and any(history.call(node) is not None for node in history.order)


def outline_of(
    history: History, names: Names, *, values: bool = False, grads: bool = False
) -> Outline:
    """Everything that a tensor was computed from, with a box for each op, parameter and constant.

    values, grads  whether the boxes say what is known about the values and the gradients
    """
    words = Words(history, names, values, grads)
    boxes = _Boxes(history, names, words)
    groups = groups_of(history, names)
    for node in history.order:
        if isinstance(node, Leaf):
            boxes.parameter(node)
        elif not isinstance(node, Output):
            boxes.op(node, groups.get(node, ()))
    root = history.root.parents[0] if isinstance(history.root, Output) else history.root
    boxes.found[root].is_output = True
    return Outline(boxes.in_order(), words.notes(), history, names, words)


def without_graph(tensor: TensorBase, names: Names) -> Outline:
    """The outline of a tensor that was computed without recording a graph."""
    title = next((name for name, other in names.tensors.items() if other is tensor), "Tensor")
    array = tensor._data
    text = [
        shape_text(array.shape),
        *([f"output = {number_text(array.item())}"] if array.ndim == 0 else []),
        "no graph: nothing it was computed from has requires_grad=True,",
        "or it was computed inside no_grad()",
    ]
    words = Words(None, names)
    box = Box("constant", "tensor", lambda _: (title, text), is_output=True, value=array)
    return Outline([box], [], None, names, words)


class _Boxes:
    """The boxes found so far, by their keys."""

    def __init__(self, history: History, names: Names, words: Words) -> None:
        self.history, self.names, self.words = history, names, words
        self.found: dict[Key, Box] = {}
        self.of_op, self.of_constant = words.op, words.constant  # one method object for all boxes

    def parameter(self, leaf: Leaf) -> None:
        """Add the box of a parameter."""
        self.found[leaf] = Box("parameter", leaf, self.words.parameter, (leaf,))

    def op(self, op: Node, group: tuple[ModuleCall, ...]) -> None:
        """Add the box of an op, after those of its constants."""
        inputs: list[tuple[Box, str]] = []
        for index, parent in enumerate(op.parents):
            if parent is None:
                key, value = constant_of(op, index)
                if key is not None:
                    inputs.append((self._constant(key, value, op, index), ""))
            elif isinstance(parent, Output):
                inputs.append((self.found[parent.parents[0]], self.words.result(parent)))
            else:
                inputs.append((self.found[parent], ""))
        self.found[op] = Box("op", op, self.of_op, (op,), inputs, group)

    def _constant(self, key: Key, value: Any, op: Node, index: int) -> Box:
        box = self.found.get(key)
        if box is None:
            box = self.found[key] = Box("constant", key, self.of_constant, value=value)
            self.words.note_constant(key, op, index)
        return box

    def in_order(self) -> list[Box]:
        """All boxes, a parameter just before the first op that uses it."""
        placed: dict[Box, None] = {}
        for box in self.found.values():
            if box.kind == "op":
                for source, _ in box.inputs:
                    placed.setdefault(source)
                placed.setdefault(box)
            elif box.is_output:
                placed.setdefault(box)
        return list(placed)


def constant_of(op: Node, index: int) -> tuple[Key, Any]:
    """The key and the value of an input without a graph; (None, None) if there is no input.

    An array that several ops use is one constant.  The value is None if it is unknown.
    """
    kept = kept_of(op)
    if kept is not None and kept.inputs:
        return _keyed(op, index, kept.inputs[index])
    if not _reads_inputs(op):
        return (op, index), None
    if op.saved_inputs is None:  # released: it was there if it was saved
        kind: Any = type(op)
        return (None, None) if index in _unread(kind, op.needs) else ((op, index), None)
    return _keyed(op, index, op.saved_inputs[index])


def _keyed(op: Node, index: int, value: Any) -> tuple[Key, Any]:
    if isinstance(value, np.ndarray):
        return array_key(value), value
    if isinstance(value, (bool, int, float, np.generic)):
        return (op, index), value
    return None, None


def array_key(array: Array) -> Key:
    """What identifies the constant of an array."""
    return ("array", id(array))


def _reads_inputs(op: Node) -> TypeGuard[Primitive]:
    """Whether a gradient of this op reads one of its inputs."""
    kind: Any = type(op)  # mypy takes it for no key
    return isinstance(op, Primitive) and _saves_inputs(kind, op.needs)


@lru_cache(256)
def _saves_inputs(kind: type[Primitive], needs: tuple[bool, ...]) -> bool:
    return not kind._plan(needs).nothing


@lru_cache(256)
def _unread(kind: type[Primitive], needs: tuple[bool, ...]) -> frozenset[int]:
    """The positions of the inputs that no gradient reads."""
    return frozenset(kind._plan(needs).unread)
