"""Who holds a graph: the variables, attributes and lists that refer to one of its tensors.

The collector of CPython knows which objects refer to which, but for the variables of functions that
are running, which their frames tell.  All is put in words: "the list `losses` in train()".
"""

import gc
import sys
from collections.abc import Iterable, Iterator, Sequence
from inspect import CO_OPTIMIZED
from types import CellType, FrameType, FunctionType, GeneratorType, ModuleType
from typing import Any

from ..engine.graph import Node, TensorBase
from ..files import printable

DEPTH = 4  # containers inside each other
OURS = ("tinygrad_lite", "nn")


def holders_of(nodes: Sequence[Node], ignore: Sequence[object]) -> list[str]:
    """What refers to a tensor of these nodes, in words, in the order of the nodes, newest first.

    ignore  objects that do not count
    """
    members = {id(node) for node in nodes}
    tensors = [
        one
        for one in gc.get_objects()
        if issubclass(type(one), TensorBase) and id(getattr(one, "_node", None)) in members
    ]
    parents = {id(parent) for node in nodes for parent in node.parents}
    # A leaf's tensor is the user's parameter; it does not hold the graph.
    tensors = [one for one in tensors if one._node is not None and one._node.parents]
    tensors.sort(key=lambda one: -(one._node.serial if one._node is not None else 0))
    # The newest tensors of each part of the graph hold all the others.
    tops = [one for one in tensors if id(one._node) not in parents] or tensors
    frames = list(_frames())
    search = _Search(frames, [tensors, tops, frames, *ignore])
    found: dict[str, None] = {}
    ordered = tops + [one for one in tensors if id(one._node) in parents]
    search.ignore.add(id(ordered))
    for tensor in ordered:
        for words in search.names(tensor, DEPTH):
            found[words] = None
    return list(found)


def _frames() -> Iterator[FrameType]:
    """The frames of the user's code that are running, in all threads."""
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame is not None:
            package = (frame.f_globals.get("__name__") or "").partition(".")[0]
            if package not in OURS:
                yield frame
            frame = frame.f_back


def _variables(frame: FrameType) -> list[tuple[str, Any]]:
    """The variables of a frame.

    Before Python 3.13, those of a function are a copy that the frame would keep, and with it every
    value: so it is emptied.
    """
    copied = frame.f_locals
    items = list(copied.items())
    if frame.f_code.co_flags & CO_OPTIMIZED and isinstance(copied, dict):
        copied.clear()
    return items


class _Search:
    """Looks for what refers to an object."""

    def __init__(self, frames: Sequence[FrameType], ignore: Iterable[object]) -> None:
        self.ignore = {id(one) for one in ignore} | {id(ignore)}
        self.variables: dict[int, list[str]] = {}  # of an object, by its identity
        seen: set[int] = set()
        for frame in frames:
            if frame.f_locals is frame.f_globals:
                continue  # found as the variables of a module
            if id(frame) in seen:
                continue
            seen.add(id(frame))
            name = frame.f_code.co_name
            where = f"in {name}()" if name.isidentifier() else "in an expression"
            for variable, value in _variables(frame):
                words = f"`{printable(variable)}` {where}"
                self.variables.setdefault(id(value), []).append(words)

    def names(self, target: object, depth: int) -> list[str]:
        """The words for all that refers to an object."""
        found = [f"the {_kind(target)} {words}" for words in self.variables.get(id(target), ())]
        if not depth:
            return found
        owners = gc.get_referrers(target)
        self.ignore.add(id(owners))
        for owner in owners:
            if id(owner) not in self.ignore and not isinstance(owner, FrameType | Node):
                self.ignore.add(id(owner))
                found += self._through(owner, target, depth)
                self.ignore.discard(id(owner))
        self.ignore.discard(id(owners))
        return found

    def _through(self, owner: Any, target: object, depth: int) -> list[str]:
        """The words for one object that refers to the target."""
        if isinstance(owner, dict):
            return self._in_dict(owner, target, depth)
        if isinstance(owner, list | tuple | set | frozenset) or type(owner).__name__ == "deque":
            named = self.names(owner, depth - 1)
            return named or [f"a {_kind(owner)} of {len(owner)}"]
        if isinstance(owner, CellType):
            functions = [one for one in gc.get_referrers(owner) if isinstance(one, tuple)]
            makers = [
                one
                for each in functions
                for one in gc.get_referrers(each)
                if isinstance(one, FunctionType) and one.__closure__ is each
            ]
            return [f"a variable of the function {printable(one.__qualname__)}" for one in makers]
        if isinstance(owner, GeneratorType):
            return [f"the generator {printable(owner.__qualname__)}, which has not ended"]
        if isinstance(owner, TensorBase):
            return []
        kind = type(owner)
        if kind.__module__.partition(".")[0] in OURS and not hasattr(owner, "__dict__"):
            return []
        attribute = _attribute(owner, target)
        if attribute is None:
            return []
        return [f"the attribute `{attribute}` of {_object(owner, self)}"]

    def _in_dict(self, owner: dict[Any, Any], target: object, depth: int) -> list[str]:
        keys = [key for key, value in owner.items() if value is target]
        if not keys:
            return []
        for user in gc.get_referrers(owner):
            if isinstance(user, ModuleType) and vars(user) is owner:
                return [
                    f"the {_kind(target)} `{printable(key)}` of {_module(user)}"
                    for key in keys
                    if isinstance(key, str) and user.__name__ != "builtins"
                ]
            if getattr(user, "__dict__", None) is owner and not isinstance(user, type):
                of = _object(user, self)
                return [f"the attribute `{printable(key)}` of {of}" for key in keys]
        named = self.names(owner, depth - 1)
        return named or [f"a dict of {len(owner)}"]


def _attribute(owner: Any, target: object) -> str | None:
    """The name of the attribute that is the target."""
    try:
        for name, value in list(vars(owner).items()):
            if value is target:
                return printable(name)
    except Exception:
        return None
    for cls in type(owner).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            try:
                if getattr(owner, name, None) is target:
                    return printable(name)
            except Exception:  # a property of the user's that fails
                continue
    return None


def _object(owner: object, search: _Search) -> str:
    """An object by its variable, if it has one, and its class."""
    kind = printable(type(owner).__name__)
    variables = search.variables.get(id(owner))
    return f"the {kind} {variables[0]}" if variables else f"a {kind}"


def _kind(value: object) -> str:
    """What a person calls a value."""
    if isinstance(value, TensorBase):
        return "tensor"
    return printable(type(value).__name__)


def _module(module: ModuleType) -> str:
    return "the program" if module.__name__ == "__main__" else printable(module.__name__)
