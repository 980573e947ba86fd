"""What can be seen of functions, classes, modules and objects without running anything."""

import os
import sys
from dis import get_instructions
from functools import cache, lru_cache
from os.path import dirname
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any

from ..engine.graph import TensorBase
from .records import is_fixed

# What a step runs of these is not looked through.
_CLOCKS = ("time", "datetime", "secrets", "uuid")
_IMPORTS = {"modules", "import_module", "__import__"}
_INSTALLED = ("site-packages", "dist-packages")
_MADE_BY_CLASS = 1 << 9  # Py_TPFLAGS_HEAPTYPE
OURS = ("tinygrad_lite", "nn", "numpy", "builtins", "functools", *sys.stdlib_module_names)


@lru_cache(maxsize=1024)
def names_in(code: CodeType) -> tuple[list[str], set[str], set[str]]:
    """The globals that code uses, and the functions inside it; and all names that it may mean.

    Those are the names of attributes too, and texts.  And the modules that it imports.
    """
    steps = list(get_instructions(code))
    used = [one.argval for one in steps if one.opname.endswith(("_GLOBAL", "_NAME"))]
    imported = {one.argval for one in steps if one.opname == "IMPORT_NAME"}
    named = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner, more, modules = names_in(constant)
            used += inner
            named |= more
            imported |= modules
        elif isinstance(constant, str):
            named.add(constant)
    return list(dict.fromkeys(used)), named, imported


def modules_of(imported: set[str], named: set[str], variables: Any) -> list[ModuleType]:
    """The user's modules that code imports when it runs, or finds by a name."""
    names = imported if named.isdisjoint(_IMPORTS) else imported | named
    if not names:
        return []
    package = variables.get("__package__") or ""
    inside = []  # the packages around it, for `from . import settings`
    while package:
        inside.append(package)
        package = package.rpartition(".")[0]
    full = [*names, *(f"{one}.{name}".rstrip(".") for name in names for one in inside)]
    if names is not imported:  # sys.modules[__name__]
        full.append(variables.get("__name__", ""))
    found = {id(one): one for one in map(sys.modules.get, full) if isinstance(one, ModuleType)}
    return [one for one in found.values() if is_users(one)]


def gives_another_one(value: Any) -> bool:
    """Whether it is an iterator, or a clock."""
    if isinstance(value, (ModuleType, type)):
        name = value.__name__ if isinstance(value, ModuleType) else value.__module__
        return name in _CLOCKS
    if isinstance(value, BuiltinFunctionType):
        return value.__module__ in _CLOCKS
    return hasattr(type(value), "__next__")


def is_users(module: ModuleType) -> bool:
    """Whether a module belongs to the program, and to no installed package."""
    file = getattr(module, "__file__", None) or ""
    name = module.__name__.partition(".")[0]
    if name in sys.stdlib_module_names:
        return not _is_standard(name)
    return name not in OURS and not any(one in file for one in _INSTALLED)


def content(value: Any) -> Any:
    """What is in memory that is no array of numbers."""
    if isinstance(value, bytearray):
        return bytes(value)
    return value.tolist() if getattr(value, "dtype", "") == "O" else value.tobytes()


def items(value: Any) -> Any:
    """What a container holds, by key or position."""
    if isinstance(value, (dict, MappingProxyType)):
        return list(value.items())
    return enumerate(value)


def package(value: Any) -> str:
    """The package that a class or a function is from; "" if it only bears the name of one."""
    name = (getattr(value, "__module__", None) or "").partition(".")[0]
    if name == "builtins" and (isinstance(value, FunctionType) or value.__flags__ & _MADE_BY_CLASS):
        return ""  # of a program that exec runs
    return name if name not in sys.stdlib_module_names or _is_standard(name) else ""


@cache
def _is_standard(name: str) -> bool:
    """Whether the module of this name is Python's own, and no file of the user's."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is None or file.startswith(dirname(os.__file__))


def attributes_of(value: Any) -> list[tuple[Any, str, Any]]:
    """The attributes of an object: where each stands, its name, and what it is."""
    attributes = getattr(value, "__dict__", None)
    found = []
    if isinstance(attributes, dict):
        found += [(attributes, name, one) for name, one in attributes.items()]
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            slot = vars(cls).get(name)
            if isinstance(slot, MemberDescriptorType) and hasattr(value, name):
                found.append((value, name, getattr(value, name)))
    return found


def holds_parts(value: Any) -> bool:
    """Whether a container begins with a parameter or a module, perhaps inside another one."""
    for _ in range(4):
        values = value.values() if isinstance(value, (dict, MappingProxyType)) else value
        first = next(iter(values), None)
        if not isinstance(first, (list, tuple, dict)):
            break
        value = first
    else:
        return False
    known = isinstance(first, TensorBase) and is_fixed(first)
    return known or hasattr(type(first), "named_parts")
