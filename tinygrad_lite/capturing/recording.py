"""One call of a step, while it is recorded: before, the tensors get Traced objects; after, arrays.

What the call returns, and what it leaves behind, decides whether it can be replayed.  Of what is
written, copies are kept, so that a call that a replay would do wrong can be undone.
"""

import weakref
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..arrays.ownership import keep_freed_memory
from ..arrays.recorded import recorder, requirements
from ..engine.graph import Leaf, TensorBase
from ..engine.hooks import Hooks, hooks_of
from ..engine.recording import modes
from .blame import line_that_changes, line_that_uses, name_of
from .effects import Changed, Streams, Undo, changes_of, printing
from .entries import Var, mapped
from .fitting import Conditions, Found
from .leftovers import kept_outside
from .looking import items
from .numbers import Number
from .reach import Place, Reached, path_text, reached_by
from .records import is_record
from .returning import Returns
from .trace import Trace
from .traced import Traced
from .watching import Leaves


class RecordedHooks:
    """In place of a leaf's hooks while the step is recorded."""

    def __init__(self, trace: Trace, hooks: Hooks) -> None:
        self.trace, self.hooks = trace, hooks

    def pass_through(self, gradient: Any) -> Any:
        """The gradient after all hooks, which are called in each replay."""
        return self.trace.pass_through(self.hooks, gradient)


class Recording:
    """One call of the function.

    inputs   the variables that are other arrays in each call, in the order of the plan's arguments;
             `origin` says how each is reached: ("args", path), ("options", path), ("place", Place)
             or ("grad", tensor)
    outputs  the variables that the plan returns
    grads    each leaf, with its gradient before
    before   each tensor, with its node and its gradient before
    objects  the arguments that hold others, by position or name, for `source`
    """

    def __init__(self, fn: Callable[..., Any], args: Any, options: Any) -> None:
        self.fn, self.args, self.options = fn, args, options
        self.trace = Trace(name_of(fn))
        self.reached: Reached = reached_by(fn, args, options)
        self.undo = self.trace.journal = Undo(self.reached)
        self.streams = Streams(self.reached)
        self.wrong: str | None = None  # why a replay would do something else
        self.cleared: list[Any] = []  # the leaves whose gradients the step drops first of all
        self.strangers: list[tuple[Any, str]] = []  # arrays that must be the same once more
        self.trace.at_start = self._at_start
        self.conditions = Conditions()
        self.inputs: list[Var] = []
        self.outputs: list[Var] = []
        self.swapped: list[tuple[Any, Any, Any]] = []  # a tensor, its array, and the Traced
        self.placed: list[tuple[Place, Any, Any]] = []  # an array by itself, in the same way
        self.grads: list[tuple[Any, Any]] = []
        self.before: list[tuple[Any, Any, Any]] = []
        self.numbers: dict[Any, tuple[Number, str]] = {}  # arguments, and how they are read
        self.hooks: list[tuple[Any, Any]] = []  # the node of each leaf, and its hooks
        self.groups: list[tuple[Any, type]] = []  # of optimisers, and their class
        self.named: list[tuple[Any, str]] = []  # leaves among the inputs, and their variables
        self.arguments: dict[int, Any] = {}  # the origin of each, by its identity
        self.leaves = None
        if modes.get().observers:
            self.leaves = Leaves(self.trace, modes.get(), self.grads, self.reached.fixed)
        self.objects = [
            (key, weakref.ref(one))
            for key, one in (*enumerate(args), *options.items())
            if hasattr(one, "__weakref__") and not isinstance(one, TensorBase)
        ]
        self.returns = Returns(self)

    # Before

    def prepare(self) -> str | None:
        """Find what the call reads; why it cannot be captured, if that is known by now."""
        keep_freed_memory()
        for tensor in self.reached.fixed.values():
            self.conditions.fixed(tensor)
        for kind, values in (("args", self.args), ("options", self.options)):
            self.conditions.argument(kind, values, (), self._argument(kind))
        for place, value in self.reached.inputs:
            self._found(self.conditions.place(place), value, ("place", place))
        self.conditions.reached(self.reached)
        if self.conditions.refused is not None:
            self.trace.fail(self.conditions.refused)
        for path in self.reached.unsteady:
            self.trace.fail(
                f"uses {path_text(path)}, which gives another value each time, and replays would "
                "repeat the first; pass the value as an argument",
                line_that_uses(str(path[0]), self.reached.code()),
            )
        return self.trace.failed

    def _argument(self, kind: str) -> Found:
        def found(text: str, value: Any, path: tuple[Any, ...]) -> None:
            self._found(text, value, (kind, path))

        return found

    def _found(self, text: str, value: Any, origin: tuple[str, Any]) -> None:
        """A tensor or an array that is read anew in each call, and how it is reached."""
        if origin[0] != "place":
            self.arguments[id(value)] = origin
        conditions = self.conditions
        if type(value) is float:
            conditions.number(text)
            number = self.trace.numbers.argument(value)
            number.variable.origin = origin
            self.inputs.append(number.variable)
            self.numbers[origin] = number, text
            return
        if isinstance(value, TensorBase):
            if value._node is not None and not isinstance(value._node, Leaf):
                return  # from another graph; an operation that uses it ends the record
            new = conditions.tensor(text, value)
            array: Any = value._data
            if isinstance(value._node, Leaf) and id(value) not in self.reached.fixed:
                self.named.append((value, conditions.known[id(value)]))
        else:
            new = conditions.array(text, value)
            array = value
        if new:
            self._input(array, origin)

    def _input(self, array: Any, origin: tuple[str, Any]) -> None:
        var = self.trace.variable(array, "input")
        var.kind, var.origin = "input", origin
        self.inputs.append(var)

    def _swap(self, tensor: Any) -> None:
        """Put a Traced into a tensor, once."""
        array = tensor._data
        if type(array) is not Traced:
            traced = self.trace.traced(self.trace.variable(array, "outside"))
            self.swapped.append((tensor, array, traced))
            self.undo.data.append((tensor, array))
            tensor._data = traced

    def _swap_all(self) -> None:
        for group in self.reached.groups.values():
            self.groups.append((group, type(group)))
            group.__class__ = group.while_recorded
        tensors = [*self.reached.fixed.values()]
        arrays: list[Place] = []
        for value in self._arguments():
            if isinstance(value, TensorBase) and id(value) not in self.reached.fixed:
                tensors.append(value)
        for place, value in self.reached.inputs:
            if isinstance(value, TensorBase):
                tensors.append(value)
            else:
                arrays.append(place)
        for tensor in tensors:
            self._swap(tensor)
        for tensor, _, _ in list(self.swapped):
            self.before.append((tensor, tensor._node, tensor._grad))
            if isinstance(tensor._node, Leaf):
                self.grads.append((tensor, tensor._grad))
                self.trace.leaves.add(tensor._node)
                hooks = hooks_of(tensor._node)
                self.hooks.append((tensor._node, hooks))
                if hooks is not None:
                    tensor._node.hooks = RecordedHooks(self.trace, hooks)
                if tensor._grad is not None:
                    self._swap(tensor._grad)
        self.undo.grads = self.grads
        if self.leaves is not None:
            self.leaves.begin()
        for place in arrays:
            array = place.read()
            if type(array) is Traced:  # found on two ways
                continue
            traced = self.trace.traced(self.trace.variable(array, "input"))
            if place.write(traced):
                self.placed.append((place, array, traced))
        for place in self.reached.tuples:
            held = place.read()
            opened = self._with_traced(held)
            if opened is not held and place.write(opened):
                self.placed.append((place, held, opened))

    def _with_traced(self, value: Any) -> Any:
        """A tuple around the step, with Traced objects for its arrays."""
        if type(value) is np.ndarray and id(value) in self.trace.known:
            return self.trace.traced(self.trace.known[id(value)])
        if not isinstance(value, tuple):
            return value
        parts = [self._with_traced(one) for one in value]
        if all(new is one for new, one in zip(parts, value, strict=True)):
            return value
        return value._make(parts) if hasattr(value, "_make") else tuple(parts)

    def _arguments(self) -> list[Any]:
        """Every tensor and array among the arguments."""
        found: list[Any] = []

        def find(value: Any) -> None:
            if is_record(value):
                mapped(vars(value), find)
            else:
                found.append(value)

        mapped((self.args, self.options), find)
        return [one for one in found if isinstance(one, (TensorBase, np.ndarray))]

    def _opened(self, value: Any, path: tuple[Any, ...]) -> Any:
        """An argument with Traced objects for its arrays; lists and dicts stay the same objects."""
        if type(value) is np.ndarray and id(value) in self.trace.known:
            return self.trace.traced(self.trace.known[id(value)])
        if type(value) is float:
            return self.numbers[path[0], path[1:]][0]
        if isinstance(value, tuple):
            parts = [self._opened(one, (*path, key)) for key, one in enumerate(value)]
            if all(new is one for new, one in zip(parts, value, strict=True)):
                return value
            return value._make(parts) if hasattr(value, "_make") else tuple(parts)
        if is_record(value):
            self._opened(vars(value), path)
        elif type(value) in (list, dict):
            for key, one in list(items(value)):
                opened = self._opened(one, (*path, key))
                if opened is not one:
                    value[key] = opened
                    self.placed.append((Place(value, key, ()), one, opened))
        return value

    # The call

    def run(self) -> Any:
        """Call the function; its result, with arrays in its tensors."""
        token, done = recorder.set(self.trace), False
        required = requirements.set(self.trace.numbers)
        try:
            with self.leaves or nullcontext(), self.trace, printing(self.trace):
                self._swap_all()
                args = self._opened(self.args, ("args",))
                result = self.fn(*args, **self._opened(self.options, ("options",)))
            done = True
        finally:
            self.trace.over = True
            requirements.reset(required)
            recorder.reset(token)
            self._put_back()
            if not done:  # what it had changed holds arrays, as after an eager call that failed
                kept_outside(self.trace)
        closed = self.returns.close(result)
        del result, args
        self._grad_conditions()
        for (_, where), (number, text) in self.numbers.items():
            if number.variable in self.trace.numbers.by_value:
                self.conditions.value(text, number.value)
                self.conditions.facts[path_text(where) if type(where) is tuple else str(where)] = (
                    number.value
                )
        self._judge()
        return closed

    def _grad_conditions(self) -> None:
        """The gradients that are there before; one that nothing reads may be any if replaced."""
        read = {var for entry in self.trace.entries for var in entry.reads()}
        for leaf, before in self.grads:
            name = self.conditions.known[id(leaf)]
            var = None if before is None else self.trace.known.get(id(before._data))
            needed = before is None or leaf._grad is before or var in read
            if needed and self.conditions.grad(name, before):
                self._input(before._data, ("grad", leaf))

    def _at_start(self) -> None:
        """Before the first operation."""
        self.cleared = [
            leaf for leaf, before in self.grads if before is not None and leaf._grad is None
        ]

    def _put_back(self) -> None:
        for node, hooks in self.hooks:
            if hooks is not None:
                node.hooks = hooks
            elif hooks_of(node) is not None:
                self.trace.failed = None
                line = line_that_uses("register_hook", self.reached.code())
                self.trace.fail("registers a hook; do that before the first step", line)
        self.hooks.clear()
        for group, kind in self.groups:
            group.__class__ = kind
        self.groups.clear()
        if self.leaves is not None:
            self.leaves.put_back()
        for place, array, traced in self.placed:
            if place.read() is traced:
                place.write(array)
        for tensor, array, traced in self.swapped:
            if tensor._data is traced:
                tensor._data = array
            elif tensor._data is not array:
                if type(tensor._data) is Traced:
                    tensor._data = np.asarray(tensor._data.value)
                path = path_text(self.reached.paths.get(id(tensor), ("a tensor",)))
                self._refuse(
                    f"assigns the data of {path} anew, which replays would not see; write into "
                    "it, as in w.data[...] = value or w.data -= change",
                    line_that_changes("data", self.reached.code()),
                )
        self.swapped.clear()
        self.placed.clear()

    def forget(self) -> None:
        """Free the arrays, the tensors and the graph of the call, once there is a plan."""
        self.args = self.options = None
        for each in (
            self.grads,
            self.before,
            self.named,
            self.returns.kept,
            self.undo.copies,
            self.undo.data,
        ):
            each.clear()
        self.trace.opaque.clear()
        self.trace.leaves.clear()
        self.reached.inputs = [(place, None) for place, _ in self.reached.inputs]

    def differs_from(self, strangers: list[tuple[Any, str]]) -> None:
        """Arrays of which nothing is known must have come again, with the same values."""
        if len(strangers) != len(self.strangers):
            self._refuse("uses other arrays in each call, which replays would not see")
            return
        for (before, line), (now, _) in zip(strangers, self.strangers, strict=True):
            same = now.shape == before.shape and now.dtype == before.dtype
            if not same or now.tobytes() != before.tobytes():
                self._refuse(
                    "uses an array that is another one in each call, and that replays would not "
                    "see; pass it as an argument",
                    line,
                )
                return

    # What it means

    def _refuse(self, why: str, line: str = "") -> None:
        """Note the first reason why replays would be wrong, and the user's line if known."""
        if self.wrong is None:
            self.wrong = f"{f'{line}: ' if line else ''}{self.trace.name} {why}"

    def _judge(self) -> None:
        """Find what a replay would not do."""
        trace = self.trace
        for change in changes_of(self.reached):
            self._changed(change)
        if trace.strangers and self.reached.long:
            trace.fail(
                f"uses an array that may be from {path_text(self.reached.long[0])}, of which not "
                "all is looked at; pass it as an argument"
            )
        stream = self.streams.drawn()
        if stream is not None:
            words = f"draws random numbers that are not Tensor's, from {stream}"
            line = line_that_uses(stream.rpartition(".")[2], self.reached.code())
            if trace.strangers:
                self._refuse(
                    f"{words}, which replays would repeat; use Tensor.rand and the like, or pass "
                    "them as an argument",
                    line,
                )
            else:
                trace.fail(f"{words}; pass them as an argument", line)
        self.strangers = [
            (var.value.copy(), line) for var, line in trace.strangers if var.kind == "constant"
        ]
        if (self.wrong is None or trace.failed is not None) and kept_outside(trace):
            trace.fail("keeps a tensor of the step outside of it; return it")

    def _changed(self, change: Changed) -> None:
        def line() -> str:
            return line_that_changes(change.path, self.reached.code())

        in_an_argument = change.path.startswith("argument ")
        if change.rebinds and not in_an_argument and self._was_read(change.before):
            data = ".data" if isinstance(change.before, TensorBase) else ""
            self._refuse(
                f"makes another array of {change.path} in each call, which replays would not see; "
                f"write into it in place: {change.path}{data}[...] = value",
                line(),
            )
        elif change.keeps:
            self.trace.fail(f"keeps a tensor of the step as {change.path}; return it", line())
        elif change.is_switch:
            owner, key = self.conditions.word(change.container), self.conditions.word(change.key)
            self.returns.lines.append(f"{owner}[{key}] = {self.conditions.word(change.now)}")
        else:
            self.trace.fail(
                f"changes {change.path}, which replays would not do; return the value", line()
            )

    def _was_read(self, value: Any) -> bool:
        array = value._data if isinstance(value, TensorBase) else value
        var = self.trace.known.get(id(array))
        return var is not None and any(var in entry.reads() for entry in self.trace.entries)
