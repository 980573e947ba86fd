"""The Python function that replays a step: a line for each entry, and arrays made beforehand.

Where NumPy can write a result into memory that is given, that memory lies in the arena of the
program (memory.py), in an array made once.  Views of such arrays, and of memory from outside, are
made once too.  All else (what outlives the step, and results of functions that choose their memory
themselves) is new in each call.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .calls import (
    COPIES,
    FILLED,
    FLAT,
    METHODS,
    OPERATORS,
    WITH_NUMBERS,
    dtypes_of_numbers,
    is_flat_copy,
    is_in,
    is_new_array,
    is_reduction,
    is_scalar_arithmetic,
    is_view,
    multiply,
    out_argument,
    product_of,
    takes_out,
)
from .entries import Entry, Var, variables
from .memory import Arena, Form
from .numbers import SIGNS
from .traced import getitem, setitem

KEPT = 1 << 60  # the last use of what outlives the step
LARGE = 1 << 12  # bytes from which a local array is let go after its last use


class Program:
    """The program, while it is made: `add` each entry, then `finish`.

    last   for each variable that owns memory, the position of the last entry that uses it
    words  how each variable is written that has a name
    """

    def __init__(self, inputs: Sequence[Var], last: dict[Var, int]) -> None:
        self.last = last
        self.ending: defaultdict[int, list[Var]] = defaultdict(list)
        for var, position in last.items():
            self.ending[position].append(var)
        self.namespace: dict[str, Any] = {}
        self.functions: dict[Any, str] = {}
        self.words: dict[Var, str] = {}
        self.lines: list[str] = []
        self.views: dict[Var, Entry] = {}  # of local arrays; each is made when it is first needed
        self.same: dict[Any, Var] = {}  # local arrays by what they show of which memory
        self.locals: defaultdict[Var, list[str]] = defaultdict(list)  # large ones, by their owner
        self.arena = Arena()
        self.blocks: dict[Var, tuple[int, int]] = {}  # address and size of what is in use
        self.addresses: dict[Var, int] = {}  # of the arrays in the arena
        self.due: list[tuple[str, int, Form]] = []  # arrays to be made there
        self.filled: dict[Any, str] = {}  # arrays for numbers that the program computes
        self.outside: set[Var] = set()  # views of memory that is the same in each replay
        self.arguments = [self._name(var, "x") for var in inputs]
        self.given: dict[Var, str] = {}  # arguments that are memory for a result, or None

    # From entries to lines

    def give(self, var: Var, entries: Sequence[Entry]) -> bool:
        """Let a result be written into an argument, unless that is None; False if it cannot be."""
        for entry in entries:
            if entry.result is var and is_new_array(entry, var) and takes_out(entry):
                self.given[var] = f"m{len(self.given)}"
                self.arguments.append(self.given[var])
                return True
        return False

    def add(self, position: int, entry: Entry) -> None:
        """Write the lines of an entry."""
        self._let_go(position - 1)
        result = entry.result
        if isinstance(result, Var) and self._is_new(result):
            if is_view(entry, result):
                self._view(entry, result)
                return
            if self._has_memory(entry, result) and self._write_into(position, entry, result):
                return
        given = self.given.get(result) if isinstance(result, Var) else None
        call = self._call(entry) if given is None else self._call_into(entry, given)
        made = self._new(result)
        self.lines.append(f"{self._pattern(result, made)} = {call}" if made else call)

    def finish(self, outputs: Sequence[Var]) -> None:
        """Write the line that returns the outputs, and the head of the function."""
        words = []
        for var in outputs:
            word = self._word(var)
            fixed = var.root.kind in ("constant", "scratch")
            words.append(f"{word}.copy('K'), " if fixed else f"{word}, ")
        body = "\n    ".join([*self.lines, f"return ({''.join(words)})"])
        self.code = f"def run({', '.join(self.arguments)}):\n    {body}\n"

    def compiled(self) -> Callable[..., Any]:
        """The function, with the arrays that it works on."""
        for name, address, form in self.due:
            self.namespace[name] = self.arena.array(address, form)
        exec(compile(self.code, "<captured step>", "exec"), self.namespace)
        run: Callable[..., Any] = self.namespace["run"]
        return run

    def _is_new(self, var: Var) -> bool:
        known = var in self.words or var in self.views
        return var.kind == "made" and not known and not self._is_fixed(var)

    def _new(self, result: Any) -> list[Var]:
        return [var for var in variables(result) if self._is_new(var)]

    def _pattern(self, result: Any, made: list[Var]) -> str:
        """The left side of an assignment: names for what is new, _ for anything else."""
        if isinstance(result, tuple):
            return "(" + "".join(f"{self._pattern(one, made)}, " for one in result) + ")"
        if isinstance(result, Var) and result in made:
            return self.words.get(result) or self._local(result)
        return "_"

    # Names

    def _name(self, var: Var, prefix: str) -> str:
        name = self.words[var] = f"{prefix}{len(self.words)}"
        return name

    def _local(self, var: Var) -> str:
        """A name for an array that is another one in each replay."""
        name = self._name(var, "v")
        if isinstance(var.value, np.ndarray):
            self.same.setdefault(_what_it_shows(var), var)
            if var.root.value.nbytes >= LARGE:
                self.locals[var.root].append(name)
        return name

    def _constant(self, value: Any, prefix: str) -> str:
        """The name of an object that the function refers to."""
        name = f"{prefix}{len(self.namespace)}"
        self.namespace[name] = value
        return name

    def _fixed_array(self, address: int, form: Form) -> str:
        name = self._constant(None, "a")
        self.due.append((name, address, form))
        return name

    def _function(self, function: Any) -> str:
        key = (function.__self__, function.__name__) if is_reduction(function) else id(function)
        name = self.functions.get(key)
        if name is None:
            name = self.functions[key] = self._constant(function, "f")
        return name

    def _word(self, value: Any) -> str:
        """An argument as Python."""
        if isinstance(value, Var):
            return self.words.get(value) or self._first_word(value)
        kind = type(value)
        if value is None or value is Ellipsis or kind in (bool, int, str):
            return repr(value)
        if not variables(value):
            return self._constant(value, "c")
        if kind is tuple:
            return "(" + "".join(f"{self._word(one)}, " for one in value) + ")"
        if kind is list:
            return "[" + ", ".join(self._word(one) for one in value) + "]"
        if kind is dict:
            pairs = (f"{self._word(key)}: {self._word(one)}" for key, one in value.items())
            return "{" + ", ".join(pairs) + "}"
        if kind is slice:
            parts = (value.start, value.stop, value.step)
            return f"slice({', '.join(self._word(one) for one in parts)})"
        items = "".join(f"{self._word(one)}, " for one in value)
        return f"{self._function(kind)}(({items}))"

    def _first_word(self, var: Var) -> str:
        if var in self.views:
            return self._made_view(var, self.views.pop(var))
        if var in self.addresses:
            name = self._fixed_array(self.addresses[var], Form(var.value))
        elif self._is_fixed(var):
            name = self._constant(var.value, "a")
        else:
            raise LookupError(f"{var.kind} array of shape {var.value.shape}")
        self.words[var] = name
        return name

    # Calls

    def _call(self, entry: Entry) -> str:
        """The call of an entry as Python; its result is in new memory."""
        function, args, options = entry.function, entry.args, entry.options
        if function is getitem:
            return f"{self._word(args[0])}[{self._word(args[1])}]"
        if function is setitem:
            part = self._fixed_part(*args[:2])
            part = part or f"{self._word(args[0])}[{self._word(args[1])}]"
            return f"{part} = {self._word(args[2])}"
        if isinstance(function, np.ufunc) and options.keys() <= {"out"}:
            if not options and is_scalar_arithmetic(entry):
                return f" {OPERATORS[function]} ".join(self._word(one) for one in args)
            words = self._operands(entry)
            words += [out_argument(function, self._word(one)) for one in options.get("out", ())]
            return f"{self._function(function)}({', '.join(words)})"
        if function is multiply:
            return f"{self._product(entry)}({self._words(args)})"
        if is_reduction(function):
            return self._reduction(entry)
        if is_in(function, SIGNS):
            left = self._word(args[0])
            left = f"({left})" if left.startswith("-") else left  # -2 ** x is -(2 ** x)
            return f"{left} {SIGNS[function]} {self._word(args[1])}"
        return self._plain_call(entry, options)

    def _plain_call(self, entry: Entry, options: Any) -> str:
        words = [self._word(one) for one in entry.args]
        words += [f"{key}={self._word(one)}" for key, one in options.items()]
        if is_in(entry.function, METHODS):
            return f"{words[0]}.{METHODS[entry.function]}({', '.join(words[1:])})"
        return f"{self._function(entry.function)}({', '.join(words)})"

    def _words(self, args: Any) -> str:
        return ", ".join(self._word(one) for one in args)

    def _operands(self, entry: Entry) -> list[str]:
        """The operands of a ufunc, numbers as arrays: with these it is faster."""
        dtypes: list[Any] = [None] * len(entry.args)
        if entry.function in WITH_NUMBERS and not entry.options.keys() - {"out"}:
            dtypes = dtypes_of_numbers(entry)
        return [
            self._word(one) if dtype is None else self._as_array(one, dtype)
            for one, dtype in zip(entry.args, dtypes, strict=True)
        ]

    def _as_array(self, number: Any, dtype: Any) -> str:
        """The name of an array that holds a number, perhaps another one in each replay."""
        if not isinstance(number, Var):
            with np.errstate(all="ignore"):
                return self._word(Var("constant", np.array(number, dtype)))
        name = self.filled.get((number, dtype))
        if name is None:
            name = self.filled[number, dtype] = self._constant(np.empty((), dtype), "a")
            self.lines.append(f"{name}.fill({self._word(number)})")
        return name

    def _product(self, entry: Entry) -> str:
        """The function that computes a product as `multiply` would."""
        return self._function(product_of(*[one.value for one in (*entry.args, entry.result)]))

    def _reduction(self, entry: Entry, out: str | None = None) -> str:
        """The call of a reduction, by position where that is all."""
        options = dict(entry.options)
        if out is None and "out" in options:
            return self._plain_call(entry, options)
        axis = options.get("axis", 0)
        axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
        if len(entry.args) != 1 or options.keys() - {"axis", "keepdims", "dtype"}:
            call = self._plain_call(entry, options)
            return call if out is None else f"{call[:-1]}, out={out})"
        words = [self._word(one) for one in (entry.args[0], axis, options.get("dtype"))]
        words.append("None" if out is None else out)
        if options.get("keepdims"):
            words.append("True")
        while len(words) > 2 and words[-1] == "None":
            words.pop()
        return f"{self._function(entry.function)}({', '.join(words)})"

    def _fixed_part(self, array: Var, index: Any) -> str | None:
        """How to write into a part of an array of which a view can be made once; or None."""
        parts = index if isinstance(index, tuple) else (index,)
        simple = all(one is None or one is Ellipsis or type(one) in (int, slice) for one in parts)
        if not self._is_fixed(array) or not simple or variables(index):
            return None
        part = Var("made", array.value[index], array.root)
        if not isinstance(part.value, np.ndarray) or not part.value.ndim:
            return None
        self._view_of(array, part)
        return f"{self._word(part)}[...]"

    # Results in memory that is given

    def _has_memory(self, entry: Entry, result: Var) -> bool:
        """Whether the result may lie in the arena."""
        return self.last.get(result, 0) != KEPT and is_new_array(entry, result)

    def _write_into(self, position: int, entry: Entry, result: Var) -> bool:
        """Let the entry write its result into the arena; False if it cannot."""
        function, args = entry.function, entry.args
        if takes_out(entry):
            elementwise = isinstance(function, np.ufunc) and function.signature is None
            self._reserve(position, entry, result, takes_over=elementwise)
            self.lines.append(self._call_into(entry, self._word(result)))
        elif is_in(function, FLAT) and is_flat_copy(entry):
            source = self._word(args[0])
            self._reserve(position, entry, result)
            form = Form(np.empty(args[0].value.shape, result.value.dtype))
            self.lines.append(f"{self._fixed_array(self.addresses[result], form)}[...] = {source}")
        elif is_in(function, COPIES) and isinstance(args[0], Var):
            source = self._word(args[0])
            if not self._reserve(position, entry, result, takes_over=True):
                self.lines.append(f"{self._word(result)}[...] = {source}")
        elif is_in(function, FILLED):
            self._reserve(position, entry, result)
            if FILLED[function] is not None:
                self.lines.append(f"{self._word(result)}.fill({FILLED[function]})")
        else:
            return False
        return True

    def _call_into(self, entry: Entry, out: str) -> str:
        """The call of an entry that takes `out`."""
        function, options = entry.function, entry.options
        if isinstance(function, np.ufunc):
            words = [*self._operands(entry), out_argument(function, out)]
            words += [f"{key}={self._word(one)}" for key, one in options.items()]
            return f"{self._function(function)}({', '.join(words)})"
        if is_reduction(function):
            return self._reduction(entry, out)
        if function is multiply:
            return f"{self._product(entry)}({self._words(entry.args)}, {out})"
        return f"{self._plain_call(entry, options)[:-1]}, out={out})"

    def _reserve(self, position: int, entry: Entry, result: Var, takes_over: bool = False) -> bool:
        """Decide where the result lies: over an operand that is read for the last time, perhaps."""
        form = Form(result.value)
        if takes_over:
            for var in entry.reads():
                if self._gives_way(var, form, position, entry):
                    block = self.blocks[result] = self.blocks.pop(var)
                    self.addresses[result] = block[0] + form.below
                    return True
        address = self.arena.reserve(form.extent)
        self.blocks[result] = address, form.extent
        self.addresses[result] = address + form.below
        return False

    def _gives_way(self, var: Var, form: Form, position: int, entry: Entry) -> bool:
        """Whether the result of an elementwise entry may be written over this operand."""
        given = var.value
        return (
            var in self.blocks
            and self.last.get(var) == position
            and given.shape == form.shape
            and given.strides == form.strides
            and given.dtype == form.dtype
            and all(one is var or one.root is not var for one in entry.reads())
        )

    def _let_go(self, position: int) -> None:
        """Free the memory of what is used for the last time at this position."""
        names: list[str] = []
        for var in self.ending.pop(position, ()):
            if var in self.blocks:
                self.arena.release(*self.blocks.pop(var))
            names += self.locals.pop(var, ())
        if names:
            self.lines.append(" = ".join([*names, "None"]))

    # Views

    def _is_fixed(self, var: Var) -> bool:
        """Whether the array is the same one in each replay."""
        outside = var.kind not in ("made", "input") or var in self.outside
        return outside or var in self.addresses

    def _view(self, entry: Entry, result: Var) -> None:
        (source,) = entry.reads()
        if self._is_fixed(source):
            self._view_of(source, result)
        else:
            self.views[result] = entry

    def _view_of(self, source: Var, view: Var) -> None:
        """A view of an array that is the same one in each replay is the same one too."""
        if source in self.addresses:
            self.addresses[view] = self.addresses[source] + _address(view) - _address(source)
        else:
            self.outside.add(view)

    def _made_view(self, var: Var, entry: Entry) -> str:
        """The name of a view of a local array; a line that makes it unless there is one."""
        shown, (source,) = _what_it_shows(var), entry.reads()
        word = "" if shown in self.same else self._word(source)  # which may be the same view
        if shown in self.same:
            name = self.words[var] = self._word(self.same[shown])
            return name
        old, new = source.value, var.value
        if (
            new.shape == old.shape[::-1]
            and new.strides == old.strides[::-1]
            and new.dtype == old.dtype
            and _address(var) == _address(source)
        ):
            call = f"{word}.T"
        elif entry.function is np.swapaxes:
            call = f"{word}.swapaxes({self._words(entry.args[1:])})"
        else:
            call = self._call(entry)
        name = self._local(var)
        self.lines.append(f"{name} = {call}")
        return name


def _address(var: Var) -> int:
    """Where the first element lay while the step was recorded."""
    address: int = var.value.__array_interface__["data"][0]
    return address


def _what_it_shows(var: Var) -> Any:
    value = var.value
    form = (value.shape, value.strides, value.dtype, value.flags.writeable)
    return (var.root, _address(var), *form)
