"""From the record of a step to a program: what is needed, and how long each array is.

Backwards from what outlives the step (results, gradients, writes into memory from outside, checks
and draws), the entries that nothing needs are dropped.  Each array that is left lives from the
entry that makes it to the last one that reads it.  program.py makes one Python function of them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.function import Function
from .entries import Entry, Var
from .memory import Form, Spare
from .program import KEPT, Program
from .rules import StandIn, run_backward, run_forward, run_nested
from .trace import Trace
from .traced import Traced

LARGE = 1 << 16  # bytes from which memory of a gradient is used again: smaller ones are cheap


class Plan:
    """The program of one step: `run(*inputs)` returns the outputs, in fresh memory.

    entries  those that are replayed
    inputs   a variable for each of the first arguments of `run`
    outputs  a variable for each array that it returns
    code     the program as Python
    harmless how many entries come before the first that changes anything but the plan's memory
    nbytes   how much memory the arrays of the program share

    gradients: leaves, each with the variable of the gradient that the step leaves there.  The step
    must begin with setting them to None.  Their memory may be used again: it is the last arguments
    of `run`, see `memory`.

    A plan keeps none of the arrays that were made while the step was recorded, and no graph.
    """

    def __init__(
        self,
        trace: Trace,
        inputs: Sequence[Var],
        outputs: Sequence[Var],
        gradients: Sequence[tuple[Any, Var]] = (),
    ) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.entries = checks_first(needed(trace.entries, outputs))
        self.harmless = next(
            (n for n, entry in enumerate(self.entries) if changes_something(entry)),
            len(self.entries),
        )
        detach_operations(self.entries)
        program = Program(self.inputs, last_uses(self.entries, outputs))
        self.spare = [
            Spare(leaf, Form(var.root.value))
            for leaf, var in gradients
            if var.value.nbytes >= LARGE and program.give(var.root, self.entries)
        ]
        self.ends: list[int] = []  # of the lines of each entry
        for position, entry in enumerate(self.entries):
            program.add(position, entry)
            self.ends.append(len(program.lines))
        program.finish(self.outputs)
        self.code, self.nbytes = program.code, program.arena.nbytes
        self.run = program.compiled()
        forget_values(trace)

    def memory(self) -> list[Any]:
        """For each gradient whose memory can be used again, that memory, or None."""
        return [one.array() for one in self.spare]

    def position_of(self, error: BaseException) -> int | None:
        """The position of the entry whose line raised the error."""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code is self.run.__code__:
                number = trace.tb_lineno - 2  # line 1 is the head of the function
                return min(bisect_right(self.ends, number), len(self.entries) - 1)
            trace = trace.tb_next
        return None

    @property
    def reads(self) -> list[bool]:
        """For each input, whether the program needs it."""
        used = {var for entry in self.entries for var in entry.reads()}
        used |= {var.root for var in used} | {var.root for var in self.outputs}
        return [var in used or var.root in used for var in self.inputs]


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


def changes_something(entry: Entry) -> bool:
    """Whether a call has an effect on anything but the memory of the plan."""
    return (
        (entry.always and not entry.checks)
        or isinstance(operation_of(entry), Function)  # a user's
        or any(var.root.kind in ("outside", "input") for var in entry.writes)
    )


def checks_first(entries: list[Entry]) -> list[Entry]:
    """The entries with those checks, and what they need, in front of all that changes anything.

    A check stays in its place if it reads what was written before.
    """
    start = next((n for n, entry in enumerate(entries) if changes_something(entry)), len(entries))
    if not any(entry.checks for entry in entries[start:]):
        return entries
    maker: dict[Var, int] = {}
    needs: dict[int, set[int]] = {}  # of what may come first, with what it needs
    written: set[Var] = set()
    chosen: set[int] = set()
    for position, entry in enumerate(entries):
        read = {one for var in entry.reads() for one in (var, var.root)}
        makers = {maker[var] for var in read if var in maker and maker[var] >= start}
        movable = not (entry.writes or changes_something(entry) or read & written)
        if movable and makers <= needs.keys():
            needs[position] = {position}.union(*(needs[one] for one in makers))
            if entry.checks and position > start:
                chosen |= needs[position]
        for var in entry.results():
            maker.setdefault(var, position)
        if position >= start:
            written.update(var.root for var in entry.writes)
    moved = [entry for position, entry in enumerate(entries) if position in chosen]
    rest = [one for n, one in enumerate(entries) if n >= start and n not in chosen]
    return [*entries[:start], *moved, *rest]


def last_uses(entries: Sequence[Entry], outputs: Sequence[Var]) -> dict[Var, int]:
    """For each variable that owns memory, the position of the last entry that uses it."""
    last: dict[Var, int] = {}
    for position, entry in enumerate(entries):
        # A user's code may keep an array for good, so what it sees is never overwritten.
        until = KEPT if isinstance(operation_of(entry), Function) else position
        for var in (*entry.reads(), *entry.results()):
            last[var.root] = max(last.get(var.root, 0), until)
    last.update((var.root, KEPT) for var in outputs)
    return last


def operation_of(entry: Entry) -> Any:
    """The operation of which the entry calls the forward or the backward rule as a whole."""
    if entry.function in (run_forward, run_nested):
        return entry.args[0]
    return entry.args[0].op if entry.function is run_backward else None


# What a plan does not keep


def detach_operations(entries: Sequence[Entry]) -> None:
    """Let the entries hold operations without the graph around them."""
    copies: dict[int, tuple[Any, Any]] = {}  # with the original, so that no identity is used twice
    for entry in entries:
        op = operation_of(entry)
        if op is not None:
            _, alone = copies.setdefault(id(op), (op, without_graph(op)))
            first = StandIn(alone) if entry.function is run_backward else alone
            entry.args = (first, *entry.args[1:])


def without_graph(op: Any) -> Any:
    """A copy of an operation that holds no other node, and no array of the record."""
    alone = object.__new__(type(op))
    alone.needs = op.needs
    parents = getattr(op, "parents", op.needs)
    alone.parents = tuple([parents.index(one) for one in parents])  # a rule may ask which are one
    alone.out_shape = getattr(op, "out_shape", ())
    alone.serial = float("inf")  # newer than any write: what changes between replays is no error
    alone.holder = alone.line = alone.saved_inputs = alone.saved_output = None
    for name in type(op)._attributes:
        value: Any = getattr(op, name, None)
        if name == "__dict__":
            vars(alone).update({key: one for key, one in value.items() if type(one) is not Traced})
        elif hasattr(op, name) and type(value) is not Traced:
            setattr(alone, name, value)
    return alone


def forget_values(trace: Trace) -> None:
    """Keep the form of each array that is another one in each replay, and not its values."""
    scalars = (var for entry in trace.entries for var in entry.results())
    for var in (*trace.known.values(), *scalars, *trace.notes.made):
        var.traced = None
        if var.kind in ("made", "input") and isinstance(var.value, (np.ndarray, np.generic)):
            var.value = Form(var.value)
    for each in (trace.known, trace.roots, trace.opaque, trace.entries):
        each.clear()
