"""Which calls a plan fits: the conditions, compiled into one expression.

Of the arguments, their structure counts, shapes, dtypes and strides of the arrays, and everything
else by value, or, for modules and other objects, by identity.  What the step reaches from outside
must be as it was: see reach.py.
"""

from collections.abc import Callable
from contextvars import ContextVar
from types import CellType
from typing import Any

import numpy as np

from ..engine.graph import Leaf, TensorBase
from ..engine.hooks import hooks_of, living
from ..engine.recording import modes
from .looking import content
from .reach import CONTAINERS, Place, Reached, path_text
from .records import is_fixed, is_record

_BY_VALUE = (int, float, complex, str, bytes, np.generic, np.dtype, slice, range, type)
_SINGLE = (None, True, False, Ellipsis)
Found = Callable[[str, Any, tuple[Any, ...]], None]


class Conditions:
    """The conditions, as Python text, and the objects that they name.

    inputs   for each array that is read anew in each call, the name of a variable
    objects  for each object of the arguments that the step gives back or changes, the same
    refused  why no plan can be made for such a call; None if one can
    """

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {"Leaf": Leaf}
        self.names: dict[int, str] = {}
        self.terms: list[str] = []
        self.inputs: list[str] = []
        self.objects: list[str] = []
        self.known: dict[int, str] = {}  # how a tensor or an array is read, by its identity
        self.texts: dict[int, str] = {}  # how each object among the arguments is read
        self.scalars: list[tuple[Place, str]] = []  # where numbers stand, and their names
        self.facts: dict[str, Any] = {}  # what such calls have in common, by the user's names
        self.refused: str | None = None
        self._mode()

    def _mode(self) -> None:
        """The mode in which the step is called: whether it records a graph, and who observes it."""
        mode = modes.get()
        self.terms.append(f"mode.grad_enabled is {mode.grad_enabled}")
        if not mode.observers:
            self.terms.append("not mode.observers")
            return
        self.terms.append(f"len(mode.observers) == {len(mode.observers)}")
        for position, observer in enumerate(mode.observers):
            self.terms.append(f"mode.observers[{position}] is {self.itself(observer)}")

    # Texts

    def word(self, value: Any) -> str:
        """Python text for an object."""
        if type(value) in (int, str):
            return repr(value)
        return self.itself(value)

    def itself(self, value: Any) -> str:
        """Python text for an object, to which `is` may compare."""
        if any(value is one for one in _SINGLE):
            return repr(value)
        name = self.names.get(id(value))
        if name is None:
            name = self.names[id(value)] = f"c{len(self.namespace)}"
            self.namespace[name] = value
        return name

    def place(self, place: Place) -> str:
        """Python text for what stands at a place."""
        owner = self.word(place.owner)
        if type(place.owner) is CellType:
            return f"{owner}.cell_contents"
        if type(place.owner) is ContextVar:
            return f"{owner}.get(None)"
        if isinstance(place.owner, CONTAINERS):
            return f"{owner}[{self.word(place.key)}]"
        return f"{owner}.{place.key}"

    # Inputs

    def array(self, text: str, array: Any) -> bool:
        """An array with this text; whether it is a new input."""
        known = self.known.get(id(array))
        if known is not None:
            self.terms.append(f"{text} is {known}")
            return False
        name = self.known[id(array)] = f"x{len(self.inputs)}"
        self.inputs.append(name)
        kind = self.word(array.dtype)
        same = "is" if array.dtype is np.dtype(array.dtype.str) else "=="
        self.terms.append(
            f"({name} := {text}).shape == {array.shape} and {name}.dtype {same} {kind} "
            f"and {name}.strides == {array.strides}"
        )
        return True

    def tensor(self, text: str, tensor: Any) -> bool:
        """A tensor that may be another one in each call; whether its array is a new input."""
        known = self.known.get(id(tensor))
        if known is not None:
            self.terms.append(f"{text} is {known}")
            return False
        name = self.known[id(tensor)] = f"t{len(self.known)}"
        kind = self.word(type(tensor))
        self.terms.append(f"({name} := {text}).__class__ is {kind}")
        self.node(name, tensor)
        if tensor._node is not None:
            if hooks_of(tensor._node) is not None:
                self.refuse("a tensor that is another one in each call has a hook")
            self.terms.append(f"getattr({name}._node, 'hooks', None) is None")
        return self.array(f"{name}._data", tensor._data)

    def node(self, text: str, tensor: Any) -> None:
        """Whether a tensor requires grad; it must be a leaf."""
        if tensor._node is None:
            self.terms.append(f"{text}._node is None")
        else:
            self.terms.append(f"{text}._node.__class__ is Leaf")

    def grad(self, text: str, grad: Any) -> bool:
        """Whether a leaf holds a gradient, and which form it has; whether it is a new input."""
        if grad is None:
            self.terms.append(f"{text}._grad is None")
            return False
        return self.tensor(f"{text}._grad", grad)

    def fixed(self, tensor: Any) -> None:
        """A parameter or a buffer, which must have the same memory."""
        name = self.known[id(tensor)] = self.word(tensor)
        self.known[id(tensor._data)] = self.word(tensor._data)
        self.terms.append(f"{name}._data is {self.word(tensor._data)}")
        self.node(name, tensor)

    def number(self, text: str) -> None:
        """A float, which may be another one in each call."""
        name = f"x{len(self.inputs)}"
        self.inputs.append(name)
        self.terms.append(f"({name} := {text}).__class__ is float")

    # Arguments

    def argument(self, text: str, value: Any, path: tuple[Any, ...], found: Found) -> None:
        """One argument; `found` gets each tensor, array and float: how it is read, it, its path."""
        kind = type(value)
        self.fact(path, value)
        if not isinstance(value, _BY_VALUE):
            self.texts.setdefault(id(value), text)
        if isinstance(value, TensorBase):
            if value._node is not None and not is_fixed(value):
                self.refuse("an argument was computed, and requires grad; detach() it")
            found(text, value, path)
        elif kind is np.ndarray and value.dtype.kind in "biuf":
            found(text, value, path)
        elif kind in (tuple, list) or (isinstance(value, tuple) and hasattr(value, "_make")):
            self.terms.append(f"{text}.__class__ is {self.word(kind)}")
            self.terms.append(f"len({text}) == {len(value)}")
            for position, one in enumerate(value):
                self.argument(f"{text}[{position}]", one, (*path, position), found)
        elif kind is dict:
            keys = self.word(tuple(value))
            self.terms.append(f"{text}.__class__ is dict and tuple({text}) == {keys}")
            for key, one in value.items():
                self.argument(f"{text}[{self.word(key)}]", one, (*path, key), found)
        elif is_record(value):
            self.terms.append(f"{text}.__class__ is {self.word(kind)}")
            self.argument(f"{text}.__dict__", vars(value), path, found)
        elif any(value is one for one in _SINGLE):
            self.terms.append(f"{text} is {value!r}")
        elif kind is float:
            found(text, value, path)
        elif isinstance(value, _BY_VALUE):
            self.value(text, value)
        elif _is_foreign(value):
            self.refuse(f"an argument is of type {kind.__name__}; pass an ndarray or a Tensor")
        else:
            self.terms.append(f"{text} is {self.word(value)}")

    def fact(self, path: tuple[Any, ...], value: Any) -> None:
        """Note a value, or the shape of an array, for the warning of too many kinds of calls."""
        array = value._data if isinstance(value, TensorBase) else value
        if isinstance(array, np.ndarray):
            self.facts[f"the shape of {path_text(path)}"] = array.shape
        elif type(value) in (int, str, bool):
            self.facts[path_text(path)] = value

    def value(self, text: str, value: Any) -> None:
        """A number, a text or the like, by its value."""
        word = self.itself(value)
        self.terms.append(f"({text} is {word} or same({text}, {word}))")
        self.namespace["same"] = same

    def refuse(self, why: str) -> None:
        """A call for which there can be no plan."""
        if self.refused is None:
            self.refused = why

    # What is reached from outside

    def reached(self, reached: Reached) -> None:
        """What must be as it was."""
        for place, value in reached.links:
            name = self.itself(value)
            if isinstance(value, _BY_VALUE) and not isinstance(value, (bool, type)):
                name = f"s{len(self.scalars)}"  # of its own, for it may be an equal one later
                self.namespace[name] = value
                self.scalars.append((place, name))
                self.facts[str(place)] = value
            self.terms.append(f"{self.place(place)} is {name}")
        for container in reached.lengths:
            self.terms.append(f"len({self.word(container)}) == {len(container)}")
        for held, inside in reached.orders:
            self.terms.append(f"tuple({self.word(held)}) == {self.word(inside)}")
        for held, inside in reached.buffers:
            self.namespace["content"] = content
            self.terms.append(f"content({self.word(held)}) == {self.word(inside)}")
        for module in reached.modules:
            training = getattr(module, "training", None)
            self.terms.append(f"{self.word(module)}.training is {training!r}")
        self.hooks([one for one in reached.fixed.values() if one._node is not None])

    def hooks(self, leaves: list[Any]) -> None:
        """Whether each leaf has hooks."""
        hooked = [bool(hooks_of(leaf._node)) for leaf in leaves]
        self.namespace |= {"living": vars(living)["data"], "leaves": leaves, "hooked": hooked}
        self.namespace["hooks_as"] = _hooks_as
        if any(hooked):
            self.terms.append("hooks_as(leaves, hooked)")
        else:
            self.terms.append("(not living or hooks_as(leaves, hooked))")

    def text(self) -> str:
        """A function of a call: the inputs and the objects, or None if the plan does not fit."""
        inputs = "".join(f"{name}, " for name in self.inputs)
        objects = "".join(f"{name}, " for name in self.objects)
        terms = " and ".join(dict.fromkeys(self.terms))
        return (
            "def fits(args, options, mode):\n"
            f"  try: return (({inputs}), ({objects})) if {terms} else None\n"
            "  except Exception: return None\n"
        )


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are the same: 1, 1.0 and True are not, nor are 0.0 and -0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, slice):
        parts = ("start", "stop", "step")
        return all(same(getattr(one, part), getattr(other, part)) for part in parts)
    if isinstance(one, (float, complex, np.generic)):
        return repr(one) == repr(other)
    return bool(one == other)


def _hooks_as(leaves: list[Any], hooked: list[bool]) -> bool:
    return all(bool(hooks_of(leaf._node)) is had for leaf, had in zip(leaves, hooked, strict=True))


def _is_foreign(value: Any) -> bool:
    """Whether it may hold values that nothing records: an array of another library, an iterator."""
    if isinstance(value, (np.ndarray, bytearray, memoryview)):
        return True
    kind = type(value)
    return any(hasattr(kind, name) for name in ("__array__", "__array_interface__", "__next__"))
