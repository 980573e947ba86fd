"""From the record of a step to a program: what is needed, and which memory is used again.

Backwards from what outlives the step (results, gradients, writes into memory from outside, checks
and draws), the entries that nothing needs are dropped.  Each array that is left lives from the
entry that makes it to the last one that reads it; arrays whose lives do not overlap share memory,
which is allocated once.  What is left is one Python function with a line for each entry.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .entries import Entry, Var, mapped, variables
from .trace import Trace, getitem, setitem

ALIGNMENT = 64  # bytes, the length of a cache line and of the widest vectors

# Functions whose result is a view of their first argument if NumPy can make one.
VIEWS = {
    *(np.ndarray.reshape, np.ndarray.transpose, np.ndarray.ravel, np.ndarray.squeeze),
    *(np.ndarray.swapaxes, np.ndarray.view, np.ndarray.diagonal, np.swapaxes, np.moveaxis),
    *(np.expand_dims, np.broadcast_to, np.transpose, np.reshape, np.squeeze, np.rollaxis, getitem),
}


class Plan:
    """The program of one step: `run(*inputs)` returns the outputs, in fresh memory.

    entries  those that are replayed
    nbytes   how much memory the arrays of the program share
    """

    def __init__(self, trace: Trace, inputs: Sequence[Var], outputs: Sequence[Var]) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.entries = needed(trace.entries, outputs)
        self.namespace: dict[str, Any] = {}
        self.names: dict[Var, str] = {}
        self.arrays: dict[Var, Any] = {}  # of variables whose memory is the same in each replay
        self.memory = Memory()
        self.last = last_uses(self.entries, outputs)
        self.run = self._compiled()

    @property
    def nbytes(self) -> int:
        """The bytes of memory that the arrays of the program share."""
        return self.memory.nbytes

    # The function

    def _compiled(self) -> Callable[..., Any]:
        arguments = [self._named(var, "x") for var in self.inputs]
        lines = []
        for position, entry in enumerate(self.entries):
            self.memory.free_before(position)
            lines += self._lines(position, entry)
        results = "".join(f"{self._word(var)}, " for var in self.outputs)
        body = "\n    ".join([*lines, f"return ({results})"])
        self.code = f"def run({', '.join(arguments)}):\n    {body}\n"
        exec(compile(self.code, "<captured step>", "exec"), self.namespace)
        run: Callable[..., Any] = self.namespace["run"]
        return run

    def _named(self, var: Var, prefix: str) -> str:
        name = self.names[var] = f"{prefix}{len(self.names)}"
        return name

    def _constant(self, value: Any, prefix: str) -> str:
        """The name of an object that the function refers to."""
        name = f"{prefix}{len(self.namespace)}"
        self.namespace[name] = value
        return name

    def _lines(self, position: int, entry: Entry) -> list[str]:
        """The program of one entry; none for a view of memory that stays the same."""
        result = entry.result
        if isinstance(result, Var) and result.kind == "made" and result not in self.names:
            if self._is_fixed_view(entry, result):
                fixed = entry.function(*mapped(entry.args, self._array), **entry.options)
                self.arrays[result] = fixed
                return []
            if self._has_buffer(entry, result):
                self._allocate(position, entry, result)
                return [self._call(entry, out=result)]
        call = self._call(entry)
        if entry.function is setitem:
            return [call]
        made = [var for var in variables(result) if var not in self.names]
        made = [var for var in made if var.kind == "made" and var not in self.arrays]
        if not made:
            return [call]
        return [f"{self._pattern(result)} = {call}"]

    def _pattern(self, result: Any) -> str:
        if isinstance(result, tuple):
            return "(" + "".join(f"{self._pattern(one)}, " for one in result) + ")"
        if isinstance(result, Var) and result.kind == "made" and result not in self.arrays:
            return self.names.get(result) or self._named(result, "v")
        return "_"

    def _call(self, entry: Entry, out: Var | None = None) -> str:
        """The call of an entry as Python."""
        function, args = entry.function, entry.args
        if function is getitem:
            return f"{self._word(args[0])}[{self._word(args[1])}]"
        if function is setitem:
            return f"{self._word(args[0])}[{self._word(args[1])}] = {self._word(args[2])}"
        words = [self._word(one) for one in args]
        options = dict(entry.options)
        if isinstance(function, np.ufunc) and (out or options.keys() == {"out"}):
            words.append(self._word(options.pop("out")[0] if out is None else out))
        elif out is not None:
            options["out"] = out
        words += [f"{key}={self._word(one)}" for key, one in options.items()]
        return f"{self._function(function)}({', '.join(words)})"

    def _function(self, function: Any) -> str:
        for name, value in self.namespace.items():
            if value is function:
                return name
        return self._constant(function, "f")

    def _word(self, value: Any) -> str:
        """An argument as Python."""
        if isinstance(value, Var):
            if value in self.names:
                return self.names[value]
            if value not in self.arrays:
                if value.kind == "made":
                    raise LookupError(f"{value.kind} array of shape {value.value.shape}")
                self.arrays[value] = value.value
            self.names[value] = name = self._constant(self.arrays[value], "a")
            return name
        kind = type(value)
        if value is None or value is Ellipsis or kind in (bool, int, str):
            return repr(value)
        if not any(True for _ in variables(value)):
            return self._constant(value, "c")
        if kind is tuple:
            return "(" + "".join(f"{self._word(one)}, " for one in value) + ")"
        if kind is list:
            return "[" + ", ".join(self._word(one) for one in value) + "]"
        if kind is dict:
            pairs = (f"{key!r}: {self._word(one)}" for key, one in value.items())
            return "{" + ", ".join(pairs) + "}"
        if kind is slice:
            parts = (value.start, value.stop, value.step)
            return f"slice({', '.join(self._word(one) for one in parts)})"
        items = "".join(f"{self._word(one)}, " for one in value)
        return f"{self._function(kind)}(({items}))"

    # Memory

    def _array(self, value: Any) -> Any:
        """The array of a variable that stays the same in each replay; anything else as it is."""
        if not isinstance(value, Var):
            return value
        if value not in self.arrays and value.kind not in ("made", "input"):
            self.arrays[value] = value.value
        return self.arrays[value]

    def _is_fixed(self, var: Var) -> bool:
        return var in self.arrays or var.kind not in ("made", "input")

    def _is_fixed_view(self, entry: Entry, result: Var) -> bool:
        """Whether the result is a view of memory that stays the same: it is then made once."""
        if entry.function not in VIEWS or result.root is result:
            return False
        read = list(entry.reads())
        return len(read) == 1 and self._is_fixed(read[0])

    def _has_buffer(self, entry: Entry, result: Var) -> bool:
        """Whether NumPy can write the result of the call into memory that is given."""
        value = result.value
        if result.root is not result or not isinstance(value, np.ndarray) or not value.ndim:
            return False
        if "out" in entry.options or self.last.get(result, 0) == KEPT or not value.size:
            return False
        function = entry.function
        if isinstance(function, np.ufunc):
            return function.nout == 1
        owner = getattr(function, "__self__", None)
        return isinstance(owner, np.ufunc) and function.__name__ in ("reduce", "accumulate")

    def _allocate(self, position: int, entry: Entry, result: Var) -> None:
        value = result.value
        taken = None
        if isinstance(entry.function, np.ufunc) and entry.function.signature is None:
            for var in entry.reads():
                if self._gives_way(var, value, position):
                    taken = self.memory.take_over(var.root, result, self.last[result])
                    break
        if taken is None:
            taken = self.memory.allocate(result, value.nbytes, self.last[result])
        self.arrays[result] = laid_out_like(value, taken)

    def _gives_way(self, var: Var, value: Any, position: int) -> bool:
        """Whether an elementwise entry may write its result over this operand."""
        given = var.value
        return (
            var.root is var
            and var.root in self.memory.blocks
            and self.last.get(var.root) == position
            and given.shape == value.shape
            and given.strides == value.strides
            and given.dtype == value.dtype
        )


KEPT = 1 << 60  # the last use of what outlives the step


def needed(entries: Sequence[Entry], outputs: Sequence[Var]) -> list[Entry]:
    """The entries that the outputs, or what outlives the step, depend on; in their order."""
    used = set(outputs)
    roots = {var.root for var in outputs}
    kept: list[Entry] = []
    for entry in reversed(entries):
        needed = (
            entry.always
            or any(var.root in roots or var.root.kind != "made" for var in entry.writes)
            or any(var in used or (var.root is var and var in roots) for var in entry.results())
        )
        if needed:
            kept.append(entry)
            for var in entry.reads():
                used.add(var)
                roots.add(var.root)
    return kept[::-1]


def last_uses(entries: Sequence[Entry], outputs: Sequence[Var]) -> dict[Var, int]:
    """For each variable that owns memory, the position of the last entry that uses it."""
    last = {}
    for position, entry in enumerate(entries):
        for var in (*entry.reads(), *entry.results()):
            last[var.root] = position
    last.update((var.root, KEPT) for var in outputs)
    return last


class Memory:
    """Blocks of memory, each of which several arrays use one after the other."""

    def __init__(self) -> None:
        self.free: list[Any] = []
        self.blocks: dict[Var, Any] = {}  # of the variables that are in use
        self.until: dict[Var, int] = {}
        self.nbytes = 0

    def free_before(self, position: int) -> None:
        """The blocks whose last use is over are free again."""
        for var in [var for var, last in self.until.items() if last < position]:
            self.free.append(self.blocks.pop(var))
            del self.until[var]

    def allocate(self, var: Var, nbytes: int, until: int) -> Any:
        """The smallest free block that is large enough and not far too large, or a new one."""
        fitting = [block for block in self.free if nbytes <= block.size <= 2 * nbytes + 4096]
        if fitting:
            block = min(fitting, key=len)
            self.free = [one for one in self.free if one is not block]
        else:
            room = np.empty(nbytes + ALIGNMENT, np.uint8)
            start = -room.ctypes.data % ALIGNMENT
            block = room[start : start + nbytes]
            self.nbytes += nbytes
        self.blocks[var], self.until[var] = block, until
        return block

    def take_over(self, old: Var, new: Var, until: int) -> Any:
        """The block of an array that is read for the last time."""
        block = self.blocks[new] = self.blocks.pop(old)
        del self.until[old]
        self.until[new] = until
        return block


def laid_out_like(value: Any, block: Any) -> Any:
    """An array in a block of memory, with the shape, dtype and strides of another one."""
    offset = -sum(min(0, (n - 1) * s) for n, s in zip(value.shape, value.strides, strict=True))
    return np.ndarray(value.shape, value.dtype, block.data, offset, value.strides)
