"""What a step reaches from outside: by its arguments, its variables, its globals, its objects.

`reached_by` looks through the function and whatever it holds, without running anything: the
variables around it, the globals that it names, its own helper functions, the attributes of objects
and modules, lists and dicts.  What it finds is of three kinds.

Parameters and buffers stay the same tensors, with the same memory: a replay works on that memory,
and fits only while they do.  Any other tensor or array is read anew in each call, from the place
where it stands, as an argument is: a batch may come through a global.  All other things (a number,
a module, a function) must be the same ones in a replay, if the step can see them.
"""

import os
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from operator import attrgetter, methodcaller
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, NamedTuple

import numpy as np

from ..engine.graph import TensorBase
from .blame import code_in
from .looking import (
    OURS,
    attributes_of,
    content,
    gives_another_one,
    holds_parts,
    is_users,
    items,
    modules_of,
    names_in,
    package,
)
from .records import PLAIN, is_fixed, is_record

# Code that names one of these may mean an attribute whose name it does not hold.
_BY_ANY_NAME = {"getattr", "hasattr", "vars", "dir", "__dict__", "attrgetter", "__getattribute__"}
LONG = 256  # a container with more elements is data, unless it begins with parameters or modules

_CLOSED = (
    *PLAIN,
    range,
    CodeType,
    ModuleType,
    BuiltinFunctionType,
    np.ufunc,
)  # nothing is looked for there
CONTAINERS = (list, tuple, dict, deque, set, frozenset, MappingProxyType)
# Methods of a user's class that a step may run though it does not name them, and those that it
# does not run.
_UNSEEN = ("forward", "__call__")
_NOT_RUN = ("__init__", "__new__", "__repr__", "__del__", "__getstate__", "__setstate__")


class Place(NamedTuple):
    """Where a value stands: `owner[key]`, the attribute `key` of `owner`, or in a cell."""

    owner: Any
    key: Any
    path: tuple[Any, ...]  # names and positions, from the function's variables

    def read(self) -> Any:
        """The value that stands there now."""
        if type(self.owner) is CellType:
            return self.owner.cell_contents
        if type(self.owner) is ContextVar:
            return self.owner.get(None)
        owner: Any = self.owner
        if isinstance(self.owner, CONTAINERS):
            return owner[self.key]
        return getattr(self.owner, self.key)

    def write(self, value: Any) -> bool:
        """Put a value there, if that can be done."""
        if type(self.owner) is CellType:
            self.owner.cell_contents = value
        elif isinstance(self.owner, (list, dict, deque)):
            self.owner[self.key] = value
        else:
            return False
        return True

    def __str__(self) -> str:
        return path_text(self.path)


class Key(str):
    """A text in a path that is a key of a dict, and no attribute's name."""

    __slots__ = ()


def _tells_of_processes(kind: type) -> bool:
    """Whether it says which of several processes this is, and counts what they exchange."""
    return any(cls.__module__ == "nn._processes" for cls in kind.__mro__)


def path_text(path: tuple[Any, ...]) -> str:
    """A path as the user would write it: "model[0].weight"; an argument begins with its number."""
    text = ""
    for number, part in enumerate(path):
        if isinstance(part, int):
            text += f"[{part}]" if number else f"argument {part}"
        elif isinstance(part, TensorBase):
            text += f"[a {type(part).__name__}]"
        elif isinstance(part, Key):
            layer = part.isdigit() and path[number - 1] == "_parts"
            text += f"[{part}]" if layer else f'["{part}"]'
        elif part != "_parts":  # of nn.Sequential and nn's lists
            text += f".{part}" if text else str(part)
    return text


class Reached:
    """What was found.

    fixed       parameters and buffers
    inputs      places of other tensors and arrays
    links       places of all that must be the same in a replay, and what stands there
    lengths     containers whose number of elements must be the same
    orders      sets and dicts, which must hold the same in the same order
    buffers     memory that is no array of numbers, with what must be in it
    tuples      places of tuples, which may hold arrays
    contents    containers that the step can change, each with a copy of what is in it
    kept        the same of optimisers, whose own step may change them
    watched     identities of the containers in `contents`; named: their paths; keyed: the dicts
                that are no object's attributes
    modules     with a training flag
    optimisers  and what they keep
    groups      of optimisers, whose options are read in each replay
    generators  of NumPy, which the step may draw from
    long        paths of containers with too many elements to look at
    unsteady    paths of iterators and clocks, which give something else each time
    """

    def __init__(self) -> None:
        self.fixed: dict[int, TensorBase] = {}
        self.inputs: list[tuple[Place, Any]] = []
        self.links: list[tuple[Place, Any]] = []
        self.lengths: list[Any] = []
        self.orders: list[tuple[Any, tuple[Any, ...]]] = []
        self.buffers: list[tuple[Any, Any]] = []
        self.tuples: list[Place] = []
        self.contents: list[tuple[Any, Any]] = []
        self.kept: list[tuple[Any, Any]] = []
        self.watched: set[int] = set()
        self.named: dict[int, str] = {}
        self.keyed: set[int] = set()
        self.modules: list[Any] = []
        self.optimisers: list[Any] = []
        self.groups: dict[int, Any] = {}
        self.generators: list[Any] = []
        self.unsteady: list[tuple[Any, ...]] = []
        self.long: list[tuple[Any, ...]] = []
        self.paths: dict[int, tuple[Any, ...]] = {}  # of the tensors, by identity
        self.weak: dict[int, bool] = {}  # of those, the ones that an optimiser holds
        self.names: set[Any] = set()  # that the code of the step can mean
        self.seen: dict[int, Any] = {}
        self._stack: list[tuple[Any, Place | None, tuple[Any, ...]]] = []
        self._objects: list[tuple[Any, tuple[Any, ...], set[Any]]] = []

    def walk(self, value: Any, path: tuple[Any, ...] = ()) -> None:
        """Look through a value, and through all that it holds."""
        self._stack.append((value, None, path))
        while self._stack:
            while self._stack:
                self._visit(*self._stack.pop())
            for each in self._objects:  # code found meanwhile may name more of their attributes
                self._attributes(*each)
            if not self.names.isdisjoint(("environ", "getenv")) and id(os.environ) not in self.seen:
                self.seen[id(os.environ)] = os.environ
                self._container(vars(os.environ)["_data"], ("os", "environ"))

    def _push(self, value: Any, owner: Any, key: Any, path: tuple[Any, ...]) -> None:
        self._stack.append((value, Place(owner, key, path), path))

    def _visit(self, value: Any, place: Place | None, path: tuple[Any, ...]) -> None:
        if isinstance(value, TensorBase):
            self._tensor(value, place, path)
            return
        if isinstance(value, np.ndarray):
            if value.dtype.kind in "biuf" and place is not None:
                self.inputs.append((place, value))
            elif place is not None:
                self.links.append((place, value))
                self.buffers.append((value, content(value)))
            return
        if place is not None and (not isinstance(value, ModuleType) or is_users(value)):
            self.links.append((place, value))
        if isinstance(value, tuple) and place is not None:
            self.tuples.append(place)
        if path and gives_another_one(value):
            self.unsteady.append(path)
        if isinstance(value, (type, ModuleType)) and id(value) not in self.seen:
            self.seen[id(value)] = value
            users = isinstance(value, ModuleType) and is_users(value)
            if users:
                self.lengths.append(vars(value))  # a new one may be what hasattr asks for
            if users or (isinstance(value, type) and package(value) not in OURS):
                self._objects.append((value, path, set()))
        if isinstance(value, BuiltinFunctionType):
            value = value.__self__  # of losses.append, the list
        if isinstance(value, _CLOSED) or id(value) in self.seen:
            return
        self.seen[id(value)] = value
        if isinstance(value, (attrgetter, methodcaller)):
            self._getter(value, path)
        elif isinstance(value, ContextVar):
            self._push(value.get(None), value, None, path)
        elif isinstance(value, (array, bytearray)):
            self.buffers.append((value, content(value)))
        elif isinstance(value, FunctionType):
            self._function(value, path)
        elif isinstance(value, MethodType):
            self.names.add(value.__func__.__name__)
            self._stack.append((value.__func__, None, path))
            self._stack.append((value.__self__, None, path))
        elif isinstance(value, partial):
            self._stack.append((value.func, None, path))
            self._stack.append((value.args, None, path))
            self._stack.append((value.keywords, None, path))
        elif isinstance(value, CONTAINERS):
            self._container(value, path)
        elif type(value).__module__.startswith("numpy.random"):
            self.generators.append(value)
            self.named[id(value)] = path_text(path)
        elif isinstance(value, (staticmethod, classmethod)):
            self._stack.append((value.__func__, None, path))
        elif isinstance(value, property):
            self._stack.append((value.fget, None, path))
        else:
            self._object(value, path)

    def _tensor(self, value: Any, place: Place | None, path: tuple[Any, ...]) -> None:
        if id(value) in self.fixed or place is None or is_fixed(value):
            self.add_fixed(value, path)
            if place is not None:
                self.links.append((place, value))
        else:
            self.inputs.append((place, value))

    def add_fixed(self, tensor: Any, path: tuple[Any, ...], weak: bool = False) -> None:
        """A parameter or a buffer; a weak path gives way to another one."""
        self.fixed[id(tensor)] = tensor
        if id(tensor) not in self.paths or (self.weak.pop(id(tensor), False) and not weak):
            self.paths[id(tensor)] = path
            if weak:
                self.weak[id(tensor)] = True

    # Code

    def _function(self, value: FunctionType, path: tuple[Any, ...]) -> None:
        if package(value) in OURS and not hasattr(value, "__wrapped__"):
            return
        variables = value.__globals__
        used, named, imported = names_in(value.__code__)
        self.names.update(named)
        if "globals" in named:  # globals()["rate"]
            used = [*used, *sorted(named)]
        for module in modules_of(imported, named, variables):
            self._stack.append((module, None, (module.__name__,)))
        for name in used:
            if name in variables:
                self._push(variables[name], variables, name, (name,))
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        for name, cell in cells:
            try:
                self._push(cell.cell_contents, cell, None, (name,))
            except ValueError:  # not assigned yet
                continue
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            self._push(getattr(value, name), value, name, path)
        self.watch(vars(value), path)
        self.lengths.append(vars(value))
        for name, one in vars(value).items():
            if name in self.names:
                self._push(one, vars(value), name, (*path, name))

    def _getter(self, value: Any, path: tuple[Any, ...]) -> None:
        """What `operator` makes of names of attributes."""
        given = value.__reduce__()[1]
        for one in given:
            self.names.update(one.split(".") if isinstance(one, str) else ())
        self._stack.append((given, None, path))

    # Containers and objects

    def _container(self, value: Any, path: tuple[Any, ...]) -> None:
        if hasattr(type(value), "while_recorded"):  # a group of an optimiser
            self.groups[id(value)] = value
            return
        if len(value) > LONG and not holds_parts(value):
            self.long.append(path)
            self.lengths.append(value)
            if isinstance(value, (list, deque)):  # what is put at an end is seen
                self.links += [(Place(value, key, (*path, key)), value[key]) for key in (0, -1)]
            return
        if isinstance(value, (set, dict)):
            self.orders.append((value, tuple(value)))
            self.watch(value, path, keys=isinstance(value, dict))
        elif isinstance(value, (list, deque)):
            self.lengths.append(value)
            self.watch(value, path)
        if isinstance(value, (set, frozenset)):
            self._stack += [(one, None, path) for one in value]
            return
        for key, one in items(value):
            self._push(one, value, key, (*path, Key(key) if isinstance(key, str) else key))

    def watch(self, container: Any, path: tuple[Any, ...], keys: bool = False) -> None:
        """Note what is in a container (a dict has keys), or in the attributes of an object."""
        if keys:
            self.keyed.add(id(container))
        self.contents.append((container, container.copy()))
        self.watched.add(id(container))
        self.named[id(container)] = path_text(path)

    def _object(self, value: Any, path: tuple[Any, ...]) -> None:
        kind = type(value)
        if kind.__module__ == "tinygrad_lite.capturing.step":  # a captured function
            self._stack.append((value.fn, None, path))
            return
        if kind.__module__.startswith("nn.data"):
            return
        if hasattr(kind, "named_state") and hasattr(value, "param_groups"):
            self._optimiser(value, path)
            if package(kind.step) in OURS:
                return
            self._own_step(value, path)
        if hasattr(kind, "named_parts"):
            self.modules.append(value)
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict) and not _tells_of_processes(kind):
            self.watch(attributes, path)
            self.lengths.append(attributes)  # a new one may hide a method
        each = value, path, set[Any]()
        self._objects.append(each)
        self._attributes(*each)

    def _attributes(self, value: Any, path: tuple[Any, ...], done: set[Any]) -> None:
        """Those attributes of an object that the step can mean."""
        kind = type(value)
        ours = package(kind) in OURS and package(kind) in ("tinygrad_lite", "nn")
        tells = _tells_of_processes(kind)
        known = (ours and not tells) or not self.names.isdisjoint(_BY_ANY_NAME)
        known |= any(cls.__module__ == "collections" for cls in kind.__mro__)  # UserDict and so on
        is_module = isinstance(value, ModuleType)
        module = hasattr(kind, "named_parts")
        if module and not done:
            self._method(kind, "forward")
        for owner, name, one in () if isinstance(value, type) else attributes_of(value):
            if name in done:
                continue
            whole = module and (isinstance(one, TensorBase) or holds_parts((one,)))
            if is_module and (name.startswith("__") or isinstance(one, ModuleType)):
                whole = name == "__getattr__"  # of the others only those that the code names
            else:
                whole = whole or known
            if whole or name in self.names or (tells and name.lstrip("_") in self.names):
                done.add(name)
                place = Place(owner, name, (*path, name))
                if module and isinstance(one, TensorBase) and name in value.registered_buffers:
                    self.add_fixed(one, place.path)
                if ours and isinstance(one, np.ndarray):
                    self.links.append((place, one))  # a layer reads it with any function of NumPy
                else:
                    self._stack.append((one, place, place.path))
        for cls in value.__mro__ if isinstance(value, type) else kind.__mro__:
            if package(cls) in OURS:
                continue
            for name, one in vars(cls).items():
                hidden = name.startswith("__") and name not in _NOT_RUN
                mark = cls, name
                if mark in done or not (name in self.names or name in _UNSEEN or hidden):
                    continue
                done.add(mark)
                code = isinstance(one, (FunctionType, staticmethod, classmethod, property))
                if code or not (hidden or isinstance(one, MemberDescriptorType)):
                    self._push(one, vars(cls), name, (*path, name))

    def _optimiser(self, value: Any, path: tuple[Any, ...]) -> None:
        """Its parameters; its options and its state are read in each replay by its own step."""
        self.optimisers.append(value)
        self.kept.append((value.state, dict(value.state)))
        self.kept += [(each, dict(each)) for each in value.state.values()]
        self.lengths.append(value.param_groups)
        for number, group in enumerate(value.param_groups):
            place = Place(value.param_groups, number, (*path, number))
            self.links.append((place, group))
            self.groups[id(group)] = group
            params = group["params"]
            self.links.append((Place(group, "params", (*path, "params")), params))
            self.lengths.append(params)
            for position, tensor in enumerate(params):
                self.seen[id(params)] = params
                self.add_fixed(tensor, (*path, "params", position), weak=True)
                self.links.append((Place(params, position, path), tensor))

    def _own_step(self, value: Any, path: tuple[Any, ...]) -> None:
        """An optimiser of the user's, whose step is code like any other."""
        for part in (value.param_groups, value.state, value.defaults):
            self.seen[id(part)] = part
        self.watch(value.state, (*path, "state"))
        for number, kept in enumerate(value.state.values()):
            where = (*path, "state", number)
            self.watch(kept, where)
            for name, one in kept.items():
                if isinstance(one, TensorBase):
                    self.add_fixed(one, (*where, name))
                self.links.append((Place(kept, name, (*where, name)), one))

    def methods(self) -> None:
        """The methods of tensors that the code names: somebody may replace them."""
        for kind in {type(tensor) for tensor in self.fixed.values()}:
            for name in sorted(self.names & set(dir(kind))):
                self._method(kind, name)

    def _method(self, kind: type, name: str) -> None:
        found = getattr(kind, name, None)
        if isinstance(found, (FunctionType, property)):
            self.links.append((Place(kind, name, (kind.__name__, name)), found))

    def code(self) -> Iterator[CodeType]:
        """The user's code that the step runs, as far as it is known."""
        return code_in(self.seen.values(), lambda one: package(one) in OURS)

    def states(self) -> Iterator[Any]:
        """The arrays in the states of the optimisers."""
        for optimiser in self.optimisers:
            for kept in optimiser.state.values():
                yield from (one for one in kept.values() if isinstance(one, np.ndarray))


def reached_by(fn: Callable[..., Any], args: Any, options: Any) -> Reached:
    """What a function reaches, besides the tensors and arrays that are its arguments."""
    reached = Reached()
    reached.walk(fn)
    for name, value in (*enumerate(args), *options.items()):
        for path, one in held_in(value, (name,)):
            if isinstance(one, (list, dict)):
                reached.watch(one, path, keys=isinstance(one, dict))
            elif is_record(one):
                reached.walk(type(one), path)
            else:
                reached.walk(one, path)
    reached.methods()
    return reached


def held_in(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The lists, dicts and objects among the arguments: no tensors, arrays or plain values."""
    if isinstance(value, (list, dict)):
        yield path, value
    if isinstance(value, (tuple, list, dict)):
        for key, one in items(value):
            yield from held_in(one, (*path, Key(key) if isinstance(key, str) else key))
    elif not isinstance(value, (TensorBase, np.ndarray, *PLAIN)):
        yield path, value
        if is_record(value):
            yield from held_in(vars(value), path)
