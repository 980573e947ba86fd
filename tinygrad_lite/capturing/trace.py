"""The record of one step: what NumPy was asked to do, in order.

While a step is captured, its tensors hold `Traced` objects instead of arrays.  A Traced carries a
value, and computes with it at once; each operation adds an `Entry` to the `Trace`.  It is no
ndarray, so NumPy cannot read its value behind our back: `np.array`, `bool`, `item` and iteration
end in `Trace.leak`.  The rules of operations need not know of it: they take it for an array.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import copy
from threading import get_ident
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..arrays.ownership import memory_owner
from ..arrays.recorded import recorder
from ..engine.function import Function, Primitive
from ..engine.graph import Leaf
from ..engine.hooks import Hooks, hooks_of
from ..engine.recording import Mode, Observer, modes, serials, user_line
from .entries import Entry, Var, mapped
from .notes import Notes, library_lines
from .numbers import Number, Numbers


class NotRecorded(Exception):  # no error of the user's
    """A rule did what cannot be recorded: it is then replayed as a whole."""


class Traced(NDArrayOperatorsMixin):
    """A value on its way through a step that is captured.  To `isinstance` it is an ndarray."""

    __slots__ = ("__weakref__", "_trace", "value", "variable")

    __class__ = property(lambda self: np.ndarray)
    __array_priority__ = 1000.0

    def __init__(self, trace: "Trace", var: Var) -> None:
        self._trace, self.variable, self.value = trace, var, var.value
        var.traced = self

    # Metadata, which is the same in every replay

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    strides = property(lambda self: self.value.strides)
    nbytes = property(lambda self: self.value.nbytes)
    itemsize = property(lambda self: self.value.itemsize)
    flags = property(lambda self: np.asarray(self.value).flags)

    @property
    def base(self) -> Any:
        """The Traced that owns the memory; None if this one does."""
        root = self.variable.root
        return None if root is self.variable else self._trace.traced(root)

    @property
    def T(self) -> Any:  # NumPy's name
        """The transpose."""
        return self._trace.call(np.ndarray.transpose, (self,), {})

    @property
    def mT(self) -> Any:  # NumPy's name
        """The transpose of each matrix."""
        return self._trace.call(np.swapaxes, (self, -1, -2), {})

    def __len__(self) -> int:
        return len(self.value)

    # Operations

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **options: Any) -> Any:
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        writes = options.get("out", ())
        if any(isinstance(value_of(one), np.generic) for one in writes):  # of 0-d: a new one
            del options["out"]
            writes = ()
        if method == "at":
            writes = args[:1]
        return self._trace.call(function, args, options, writes)

    def __array_function__(self, function: Any, _: Any, args: Any, options: Any) -> Any:
        if function in METADATA:
            return function(*mapped(args, value_of), **mapped(options, value_of))
        writes = options.get("out")
        writes = () if writes is None else writes if isinstance(writes, tuple) else (writes,)
        if function in WRITERS:
            writes = args[:1]
        return self._trace.call(function, args, options, writes)

    def __getitem__(self, index: Any) -> Any:
        if any(one.value.dtype == bool for one in _traced_in(index)):
            return self._trace.leak("x[mask], whose shape depends on values", self, index)
        return self._trace.call(getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(self.value, np.generic):  # the result of an operation is an array
            array = self._trace.call(np.asarray, (self,), {})
            self.variable.traced = None
            self.variable, self.value, array.variable.traced = array.variable, array.value, self
        self._trace.call(setitem, (self, index, value), {}, (self,))

    # What would read the values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self._trace.leak("np.array", self), dtype)

    def __bool__(self) -> bool:
        return bool(self._trace.leak("bool", self))

    def __int__(self) -> int:
        return int(self._trace.leak("int", self))

    def __index__(self) -> int:
        return self._trace.leak("index", self).__index__()

    def __float__(self) -> float:
        return float(self._trace.leak("float", self))

    def __iter__(self) -> Any:
        return iter(self._trace.leak("iteration", self))

    def __contains__(self, value: Any) -> bool:
        return value in self._trace.leak("in", self)

    def __repr__(self) -> str:
        return repr(self._trace.leak("print", self))

    def __format__(self, form: str) -> str:
        return format(self._trace.leak("format", self), form)

    def item(self, *position: Any) -> Any:
        """The element as a Python number, which leaves the record."""
        return self._trace.leak("item", self).item(*mapped(position, value_of))

    def tolist(self) -> Any:
        """The elements as Python numbers, which leave the record."""
        return self._trace.leak("tolist", self).tolist()

    def tobytes(self) -> bytes:
        """The memory as bytes, which leave the record."""
        return self._trace.leak("tobytes", self).tobytes()


def _method(name: str, writes: bool = False) -> Any:
    function = getattr(np.ndarray, name)

    def call(self: Traced, *args: Any, **options: Any) -> Any:
        out = options.get("out")
        written = (self,) if writes else () if out is None else (out,)
        of_kind = getattr(np.generic, name) if isinstance(self.value, np.generic) else function
        return self._trace.call(of_kind, (self, *args), options, written)

    call.__name__, call.__doc__ = name, function.__doc__
    return call


for _name in (
    *("all", "any", "argmax", "argmin", "argsort", "astype", "clip", "conj", "copy", "cumprod"),
    *("cumsum", "diagonal", "dot", "flatten", "max", "mean", "min", "prod", "ravel", "repeat"),
    *("reshape", "round", "squeeze", "std", "sum", "swapaxes", "take", "transpose", "var", "view"),
):
    setattr(Traced, _name, _method(_name))
for _name in ("fill", "partition", "put", "sort"):
    setattr(Traced, _name, _method(_name, writes=True))


def getitem(array: Any, index: Any) -> Any:
    """array[index]."""
    return array[index]


def setitem(array: Any, index: Any, value: Any) -> None:
    """array[index] = value."""
    array[index] = value


# Functions of NumPy that tell what does not depend on values.
METADATA = {
    *(np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj),
    *(np.shares_memory, np.may_share_memory, np.common_type, np.min_scalar_type, np.einsum_path),
}
# Those that write into their first argument.
WRITERS = {np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis}
# Those whose result has a shape that depends on values.
VALUE_SHAPED = {
    *(np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.compress, np.extract, np.bincount),
    *(np.union1d, np.intersect1d, np.setdiff1d, np.trim_zeros, np.delete, np.array_equal),
    *(np.allclose, np.array_equiv),
}


def value_of(value: Any) -> Any:
    """The value that a Traced or a Number carries; any other object itself."""
    return value.value if type(value) is Traced or type(value) is Number else value


def _traced_in(value: Any) -> list[Traced]:
    found: list[Traced] = []
    mapped(value, lambda one: found.append(one) if type(one) is Traced else None)
    return found


class Trace(Observer):
    """The record of one call: `entries`, and the arrays that they read and make.

    failed  why the step cannot be captured; None as long as it can
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.failed: str | None = None
        self.known: dict[int, Var] = {}  # by the identity of the array
        self.roots: dict[int, Var] = {}  # by the identity of the array that owns the memory
        self.label = ("", "")
        self.path = ""
        self.line = ""
        self.strict = 0  # inside a rule, which is replayed whole if it cannot be recorded
        self.opaque: dict[Any, tuple[Var, ...]] = {}  # of those whose forward is, what it used
        self.whole: dict[str, str] = {}  # the operations that are replayed whole, and why
        self.notes = Notes()
        self.numbers = Numbers(self)
        self.written: set[Var] = set()  # the memory that some entry writes into
        self.unfilled: set[Var] = set()  # that of np.empty_like, until somebody has a view of it
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
        return var

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
        if not isinstance(value, (np.ndarray, np.generic)):
            return value, value
        owner = memory_owner(value) if isinstance(value, np.ndarray) else None
        var = given.get(id(value))
        if owner is None:  # a scalar, perhaps np.True_, of which there is only one
            var = Var("made", value)
        elif var is None:
            var = Var("made", value, self.roots.get(id(owner)))
            self.unfilled.discard(var.root)
            self.roots.setdefault(id(owner), var)
            self.known[id(value)] = var
        return var, self.traced(var)

    # What is recorded

    def is_over(self) -> bool:
        """Whether nothing is recorded any more, or not what this thread does."""
        return self.over or get_ident() != self.thread

    def call(self, function: Any, args: Any, options: Any, writes: Any = ()) -> Any:
        """Compute with the values, and add an entry."""
        if self.is_over():
            return function(*mapped(args, value_of), **mapped(options, value_of))
        if function in VALUE_SHAPED:
            self.leak(f"{function.__name__}, whose result depends on values", None)
        if function is np.empty_like:
            made = self._add(function, args, options, ())
            self.unfilled.add(made.variable)
            return made
        if writes and type(function) is np.ufunc and self._refills(writes, options):
            return self._refilled(function, args, options)
        written = tuple(self._variable_of(one) for one in writes if one is not None)
        for one in written:
            if one.kind == "constant":  # scratch memory, or what only NumPy knows of
                self._adopt(one, (args, *_traced_in(writes)))
        handed = self._add(function, args, options, written)
        if not written and _is_number(handed):
            return self.leak(function.__name__, None) or handed
        return handed

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
        before, made = array.value, self._add(function, args, {}, ())
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

    def _adopt(self, var: Var, given: Any) -> None:
        """Memory that was made with NumPy, and that the step now writes into.

        given: what the step reads of it, and the tensors' arrays that it writes
        """
        read: list[Any] = []
        mapped(given, read.append)
        if any(value_of(one) is var.value for one in read):
            self.leak("a change of an array that was made by NumPy", None)
        var.kind = "scratch"

    def _add(
        self, function: Any, args: Any, options: Any, writes: tuple[Var, ...], always: bool = False
    ) -> Any:
        entry = Entry(function, mapped(args, self._variable_of), {}, self.label)
        if options:
            entry.options = mapped(options, self._variable_of)
        entry.writes, entry.always = writes, always
        entry.module, entry.line, entry.within = self.path, self.line, library_lines()
        given = {id(var.value): var for var in entry.reads()}
        if self.journal is not None:
            for var in writes:
                self.journal.before_write(var)
            if always:
                self.journal.before_each_time(entry.reads())
        result = function(*mapped(args, value_of), **mapped(options, value_of))
        entry.result, handed = self._made(result, given)
        made = [var for var in entry.results() if given.get(id(var.value)) is not var]
        if made or writes or always:
            self.entries.append(entry)
            self.written.update([var.root for var in writes])
        return handed

    def call_whole(self, function: Any, given: Any, options: Any, always: bool = False) -> Any:
        """A function that is replayed as one call: see arrays/recorded.py."""
        if not always and not _traced_in((given, options)):
            if not any(type(one) is Number for one in given):
                return function(*given, **options)
            number = self.numbers.whole(function, given)
            if number is not None:
                return number
        with self.paused():
            handed = self._add(function, given, options, (), always)
        if _is_number(handed):
            return self.leak(function.__name__, None) or handed
        return handed

    def attempt(self, function: Callable[..., None], *args: Any) -> bool:
        """Call the function; False, and nothing is recorded, if it does what cannot be."""
        mark = self.mark()
        self.strict += 1
        try:
            function(*args)
        except NotRecorded as reason:
            self.undo(mark, self.label[0], reason)
            return False
        finally:
            self.strict -= 1
        return True

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
        if self.journal is None or not isinstance(op, (Function, Hooks)):
            return nullcontext()
        return self.journal.unwatched()

    def pass_through(self, hooks: Hooks, gradient: Any) -> Any:
        """The gradient of a leaf passes through its hooks, which each replay calls."""
        self.label, self.line = ("hook", "backward"), user_line()
        with self.unwatched(hooks):
            return self.call_whole(run_hooks, (hooks, gradient), {}, always=True)

    def carried(self, array: Any) -> Any:
        """The carrier of an array that the caller got from the user."""
        if type(array) is not np.ndarray:
            return array
        return self.traced(self.variable(array, "constant"))

    def number_of(self, array: Any) -> Any:
        """The only element of an array: a Number if it is a float."""
        if type(array) is not Traced or array.dtype.kind != "f":
            return array.item()
        kind = np.generic if isinstance(array.value, np.generic) else np.ndarray
        return self._add(kind.item, (array,), {}, ())

    def holds_now(self, test: Any, given: Any) -> bool:
        """Whether a condition holds for the values of this call."""
        return bool(test(*mapped(given, value_of)))

    def varies(self, array: Any) -> bool:
        """Whether the array may be another one in each replay."""
        return type(array) is Traced and array.variable.root.kind != "constant"

    def fresh(self, array: Any) -> Any:
        """A copy in each replay of an array that was made of shapes and numbers alone."""
        if type(array) is not np.ndarray:
            return array
        with self.paused():
            return self._add(np.array, (self.carried(array),), {}, ())

    # What ends a record

    def leak(self, what: str, traced: Any, *more: Any) -> Any:
        """A value is about to leave the record.  Inside a rule: NotRecorded.

        Elsewhere the step cannot be captured; the call goes on with the value.
        """
        if self.strict:
            raise NotRecorded(what)
        if not self.is_over():
            self.fail(what)
        value: Any = None if traced is None else traced.value
        return value[mapped(more[0], value_of)] if more else value

    def shares_work(self) -> None:
        """Several threads are about to work; a rule is then replayed whole, so that they do again.

        Elsewhere the work is recorded, and replayed, in the calling thread.
        """
        if self.strict:
            raise NotRecorded("work for several threads")

    def fail(self, why: str) -> None:
        """Note the first reason why the step cannot be captured, and the user's line."""
        if self.failed is None:
            self.failed = f"{user_line()}: {why}"

    # What the engine tells

    def forward(self, op: Any, arrays: list[Any]) -> Any:
        """An operation runs: record what its rule does, or, if that fails, the call."""
        self.label, self.line = (type(op).__name__, "forward"), user_line()
        for array in arrays:
            if type(array) is np.ndarray and id(array) not in self.known:
                self.strangers.append((self.variable(array, "constant"), self.line))
        result = self._forward(op, arrays)
        self.notes.forward(op, arrays, result)
        return result

    def _forward(self, op: Any, arrays: list[Any]) -> Any:
        state = state_of(op)
        if not isinstance(op, Function):
            mark = self.mark()
            self.strict += 1
            try:
                return self._as_arrays(op.forward(*arrays))
            except NotRecorded as reason:
                self.undo(mark, type(op).__name__, reason)
            finally:
                self.strict -= 1
        return self._forward_whole(op, state, arrays)

    def _as_arrays(self, result: Any) -> Any:
        """The result of a rule, each part of which is an array, perhaps of NumPy alone."""
        if isinstance(result, tuple):
            return tuple([self._as_arrays(one) for one in result])
        if type(result) is not np.ndarray and not isinstance(result, np.generic):
            return result  # Traced, or None
        return self.fresh(np.asarray(result))

    def _forward_whole(self, op: Any, state: dict[str, Any], arrays: list[Any]) -> Any:
        with self.paused(), self.unwatched(op):
            result = self._add(run_forward, (op, state, tuple(arrays)), {}, ())
        for name, value in state.items():  # run_forward put the arrays there
            if _traced_in(value):
                setattr(op, name, value)
        entry = self.entries[-1]
        self.opaque[op] = (*entry.reads(), *entry.results())
        return result

    def backward(self, node: Any, gradient: Any) -> Any:
        """A node is visited: the same for its backward rule."""
        self.notes.backward(node, gradient)
        if hooks_of(node) and not self.hooked:
            self.hooked, self.failed = True, None
            self.fail("a hook on a tensor that the step computed; return that gradient instead")
        self.label = (type(node).__name__, "backward")
        self.line = node.line or ""
        if not isinstance(node, Primitive) or not isinstance(gradient, (np.ndarray, tuple)):
            return node.pull_back(gradient)
        if type(node).pull_back is Primitive.pull_back and node not in self.opaque:
            mark = self.mark()
            self.strict += 1
            try:
                return mapped(node.pull_back(gradient), self._recorded)
            except NotRecorded as reason:
                self.undo(mark, type(node).__name__, reason)
            finally:
                self.strict -= 1
        elif type(node).pull_back not in (Primitive.pull_back, Function.pull_back):
            # a checkpoint, which runs operations
            return node.pull_back(gradient)
        return self._backward_whole(node, gradient)

    def _recorded(self, value: Any) -> Any:
        """What a rule returns; memory of its own that entries write into is part of the record."""
        if type(value) is not np.ndarray:
            return value
        root = self.roots.get(id(memory_owner(value)))
        if root is None or root.kind != "scratch":
            return value
        return self.traced(self.variable(value, "scratch"))

    def _backward_whole(self, node: Any, gradient: Any) -> Any:
        if node.saved_inputs is None:
            raise node.released()
        stand_in = StandIn(node)
        saved = node.saved_inputs, node.saved_output
        with self.paused(), self.unwatched(node):
            result = self._add(
                run_backward, (stand_in, _attributes(node), gradient, *saved), {}, ()
            )
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


def _is_number(value: Any) -> bool:
    """Whether a result is a number or a text, which nothing records."""
    return type(value) in (bool, int, float, complex, str, bytes)


class _Nobody(Observer):
    """The observer of a trace that is paused."""


_NOBODY = _Nobody()


def state_of(op: Any) -> dict[str, Any]:
    """The attributes of an operation."""
    found = {}
    for name in type(op)._attributes:
        if name == "__dict__":
            found.update(vars(op))
        elif hasattr(op, name):
            found[name] = getattr(op, name)
    return {name: _copied(value) for name, value in found.items()}


def _copied(value: Any) -> Any:
    return copy(value) if type(value) in (list, dict, set) else value


def _attributes(op: Any) -> dict[str, Any]:
    """The attributes of an operation in which there is a Traced."""
    return {name: value for name, value in state_of(op).items() if _traced_in(value)}


class StandIn:
    """An operation that is replayed whole: the object, without the graph around it."""

    def __init__(self, op: Any) -> None:
        self.op = op


def run_forward(op: Any, state: dict[str, Any], arrays: tuple[Any, ...]) -> Any:
    """The forward rule of an operation, which has these attributes and no others at first."""
    for name in state_of(op).keys() - state.keys():
        delattr(op, name)
    for name, value in state.items():
        setattr(op, name, _copied(value))
    result = op.forward(*arrays)
    if isinstance(result, tuple):
        return tuple([np.asarray(one) for one in result])
    return np.asarray(result)


def run_backward(op: StandIn, held: dict[str, Any], gradient: Any, inputs: Any, output: Any) -> Any:
    """The backward rule of an operation."""
    node = op.op
    for name, value in held.items():
        setattr(node, name, value)
    before = node.saved_inputs, node.saved_output
    node.saved_inputs, node.saved_output = inputs, output
    try:
        return node.pull_back(gradient)
    finally:
        node.saved_inputs, node.saved_output = before


def run_hooks(hooks: Hooks, gradient: Any) -> Any:
    """What the hooks of a leaf make of its gradient, in memory of its own."""
    result = hooks.pass_through(gradient)
    return result.copy(order="K") if result is gradient else result
