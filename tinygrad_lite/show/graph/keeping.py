"""keep_values: while it is on, every node of the graph keeps what it computed, for others to show.

Without it nodes hold no values but those that their rules read, and a backward pass frees these.
It is an observer like any other, so the engine has no branch for it.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from ...arrays.recorded import recorder
from ...arrays.settings import Setting
from ...engine.graph import Array, Node, TensorBase
from ...engine.recording import Observer, user_line
from .clock import standing


@dataclass(slots=True, eq=False)
class ModuleCall:
    """One call of a Module.

    path    of the module, such as "Sequential.layers.1"
    kind    the name of its class: "Linear"
    number  grows with every call
    outer   the call that this one was made in; None for the outermost
    """

    path: str
    kind: str
    number: int
    outer: "ModuleCall | None"


@dataclass(slots=True, eq=False)
class Kept:
    """What one node computed.  All arrays are copies, which later writes in place do not change.

    inputs    what `forward` got: an array for each tensor, anything else as it was passed
    value     the result: an array, or a tuple of them
    call      the innermost call of a Module that it belongs to; None outside of any
    gradient  what arrived in the last backward pass: None before that, a tuple (with None for a
              result that no gradient reached) if there are several results
    pulled    what its rule then returned for each input, before a broadcast is undone
    root      the serial of the node at which that pass began
    """

    inputs: tuple[Any, ...]
    value: Any
    call: ModuleCall | None
    gradient: Any = None
    pulled: tuple[Any, ...] | None = None
    root: int | None = None


def kept_of(node: Node) -> Kept | None:
    """What the node keeps; None if it was not made inside `keep_values()`."""
    kept = getattr(node, "_kept", None)
    return kept if isinstance(kept, Kept) else None


_numbers = count(1)
_call: ContextVar[ModuleCall | None] = ContextVar("call", default=None)

# Of the backward pass that is running: the serial of its root, and those of the ops that it will
# visit, since a gradient was given to them.
_pass: ContextVar[tuple[int, set[int]] | None] = ContextVar("pass", default=None)


class KeepValues(Observer, Setting):
    """Inside, operations keep their inputs, results and gradients, source lines and module paths.

        with keep_values():
            loss = model(x).cross_entropy(y)
            loss.backward()
        draw(loss, "loss.html", names=model)

    `with keep_values():`, or `@keep_values()` on a function; as with no_grad, the parentheses may
    be left out.  All that was kept lives as long as the graph.  It takes about three times the
    memory of the values, so use it for looking, not for training.
    """

    name = "keep_values"

    def forward(self, op: Any, arrays: list[Any]) -> Any:
        """Keep the inputs and the result of an operation that will be recorded."""
        if not any(op.needs) or recorder.get() is not None:
            return super().forward(op, arrays)
        with standing():
            inputs = tuple(_copied(array) for array in arrays)
        result = super().forward(op, arrays)
        with standing():
            _pending[op] = Kept(inputs, _copied(result), _call.get())
        return result

    def recorded(self, op: Any, tensor: Any) -> None:
        """Hand the node what was kept, and note the source line."""
        super().recorded(op, tensor)
        node = tensor._node
        node.line = op.line = user_line()
        if op in _pending:
            op._kept = _pending.pop(op)
        if kept_of(node) is None and recorder.get() is None:  # one of several results
            node._kept = Kept((), _copied(tensor._data), _call.get())

    def backward(self, node: Any, gradient: Any) -> Any:
        """Keep the gradient that arrives at a node, and those that its rule returns."""
        begun = _pass.get()
        if begun is None or node.serial not in begun[1]:
            begun = node.serial, set()  # nothing was given to it, so a pass begins here
        root, coming = begun
        coming.discard(node.serial)
        _pass.set(None)  # a rule may run a pass of its own, or fail and end this one
        pulled = super().backward(node, gradient)
        for parent, given in zip(node.parents, pulled, strict=False):
            if parent is not None and given is not None and parent.parents:
                coming.add(parent.serial)
        _pass.set(begun)
        kept = kept_of(node)
        if kept is not None:
            with standing():
                kept.gradient, kept.root = _copied_anew(gradient), root
                kept.pulled = _copied_anew(pulled)
        return pulled

    def wrote(self, array: Any) -> None:
        """Copy an array anew that was written in place."""
        super().wrote(array)
        _copies.clear()

    @contextmanager
    def module(self, path: str) -> Iterator[None]:
        """The operations inside belong to this call."""
        outer = _call.get()
        if outer is not None and outer.path is path:  # another keep_values around this one
            with super().module(path):
                yield
            return
        kind = getattr(path, "shown", path).rpartition(" (")[2].removesuffix(")")
        token = _call.set(ModuleCall(path, kind, next(_numbers), outer))
        try:
            with super().module(path):
                yield
        finally:
            _call.reset(token)


keep_values = KeepValues()

# What operations that run have kept, until they are recorded: an op of the user's is checked first.
_pending: "weakref.WeakKeyDictionary[Node, Kept]" = weakref.WeakKeyDictionary()


class _Pairs:
    """Pairs of arrays, found by the identity of the first; neither is kept alive."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[weakref.ref[Array], weakref.ref[Array]]] = {}
        self._most = 10_000  # of them, before those of arrays that are gone are dropped

    def of(self, first: Array) -> Array | None:
        """The array that goes with this one; None if there is none."""
        held = self._held.get(id(first))
        return held[1]() if held is not None and held[0]() is first else None

    def add(self, first: Array, second: Array) -> None:
        """Note two arrays as a pair."""
        if len(self._held) >= self._most:
            self._held = {
                key: pair
                for key, pair in self._held.items()
                if pair[0]() is not None and pair[1]() is not None
            }
            self._most = max(10_000, 2 * len(self._held))  # so that dropping stays rare
        self._held[id(first)] = weakref.ref(first), weakref.ref(second)

    def clear(self) -> None:
        """Forget all pairs."""
        self._held.clear()


_copies = _Pairs()  # the copy of an array that many operations use: it is copied once
_sources = _Pairs()  # and the array that a copy was made of


def source_of(copy: Array) -> Array | None:
    """The array of which this is the copy that is kept; None if it is none, or that is gone."""
    return _sources.of(copy)


def _copied_anew(value: Any) -> Any:
    """A copy of gradients, each by itself: the backward pass adds to such arrays in place."""
    if isinstance(value, tuple):
        return tuple(map(_copied_anew, value))
    if isinstance(value, TensorBase):
        value = value._data
    return np.array(value) if isinstance(value, np.ndarray) else value


def _copied(value: Any) -> Any:
    """The value, with its arrays copied, and Tensors as arrays."""
    if isinstance(value, tuple):
        return tuple(map(_copied, value))
    if isinstance(value, TensorBase):
        value = value._data
    if not isinstance(value, np.ndarray):
        return value
    copy = _copies.of(value)
    if copy is None:
        copy = np.array(value)
        _copies.add(value, copy)
        _sources.add(copy, value)
    return copy
