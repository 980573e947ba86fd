"""The backward pass as the page walks through it: one step for each op that a gradient reaches.

Each step tells what arrives, what the rule returns for each input, where a broadcast is undone and
where paths add up, in the order of engine/backward.py.  Where values are unknown, the steps tell
the way and the shapes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...arrays.shapes import Shape
from ...arrays.sums import unbroadcast
from ...engine.function import Primitive
from ...engine.graph import Node, Output
from ..graph.history import History
from .arrays import brief
from .spot_check import argument_names

Found = dict[str, Any]
MOST_SOURCES = 3  # ops that are named as those that a gradient comes from


def steps_of(history: History, numbers: Mapping[Node, int], titles: Sequence[str]) -> list[Found]:
    """All steps, from the output to the leaves.

    numbers  of the boxes of ops and parameters
    titles   of the boxes, by number
    """
    backward = _BackwardPass(history, numbers, titles)
    known = history.gradient(history.root) is not None
    return [
        backward.step(node)
        for node in reversed(history.order)
        if isinstance(node, Primitive)
        and node in numbers
        and (not known or history.gradient(node) is not None)
    ]


class _BackwardPass:
    def __init__(
        self, history: History, numbers: Mapping[Node, int], titles: Sequence[str]
    ) -> None:
        self.history, self.numbers, self.titles = history, numbers, titles
        self.sums: dict[Node, Any] = {}  # what has arrived at each node so far
        self.counts: dict[Node, int] = {}  # the number of paths that have

    def title(self, node: Node) -> str:
        """The title of the box of a node."""
        return self.titles[self.numbers[_op_of(node)]]

    def step(self, op: Any) -> Found:
        """One step: what arrives at an op, and what leaves for each of its inputs."""
        pulled = self.history.pulled(op)
        leaving = []
        fixed, rest = type(op)._plans.names
        names = argument_names(op)
        merged: dict[Node | None, list[str]] = {}  # inputs whose share another one's includes
        for name, need, parent, gone in zip(
            names, op.needs, op.parents, pulled or (), strict=False
        ):
            if need and gone is None:
                merged.setdefault(parent, []).append(name)
        for position, (name, parent) in enumerate(zip(names, op.parents, strict=True)):
            given = None if pulled is None else pulled[position]
            if parent is None or (pulled is not None and given is None):
                continue
            found = self._leaving(op, name, parent, given)
            found["rule"] = name if position < len(fixed) else rest  # whose formula applies
            twins = merged.get(parent)
            if twins:  # x * x: one product for both
                found["note"] = (
                    f"{' and '.join(twins)} is the same tensor, and its share is included here."
                )
            leaving.append(found)
        return {
            "box": self.numbers[op],
            "from": self._origin(op),
            "arriving": self._arriving(op),
            "leaving": leaving,
        }

    def _arriving(self, op: Any) -> list[tuple[str, Found]]:
        """What arrives, for each result, with its name if there are several."""
        gradient = self.history.gradient(op)
        if not isinstance(gradient, tuple):
            return [("", _brief(gradient, op.out_shape))]
        nothing = {"shape": "", "text": "nothing: no gradient reaches it"}
        return [
            (result_name(type(op), index, len(gradient)), nothing if one is None else brief(one))
            for index, one in enumerate(gradient)
        ]

    def _origin(self, op: Node) -> str:
        """Where the gradient of an op comes from."""
        hook = "; a hook changed it on the way" if self._was_changed(op) else ""
        return self._uses(op) + hook

    def _was_changed(self, op: Node) -> bool:
        """Whether what arrived at an op is not the sum of what its uses sent."""
        gradient = self.history.gradient(op)
        parts = [part for _, _, part in self.history.arrivals(op)]
        if self.history.state == "released":
            return False  # only some of the parts may have been kept
        if not parts or not isinstance(gradient, np.ndarray) or op is self.history.root:
            return False
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return not np.allclose(total, gradient, rtol=1e-4, equal_nan=True)

    def _uses(self, op: Node) -> str:
        """The ops that a gradient comes from."""
        root = self.history.root
        if op is root or (isinstance(root, Output) and root.parents[0] is op):
            return self._start()
        uses: dict[Node, None] = {}
        for child, _ in reversed(self.history.children(op)):
            outputs = self.history.children(child) if isinstance(child, Output) else [(child, 0)]
            uses.update((use, None) for use, _ in reversed(outputs) if use in self.numbers)
        names = [self.title(use) for use in uses]
        shown = names[:MOST_SOURCES]
        if len(names) > len(shown):
            shown.append(f"{len(names) - len(shown)} more")
        paths = f"The sum of {len(names)} paths: " if len(names) > 1 else ""
        return f"{paths}from {' and '.join(shown)}" if names else ""

    def _start(self) -> str:
        """Where the pass begins."""
        given = self.history.gradient(self.history.root)
        if isinstance(given, np.ndarray) and not (given == 1).all():
            return "The pass starts here, with the gradient that backward was given."
        if self.history.root.out_shape == ():
            return "The pass starts here: the derivative of the output with respect to itself is 1."
        return "The pass starts here, with 1 for each element: it differentiates their sum."

    def _leaving(self, op: Node, name: str, parent: Node, given: Any) -> Found:
        found: Found = {"name": name, "to": self.numbers.get(_op_of(parent), -1)}
        before = op.out_shape if given is None and op.broadcasts else parent.out_shape
        if isinstance(given, tuple):  # of an Output: nothing is computed
            return found
        if given is not None:
            given = np.asarray(given)
            before = given.shape
        found["pulled"] = _brief(given, before)
        part = given
        if before != parent.out_shape:
            part = None if given is None else unbroadcast(given, parent.out_shape)
            found["broadcast"] = {
                "from": str(tuple(before)),
                "to": str(tuple(parent.out_shape)),
                "why": _broadcast_text(before, parent.out_shape),
                "sum": _brief(part, parent.out_shape),
            }
        paths = self._paths(parent, name, part)
        return found | ({"paths": paths} if paths else {})

    def _paths(self, parent: Node, name: str, part: Any) -> Found | None:
        """How this part adds to what has arrived; None if it is the only one."""
        count = self._count(parent)
        if count < 2:
            return None
        number = self.counts[parent] = self.counts.get(parent, 0) + 1
        held = self.sums.get(parent)
        total = part if held is None or part is None else held + part
        self.sums[parent] = total
        shape = parent.out_shape
        terms = [{"from": f"this one, {name}"} | _brief(part, shape)]
        if number > 1:
            before = "the first path" if number == 2 else f"the first {number - 1} paths"
            terms.insert(0, {"from": before} | _brief(held, shape))
        if number == count:
            self.sums.pop(parent, None)
        return {"number": number, "count": count, "parts": terms, "sum": _brief(total, shape)}

    def _count(self, node: Node) -> int:
        """The number of paths on which a gradient arrives."""
        uses = self.history.children(node)
        if self.history.gradient(self.history.root) is None:
            return len(uses)
        return sum(self.history.sent(child, position) for child, position in uses)


def result_name(op: Any, index: int, count: int) -> str:
    """The name of one of several results of an op's class."""
    names = getattr(op, "results", ())
    return str(names[index]) if index < len(names) else f"result {index + 1} of {count}"


def _op_of(node: Node) -> Node:
    """The op that made one of its several results; any other node itself."""
    op = node.parents[0] if isinstance(node, Output) else node
    return node if op is None else op


def _brief(array: Any, shape: Shape) -> Found:
    """A few words about an array; the shape alone if it is unknown."""
    if array is None or isinstance(array, tuple):
        return {"shape": str(tuple(map(int, shape))), "text": "not computed"}
    return brief(array)


def _broadcast_text(before: Shape, after: Shape) -> str:
    extra = len(before) - len(after)
    axes = [*range(extra)]
    axes += [
        axis + extra for axis, size in enumerate(after) if size == 1 and before[axis + extra] != 1
    ]
    times = int(np.prod([before[axis] for axis in axes]))
    which = f"ax{'i' if len(axes) == 1 else 'e'}s {', '.join(map(str, axes))}"
    return (
        f"Forward used each element {times:,} times, so its gradient is the sum of what arrives "
        f"over {which}."
    )
