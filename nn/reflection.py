"""The tensors and modules that an object holds, found in its attributes."""

import weakref
from collections import deque
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from types import (
    BuiltinFunctionType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite import Tensor, mistakes

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
_SINGLE = frozenset({Tensor, int, float, bool, str, type(None)})  # hold nothing
_PLAIN = _SINGLE | {list, tuple}  # hide nothing
_USED_UP = (map, filter, zip)
_TOO = "hold that in an attribute as well, or only a weakref.proxy here if it is not a part of this"


class Found(NamedTuple):
    """Something that an object holds, and how.

    path    such as "layers.0.weight"; "" for the object itself
    value   the thing
    module  the innermost module that holds it; None outside of any
    buffer  whether it is saved, if that module registered it as a buffer; else None
    """

    path: str
    value: Any
    module: Any = None
    buffer: bool | None = None

    def at(self, path: str) -> "Found":
        """The same under another name."""
        return Found(path, self.value, self.module, self.buffer)


def walk(root: object) -> Iterator[tuple[str, Any]]:
    """`root` and everything it holds, each with its path, such as ("layers.0.weight", Tensor).

    It goes through lists, tuples, deques, the values of dicts, the views of dicts, arrays of
    objects, the parts of functools.partial, and the attributes of any other object (in `__dict__`
    or `__slots__`), in order and depth first; a module says itself what it holds (`named_parts`).
    The path of `root` is "".  It does not look into sets, whose order changes from run to run,
    functions, classes and Python modules (`complete` refuses what is hidden there), and skips weak
    references.  An object that is held twice is yielded twice, but looked into only once: so a
    cycle ends, a shared tensor has several paths, and the contents of a shared layer have one.
    A module that an object names as its state (a captured step its function) comes last, and only
    if nothing else holds it.
    """
    return ((found.path, found.value) for found in find(root))


def find(root: object) -> Iterator[Found]:
    """What `walk` goes through, each with how it is held."""
    seen: set[int] = set()
    stack, states = [Found("", root)], list[Found]()
    while stack or states:
        if not stack:
            stack = [part for part in states[:1] if id(part.value) not in seen]
            del states[:1]
            continue
        found = stack.pop()
        value = found.value
        if type(value) in weakref.ProxyTypes:
            continue
        yield found
        if type(value) in _SINGLE or isinstance(value, _LEAVES) or id(value) in seen:
            continue
        seen.add(id(value))
        prefix = f"{found.path}." if found.path else ""
        if is_module(value):
            names = value.registered_buffers
            held = [
                Found(f"{prefix}{name}", child, value, names.get(name))
                for name, child in value.named_parts()
            ]
        else:
            held = [
                Found(f"{prefix}{name}", child, found.module) for name, child in contents(value)
            ]
            if hasattr(type(value), "named_state"):
                states += [part for part in held if is_module(part.value)]
                held = [part for part in held if not is_module(part.value)]
        stack.extend(reversed(held))


def under_each_name(found: Iterable[Found]) -> list[Found]:
    """With what a shared module holds under each name of that module, not only the first.

    Not where a module holds itself: the names would have no end.
    """
    listed: list[Found] = []
    first: dict[int, int] = {}  # where each module is listed first; what it holds stands behind it
    for part in found:
        listed.append(part)
        if is_module(part.value):
            index = first.setdefault(id(part.value), len(listed) - 1)
            if index != len(listed) - 1 and not inside(part.path, listed[index].path):
                listed += list(_renamed(listed, index, part.path))
    return listed


def _renamed(listed: list[Found], index: int, path: str) -> Iterator[Found]:
    """What the module at this index holds, as if the module stood at `path`."""
    start = listed[index].path
    for part in islice(listed, index + 1, None):
        if not inside(part.path, start):
            return
        yield part.at(path + part.path[len(start) :])


def inside(path: str, start: str) -> bool:
    """Whether the thing at `path` is held by the one at `start`."""
    return path.startswith(f"{start}.") if start else path != ""


def complete(name: str, root: object) -> list[Found]:
    """All that `walk` finds.  TypeError if a layer or a parameter is where `walk` does not look.

    That is in a set, as a key of a dict, in an iterator, in the variables of a function, or in the
    class of a module.  One that is held in an attribute as well is not hidden.  ValueError if a
    tensor was computed from a parameter that nobody holds.
    """
    if isinstance(root, (GeneratorType, *_USED_UP)):
        kind = type(root).__name__
        raise TypeError(
            f"{name}: the argument is a {kind}, which is empty after its first use; use a list"
        )
    found = list(find(root))
    _refuse_lost(name, root, found)
    known = {id(part.value) for part in found}
    looked_into: set[int] = set()
    for path, value, _, _ in found:
        if type(value) in _PLAIN or id(value) in looked_into:
            continue
        looked_into.add(id(value))
        for part, words in _hidden_by(value, looked_into):
            if id(part) not in known:
                where, kind = _named(root, path), type(part).__name__
                kind = f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
                raise TypeError(f"{name}: {where} {words.format(kind)}")
    return found


def _named(root: object, path: str) -> str:
    """What is at a path, as an error calls it: Net.layers.0, or the argument itself."""
    where = f"{type(root).__name__}{path and '.'}{path}"
    return where if path or is_module(root) else "the argument"


def _refuse_lost(name: str, root: object, found: Iterable[Found]) -> None:
    """ValueError for a tensor of a module that was computed from a parameter which is gone."""
    for path, value, module, _ in found:
        asked = module is not None or name == "get_parameters"
        if asked and isinstance(value, Tensor) and mistakes.is_lost(value):
            shape = ", ".join(map(str, value.shape))
            raise ValueError(
                f"{name}: {_named(root, path)} was computed ({value.op}) from a tensor with "
                "requires_grad=True that nothing holds: it would be neither trained nor saved; "
                f"make a leaf: (Tensor.randn({shape}) * 0.1).requires_grad_() or nn.Parameter(...)"
            )


def contents(value: Any) -> Iterator[tuple[Any, Any]]:
    """What an object holds directly, by position, key or attribute name."""
    if hasattr(type(value), "named_state"):  # an optimiser
        yield from value.named_state()
        return
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


def tensors_first(
    parts: Iterable[tuple[Any, Any]], buffers: Container[Any]
) -> Iterator[tuple[Any, Any]]:
    """The parts of a module in PyTorch's order: its tensors, its buffers, then all others.

    Each in the order in which they stand.  The state of an optimiser relies on this order.
    """
    ranked: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for name, part in parts:
        rank = 1 if name in buffers else 0 if Tensor in type(part).__mro__ else 2
        ranked[rank].append((name, part))
    return chain(*ranked)


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
        if is_module(value):
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
                if name not in own and not isinstance(child, _LEAVES):
                    for part in _parts([child]):
                        yield part, f"has {{}} as {name} of its class; set it in __init__"


def is_module(value: Any) -> bool:
    """Whether it is a Module, which this file cannot import: it names its parts."""
    return hasattr(type(value), "named_parts")


def _is_part(value: Any) -> bool:
    """Whether it is a module, or a tensor to train."""
    if type(value) in weakref.ProxyTypes:
        return False
    if isinstance(value, Tensor):
        return value.requires_grad and value.is_leaf
    return is_module(value)


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
