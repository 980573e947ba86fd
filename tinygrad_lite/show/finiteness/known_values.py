"""The values of a graph's ops, as far as they can be known, to look for an inf or nan in them."""

from typing import Any

import numpy as np

from ...arrays.ownership import memory_owner
from ...engine.function import Primitive
from ...engine.graph import Leaf, Node, Output
from ...engine.memory import changes
from ..graph.history import History
from ..graph.keeping import kept_of
from .replaying import CannotRun, as_results, forward_again, not_finite, runs_again

UNKNOWN = object()  # an input or a result that nobody kept
FINITE = object()  # a result that is known, and was forgotten


class Values:
    """The inputs and results of the ops of a graph, as far as they can be known.

    They are those that were kept or saved.  What is missing is computed again, from the leaves on,
    where all inputs are known; an array that was written since is not known.  A result that is
    finite is forgotten once all its users had it.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.results: dict[Node, Any] = {}
        self.written = changes.newest > history.root.serial
        self.used = {node: len(history.children(node)) for node in history.order}
        self.inputs: dict[Node, list[Any]] = {}  # of ops whose result is not known to be finite
        for node in history.order:
            self._visit(node)

    def _visit(self, node: Node) -> None:
        if isinstance(node, Leaf):
            self.results[node] = self._leaf(node)
            return
        if isinstance(node, Output):
            several = self.results.get(node.parents[0], UNKNOWN)  # type: ignore[arg-type]
            known = several is not UNKNOWN and several[node.index] is not UNKNOWN
            result = several[node.index] if known else self._seen(node)
            inputs: list[Any] = [result]
        else:
            inputs = self._inputs(node)
            result = self._result(node, inputs)
        self.results[node] = result
        if result is UNKNOWN or any(
            one is UNKNOWN or not_finite(one) for one in as_results(result)
        ):
            self.inputs[node] = inputs
        for parent in node.parents:
            if parent is not None:
                self.used[parent] -= 1
                held = as_results(self.results[parent])
                if not self.used[parent] and not any(
                    one is UNKNOWN or not_finite(one) for one in held
                ):
                    self.results[parent] = FINITE

    def _leaf(self, leaf: Node) -> Any:
        """Its array now, unless something may have been written since."""
        holder = leaf.holder() if leaf.holder is not None else None
        return UNKNOWN if holder is None or self.written else holder._data

    def _inputs(self, op: Node) -> list[Any]:
        kept = kept_of(op)
        if kept is not None and kept.inputs:
            return list(kept.inputs)
        saved = self._saved(op)
        found = []
        for position, parent in enumerate(op.parents):
            value = saved.get(position, UNKNOWN)
            if value is UNKNOWN and parent is not None:
                value = self.results.get(parent, UNKNOWN)
                value = UNKNOWN if isinstance(value, tuple) else value
            found.append(value)
        return found

    def _saved(self, op: Node) -> dict[int, Any]:
        """The inputs that an op saved for its rule, by position."""
        if not isinstance(op, Primitive) or not op.saved_inputs or _was_written(op):
            return {}
        plan = type(op)._plans[int("1" + "".join(str(int(need)) for need in op.needs), 2)]
        if plan.nothing or len(op.saved_inputs) != len(op.needs):
            return {}
        return {k: v for k, v in enumerate(op.saved_inputs) if k not in plan.unread}

    def _result(self, op: Node, inputs: list[Any]) -> Any:
        kept = kept_of(op)
        if kept is not None:
            return kept.value
        seen = self._seen(op)
        if seen is not UNKNOWN:
            return seen
        if runs_again(op) and all(one is not UNKNOWN for one in inputs):
            try:
                return forward_again(op, inputs)
            except CannotRun:
                return UNKNOWN
        saved = op.saved_output if isinstance(op, Primitive) and not _was_written(op) else None
        if saved is None:
            return UNKNOWN
        if isinstance(saved, tuple):
            return tuple(UNKNOWN if one is None else one for one in saved)
        return saved

    def _seen(self, node: Node) -> Any:
        """The result as what used it saved it."""
        if node is self.history.root:
            return self.history.tensor._data
        kept = kept_of(node)
        if kept is not None:
            return kept.value
        saved = node.saved_output if isinstance(node, Primitive) else None
        if isinstance(saved, np.ndarray) and not _was_written(node):  # type: ignore[arg-type]
            return saved
        for child, position in self.history.children(node):
            kept = kept_of(child)
            if kept is not None and kept.inputs:
                return kept.inputs[position]
            value = self._saved(child).get(position, UNKNOWN)
            if value is not UNKNOWN and not isinstance(child, Output):
                return value
        return UNKNOWN


def _was_written(op: Primitive) -> bool:
    """Whether an array that the op saved was written since."""
    if changes.newest <= op.serial:
        return False
    for array in op.kept_arrays():
        owner = array if array.base is None else memory_owner(array)
        noted = changes.found.get(id(owner))
        if noted is not None and noted[0] > op.serial and noted[2]() is owner:
            return True
    return False
