"""What a record consists of: an `Entry` for each call, in which a `Var` stands for each array."""

from collections.abc import Callable
from typing import Any


class Var:
    """One array of the step: an input, memory from outside, or what an entry made.

    kind    "input" (another array in each call), "outside" (memory that outlives the step),
            "constant" (made of shapes and numbers alone), or "made" (by an entry)
    value   the array while the step was captured; its shape, dtype and strides are those of every
            replay
    root    the variable that owns the memory: itself, or the one that it is a view of
    origin  for an input or an array from outside, how it is reached: see reach.py
    """

    __slots__ = ("kind", "origin", "root", "traced", "value")

    def __init__(self, kind: str, value: Any, root: "Var | None" = None) -> None:
        self.kind, self.value = kind, value
        self.root = self if root is None else root
        self.origin: Any = None
        self.traced: Any = None


class Entry:
    """One call of the step: result = function(*args, **options), where a Var stands for an array.

    writes  the arguments that the call writes into
    always  it is replayed even if nothing needs its result
    checks  it changes nothing, though it is always replayed: it may raise
    keeps   further variables that must not be overwritten before this entry
    label   the operation, "" outside of rules, and "forward", "backward", ...
    module  the path of the module whose forward was running, "" outside of modules
    line    "file:line" of the user's code that called the operation
    within  the lines of this library that made the call, the innermost first
    callers the lines of the user's code around it, the innermost first
    lines   the entries that do the same, if there are such: `source` shows them
    """

    __slots__ = (
        *("always", "args", "callers", "checks", "function", "keeps", "label", "line", "lines"),
        *("module", "options", "result", "within", "writes"),
    )

    def __init__(self, function: Any, args: Any, options: Any, label: tuple[str, str]) -> None:
        self.function, self.args, self.options, self.label = function, args, options, label
        self.result: Any = None
        self.writes: tuple[Var, ...] = ()
        self.keeps: tuple[Var, ...] = ()
        self.always = self.checks = False
        self.module = self.line = ""
        self.within: tuple[tuple[str, int], ...] = ()
        self.callers: tuple[tuple[str, int], ...] = ()
        self.lines: tuple[Entry, ...] = ()

    def reads(self) -> list[Var]:
        """The variables among the arguments, those that are written included."""
        found = variables(self.args)
        if self.options:
            _collect(self.options, found)
        found += self.keeps
        return found

    def results(self) -> list[Var]:
        """The variables that the call makes."""
        return variables(self.result)


def variables(value: Any) -> list[Var]:
    """Every Var in nested containers and slices."""
    if type(value) is Var:
        return [value]
    found: list[Var] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Var]) -> None:
    if type(value) is Var:
        found.append(value)
    elif isinstance(value, (tuple, list)):
        for one in value:  # most are variables or numbers, which need no call
            if type(one) is Var:
                found.append(one)
            elif isinstance(one, _NESTED):
                _collect(one, found)
    elif isinstance(value, dict):
        for one in value.values():
            _collect(one, found)
    elif isinstance(value, slice):
        _collect((value.start, value.stop, value.step), found)


_NESTED = (tuple, list, dict, slice)


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Nested containers and slices with `change` applied to everything else in them."""
    kind = type(value)
    if kind is tuple or kind is list:  # most of what is in them needs no call of this
        nested = [
            mapped(one, change) if issubclass(type(one), _NESTED) else change(one) for one in value
        ]
        return kind(nested)
    if kind is dict:
        return {key: mapped(one, change) for key, one in value.items()}
    if kind is slice:
        parts = (value.start, value.stop, value.step)
        return slice(*[mapped(one, change) for one in parts])
    if issubclass(kind, tuple):  # a namedtuple, or the gradients of several results
        made = [mapped(one, change) for one in value]
        return value._make(made) if hasattr(value, "_make") else kind(made)
    return change(value)
