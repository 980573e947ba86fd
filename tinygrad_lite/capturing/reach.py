"""What a function reaches from outside: the tensors, arrays and modules that it may use."""

from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from ..engine.graph import Leaf, TensorBase


class Reached:
    """The tensors and arrays that a step may read.

    inputs   pairs of a path and a tensor or array that may be another one in each call
    tensors  those that stay the same object, parameters and buffers
    arrays   of NumPy alone, which stay the same object
    """

    def __init__(self) -> None:
        self.inputs: list[tuple[Any, Any]] = []
        self.tensors: list[Any] = []
        self.arrays: list[Any] = []
        self.seen: set[int] = set()

    def arrays_of(self, origins: Any, args: Any, options: Any) -> list[Any] | None:
        """The arrays of the inputs in a call."""
        found = []
        for kind, where in origins:
            if kind == "grad":
                if where.grad is None:
                    return None
                found.append(where.grad._data)
                continue
            value: Any = args if kind == "args" else options
            for key in where:
                value = value[key]
            found.append(value._data if isinstance(value, TensorBase) else value)
        return found


def reached_by(fn: Callable[..., Any], args: Any, options: Any) -> Reached:
    """What the function reaches: by its arguments, its closure, its globals, its object."""
    reached = Reached()
    _arguments(reached, "args", args, ())
    _arguments(reached, "options", options, ())
    _walk(reached, fn)
    return reached


def _arguments(reached: Reached, kind: str, value: Any, path: tuple[Any, ...]) -> None:
    if isinstance(value, TensorBase):
        reached.seen.add(id(value))
        if isinstance(value._node, Leaf):
            reached.tensors.append(value)
        else:
            reached.inputs.append(((kind, path), value))
    elif isinstance(value, (tuple, list)):
        for position, one in enumerate(value):
            _arguments(reached, kind, one, (*path, position))
    elif isinstance(value, dict):
        for key, one in value.items():
            _arguments(reached, kind, one, (*path, key))
    else:
        _walk(reached, value)


def _walk(reached: Reached, value: Any) -> None:
    stack = [value]
    while stack:
        one = stack.pop()
        if id(one) in reached.seen:
            continue
        reached.seen.add(id(one))
        if isinstance(one, TensorBase):
            reached.tensors.append(one)
        elif type(one) is np.ndarray:
            reached.arrays.append(one)
        elif isinstance(one, (tuple, list, set, frozenset)):
            stack.extend(one)
        elif isinstance(one, dict):
            stack.extend(one.values())
            stack.extend(key for key in one if isinstance(key, TensorBase))
        elif isinstance(one, FunctionType):
            if one.__module__.partition(".")[0] in ("tinygrad_lite", "numpy", "nn"):
                continue
            names = one.__code__.co_names
            stack.extend(one.__globals__[name] for name in names if name in one.__globals__)
            for cell in one.__closure__ or ():
                try:
                    stack.append(cell.cell_contents)
                except ValueError:
                    continue
        elif hasattr(one, "__self__"):
            stack.append(one.__self__)
            stack.append(getattr(one, "__func__", None))
        elif hasattr(one, "__dict__") and not isinstance(one, (type, ModuleType)):
            stack.extend(vars(one).values())
