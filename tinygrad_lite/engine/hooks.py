"""Hooks: functions of the user that see a gradient during a backward pass, and may replace it."""

import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from ..arrays.locks import ProcessLock
from .graph import Node, TensorBase

# All hooks in existence: while there are none, a backward pass need not look for them.
living: "weakref.WeakSet[Hooks]" = weakref.WeakSet()
_numbers = count()
_adding = ProcessLock()


class Hooks:
    """The functions that the gradient of one node passes through, in order of registration."""

    def __init__(self, wrap: Callable[[Any, Node | None], Any]) -> None:
        self.wrap = wrap
        self.functions: dict[int, Callable[[Any], Any]] = {}
        living.add(self)

    def pass_through(self, gradient: Any) -> Any:
        """The gradient, an array or a tensor, after all the functions have run."""
        for function in tuple(self.functions.values()):
            recorded = isinstance(gradient, TensorBase)
            # A copy: the array itself may be changed later, and other nodes may hold it too.
            array = np.array(gradient._data if recorded else gradient)
            array.flags.writeable = False
            found: Any = function(self.wrap(array, gradient._node if recorded else None))
            if found is None:
                continue
            name = getattr(function, "__name__", type(function).__name__)
            if not isinstance(found, TensorBase):
                raise TypeError(
                    f"hook {name}: expected a Tensor or None; got {type(found).__name__}"
                )
            if found._data.shape != gradient.shape:
                raise ValueError(
                    f"hook {name}: expected a gradient of shape {gradient.shape}; "
                    f"got {found._data.shape}"
                )
            found = found.astype(gradient.dtype)  # type: ignore[attr-defined]  # always a copy
            gradient = found if recorded else found._data
        return gradient


class HookHandle:
    """What `register_hook` returns."""

    __slots__ = ("_functions", "_number")

    def __init__(self, functions: dict[int, Callable[[Any], Any]], number: int) -> None:
        self._functions = functions
        self._number = number

    def remove(self) -> None:
        """Remove the hook; do nothing if it has been removed already."""
        self._functions.pop(self._number, None)


def add_hook(
    node: Node, function: Callable[[Any], Any], wrap: Callable[[Any, Node | None], Any]
) -> HookHandle:
    """Pass the gradient of the node through `function`; `wrap` makes tensors for it."""
    number = next(_numbers)
    with _adding.lock:  # two threads may add the first hooks
        hooks = hooks_of(node)
        if hooks is None:
            hooks = node.hooks = Hooks(wrap)
    hooks.functions[number] = function
    return HookHandle(hooks.functions, number)


def hooks_of(node: Node) -> Hooks | None:
    """The hooks of a node; None for most nodes, which leave the slot unset."""
    return getattr(node, "hooks", None)
