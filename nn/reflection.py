"""Finding the tensors and modules that an object holds, by looking at its attributes."""

import weakref
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_lite import Tensor

# What is not looked into.  The numbers and strings stand here only to save time.
_LEAVES = (
    Tensor,
    np.ndarray,
    np.generic,
    FunctionType,
    BuiltinFunctionType,
    MethodType,
    ModuleType,
    type,
    str,
    bytes,
    int,
    float,
)


def walk(root: object) -> Iterator[tuple[str, Any]]:
    """`root` and all that it holds, each with its path, such as ("layers.0.weight", Tensor).

    It goes through lists, tuples, the values of dicts, and the attributes of any other object
    (in `__dict__` or `__slots__`), in the order in which they stand, depth first; the path of
    `root` is "".  It does not look into tensors, arrays, functions, classes and modules of code,
    and passes over weak references.  An object that is held twice comes twice, but is looked into
    only the first time: so a cycle ends, a shared tensor has several paths, and what a shared
    layer holds has one.
    """
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        path, value = stack.pop()
        if type(value) in weakref.ProxyTypes:
            continue
        yield path, value
        if isinstance(value, _LEAVES) or id(value) in seen:
            continue
        seen.add(id(value))
        prefix = f"{path}." if path else ""
        held = [(f"{prefix}{name}", child) for name, child in _held_by(value)]
        stack.extend(reversed(held))


def _held_by(value: Any) -> Iterator[tuple[object, Any]]:
    """What `value` holds itself, by position, key or attribute name."""
    if isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, dict):
        yield from value.items()
    yield from getattr(value, "__dict__", {}).items()
    for cls in type(value).__mro__:
        if "__slots__" in cls.__dict__:
            for name, slot in cls.__dict__.items():
                if isinstance(slot, MemberDescriptorType) and hasattr(value, name):
                    yield name, getattr(value, name)
