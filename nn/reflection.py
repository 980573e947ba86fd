"""The tensors and modules that an object holds, found in its attributes."""

import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from types import (
    BuiltinFunctionType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np

from tinygrad_lite import Tensor

# Types that `walk` does not look into; numbers and strings only to save time.
_LEAVES = (
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
_SEQUENCES: tuple[type[Iterable[Any]], ...] = (
    list,
    tuple,
    deque,
    type({}.values()),
    type({}.keys()),
    type({}.items()),
)
_PLAIN = frozenset({Tensor, int, float, bool, str, type(None), list, tuple})  # hide nothing
_USED_UP = (map, filter, zip)
_TOO = "hold that in an attribute as well, or only a weakref.proxy here if it is not a part of this"


def walk(root: object) -> Iterator[tuple[str, Any]]:
    """`root` and everything it holds, each with its path, such as ("layers.0.weight", Tensor).

    It goes through lists, tuples, deques, the values of dicts, the views of dicts, arrays of
    objects, the parts of functools.partial, and the attributes of any other object (in `__dict__`
    or `__slots__`), in order and depth first; the path of `root` is "".  It does not look into
    sets, whose order changes from run to run, functions, classes and Python modules (`complete`
    refuses what is hidden there), and skips weak references.  An object that is held twice is
    yielded twice, but looked into only once: so a cycle ends, a shared tensor has several paths,
    and the contents of a shared layer have one.
    """
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        path, value = stack.pop()
        if type(value) in weakref.ProxyTypes:
            continue
        yield path, value
        if type(value) is Tensor or isinstance(value, _LEAVES) or id(value) in seen:
            continue
        seen.add(id(value))
        prefix = f"{path}." if path else ""
        held = [(f"{prefix}{name}", child) for name, child in _held_by(value)]
        stack.extend(reversed(held))


def complete(name: str, root: object) -> list[tuple[str, Any]]:
    """All that `walk` yields.  TypeError if a layer or a parameter is where `walk` does not look.

    That is in a set, as a key of a dict, in an iterator, in the variables of a function, or in the
    class of a module.  One that is held in an attribute as well is not hidden.
    """
    if isinstance(root, (GeneratorType, *_USED_UP)):
        kind = type(root).__name__
        raise TypeError(
            f"{name}: the argument is a {kind}, which is empty after its first use; use a list"
        )
    found = list(walk(root))
    known = {id(value) for _, value in found}
    looked_into: set[int] = set()
    for path, value in found:
        if type(value) in _PLAIN or id(value) in looked_into:
            continue
        looked_into.add(id(value))
        for part, place in _hidden_by(value, looked_into):
            if id(part) not in known:
                where = f"{type(root).__name__}{path and '.'}{path}"
                where = where if path or _is_module(root) else "the argument"
                kind = type(part).__name__
                kind = f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
                raise TypeError(f"{name}: {where} {place.format(kind)}")
    return found


def _held_by(value: Any) -> Iterator[tuple[object, Any]]:
    """What `value` holds directly, by position, key or attribute name."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            for position, x in enumerate(value.flat):
                if not isinstance(x, _LEAVES):  # a vocabulary is long, and holds none
                    yield ".".join(map(str, np.unravel_index(position, value.shape))), x
        return
    if isinstance(value, _SEQUENCES):
        yield from enumerate(value)
    elif isinstance(value, dict | MappingProxyType):
        yield from value.items()
    elif isinstance(value, partial):
        yield from (("func", value.func), ("args", value.args), ("keywords", value.keywords))
    yield from getattr(value, "__dict__", {}).items()
    for cls in type(value).__mro__:
        if "__slots__" in cls.__dict__ and not issubclass(Tensor, cls):
            for name, slot in cls.__dict__.items():
                if isinstance(slot, MemberDescriptorType) and hasattr(value, name):
                    yield name, getattr(value, name)


def _hidden_by(value: Any, looked_into: set[int]) -> Iterator[tuple[Any, str]]:
    """Modules and parameters that `walk` does not see in `value`, and where they are, in words."""
    if isinstance(value, set | frozenset):
        for element in value:
            for _, part in walk(element):
                if isinstance(part, Tensor) or _is_part(part):
                    yield part, "is a set that holds {}, and has no stable order; use a list"
    elif isinstance(value, dict):
        for part in filter(_is_part, value):
            yield part, "has {} as a key, where it is not found; hold it as a value"
    elif isinstance(value, FunctionType):
        for part in _parts([_variables(value), value.__defaults__, value.__kwdefaults__]):
            yield part, f"is a function that uses {{}}; {_TOO}"
    elif isinstance(value, MethodType):
        if _is_part(value.__self__):
            yield value.__self__, f"is a method of {{}}; {_TOO}"
    elif not isinstance(value, (*_LEAVES, *_SEQUENCES, Tensor, np.ndarray)):
        if not hasattr(value, "__dict__") and not isinstance(value, GeneratorType):
            for part in _parts(_referents(value)):
                yield part, f"is of type {type(value).__name__} and holds {{}}; use a list"
        if _is_module(value):
            yield from _hidden_by_module(value, looked_into)


def _hidden_by_module(module: Any, looked_into: set[int]) -> Iterator[tuple[Any, str]]:
    """What a module hides in its class, or will make only when it is asked."""
    own = getattr(module, "__dict__", {})
    for name, child in own.items():
        kind = type(child)
        if kind in _USED_UP or (kind is GeneratorType and child.gi_code.co_name == "<genexpr>"):
            yield (
                kind,
                f"has a {kind.__name__} as {name}, which is empty after its first use; use a list",
            )
    for cls in type(module).__mro__:
        if id(cls) not in looked_into:
            looked_into.add(id(cls))
            for name, child in vars(cls).items():
                if name not in own:
                    for part in _parts([child]):
                        yield part, f"has {{}} as {name} of its class; set it in __init__"


def _is_module(value: Any) -> bool:
    """Whether it is a Module, which this file cannot import."""
    return isinstance(getattr(type(value), "training", None), bool)


def _is_part(value: Any) -> bool:
    """Whether it is a module, or a tensor to train."""
    if type(value) in weakref.ProxyTypes:
        return False
    if isinstance(value, Tensor):
        return value.requires_grad and value.is_leaf
    return _is_module(value)


def _parts(values: Any) -> Iterator[Any]:
    """The modules and parameters among the values, and in lists, tuples and dicts there."""
    stack, seen = [values], set()
    while stack:
        value = stack.pop()
        if _is_part(value):
            yield value
        elif isinstance(value, list | tuple | dict) and id(value) not in seen:
            seen.add(id(value))
            stack.extend(value.values() if isinstance(value, dict) else value)


def _variables(function: FunctionType) -> list[Any]:
    """The values of the variables around a function that it uses."""
    found = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # not assigned yet
            found.append(cell.cell_contents)
    return found


def _referents(value: Any, depth: int = 4) -> list[Any]:
    """What an iterator, or another object without attributes, refers to, directly or by others."""
    from gc import get_referents  # here, since few models need it

    found = [x for x in get_referents(value) if not isinstance(x, (type, ModuleType, dict))]
    iterators = [x for x in found if isinstance(x, Iterator) and not isinstance(x, GeneratorType)]
    return [*found, *(y for x in iterators if depth for y in _referents(x, depth - 1))]
