"""Who holds a graph: the variables, attributes and lists that refer to one of its tensors.

The collector of CPython knows which objects refer to which, but for the variables of functions that
are running, which their frames tell.  All is put in words: "the list `losses` in train()".
"""

import gc
import sys
from collections.abc import Iterable, Iterator, Sequence
from inspect import CO_OPTIMIZED
from types import (
    CellType,
    FrameType,
    FunctionType,
    GeneratorType,
    MemberDescriptorType,
    ModuleType,
)  # fmt: skip
from typing import Any

from ...engine.graph import Node, TensorBase
from ...files import printable

DEPTH = 4  # containers inside each other
OURS = ("tinygrad_lite", "nn")
HIDDEN = ""  # a holder that is not told
SHELLS = ("IPython", "ipykernel", "traitlets")  # hold what a cell returned, as Out and _ do too


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
    found.pop(HIDDEN, None)
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
    """The variables of a function that is running, or of the body of a class.

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
        self.variables: dict[int, list[tuple[str, str]]] = {}  # by the identity of the value
        self.namespaces: set[int] = set()  # the identities of the variables of modules
        for frame in frames:
            name = frame.f_code.co_name
            if name != "<module>":
                where = f"in {name}()" if name.isidentifier() else "in an expression"
                self._enter(_variables(frame), where)
        modules = [one for one in list(sys.modules.values()) if isinstance(one, ModuleType)]
        for space in (*map(vars, modules), *(frame.f_globals for frame in frames)):
            name = str(space.get("__name__"))
            if id(space) not in self.namespaces and name.partition(".")[0] not in OURS:
                self.namespaces.add(id(space))
                where = "of the program" if name == "__main__" else f"of {printable(name)}"
                self._enter(list(space.items()), where)

    def _enter(self, variables: Iterable[tuple[str, Any]], where: str) -> None:
        for variable, value in variables:
            self.variables.setdefault(id(value), []).append((variable, where))

    def names(self, target: object, depth: int) -> list[str]:
        """The words for all that refers to an object."""
        known = self.variables.get(id(target), ())
        found = [f"the {_kind(target)} `{printable(name)}` {where}" for name, where in known]
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

    def described(self, owner: object) -> str:
        """An object by its variable, if it has one, and its class."""
        kind = printable(type(owner).__name__)
        for name, where in self.variables.get(id(owner), ()):
            return f"the {kind} `{printable(name)}` {where}"
        return f"a {kind}"

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
        attribute = None if isinstance(owner, TensorBase) else _attribute(owner, target)
        if attribute is None:
            return []
        if _is_of_a_shell(owner):
            return [HIDDEN]
        return [f"the attribute `{attribute}` of {self.described(owner)}"]

    def _in_dict(self, owner: dict[Any, Any], target: object, depth: int) -> list[str]:
        keys = [key for key, value in owner.items() if value is target]
        if not keys or id(owner) in self.namespaces:
            return []
        for user in gc.get_referrers(owner):
            if isinstance(user, type) and user.__dict__.get(keys[0]) is target:
                of = f"the class {printable(user.__name__)}"
                return [f"the attribute `{printable(key)}` of {of}" for key in keys]
            if _attributes(user) is owner:
                if _is_of_a_shell(user):
                    return [HIDDEN]
                of = self.described(user)
                return [f"the attribute `{printable(key)}` of {of}" for key in keys]
        named = self.names(owner, depth - 1)
        return named or [f"a dict of {len(owner)}"]


def _is_of_a_shell(owner: object) -> bool:
    return str(type(owner).__module__).partition(".")[0] in SHELLS


def _attributes(owner: object) -> Any:
    """The attributes of an object, without running code of its class; {} if it has none."""
    try:
        return object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return {}


def _attribute(owner: object, target: object) -> str | None:
    """The name of the attribute that is the target."""
    for name, value in list(_attributes(owner).items()):
        if value is target:
            return printable(name)
    for cls in type(owner).__mro__:
        for name, slot in vars(cls).items():
            if type(slot) is MemberDescriptorType:
                try:
                    if slot.__get__(owner) is target:
                        return printable(name)
                except AttributeError:  # unset
                    continue
    return None


def _kind(value: object) -> str:
    """What a person calls a value."""
    if isinstance(value, TensorBase):
        return "tensor"
    return printable(type(value).__name__)
