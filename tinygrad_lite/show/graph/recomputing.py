"""A recorded graph as a function, computed again in float64.

That fills in values that nobody saved, and gives finite differences of the whole graph.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ...arrays.float_errors import restore, silence
from ...arrays.shapes import Shape
from ...engine.function import Primitive
from ...engine.graph import Array, Leaf, Node, Output
from ...engine.recording import Mode, modes, serials
from ...ops.arithmetic import Add, Sub
from .history import ASK, History, fitted
from .keeping import kept_of
from .twins import forward_of, wide, wide_twin_of
from .work import shape_of, work

MOST_STEPS = 20_000  # of a graph in which values that were not saved are computed again
STEP_COST = 2e4  # floating-point operations that would take as long as a small step does


class Unknown(Exception):
    """A graph that cannot be computed again; the message says why, as part of a sentence."""


class Recomputation:
    """The values of a graph's nodes in float64, as functions of some of them."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._values: dict[Node, Any] = {}  # at the recorded point

    def value(self, node: Node) -> Any:
        """The value of a node: what was recorded, or else computed again; None if unknown.

        In a very long graph nothing is computed again.
        """
        known = self.history.value(node)
        if known is not None or len(self.history.order) > MOST_STEPS:
            return known
        try:
            for one in self.needed(node, ()):
                if self._known(one) is None:
                    self._values[one] = self._run(one, self._values)
        except Unknown:
            return None
        return self._values[node]

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

    def gradient(self, target: Node, moved: Node) -> Array | None:
        """The gradient of the sum of `target` with respect to a node, by the rules in float64.

        None if no gradient arrives.  Errors: Unknown.
        """
        values: dict[Node, Any] = {moved: wide(self.value(moved))}
        twins: dict[Node, Any] = {}
        order = self.needed(target, [moved])
        for node in order:
            if node not in values:
                values[node] = self._run(node, values, twins)
        depends = self._dependants({moved})
        gradients: dict[Node, Any] = {target: np.ones(target.out_shape)}
        for node in reversed(order):
            arrived = gradients.get(node)
            if node is moved or arrived is None or node not in depends:
                continue
            pulled = _pulled(twins.get(node, node), arrived)
            for parent, given in zip(node.parents, pulled, strict=False):
                if parent in depends and given is not None:
                    part = fitted(given, parent)
                    held = gradients.get(parent)
                    gradients[parent] = part if held is None else held + part
        return gradients.get(moved)

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

    def cost(self, target: Node, moved: Iterable[Node]) -> float:
        """About how many floating-point operations one evaluation takes."""
        depends = self._dependants(set(moved))
        total = 0.0
        for node in self.needed(target, moved):
            if node in depends and isinstance(node, Primitive):
                shapes = [shape_of(value) for value in self._shaped(node)]
                results = self._results(node)
                counted = work(node, shapes, results)
                sizes = [prod(shape) for shape in (*shapes, *results) if shape is not None]
                total += STEP_COST + 10 * max(sizes) + (counted.forward if counted else 0)
        return total

    def _results(self, node: Node) -> list[Shape | None]:
        """The shapes of the results of an op, None for one of several that no step uses."""
        outputs = [child for child, _ in self.history.children(node) if isinstance(child, Output)]
        if not outputs:
            return [node.out_shape]
        found: list[Shape | None] = [None] * outputs[0].count
        for output in outputs:
            found[output.index] = output.out_shape
        return found

    def _shaped(self, node: Node) -> list[Any]:
        """The inputs of a node, or arrays of their shapes without memory."""
        given = list(self.history.inputs(node))
        for position, parent in enumerate(node.parents):
            if parent is not None and given[position] is None:
                given[position] = np.broadcast_to(0.0, parent.out_shape)
        return given

    def _dependants(self, moved: set[Node]) -> set[Node]:
        depends = set(moved)
        for node in self.history.order:
            if any(parent in depends for parent in node.parents if parent is not None):
                depends.add(node)
        return depends

    def _known(self, node: Node) -> Any:
        if node not in self._values:
            self._values[node] = wide(self.history.value(node))
        return self._values[node]

    def _run(
        self, node: Node, values: Mapping[Node, Any], twins: dict[Node, Any] | None = None
    ) -> Any:
        """The value of a node from those of others; `twins` gets the op as it ran in float64."""
        if isinstance(node, Output):
            several = values.get(node.parents[0])  # type: ignore[arg-type]
            if isinstance(several, tuple) and several[node.index] is not None:
                return several[node.index]
        inputs_known = all(p is None or values.get(p) is not None for p in node.parents)
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
                given[position] = self._solved(node, position, given)
        return _forward(node, [wide(value) for value in given], twins)

    def _solved(self, node: Primitive, position: int, given: Sequence[Any]) -> Any:
        """A constant term that was not saved, from the recorded sum and the other term."""
        result, parent = self._known(node), node.parents[1 - position] if position < 2 else None
        other = None if parent is None else self.value(parent)
        if isinstance(node, (Add, Sub)) and result is not None and other is not None:
            if isinstance(node, Add):
                return result - other
            return other - result if position == 1 else result + other
        raise Unknown(f"{type(node).__name__} did not save one of its inputs; {ASK}")

    def _wants(self, node: Primitive, position: int) -> bool:
        """Whether an input without a known value may be one that is there, and not None."""
        kept = kept_of(node)
        return not (kept is not None and kept.inputs)


def _pulled(node: Any, gradient: Any) -> Sequence[Any]:
    """What the rule of a node gives its inputs."""
    token, errors = modes.set(Mode()), silence()
    try:
        found: Sequence[Any] = node.pull_back(gradient)
        return found
    except Exception as error:  # a user's rule may do anything
        raise Unknown(f"the rule of {type(node).__name__} failed in float64: {error}") from error
    finally:
        restore(errors)
        modes.reset(token)


def _forward(node: Primitive, inputs: list[Any], twins: dict[Node, Any] | None = None) -> Any:
    """Run the forward of a copy of the node, so that what it notes on itself stays as it is."""
    op = wide_twin_of(node)
    token, errors = modes.set(Mode()), silence()
    try:
        value = forward_of(op, inputs)
    except Exception as error:  # a user's op may do anything
        name = type(node).__name__
        raise Unknown(f"{name} failed when it was computed again: {error}") from error
    finally:
        restore(errors)
        modes.reset(token)
    if twins is not None:
        op.serial = next(serials)
        op.saved_inputs, op.saved_output = tuple(inputs), value
        twins[node] = op
    return value
