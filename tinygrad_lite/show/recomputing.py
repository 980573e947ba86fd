"""A recorded graph as a function, computed again in float64.

That fills in values that nobody saved, and gives finite differences of the whole graph.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays.float_errors import restore, silence
from ..engine.function import Primitive
from ..engine.graph import Array, Leaf, Node, Output
from ..engine.recording import Mode, modes
from ..ops.elementwise import Cast
from .history import ASK, History

STEP_WORK = 2e4  # multiplications and additions that would take as long as a small step does


class Unknown(Exception):
    """A graph that cannot be computed again; the message says why, as part of a sentence."""


class Recomputation:
    """The values of a graph's nodes in float64, as functions of some of them."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._values: dict[Node, Any] = {}  # at the recorded point

    def value(self, node: Node) -> Any:
        """The value of a node: what was recorded, or else computed again; None if unknown."""
        known = self.history.value(node)
        if known is not None:
            return known
        try:
            return self.function(node, ())(())
        except Unknown:
            return None

    def function(self, target: Node, moved: Sequence[Node]) -> Callable[[Sequence[Array]], Any]:
        """The value of `target` in float64 as a function of the values of some nodes.

        Nodes that do not depend on these have their recorded values.  Errors, when it is called:
        Unknown.
        """
        order = self.needed(target, moved)

        def run(given: Sequence[Array]) -> Any:
            values: dict[Node, Any] = dict(zip(moved, given, strict=True))
            for node in order:
                if node not in values:
                    values[node] = self._run(node, values)
            return values[target]

        return run

    def needed(self, target: Node, moved: Iterable[Node]) -> list[Node]:
        """The nodes whose values are needed for that of `target`, each after its inputs."""
        found = set(moved)
        depends = self._dependants(found)
        stack, seen = [target], {target}
        while stack:
            node = stack.pop()
            if node in found or (node not in depends and self._known(node) is not None):
                continue
            for parent in node.parents:
                if parent is not None and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        return [node for node in self.history.order if node in seen]

    def work(self, target: Node, moved: Iterable[Node]) -> float:
        """About how many multiplications and additions one evaluation takes."""
        depends = self._dependants(set(moved))
        total = 0.0
        for node in self.needed(target, moved):
            if node in depends:
                shape = node.out_shape
                sizes = [p.out_shape for p in node.parents if p is not None]
                inner = max((s[-1] for s in sizes if len(s) > 1), default=1)
                product = type(node).__name__ in ("Matmul", "Linear", "Conv", "LSTM", "GRU", "RNN")
                largest = max([float(np.prod(s)) for s in (*sizes, shape)])
                total += STEP_WORK + largest * (inner if product else 10)
        return total

    def _dependants(self, moved: set[Node]) -> set[Node]:
        depends = set(moved)
        for node in self.history.order:
            if any(parent in depends for parent in node.parents if parent is not None):
                depends.add(node)
        return depends

    def _known(self, node: Node) -> Any:
        if node not in self._values:
            self._values[node] = _wide(self.history.value(node))
        return self._values[node]

    def _run(self, node: Node, values: Mapping[Node, Any]) -> Any:
        if isinstance(node, Output):
            several = values.get(node.parents[0])  # type: ignore[arg-type]
            if isinstance(several, tuple) and several[node.index] is not None:
                return several[node.index]
        inputs_known = all(p is None or p in values for p in node.parents)
        if isinstance(node, (Leaf, Output)) or not inputs_known:
            known = self._known(node)
            if known is None:
                gone = "a tensor at the start of the graph no longer exists"
                raise Unknown(gone if isinstance(node, Leaf) else "a result was not kept")
            return known
        if not isinstance(node, Primitive):
            raise Unknown(f"{type(node).__name__} is no operation of this library")
        given = list(self.history.inputs(node))
        for position, parent in enumerate(node.parents):
            if parent is not None:
                given[position] = values[parent]
            elif given[position] is None and self._wants(node, position):
                raise Unknown(f"{type(node).__name__} did not save one of its inputs; {ASK}")
        return _forward(node, [_wide(value) for value in given])

    def _wants(self, node: Primitive, position: int) -> bool:
        """Whether an input without a known value may be one that is there, and not None."""
        kept = getattr(node, "kept", None)
        return not (kept is not None and kept.inputs)


def _wide(value: Any) -> Any:
    """Floats in float64; a tuple of arrays likewise; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(map(_wide, value))
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "f":
        return np.asarray(value).astype(np.float64)
    return value


def _forward(node: Primitive, inputs: list[Any]) -> Any:
    """Run the forward of a copy of the node, so that what it notes on itself stays as it is."""
    kind: Any = type(node)
    op = object.__new__(kind)
    for name in kind._attributes:
        if name == "__dict__":
            op.__dict__.update(node.__dict__)
        elif hasattr(node, name):
            setattr(op, name, getattr(node, name))
    op.needs, op.parents = node.needs, node.parents
    if isinstance(node, Cast) and np.dtype(node.dtype).kind == "f":
        op.dtype = np.dtype(np.float64)
    if kind.scalars:
        inputs = [v[()] if isinstance(v, np.ndarray) and not v.ndim else v for v in inputs]
    token, errors = modes.set(Mode()), silence()
    try:
        result = op.forward(*inputs)
    except Exception as error:  # a user's op may do anything
        raise Unknown(f"{kind.__name__} failed when it was computed again: {error}") from error
    finally:
        restore(errors)
        modes.reset(token)
    return tuple(map(np.asarray, result)) if isinstance(result, tuple) else np.asarray(result)
