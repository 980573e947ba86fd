"""The record of one step: what NumPy was asked to do, in order.

While a step is captured, its tensors hold `Traced` objects instead of arrays.  A Traced carries a
value, and computes with it at once; each operation adds an `Entry` to the `Trace`.  It is no
ndarray, so NumPy cannot read its value behind our back: `np.array`, `bool`, `item` and iteration
end in `Trace.leak`.  The rules of operations need not know of it: they take it for an array.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from threading import get_ident
from typing import Any

import numpy as np

from ..arrays.ownership import memory_owner
from ..arrays.recorded import recorder
from ..engine.function import Function, Primitive
from ..engine.graph import Leaf
from ..engine.hooks import Hooks, hooks_of
from ..engine.memory import changes
from ..engine.recording import Mode, Observer, modes, serials, user_line
from .blame import running_line
from .entries import Entry, Var, mapped
from .notes import Notes, running_lines
from .numbers import Number, Numbers
from .numpy_functions import RETURNS_ITS_ARGUMENT, is_numpys
from .rules import (
    SameForm,
    StandIn,
    restore,
    run_backward,
    run_forward,
    run_hooks,
    run_nested,
    state_of,
)
from .traced import Traced, of_kind, traced_in, value_of

# The labels of what no rule of an operation does: methods and code of the user's; sums of gradients
OUTSIDE, BETWEEN = ("", "forward"), ("", "backward")


class NotRecorded(Exception):  # no error of the user's
    """A rule did what cannot be recorded: it is then replayed as a whole."""


class Trace(Observer):
    """The record of one call: `entries`, and the arrays that they read and make.

    failed  why the step cannot be captured; None as long as it can
    """

    def __init__(self, name: str = "the step") -> None:
        self.name = name  # of the function
        self.entries: list[Entry] = []
        self.failed: str | None = None
        self.known: dict[int, Var] = {}  # by the identity of the array
        self.roots: dict[int, Var] = {}  # by the identity of the array that owns the memory
        self.label = OUTSIDE
        self.path = ""
        self.line = ""
        self.strict = 0  # inside a rule, which is replayed whole if it cannot be recorded
        self.opaque: dict[Any, tuple[Var, ...]] = {}  # of those whose forward is, what it used
        self.whole: dict[str, str] = {}  # the operations that are replayed whole, and why
        self.notes = Notes()
        self.constants: list[tuple[Any, Any]] = []  # each with a copy
        self.numbers = Numbers(self)
        self.written: set[Var] = set()  # the memory that some entry writes into
        self.unfilled: set[Var] = set()  # that of np.empty_like, until somebody has a view of it
        self.at_start: Any = None  # called before the first operation
        self.journal: Any = None  # what keeps copies of what is written
        self.began = next(serials)
        self.over = self.hooked = False
        self.thread = get_ident()
        self.leaves: set[Any] = set()  # the nodes of the leaves that were found
        self.noted: dict[Var, None] = {}  # memory whose changes the graph is told of
        self.strangers: list[tuple[Var, str]] = []  # arrays of which nothing is known, and where

    # Variables

    def variable(self, array: Any, kind: str) -> Var:
        """The variable of an array that no entry made."""
        var = self.known.get(id(array))
        if var is None:
            owner = id(memory_owner(array)) if isinstance(array, np.ndarray) else id(array)
            var = Var(kind, array, self.roots.get(owner))
            self.roots.setdefault(owner, var)
            self.known[id(array)] = var
            if kind == "constant" and array.flags.writeable and array.nbytes <= WATCHED:
                self.constants.append((array, array.copy()))
        return var

    def __exit__(self, *given: object) -> None:
        """The record is complete; what was taken for a constant must still be what it was."""
        for array, before in self.constants:
            if array.tobytes() != before.tobytes():
                self.fail("a change of an array that was used before; make another one")
        super().__exit__(*given)

    def traced(self, var: Var) -> Traced:
        """The carrier of a variable's value: always the same one while it is in use."""
        return Traced(self, var) if var.traced is None else var.traced

    def outside(self, array: Any) -> Traced:
        """The carrier of an array that outlives the step."""
        return self.traced(self.variable(array, "outside"))

    def _variable_of(self, value: Any) -> Any:
        """What stands in an entry for an argument."""
        if type(value) is Traced or type(value) is Number:
            return value.variable
        if type(value) is np.ndarray:
            return self.variable(value, "constant")
        return value

    def _made(self, value: Any, given: dict[int, Var]) -> Any:
        """What stands in an entry for (a part of) its result, and what the caller gets."""
        if isinstance(value, (tuple, list)):
            pairs = [self._made(one, given) for one in value]
            tree, handed = [one for one, _ in pairs], [one for _, one in pairs]
            make = getattr(type(value), "_make", type(value))
            return tuple(tree), make(handed)
        if type(value) in (bool, int, float):
            return self.numbers.made(value)
        if isinstance(value, np.generic):  # perhaps np.True_, of which there is only one
            var = Var("made", value)
        elif isinstance(value, np.ndarray):
            found = given.get(id(value))
            var = self._of_memory(value) if found is None else found
        else:
            return value, value
        return var, self.traced(var)

    def _of_memory(self, value: Any) -> Var:
        """A new variable, which may be a view of another one."""
        owner = memory_owner(value)
        var = Var("made", value, self.roots.get(id(owner)))
        self.unfilled.discard(var.root)
        self.roots.setdefault(id(owner), var)
        self.known.setdefault(id(value), var)
        return var

    # What is recorded

    def is_over(self) -> bool:
        """Whether nothing is recorded any more, or not what this thread does."""
        return self.over or get_ident() != self.thread

    def call(self, function: Any, args: Any, options: Any, writes: Any = ()) -> Any:
        """Compute with the values, and add an entry."""
        if self.is_over():
            values = mapped(args, value_of)
            return of_kind(function, *values[:1])(*values, **mapped(options, value_of))
        if any(type(one) is np.ndarray or _is_constant(one) for one in writes):
            self.leak("a change of an array that was made by NumPy", None)
        if function is np.empty_like or function is np.empty:
            made = self._add(function, args, options)
            self.unfilled.add(made.variable)
            return made
        if writes and type(function) is np.ufunc and self._refills(writes, options):
            return self._refilled(function, args, options)
        for one in writes:
            if type(one) is Traced:
                one.number = None
        written = tuple([one.variable for one in writes if type(one) is Traced])
        result = self._add(function, args, options, written)
        if not self.strict and isinstance(result, np.generic):
            # Outside rules NumPy's numbers are 0-d arrays, as which a tensor can hold them.
            array = self._add(np.asarray, (result,), {})
            number: Any = result
            array.number = number.variable
            return array
        if not written and _is_number(result):
            return self.leak(function.__name__, None) or result
        return result

    def _refills(self, out: Any, options: Any) -> bool:
        """Whether a call writes all of an array that np.empty_like made, and does nothing else."""
        array = out[0]
        return (
            len(out) == 1
            and type(array) is Traced
            and array.variable in self.unfilled
            and options.keys() == {"out"}
        )

    def _refilled(self, function: Any, args: Any, options: Any) -> Any:
        """Such a call as one whose result is new: the plan chooses the memory, and no line says it.

        Nobody else refers to the old contents, so the carrier can be that of the result.
        """
        (array,) = options["out"]
        before, made = array.value, self._add(function, args, {})
        like = made.value
        if not before.ndim or any(
            getattr(like, name) != getattr(before, name) for name in ("shape", "dtype", "strides")
        ):
            del self.entries[-1]
            return self._add(function, args, options, (array.variable,))
        self.unfilled.add(made.variable)
        array.variable.traced = None
        array.variable, array.value = made.variable, like
        array.variable.traced = array
        return array

    def _add(
        self,
        function: Any,
        args: Any,
        options: Any,
        writes: tuple[Var, ...] = (),
        always: bool = False,
        opaque: bool = False,
    ) -> Any:
        entry = Entry(function, mapped(args, self._variable_of), {}, self.label)
        if options:
            entry.options = mapped(options, self._variable_of)
        entry.module, entry.line = self.path, self.line if self.label[0] else ""
        entry.within, entry.callers = running_lines()
        read = entry.reads()
        given = {id(var.value): var for var in read}
        if self.journal is not None:
            for var in writes:
                self.journal.before_write(var)
            if always:
                self.journal.before_each_time(read)
        values = mapped(args, value_of)
        result = of_kind(function, *values[:1])(*values, **mapped(options, value_of))
        if opaque:
            var = entry.result = Var("made", result)
            handed: Any = self.traced(var)
        else:
            # A function that is replayed whole may return an argument in some calls only.
            entry.result, handed = self._made(result, given if is_numpys(function) else {})
        results = entry.results()
        same = [var for var in results if given.get(id(var.value)) is var]
        unnamed = set(same).difference(writes)
        if unnamed and is_numpys(function) and function not in RETURNS_ITS_ARGUMENT:
            self.leak(f"{function.__name__}, which writes into an argument without out=", None)
        entry.writes, entry.always = writes, always
        if len(same) < len(results) or writes or always:
            self.entries.append(entry)
            self.written.update([var.root for var in (read if always else writes)])
        elif result is None:
            self.leak(f"{getattr(function, '__name__', 'a function')}, which returns nothing", None)
        return handed

    def call_whole(
        self, function: Any, given: Any, options: Any, always: bool = False, checks: bool = False
    ) -> Any:
        """A function that is replayed as one call: see arrays/recorded.py."""
        if (checks or not always) and not traced_in((given, options)):
            if not any(type(one) is Number for one in given):
                with self.paused():
                    return function(*given, **options)
            number = self.numbers.whole(function, given)
            if number is not None:
                return number
        with self.paused():
            handed = self._add(function, given, options, always=always)
        if always:
            self.entries[-1].checks = checks
        if _is_number(handed):
            return self.leak(function.__name__, None) or handed
        return handed

    def call_opaque(self, function: Any, given: Any, options: Any) -> Any:
        """The same for a function whose result may be of any kind."""
        if not traced_in((given, options)):
            return function(*given, **options)
        with self.paused():
            return self._add(function, given, options, opaque=True)

    def attempt(self, function: Callable[..., None], *args: Any) -> bool:
        """Call the function; False, and nothing is recorded, if it does what cannot be."""
        with self._rule(self.label[0]):
            function(*args)
            return True
        return False

    @contextmanager
    def _rule(self, name: str) -> Iterator[None]:
        """Inside, a rule runs; if it cannot be recorded, its entries go, and nothing is raised."""
        mark = self.mark()
        self.strict += 1
        try:
            yield
        except NotRecorded as reason:
            self.undo(mark, name, reason)
        finally:
            self.strict -= 1

    def instead(self, mark: Any, function: Callable[..., None], given: Any) -> None:
        """A replay calls the function instead of what was recorded since `mark`.

        It must do the same; the lines are kept for `source`.
        """
        lines = self.entries[mark[0] :]
        del self.entries[mark[0] :]
        lines = [*self.numbers.read_by(lines, self.entries), *lines]
        self.numbers.undo(mark[1])
        entry = Entry(function, mapped(given, self._variable_of), {}, self.label)
        entry.always, entry.lines, entry.line = True, tuple(lines), self.line
        self.entries.append(entry)

    def mark(self) -> Any:
        """Where the record is now: for `undo`."""
        return len(self.entries), self.numbers.mark()

    def undo(self, mark: Any, name: str, reason: NotRecorded) -> None:
        """Drop what was recorded since then: the operation of this name is replayed whole."""
        del self.entries[mark[0] :]
        self.numbers.undo(mark[1])
        self.whole[name] = str(reason)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Inside, nothing is recorded and nobody observes."""
        token, before = recorder.set(None), modes.get()
        modes.set(Mode() if before.grad_enabled else Mode(Mode(), _NOBODY))
        try:
            yield
        finally:
            modes.set(before)
            recorder.reset(token)

    def unwatched(self, op: Any) -> Any:
        """Around code of the user's which replays run too: they do what else it changes."""
        if self.journal is None or not isinstance(op, Function):
            return nullcontext()
        return self.journal.unwatched()

    def pass_through(self, hooks: Hooks, gradient: Any) -> Any:
        """The gradient of a leaf passes through its hooks, which each replay calls."""
        self.label, self.line = ("hook", "backward"), user_line()
        with self.journal.opened():
            return self.call_whole(run_hooks, (hooks, gradient), {}, always=True)

    def carried(self, array: Any) -> Any:
        """The carrier of an array that the caller got from the user."""
        if type(array) is not np.ndarray:
            return array
        self.meet(array)
        return self.traced(self.variable(array, "constant"))

    def meet(self, array: Any) -> None:
        """Note an array of which nothing is known: it may be another one in each call."""
        if type(array) is np.ndarray and id(array) not in self.known:
            self.strangers.append((self.variable(array, "constant"), user_line()))

    def number_of(self, array: Any) -> Any:
        """The only element of an array: a Number if it is a float, or known before the step."""
        if type(array) is Traced and self.numbers.is_known(array.variable):
            return self.numbers.element(array.value)
        if type(array) is not Traced or array.dtype.kind != "f":
            return array.item()
        kind = np.generic if isinstance(array.value, np.generic) else np.ndarray
        return self._add(kind.item, (array,), {}, ())

    def holds_now(self, test: Any, given: Any) -> bool:
        """Whether a condition holds for the values of this call."""
        return bool(test(*mapped(given, value_of)))

    def varies(self, array: Any) -> bool:
        """Whether the array may be another one in each replay."""
        stack, seen = [array.variable] if type(array) is Traced else [], set()
        while stack:
            var = stack.pop()
            if var in seen:
                continue
            seen.add(var)
            if var.kind != "made" and var.root.kind != "constant":
                return True
            for entry in self.entries:
                if var.root in entry.writes or var in entry.results():
                    if entry.always or entry.function is run_forward:
                        return True
                    stack.extend(entry.reads())
        return False

    def fresh(self, array: Any) -> Any:
        """A copy in each replay of an array that was made of shapes and numbers alone."""
        if type(array) is not np.ndarray:
            return array
        with self.paused():
            constant = self.traced(self.variable(array, "constant"))
            return self._add(np.array, (constant,), {})

    # What ends a record

    def leak(self, what: str, traced: Any, *more: Any) -> Any:
        """A value is about to leave the record.  Inside a rule: NotRecorded.

        Elsewhere the step cannot be captured; the call goes on with the value.
        """
        if self.strict:
            raise NotRecorded(what)
        if type(traced) is Number:
            known = self.numbers.settle(traced.variable)
        else:
            known = traced is not None and not any(map(self.varies, traced_in((traced, more))))
        if not known and not self.is_over():
            plain = "," not in what and not what.startswith(("a ", "an "))
            call = "()" if what.isidentifier() and what != "in" else ""
            cure = f"{call} reads a value; return that, and read it after the call"
            if "whose shape depends" in what:
                named = "without num_classes" in what
                what += "; pass it" if named else "; use mask.where(a, b), or weights of 0"
            self.fail(what + cure if plain else what)
        value: Any = None if traced is None else traced.value
        return value[mapped(more[0], value_of)] if more else value

    def shares_work(self) -> None:
        """Several threads are about to work; a rule is then replayed whole, so that they do again.

        Elsewhere the work is recorded, and replayed, in the calling thread.
        """
        if self.strict:
            raise NotRecorded("work for several threads")

    def fail(self, why: str, line: str = "") -> None:
        """Note the first reason why the step cannot be captured, and the user's line if known."""
        if self.failed is None:
            self.failed = f"{line or running_line() or f'in {self.name}'}: {why}"

    # What the engine tells

    def forward(self, op: Any, arrays: list[Any]) -> Any:
        """An operation runs: record what its rule does, or, if that fails, the call."""
        if self.at_start is not None:
            self.at_start()
            self.at_start = None
        if self.strict:  # a part of another rule
            return self._forward(op, arrays)
        if modes.get().observer is not self:
            self.fail("enters an observer, which replays would not call; enter it around the step")
        self.label, self.line = (type(op).__name__, "forward"), user_line()
        mapped(arrays, self.meet)
        result = self._forward(op, arrays)
        self.notes.forward(op, arrays, result, (self.line, self.path))
        self.label = OUTSIDE
        return result

    def _forward(self, op: Any, arrays: list[Any]) -> Any:
        state = state_of(op)
        if not isinstance(op, Function):
            with self._rule(type(op).__name__):
                return self._as_arrays(op.forward(*arrays))
            restore(op, state)
        return self._forward_whole(op, state, arrays)

    def _as_arrays(self, result: Any, scalars: bool = False) -> Any:
        """The result of a rule, each part of which is an array; in another rule perhaps a number.

        What NumPy alone made is copied in each replay, since it may be written into.
        """
        if isinstance(result, tuple):
            parts = [self._as_arrays(one, scalars) for one in result]
            return getattr(type(result), "_make", type(result))(parts)
        if self.strict > 1:
            return result
        if type(result) is Traced:
            if scalars or not isinstance(result, np.generic):
                return result
            return self._add(np.asarray, (result,), {})
        if type(result) is np.ndarray and not result.flags.writeable:
            return self.traced(self.variable(result, "constant"))  # np.broadcast_to, of a number
        if type(result) is np.ndarray or isinstance(result, np.generic):
            return self.fresh(np.asarray(result))
        return result

    def _forward_whole(self, op: Any, state: dict[str, Any], arrays: list[Any]) -> Any:
        users = isinstance(op, Function)
        before = [(one, one.value.copy()) for one in traced_in(arrays) if users]
        form = SameForm(op) if users else None
        run = run_forward if not self.strict else run_nested
        with self.paused(), self.unwatched(op):
            result = self._add(run, (op, state, tuple(arrays), form), {}, always=users)
        _carry(op, state)
        entry = self.entries[-1]
        changed = [one.variable for one, copy in before if one.value.tobytes() != copy.tobytes()]
        entry.writes = tuple(changed)  # by a user's rule; NumPy allows it
        self.written.update([var.root for var in changed])
        self.opaque[op] = (*entry.reads(), *entry.results())
        return result

    def backward(self, node: Any, gradient: Any) -> Any:
        """A node is visited: the same for its backward rule."""
        self.notes.backward(node, gradient)
        if hooks_of(node) and not self.hooked:
            self.hooked, self.failed = True, None
            self.fail("a hook on a tensor that the step computed; return that gradient instead")
        self.label = (type(node).__name__, "backward")
        line, before = self.line, self.path
        self.line, self.path = self.notes.place_of(node)
        try:
            pulled = self._pulled(node, gradient)
        finally:
            self.line, self.path = line, before
            self.label = BETWEEN
        self.notes.pulled(node, pulled)
        return pulled

    def _pulled(self, node: Any, gradient: Any) -> Any:
        if not isinstance(node, Primitive) or not isinstance(gradient, _PLAIN):
            return node.pull_back(gradient)
        if type(node).pull_back is Primitive.pull_back and node not in self.opaque:
            state = state_of(node)
            with self._rule(type(node).__name__):
                return self._as_arrays(node.pull_back(gradient), scalars=True)
            restore(node, state)
        elif type(node).pull_back not in (Primitive.pull_back, Function.pull_back):
            # a checkpoint, which runs operations
            return node.pull_back(gradient)
        return self._backward_whole(node, gradient)

    def _backward_whole(self, node: Any, gradient: Any) -> Any:
        if node.saved_inputs is None:
            raise node.released()
        if changes.newest > node.serial:
            changes.check(node, node.serial)
        users, held = isinstance(node, Function), state_of(node)
        if node in self.opaque:  # each replay of the forward rule leaves the others there
            held = {name: value for name, value in held.items() if traced_in(value)}
        form = SameForm(node) if users else None
        given = (StandIn(node), held, gradient, node.saved_inputs, node.saved_output, form)
        with self.paused(), self.unwatched(node):
            result = self._add(run_backward, given, {}, always=users)
        _carry(node, held)
        self.entries[-1].keeps = self.opaque.get(node, ())  # which forward may have left in it
        return result

    def recorded(self, op: Any, tensor: Any) -> None:
        """An operation was recorded: its inputs must be of this step, or leaves that are known."""
        for parent in op.parents:
            if parent is None or parent.serial > self.began or parent in self.leaves:
                continue
            known = isinstance(parent, Leaf)
            self.fail(
                "uses a parameter that was not found; hold it in an attribute, or pass it"
                if known
                else "uses a tensor that was computed before, and requires grad; detach() it"
            )

    def wrote(self, array: Any) -> None:
        """Something wrote into an array, and tells the graph."""
        if type(array) is Traced:
            self.noted[array.variable.root] = None

    def module(self, path: str) -> Any:
        """A module is called."""
        return self._inside(path)

    @contextmanager
    def _inside(self, path: str) -> Iterator[None]:
        before, self.path = self.path, path
        try:
            yield
        finally:
            self.path = before


WATCHED = 1 << 20  # bytes of a constant up to which a copy tells whether it was changed


def _is_constant(value: Any) -> bool:
    return type(value) is Traced and value.variable.root.kind == "constant"


def _is_number(value: Any) -> bool:
    """Whether a result is a number or a text, which nothing records."""
    return type(value) in (bool, int, float, complex, str, bytes)


class _Nobody(Observer):
    """The observer of a trace that is paused."""


_NOBODY = _Nobody()


def _carry(op: Any, held: dict[str, Any]) -> None:
    """Put every Traced back to where its array is, after a rule ran with arrays."""
    for name, value in held.items():
        if traced_in(value):
            setattr(op, name, value)


# What a gradient is in a backward pass that is not itself recorded as a graph.
_PLAIN = (np.ndarray, np.generic, tuple)
