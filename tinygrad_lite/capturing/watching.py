"""Observers around a captured step: each replay calls their `leaf_done`, in its place.

Communication during a backward pass hangs on it: the observer finds the gradient as the leaf's
`.grad`, and what it makes of that is what the step goes on with.  An observer that overrides any
other method sees operations, which replays do not run: the step is then eager.
"""

from typing import Any

import numpy as np

from ..engine.graph import Leaf, TensorBase
from ..engine.recording import Mode, Observer, modes, user_line

LEAF_DONE = frozenset({"leaf_done"})  # what an observer may override around a captured step


class Finished:
    """A leaf whose gradient is final, and what a replay needs to say so.

    mode     that of the observers
    arrived  the leaves that have new gradients since the last time, of which some are told later
    dropped  the leaves that have lost their gradients since then
    """

    def __init__(self, mode: Mode, node: Leaf, arrived: list[Any], dropped: list[Any]) -> None:
        self.mode, self.node, self.arrived, self.dropped = mode, node, arrived, dropped
        leaf: Any = node.holder()  # type: ignore[misc]  # a leaf has one
        self.told = arrived if any(leaf is one for one in arrived) else [*arrived, leaf]
        self.forms: Any = None

    def left(self) -> tuple[Any, ...]:
        """The arrays of the gradients; RuntimeError if they are not as in the recorded call."""
        arrays, forms = [], []
        for leaf in self.told:
            array = leaf._grad._data if isinstance(leaf._grad, TensorBase) else None
            arrays.append(array)
            forms.append(None if array is None else (array.shape, array.dtype, array.strides))
        if self.forms is None:
            self.forms = forms
        elif self.forms != forms:
            raise RuntimeError(
                "capture: an observer's leaf_done left a gradient of another form than while the "
                "step was captured; if it depends on values, call the function without capture"
            )
        return tuple(arrays)


def run_leaf_done(finished: Finished, gradients: Any) -> Any:
    """Tell the observers that a leaf has its gradient; what they have made of it."""
    for leaf in finished.dropped:
        leaf._grad = None
    for leaf, gradient in zip(finished.arrived, gradients, strict=True):
        leaf._grad = leaf._wrap(np.array(gradient), None)  # memory that the observers may keep
    before = modes.get()
    modes.set(finished.mode)
    try:
        finished.mode.observer.leaf_done(finished.node)  # type: ignore[union-attr]
    finally:
        modes.set(before)
    return finished.left()


class Leaves(Observer):
    """Stands between a trace and the observers around it while a step is recorded.

    leaves  all leaves that the step reaches, each with its gradient before
    fixed   by identity, those that are the same tensors in each call
    told    the gradients that observers have seen: the tensor, its array and the array's variable
    newest  the last of them for each leaf
    """

    def __init__(
        self, trace: Any, mode: Mode, leaves: list[tuple[Any, Any]], fixed: dict[int, Any]
    ) -> None:
        self.trace, self.mode = trace, mode.with_grad()
        self.leaves, self.fixed = leaves, fixed
        self.told: list[tuple[Any, Any, Any]] = []
        self.newest: dict[int, tuple[Any, Any, Any]] = {}
        self.before: dict[int, Any] = {}  # the gradient of each leaf when the last one was told

    def leaf_done(self, node: Any) -> None:
        """A gradient is final."""
        trace, leaf = self.trace, node.holder()
        if trace.is_over() or leaf is None:
            super().leaf_done(node)
            return
        finished = Finished(self.mode, node, *self._changes())
        if any(id(one) not in self.fixed for one in finished.told):
            trace.fail("an observer waits for the leaf_done of a tensor that is new in each call")
        trace.label, trace.line = ("leaf_done", "backward"), user_line()
        gradients = [one._grad._data for one in finished.arrived]
        others = self._others(finished)
        with trace.journal.opened():
            made = trace.call_whole(run_leaf_done, (finished, gradients), {}, always=True)
        for one, carrier in zip(finished.told, made, strict=True):
            if carrier is not None:
                self._carry(one, one._grad, carrier)
            else:
                self.newest[id(one)] = (None, None, None)
        if any(a is not b for a, b in zip(others, self._others(finished), strict=True)):
            trace.fail("an observer replaces the gradient of a leaf that was done before")
        self.before = {id(one): one._grad for one, _ in self.leaves}

    def _changes(self) -> tuple[list[Any], list[Any]]:
        """The leaves that have new gradients, and those that have none any more."""
        arrived: list[Any] = []
        dropped: list[Any] = []
        for leaf, first in self.leaves:
            if leaf._grad is not self.before.get(id(leaf), first):
                (dropped if leaf._grad is None else arrived).append(leaf)
        return arrived, dropped

    def _others(self, finished: Finished) -> list[Any]:
        """The gradients of all other leaves, and their arrays."""
        grads = [leaf._grad for leaf, _ in self.leaves if all(leaf is not n for n in finished.told)]
        return [*grads, *(grad._data for grad in grads if grad is not None)]

    def _carry(self, leaf: Any, grad: Any, carrier: Any) -> None:
        """Let a gradient that the observers have seen hold what stands for its array."""
        array = carrier.value
        if grad is not self.newest.get(id(leaf), (None,))[0]:
            self.trace.journal.data.append((grad, array))
        self.told.append((grad, array, carrier.variable))
        self.newest[id(leaf)] = self.told[-1]
        grad._data = carrier

    def is_told(self, leaf: Any, grad: Any) -> bool:
        """Whether the gradient that a leaf has now is the one that the observers saw."""
        seen, array, var = self.newest.get(id(leaf), (None, None, None))
        return (
            grad is not None and grad is seen and (grad._data is array or grad._data is var.traced)
        )

    def put_back(self) -> None:
        """Give the gradients their arrays, whoever keeps them."""
        for grad, array, var in self.told:
            if grad._data is var.traced:
                grad._data = array
