"""Names for the arrays of a step: the model's paths, the arguments, the lines that assign them."""

import ast
import inspect
import keyword
import linecache
import re
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ...engine.graph import TensorBase

OURS = ("tinygrad_lite", "nn", "numpy")

# What the state of an optimiser is called in a formula.
SHORTER = {"momentum_buffer": "velocity"}


class Names:
    """Names that are given once each, unless their holder is no longer read."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = set(taken)

    def fresh(self, wish: str) -> str:
        """The name that is wished for, or one with a number."""
        name, number = wish, 1
        while name in self.taken or keyword.iskeyword(name):
            number += 1
            name = f"{wish}_{number}"
        self.taken.add(name)
        return name

    def free(self, name: str) -> None:
        """Nobody reads what has this name any more."""
        self.taken.discard(name)


def identifier(text: str) -> str:
    """Text as a name in Python."""
    name = re.sub(r"\W+", "_", text).strip("_") or "value"
    return f"_{name}" if name[0].isdigit() else name


def snake(name: str) -> str:
    """CrossEntropy -> cross_entropy."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


# What a function reaches


class Path:
    """How an array is reached: names and positions, and the class of each part."""

    def __init__(self, parts: tuple[str, ...] = (), root: bool = False) -> None:
        self.parts, self.root = parts, root

    def then(self, key: Any, value: Any) -> "Path":
        """The path of a part."""
        if str(key).isdigit() and len(self.parts) < 2:
            key = f"{type(value).__name__.lower()}{key}"
        return Path((*self.parts, str(key)), self.root or not self.parts)


def paths_of(fn: Callable[..., Any], arguments: Any = ()) -> dict[int, tuple[str, ...]]:
    """By the identity of each tensor and its array, the path on which a function reaches it.

    arguments: objects by the names of the arguments, such as the `self` of a method
    """
    found: dict[int, tuple[str, ...]] = {}
    states: list[tuple[Path, Any]] = []
    seen: set[int] = set()
    queue: deque[tuple[Any, Path]] = deque([(fn, Path())])
    queue.extend((one, Path(() if name == "self" else (name,))) for name, one in arguments)
    groups: list[Any] = []  # of optimisers: paths through models say more
    keep = []  # so that no identity is used twice
    while queue or groups:
        value, path = queue.popleft() if queue else (groups.pop(), Path(("", "parameter")))
        if id(value) in seen:
            continue
        seen.add(id(value))
        keep.append(value)
        if isinstance(value, TensorBase):
            found.setdefault(id(value), path.parts)
            found.setdefault(id(value._data), path.parts)
        elif isinstance(value, np.ndarray):
            found.setdefault(id(value), path.parts)
        else:
            if isinstance(value, dict) and any(isinstance(key, TensorBase) for key in value):
                states.append((path, value))
                continue
            parts = []
            for key, one in _parts(value):
                if key == "param_groups" and isinstance(one, list):
                    groups += [group["params"] for group in reversed(one)]
                else:
                    parts.append((one, path if key is None else path.then(key, one)))
            if hasattr(type(value), "named_parts"):  # a module: before what else is known by now
                queue.extendleft(reversed(parts))
            else:
                queue.extend(parts)
    for _, state in states:
        for tensor, kept in state.items():
            owner = found.get(id(tensor), ("", "parameter"))
            for key, one in kept.items() if isinstance(kept, dict) else ():
                found.setdefault(id(one), (*owner, SHORTER.get(key, str(key))))
    return found


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    """The parts of an object with their names; None for one that adds no name."""
    if isinstance(value, MethodType):
        yield None, value.__self__
        yield None, value.__func__
    elif isinstance(value, FunctionType):
        if (value.__module__ or "").partition(".")[0] in OURS:
            return
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                one = cell.cell_contents
            except ValueError:
                continue
            yield (None if isinstance(one, (FunctionType, MethodType)) else name), one
        for name in value.__code__.co_names:
            if name in value.__globals__:
                one = value.__globals__[name]
                if isinstance(one, ModuleType):
                    yield from _parts_of_module(one, value.__code__.co_names)
                else:
                    yield (None if isinstance(one, (FunctionType, MethodType)) else name), one
    elif isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif type(value).__module__.startswith("tinygrad_lite.capturing"):
        return  # another captured step, or this one under the name of a global
    elif hasattr(value, "__dict__") and not isinstance(value, (type, ModuleType)):
        named = getattr(value, "named_parts", None)  # of a module, which may hold a list
        yield from named() if callable(named) else ()
        yield from vars(value).items()


def _parts_of_module(module: ModuleType, names: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """What a function may read of a module that it names: settings.model."""
    if module.__name__.partition(".")[0] in (*OURS, *sys.stdlib_module_names):
        return
    for name in names:
        one = vars(module).get(name)
        if one is not None and not isinstance(one, ModuleType):
            yield (None if isinstance(one, (FunctionType, MethodType)) else name), one


def short_names(paths: dict[Any, tuple[str, ...]]) -> dict[Any, tuple[str, ...]]:
    """The paths without the name of the model, where that leaves them different."""
    short = {var: parts[1:] if len(parts) > 1 else parts for var, parts in paths.items()}
    fulls: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for var, parts in short.items():
        fulls.setdefault(parts, set()).add(paths[var])
    return {var: paths[var] if len(fulls[parts]) > 1 else parts for var, parts in short.items()}


def argument_path(fn: Callable[..., Any], kind: str, where: tuple[Any, ...]) -> tuple[str, ...]:
    """The path of an argument of a call: the name in the signature, then keys."""
    if kind == "args":
        names = _parameters(fn)
        position = where[0]
        first = names[position] if position < len(names) else f"argument_{position}"
        return (first, *map(str, where[1:]))
    return tuple(map(str, where))


def _parameters(fn: Callable[..., Any]) -> list[str]:
    try:
        listed = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        one.name for one in listed if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]


# The lines that assign


@lru_cache(maxsize=256)
def _functions(file: str) -> list[tuple[int, int, str]]:
    """The functions of a file, with their first and last lines; an inner one after the outer."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return []
    return [(one.lineno, one.end_lineno or one.lineno, one.name) for one in ast.walk(tree)
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))]  # fmt: skip


def function_at(file: str, line: int) -> str:
    """The name of the function that a line is in; "" outside of functions."""
    inside = [name for first, last, name in _functions(file) if first <= line <= last]
    return inside[-1] if inside else ""


@lru_cache(maxsize=256)
def _assignments(file: str) -> dict[int, tuple[int, str, bool]]:
    """For each line of a file: where its statement starts, and the one name that it assigns.

    The last part says whether the name is assigned once in its function, by the only statement on
    the line.
    """
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return {}
    found: dict[int, tuple[int, str, bool]] = {}
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)):
            continue
        statements = [one for one in _own_nodes(function) if isinstance(one, ast.stmt)]
        counts: dict[str, int] = {}
        for one in _own_nodes(function):
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                counts[one.id] = counts.get(one.id, 0) + 1
        arguments = function.args if not isinstance(function, ast.Module) else None
        given = (
            {one.arg for one in ast.walk(arguments) if isinstance(one, ast.arg)}
            if arguments
            else set()
        )
        crowded = {line for line, many in Counter(one.lineno for one in statements).items()
                   if many > 1}  # fmt: skip
        for one in statements:
            target = (
                one.targets[0] if isinstance(one, ast.Assign) and len(one.targets) == 1 else None
            )
            if isinstance(target, ast.Name):
                once = counts[target.id] == 1 and target.id not in given
                once = once and one.lineno not in crowded
                for line in range(one.lineno, (one.end_lineno or one.lineno) + 1):
                    found[line] = (one.lineno, target.id, once)
    return found


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions inside it."""
    stack = list(ast.iter_child_nodes(function))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            stack.extend(ast.iter_child_nodes(node))


def assigned_at(file: str, line: int) -> tuple[int, str] | None:
    """The statement at a line and the name that it assigns, if nothing else assigns the name."""
    found = _assignments(file).get(line)
    if found is None or not found[2] or len(found[1]) < 3:
        return None
    return found[:2]


def name_in_rule(within: tuple[tuple[str, int], ...]) -> str | None:
    """The name that a rule of this library gives to the result of a call."""
    for file, line in within:
        found = assigned_at(file, line)
        if found is not None:
            return found[1].strip("_")
    return None
