"""The tensors and modules that an object holds, found in its attributes."""

import weakref
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_lite import Tensor

# Types that `walk` does not look into; numbers and strings only to save time.
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
    """`root` and everything it holds, each with its path, such as ("layers.0.weight", Tensor).

    It goes through lists, tuples, the values of dicts, and the attributes of any other object (in
    `__dict__` or `__slots__`), in order and depth first; the path of `root` is "".  It does not
    look into tensors, arrays, functions, classes and Python modules, and skips weak references.  An
    object that is held twice is yielded twice, but looked into only once: so a cycle ends,
    a shared tensor has several paths, and the contents of a shared layer have one.
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
    """What `value` holds directly, by position, key or attribute name."""
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
