"""Observers around a captured step: each replay calls `leaf_done` and `backward_done`, in place.

Communication during a backward pass, and at its end, hangs on them: the observers find gradients in
`.grad`, and what they make of those is what the step goes on with.  An observer that overrides any
other method sees operations, which replays do not run: the step is then eager.
"""

from typing import Any

import numpy as np

from ..engine.graph import TensorBase
from ..engine.recording import Mode, Observer, modes, user_line
from .traced import Traced, value_of

# What an observer may override around a captured step.
CALLED = frozenset({"leaf_done", "backward_done"})


class Call:
    """A call of the observers, which each replay repeats.

    mode     that of the observers
    method   leaf_done, whose argument `given` has, or backward_done
    told     the leaves whose gradients the observers may change
    arrived  those of them that have new gradients since the last call, of which some are told later
    dropped  the leaves that have lost their gradients since then
    """

    def __init__(self, mode: Mode, method: str, given: tuple[Any, ...]) -> None:
        self.mode, self.method, self.given = mode, method, given
        self.told: list[Any] = []
        self.arrived: list[Any] = []
        self.dropped: list[Any] = []
        self.forms: Any = None

    def tell(self) -> None:
        """Call the innermost observer."""
        before = modes.get()
        modes.set(self.mode)
        try:
            getattr(self.mode.observer, self.method)(*self.given)
        finally:
            modes.set(before)

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
                f"capture: an observer's {self.method} left a gradient of another form, or none, "
                "unlike when the step was captured; if that depends on something known before the "
                "step, ask for it with recorded.required, else call the function without capture"
            )
        return tuple(arrays)


def run_observers(call: Call, gradients: Any) -> Any:
    """Call the observers, who find the gradients in `.grad`; what they have made of them.

    New ones get memory that the observers may keep.  The others are there.
    """
    for leaf in call.dropped:
        leaf._grad = None
    new = {id(leaf) for leaf in call.arrived}
    for leaf, gradient in zip(call.told, gradients, strict=True):
        if id(leaf) in new:
            leaf._grad = leaf._wrap(np.array(gradient), None)
    call.tell()
    return call.left()


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
        self.before: dict[int, Any] = {}  # of each leaf, its gradient after the last call

    def begin(self) -> None:
        """The step begins: the leaves and their gradients are those from before."""
        self.before = {id(leaf): _gradient_of(leaf) for leaf, _ in self.leaves}

    def overridden(self) -> set[str]:
        """What the observers around the step override: nobody else is to be told."""
        return super().overridden() & self.mode.watched

    def leaf_done(self, node: Any) -> None:
        """A gradient is final."""
        leaf = node.holder()
        if leaf is None or not self._is_told("leaf_done"):
            super().leaf_done(node)
            return
        call = self._call("leaf_done", node)
        call.told = call.arrived if _is_in(leaf, call.arrived) else [*call.arrived, leaf]
        self._tell(call)

    def backward_done(self) -> None:
        """A pass has stored all its gradients."""
        if not self._is_told("backward_done"):
            super().backward_done()
            return
        call = self._call("backward_done")
        each = [leaf for leaf, _ in self.leaves]
        call.told = [one for one in each if id(one) in self.fixed or _is_in(one, call.arrived)]
        self._tell(call)

    def _is_told(self, method: str) -> bool:
        return method in self.mode.watched and not self.trace.is_over()

    def _call(self, method: str, *given: Any) -> Call:
        """A call, with the leaves that have new gradients, and those that have none any more."""
        call = Call(self.mode, method, given)
        for leaf, _ in self.leaves:
            grad, data = self.before[id(leaf)]
            if leaf._grad is not grad or (grad is not None and grad._data is not data):
                (call.dropped if leaf._grad is None else call.arrived).append(leaf)
        return call

    def _tell(self, call: Call) -> None:
        trace = self.trace
        before = trace.label, trace.line
        trace.label, trace.line = (call.method, "backward"), user_line()
        if any(one._grad._node is not None for one in call.arrived):
            trace.fail("an observer sees a gradient that has a graph, as with create_graph=True")
            self._tell_directly(call)
        else:
            self._record(call)
        trace.label, trace.line = before
        self.begin()

    def _record(self, call: Call) -> None:
        """Tell the observers what each replay tells them, and go on with what they leave."""
        trace = self.trace
        if any(id(one) not in self.fixed for one in call.told):
            trace.fail(
                f"an observer's {call.method} sees the gradient of a tensor that is new in each "
                "call"
            )
        others = self._others(call)
        gradients = [None if one._grad is None else one._grad._data for one in call.told]
        with trace.journal.opened():
            made = trace.call_whole(run_observers, (call, gradients), {}, always=True)
        for one, carrier in zip(call.told, made, strict=True):
            if carrier is not None:
                self._carry(one, one._grad, carrier)
            elif self.before[id(one)][0] is not None or _is_in(one, call.arrived):
                self.newest[id(one)] = (None, None, None)
        if any(a is not b for a, b in zip(others, self._others(call), strict=True)):
            trace.fail("an observer replaces the gradient of a leaf that was done before")

    def _tell_directly(self, call: Call) -> None:
        """Tell the observers of gradients that keep their graph; no replay will."""
        journal = self.trace.journal
        journal.data += [(one._grad, value_of(one._grad._data)) for one in call.arrived]
        with journal.opened(), self.trace.paused():
            call.tell()

    def _others(self, call: Call) -> list[Any]:
        """The gradients of all leaves that are not told, and their arrays."""
        grads = [leaf._grad for leaf, _ in self.leaves if not _is_in(leaf, call.told)]
        return [*grads, *(grad._data for grad in grads if grad is not None)]

    def _carry(self, leaf: Any, grad: Any, carrier: Any) -> None:
        """Let a gradient that the observers have seen hold what stands for its array."""
        array, journal = carrier.value, self.trace.journal
        known = next((data for one, data in journal.data if one is grad), None)
        if known is None:
            journal.data.append((grad, array))
        elif any(grad is first for _, first in self.leaves) and known is not array:
            self.trace.fail(
                "an observer assigns the data of a gradient that was there before the step; write "
                "into it, or assign another gradient"
            )
        self.told.append((grad, array, carrier.variable))
        self.newest[id(leaf)] = self.told[-1]
        grad._data = carrier

    def variable(self, leaf: Any, grad: Any) -> Any:
        """The variable of the gradient that a leaf has now; None if no observer has seen it."""
        seen, array, var = self.newest.get(id(leaf), (None, None, None))
        same = grad is not None and grad is seen
        return var if same and (grad._data is array or grad._data is var.traced) else None

    def put_back(self) -> None:
        """Give the gradients their arrays, whoever keeps them."""
        self.before.clear()
        left = {id(leaf._grad) for leaf, _ in self.leaves}
        for grad, array, var in self.told:
            if grad._data is var.traced:
                grad._data = array
            elif type(grad._data) is Traced and id(grad) not in left:  # assigned by the step
                grad._data = np.asarray(grad._data.value)


def _gradient_of(leaf: Any) -> tuple[Any, Any]:
    """The gradient of a leaf, and what it holds."""
    return leaf._grad, None if leaf._grad is None else leaf._grad._data


def _is_in(leaf: Any, leaves: list[Any]) -> bool:
    return any(leaf is one for one in leaves)
