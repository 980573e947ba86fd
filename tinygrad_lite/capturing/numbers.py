"""Numbers of Python that may be others in each replay: learning rates, counts of steps.

A `Number` carries a value, and computes with it at once, as a Traced does for arrays; what Python
computes is an entry too.  A comparison decides which way the code goes on, so it becomes a guard: a
replay fits only if all of them come out as they did while the step was recorded.  Guards are
checked before the step begins, so they can depend only on what is known by then.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays.recorded import recorder
from .entries import Entry, Var
from .notes import running_lines


class Number:
    """A number on its way through a step that is captured.  To `isinstance` it is one of Python."""

    __slots__ = ("_trace", "value", "variable")

    __class__ = property(lambda self: type(self.value))
    shape = ()  # as np.shape has it

    def __init__(self, trace: Any, var: Var) -> None:
        self._trace, self.variable, self.value = trace, var, var.value

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **options: Any) -> Any:
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        return self._trace.call(function, args, options, options.get("out", ()))

    # What would read the value

    def __float__(self) -> float:
        return float(self._trace.leak("float", self))

    def __int__(self) -> int:
        return int(self._trace.leak("int", self))

    def __index__(self) -> int:
        return operator.index(self._trace.leak("index", self))

    def __trunc__(self) -> int:
        return int(self._trace.leak("int", self))

    def __floor__(self) -> Any:
        return self._trace.leak("floor", self).__floor__()

    def __ceil__(self) -> Any:
        return self._trace.leak("ceil", self).__ceil__()

    def __round__(self, digits: int | None = None) -> Any:
        return round(self._trace.leak("round", self), digits)

    def __hash__(self) -> int:
        return hash(self._trace.leak("hash", self))

    def __repr__(self) -> str:
        return repr(self._trace.leak("str() or print()", self))

    def __format__(self, form: str) -> str:
        return format(self._trace.leak("format", self), form)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trace.leak(name, self), name)


PLAIN = (float, int, bool)


def _operation(function: Callable[..., Any], reflected: bool = False) -> Any:
    def call(self: Number, *others: Any) -> Any:
        if any(type(one) is not Number and type(one) not in PLAIN for one in others):
            return NotImplemented
        args = (*others, self) if reflected else (self, *others)
        return self._trace.numbers.compute(function, *args)

    return call


def _decision(function: Callable[..., Any]) -> Any:
    def call(self: Number, *others: Any) -> Any:
        if any(type(one) is not Number and type(one) not in PLAIN for one in others):
            return NotImplemented
        return self._trace.numbers.decide(function, self, *others)

    return call


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Number, f"__{_name}__", _operation(getattr(operator, _name)))
    setattr(Number, f"__r{_name}__", _operation(getattr(operator, _name), reflected=True))
for _name in ("neg", "pos", "abs"):
    setattr(Number, f"__{_name}__", _operation(getattr(operator, _name)))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Number, f"__{_name}__", _decision(getattr(operator, _name)))
Number.__bool__ = _decision(operator.truth)  # type: ignore[attr-defined]


class Numbers:
    """The numbers of a record, and what a replay has to find as it was.

    guards    variables, each with the value that it must have in a replay
    same      containers, each with a key, and the object that must stand there
    lengths   containers that must have as many elements
    writable  arrays that must be writable
    """

    def __init__(self, trace: Any) -> None:
        self.trace = trace
        self.found: dict[Any, Var] = {}  # the same calculation is made once
        self.late: set[Var] = set()  # those that are known only while the step runs
        self.guards: dict[Var, Any] = {}
        self.same: list[tuple[Any, Any, Any]] = []
        self.lengths: list[Any] = []
        self.writable: list[Any] = []
        self.assigned: dict[Any, Number] = {}  # options, by the identity of the group and the name
        self.by_value: set[Var] = set()  # arguments that have to be the same in a replay

    def mark(self) -> tuple[int, int]:
        """How much there is now: for `undo`."""
        return len(self.found), len(self.guards)

    def undo(self, mark: tuple[int, int]) -> None:
        """Drop what came later, since its entries are dropped."""
        for entries, length in zip((self.found, self.guards), mark, strict=True):
            while len(entries) > length:
                entries.popitem()

    # What a replay reads

    def option(self, options: Any, name: str, origin: Any = None) -> Any:
        """options[name], read again in each replay: a Number, or a tuple of Numbers.

        Flags, integers, words and None decide how the code goes on: they have to be the same.
        origin  what it is, for the source: ("lr", 0) is that of the first group
        """
        if (id(options), name) in self.assigned:
            return self.assigned[id(options), name]
        token = recorder.set(None)
        try:
            var = self._entry(operator.getitem, (options, name))
        finally:
            recorder.reset(token)
        kinds = {type(one) for one in var.value} if type(var.value) is tuple else ()
        if kinds == {float}:
            count = range(len(var.value))
            self.require(len, var)
            parts = [self._entry(operator.getitem, (var, position)) for position in count]
            for position, part in enumerate(parts):
                part.origin = (name, position, origin)
            return tuple(map(self._number, parts))
        if type(var.value) is float:
            var.origin = (name, origin)
            return self._number(var)
        if type(var.value) not in (bool, int, str, type(None)):
            return self.trace.leak(f"an option that is a {type(var.value).__name__}", _Held(var))
        self.guards[var] = var.value
        return var.value

    def read_by(self, lines: Sequence[Entry], before: Sequence[Entry]) -> list[Entry]:
        """The calculations with numbers among the entries before these lines that they need."""
        made, needed = set(self.found.values()), list[Entry]()
        wanted = {var for entry in lines for var in entry.reads()}
        for entry in reversed(before):
            if isinstance(entry.result, Var) and entry.result in made & wanted:
                needed.insert(0, entry)
                wanted.update(entry.reads())
        return needed

    def carries(self, value: Any) -> bool:
        """Whether this is a number that a replay reads or computes."""
        return type(value) is Number

    def element(self, array: Any) -> Number:
        """The element of an array that outlives the step, as it is when this is reached."""
        memory = self.trace.variable(array, "outside")
        var = self._computed(np.ndarray.item, (memory,))  # anew: the step may have written it
        if not self.is_known(memory):
            self.late.add(var)
        return self._number(var)

    def is_known(self, var: Var) -> bool:
        """Whether an array outlives the step, which has not written it so far."""
        return var.kind == "outside" and var.root not in self.trace.written

    def require(self, function: Callable[..., Any], *args: Any) -> Any:
        """function(*args), which has to be the same in each replay."""
        var = self._entry(function, args)
        self.guards[var] = var.value
        return var.value

    # What a step computes

    def compute(self, function: Callable[..., Any], *args: Any) -> Any:
        """A calculation with numbers."""
        var = self._entry(function, args)
        if type(var.value) not in PLAIN:
            return self.trace.leak(function.__name__, self._number(var))
        return self._number(var)

    def whole(self, function: Callable[..., Any], args: Any) -> Any:
        """The same for a function; None if its result is no number."""
        mark, entries = self.mark(), len(self.trace.entries)
        var = self._entry(function, args)
        if type(var.value) in PLAIN:
            return self._number(var)
        self.undo(mark)
        del self.trace.entries[entries:]
        return None

    def decide(self, function: Callable[..., bool], *args: Any) -> bool:
        """A condition on numbers, which decides how the code goes on."""
        var = self._entry(function, args)
        if var in self.late:
            return bool(self.trace.leak("a condition on a number", self._number(var)))
        self.guards[var] = var.value
        return bool(var.value)

    def argument(self, value: float) -> Number:
        """A number that the step is called with, another one in each replay."""
        var = Var("input", value)
        self.late.add(var)
        return self._number(var)

    def settle(self, var: Var) -> bool:
        """The value of a number is needed: what it follows from counts by value.

        That are arguments, and what is known before the step.  False if it comes from an array.
        """
        made_by = {id(each.result): each for each in self.trace.entries}
        stack, found, known = [var], set[Var](), set[Var]()
        while stack:
            one = stack.pop()
            if one.kind == "input" and type(one.value) is float:
                found.add(one)
                continue
            if type(one.value) in PLAIN and one not in self.late:
                known.add(one)
                continue
            entry = made_by.get(id(one))
            read = [] if entry is None else list(entry.reads())
            if not read:
                return False
            stack += read
        self.by_value |= found
        self.guards |= {one: one.value for one in known}
        return True

    def made(self, value: Any) -> tuple[Var, Number]:
        """A number that an entry made of arrays: its variable and its carrier."""
        var = Var("made", value)
        self.late.add(var)
        return var, self._number(var)

    def _number(self, var: Var) -> Number:
        return Number(self.trace, var)

    def _entry(self, function: Callable[..., Any], args: Any) -> Var:
        """The variable of function(*args), which is computed once."""
        args = tuple([one.variable if type(one) is Number else one for one in args])
        key = (function, *[repr(one) if type(one) in PLAIN else id(one) for one in args])
        var = self.found.get(key)
        if var is None:
            var = self.found[key] = self._computed(function, args)
        return var

    def _computed(self, function: Callable[..., Any], args: Any) -> Var:
        var = Var("made", function(*[one.value if type(one) is Var else one for one in args]))
        entry = Entry(function, args, {}, self.trace.label)
        entry.result, entry.line = var, self.trace.line
        entry.within, entry.callers = running_lines()
        self.trace.entries.append(entry)
        if any(one in self.late for one in args if type(one) is Var):
            self.late.add(var)
        return var


class _Held:
    """What `Trace.leak` gives back."""

    def __init__(self, var: Var) -> None:
        self.value = var.value


# How the function of an entry is written that is an operator of Python.
SIGNS: dict[Any, str] = {
    **{operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/"},
    **{operator.floordiv: "//", operator.mod: "%", operator.pow: "**", operator.lt: "<"},
    **{
        operator.le: "<=",
        operator.gt: ">",
        operator.ge: ">=",
        operator.eq: "==",
        operator.ne: "!=",
    },
}


def guards(numbers: Numbers, entries: Sequence[Entry], conditions: Any) -> list[str]:
    """Terms for `conditions` that hold if all that a record requires is as it was.

    entries: those of the record, among which are the ones that compute what is compared
    """
    wanted, needed = set(numbers.guards), []
    for entry in reversed(entries) if wanted else ():
        if isinstance(entry.result, Var) and entry.result in wanted:
            needed.append(entry)
            wanted.update(entry.reads())
    word, computed = conditions.word, dict[Var, str]()

    def argument(one: Any) -> str:
        if isinstance(one, Var):
            return computed.get(one) or str(word(one.value))
        return str(word(one))

    terms = [
        f"{word(owner)}[{word(key)}] is {conditions.itself(one)}"
        for owner, key, one in numbers.same
    ]
    terms += [f"len({word(owner)}) == {len(owner)}" for owner in numbers.lengths]
    terms += [f"{word(array)}.flags.writeable" for array in numbers.writable]
    for entry in reversed(needed):
        var, function, args = entry.result, entry.function, [argument(one) for one in entry.args]
        if function is operator.getitem:
            call = f"{args[0]}[{args[1]}]"
        elif function in SIGNS:
            call = f"{args[0]} {SIGNS[function]} {args[1]}"
        else:
            call = f"{word(function)}({', '.join(args)})"
        name = computed[var] = f"v{len(computed)}"
        if var in numbers.guards:
            value = numbers.guards[var]
            same = "is" if value is None or type(value) is bool else "=="
            terms.append(f"({name} := {call}) {same} {word(value)}")
        else:
            terms.append(f"(({name} := {call}),)")  # which is true
    return terms
